/*
 * o_clients.h: what the tests of packet clients share: a client and the stream at the other end of its
 * connection, which the test's task reads and writes as it likes, and a task beside the test.
 */
#ifndef IL_TESTS_O_CLIENTS_H
#define IL_TESTS_O_CLIENTS_H

#include "m_server.h"

/* ---- a client and its peer ---- */

enum { OVER_TCP, OVER_PAIR, WAYS };

struct line {
	il_client *client;
	il_stream *peer;
};

static inline struct line line_with(int way, const il_protocol *protocol,
				    const il_client_options *options)
{
	struct line l = {NULL, NULL};
	il_stream *mine = NULL;
	il_listener *listener;
	char port[8];

	if (way == OVER_PAIR) {
		CHECK_RC(il_stream_pair(&mine, &l.peer), 0);
		CHECK_RC(il_client_open(&l.client, mine, protocol, options), 0);
		return l;
	}
	listener = listen_here();
	CHECK_RC(il_client_connect_tcp(&l.client, "127.0.0.1",
				       port_text(il_listener_port(listener), port), protocol,
				       options),
		 0);
	CHECK_RC(il_listener_accept(listener, &l.peer), 0);
	il_listener_destroy(listener);
	return l;
}

static inline struct line line_of(int way)
{
	return line_with(way, il_protocol_lines(), NULL);
}

static inline void drop(struct line *l)
{
	il_client_destroy(l->client);
	il_stream_destroy(l->peer);
}

/* A client of a server of the test's. */
static inline il_client *enter(const struct service *s)
{
	il_client *c = NULL;
	char port[8];

	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port_text(il_server_port(s->server), port),
				       il_protocol_lines(), NULL),
		 0);
	return c;
}

/* The next packet as text, or the error's name; "0" for the end. */
static inline const char *packet_text(il_client *c, il_time timeout, char text[256])
{
	il_packet p;
	int rc = il_client_receive(c, &p, timeout);

	if (rc < 0)
		return il_error_name(rc);
	snprintf(text, 256, "%.*s", rc ? (int)p.size : 1, rc ? (const char *)p.data : "0");
	return text;
}
#define CHECK_RECEIVES_IN(client, timeout, expected)                             \
	do {                                                                     \
		char il_text_[256];                                              \
		CHECK_STR(packet_text((client), (timeout), il_text_), expected); \
	} while (0)
#define CHECK_RECEIVES(client, expected) CHECK_RECEIVES_IN(client, il_test_patience(), expected)

/* ---- a task beside the test ---- */

static inline int side_receive(void *arg)
{
	struct side *s = arg;
	il_packet p;
	int rc = il_client_receive(s->object, &p, IL_FOREVER);

	if (rc == 1)
		snprintf(s->text, sizeof s->text, "%.*s", (int)p.size, (const char *)p.data);
	return rc;
}

static inline int side_send(void *arg)
{
	struct side *s = arg;

	return il_client_send(s->object, s->bytes, s->size);
}

/* More than the system keeps for a peer that does not read. */
static inline void side_send_much(struct side *s, il_client *client)
{
	s->bytes = il_test_zeros;
	s->size = sizeof il_test_zeros;
	side_start(s, side_send, client);
}

/* The same, and it waits for room by now. */
static inline void side_send_in_vain(struct side *s, il_client *client)
{
	side_send_much(s, client);
	il_sleep(IL_MSEC(5));
	CHECK(!s->ended);
}

#endif
