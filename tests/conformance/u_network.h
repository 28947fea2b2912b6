/*
 * u_network.h: what the tests of the simulated network share: a network with hosts whose main functions are small
 * programs: an echo server, and clients that ask it.
 */
#ifndef IL_TESTS_U_NETWORK_H
#define IL_TESTS_U_NETWORK_H

#include "peers.h"
#include "waits.h"

#include <interloop/virtual.h>

#include <stdio.h>

/* ---- the network ---- */

static inline il_virtual_network *network_with(const il_virtual_network_options *options)
{
	il_virtual_network *n = NULL;

	CHECK_RC(il_virtual_network_open(&n, options), 0);
	return n;
}

static inline void host(il_virtual_network *n, const char *name, il_fn *main, void *arg)
{
	CHECK_RC(il_virtual_host_start(n, name, main, arg), 0);
}

/* What the host's main function returns. */
static inline int ended(il_virtual_network *n, const char *name)
{
	return il_virtual_host_wait(n, name, IL_FOREVER);
}

/* The function in the only host of a network, of which nothing is left. */
static inline void in_host(const il_virtual_network_options *options, il_fn *fn)
{
	il_virtual_network *n = network_with(options);

	host(n, "host", fn, NULL);
	CHECK_RC(ended(n, "host"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static inline il_address address_of(const char *host, const char *port)
{
	il_address address;

	CHECK_RC(il_resolve(host, port, IL_RESOLVE_NUMERIC, &address, 1), 1);
	return address;
}

/* ---- servers ---- */

static inline int echo_packet(il_client *client, void *data)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

static const il_handler echo_handler __attribute__((unused)) = {.handle = echo_packet};

/* Serves echoes on port 7 until it is cancelled. */
static inline int echo_server(void *arg)
{
	il_server *server;
	int rc =
	    il_tcp_server_open(&server, NULL, "7", il_protocol_lines(), &echo_handler, NULL, arg);

	if (rc < 0)
		return rc;
	rc = il_server_serve(server);
	il_server_destroy(server);
	return rc;
}

/* ---- clients ---- */

/* A stream to a host's port 7. */
static inline int stream_to(il_stream **s, const char *name)
{
	return il_stream_connect_tcp(s, name, "7", NULL);
}

static inline int reach(const char *address)
{
	il_stream *s = NULL;
	int rc = stream_to(&s, address);

	il_stream_destroy(s);
	return rc;
}

/* One line to a host and back. */
static inline int ask(const char *name)
{
	il_client *client;
	il_packet p;
	int rc = il_client_connect_tcp(&client, name, "7", il_protocol_lines(), NULL);

	if (rc < 0)
		return rc;
	rc = il_client_send(client, "hello", 5);
	if (rc == 0)
		rc = il_client_receive(client, &p, IL_FOREVER);
	if (rc == 1)
		rc = p.size == 5 && memcmp(p.data, "hello", 5) == 0 ? 0 : -EBADMSG;
	il_client_destroy(client);
	return rc;
}

/* Once the server's host listens. */
static inline int ask_when_up(void *name)
{
	int rc = ask(name);

	while (rc == -ECONNREFUSED) {
		rc = il_sleep(IL_MSEC(1));
		if (rc == 0)
			rc = ask(name);
	}
	return rc;
}

/* ---- a listener and one connection, all by the test's own task and a host ---- */

struct pair {
	il_virtual_network *n;
	il_listener *listener;
	il_stream *near, *far;  /* of the host "near", of "far" */
	il_event *both, *again; /* set: "near" connects once more, and its main function returns */
};

static inline int pair_far(void *arg)
{
	struct pair *p = arg;
	int rc;

	il_stream_destroy(p->far); /* of before a power cut */
	il_listener_destroy(p->listener);
	p->far = NULL;
	p->listener = NULL;
	rc = il_listener_open_tcp(&p->listener, NULL, "7", NULL);
	if (rc == 0)
		rc = il_listener_accept(p->listener, &p->far);
	if (rc == 0)
		il_event_set(p->both);
	return rc < 0 ? rc : il_sleep_forever();
}

static inline int pair_near(void *arg)
{
	struct pair *p = arg;
	int rc;

	while ((rc = stream_to(&p->near, "far")) == -ECONNREFUSED)
		rc = il_sleep(IL_MSEC(1));
	if (rc == 0)
		rc = il_event_wait(p->again);
	return rc < 0 ? rc : reach("far");
}

/* Hosts "near" and "far", connected; both streams are the test's to use, too. */
static inline struct pair *pair_open(const il_virtual_network_options *options)
{
	struct pair *p = calloc(1, sizeof *p);

	CHECK(p);
	p->n = network_with(options);
	CHECK_RC(il_event_create(&p->both), 0);
	CHECK_RC(il_event_create(&p->again), 0);
	host(p->n, "far", pair_far, p);
	host(p->n, "near", pair_near, p);
	CHECK_RC(il_event_wait(p->both), 0);
	UNTIL(p->near);
	return p;
}

static inline void pair_close(struct pair *p)
{
	il_stream_destroy(p->near);
	il_stream_destroy(p->far);
	il_listener_destroy(p->listener);
	CHECK_RC(il_virtual_network_close(p->n), 0);
	il_event_destroy(p->both);
	il_event_destroy(p->again);
	free(p);
}

/* ---- a UDP server that echoes, at port 9, and who asks it ten times ---- */

static inline int udp_server(void *arg)
{
	il_server *server;
	int rc;

	(void)arg;
	CHECK_RC(il_udp_server_open(&server, NULL, "9", NULL, &echo_handler, NULL, NULL), 0);
	rc = il_server_serve(server);
	il_server_destroy(server);
	return rc;
}

static inline int udp_ask(void *server)
{
	il_datagram *d;
	char data[16];

	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_datagram_connect_udp(&d, server, "9", NULL), 0);
	for (int i = 0; i < 10; i++) {
		CHECK_RC(il_datagram_send(d, "hello", 5, NULL), 0);
		CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), 5);
	}
	il_datagram_destroy(d);
	return 0;
}

#endif
