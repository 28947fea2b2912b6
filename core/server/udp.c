/*
 * udp.c: the UDP socket of a server, as a listener is that of others: opened with the server, and again for each round
 * on the port that it had. Its reader (udp_reader.c) lives as long as clients may be served, and ends with the
 * socket. Loop's thread only.
 */
#include "udp.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/task.h"
#include "server.h"
#include "server_tasks.h"

#include <stdio.h>

/* ---- making ---- */

int il__udp_make(il_server *s, const char *host, const char *port, struct il__udp **made)
{
	struct il__udp *u = il__calloc(1, sizeof *u);

	if (!u)
		return il__refuse(-ENOMEM, "out of memory for a server's address");
	il__list_init(&u->idle);
	il__list_init(&u->waiting);
	u->server = s;
	u->host = host ? il__strdup(host) : NULL;
	u->port = il__strdup(port);
	if ((host && !u->host) || !u->port || il__udp_table_init(u) < 0) {
		il__udp_free(u);
		return il__refuse(-ENOMEM, "out of memory for a server's address");
	}
	*made = u;
	return 0;
}

void il__udp_free(struct il__udp *u)
{
	if (!u)
		return;
	il_datagram_destroy(u->socket);
	il__udp_batch_free(u->batch);
	il__free(u->table);
	il__free(u->host);
	il__free(u->port);
	il__free(u);
}

/* ---- opening ---- */

static bool udp_is_everywhere(const il_address *address)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	memcpy(&ipv4, &address->storage, sizeof ipv4);
	memcpy(&ipv6, &address->storage, sizeof ipv6);
	return address->storage.ss_family == AF_INET ? ipv4.sin_addr.s_addr == htonl(INADDR_ANY)
						     : IN6_IS_ADDR_UNSPECIFIED(&ipv6.sin6_addr);
}

static int udp_bind(struct il__udp *u)
{
	const il_datagram_options o = {.reuse_port = u->server->options.reuse_port};
	char again[8];
	int rc;

	if (!u->bound)
		return il_datagram_open_udp(&u->socket, u->host, u->port, &o);
	snprintf(again, sizeof again, "%u", (unsigned)u->bound);
	rc = il_datagram_open_udp(&u->socket, u->host, again, &o);
	/* Any port was asked for, and somebody has taken ours meanwhile. */
	if (rc == -EADDRINUSE && strcmp(u->port, "0") == 0)
		rc = il_datagram_open_udp(&u->socket, u->host, u->port, &o);
	return rc;
}

int il__udp_open(struct il__udp *u)
{
	il_address address;
	int rc = u->socket ? 0 : udp_bind(u);

	if (rc < 0)
		return rc;
	u->bound = il_datagram_port(u->socket);
	rc = il_datagram_local_address(u->socket, &address);
	if (rc < 0)
		return rc;
	u->everywhere = udp_is_everywhere(&address);
	if (!u->everywhere || il_datagram_fd(u->socket) < 0) /* a simulated one tells unasked */
		return 0;
	return il__no_words(
	    il__os_destination_want(il_datagram_fd(u->socket), address.storage.ss_family));
}

/* ---- serving ---- */

static void udp_on_read_ended(il_task *task, int rc)
{
	struct il__udp *u = task->base->owner;
	il_server *s = u->server;

	il__udp_batch_free(u->batch);
	u->batch = NULL;
	if (rc != -EBADF && rc != -ECANCELED) {
		il__log(IL_LOG_ERROR,
			"il_server_serve: receiving on %s, UDP port %u failed: %s (%s)",
			u->host ? u->host : "all interfaces", (unsigned)u->bound, il_error_name(rc),
			il__system_words(rc));
		s->accept_rc = rc;
		s->accept_why = il__keep_refusal(rc);
		il__server_stop(s);
	}
	il__server_tasks_left(&s->own);
}

int il__udp_start(struct il__udp *u)
{
	int rc;

	u->batch = il__udp_batch_make(u);
	if (!u->batch)
		return il__refuse(-ENOMEM, "il_server_serve: out of memory for datagrams");
	rc = il__server_tasks_start(&u->server->own, NULL, il__udp_read, u, udp_on_read_ended, u);
	if (rc < 0) {
		il__udp_batch_free(u->batch);
		u->batch = NULL;
	}
	return rc;
}

void il__udp_close(struct il__udp *u)
{
	il_datagram_destroy(u->socket);
	u->socket = NULL;
}

void il__udp_stop(struct il__udp *u)
{
	u->server->rules.ending = true;
	while (!il__list_empty(&u->idle))
		il__udp_peer_end(il__container_of(u->idle.next, struct il__udp_peer, idle));
	if (u->server->phase == IL__SERVER_IDLE)
		il__udp_close(u);
}
