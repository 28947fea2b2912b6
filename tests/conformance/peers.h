/*
 * peers.h: what the tests of streams, clients and servers share: a listener of the test's, what a peer does to a
 * connection, a task beside the test, which receives or sends while the test goes on, and how many descriptors are open.
 */
#ifndef IL_TESTS_PEERS_H
#define IL_TESTS_PEERS_H

#include "harness.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

/* ---- a peer ---- */

static inline const char *port_text(uint16_t port, char text[8])
{
	snprintf(text, 8, "%u", (unsigned)port);
	return text;
}

static inline il_listener *listen_here(void)
{
	il_listener *listener = NULL;

	CHECK_RC(il_listener_open_tcp(&listener, "127.0.0.1", "0", NULL), 0);
	CHECK(il_listener_port(listener) > 0);
	return listener;
}

static inline void say(il_stream *s, const char *text)
{
	CHECK_RC(il_stream_write_all(s, text, strlen(text)), 0);
}

/* So many bytes, in which each piece of some length shows where it belongs. To be freed. */
static inline void *large_data(size_t size)
{
	unsigned char *data = malloc(size);

	CHECK(data != NULL);
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	return data;
}

/* Its close ends the connection with RST. */
static inline void make_rst(int fd)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
}

/* ---- a task beside the test ---- */

struct side {
	il_fn *call;
	void *object; /* a stream, a client: whatever call works on */
	il_scope scope;
	il_time timeout;
	const void *bytes;
	size_t size;
	char text[256];
	bool begun, ended;
	int rc;
	il_future *future;
};

static inline int side_main(void *arg)
{
	struct side *s = arg;
	int rc;

	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	s->begun = true;
	s->rc = s->call(s);
	s->ended = true;
	rc = il_scope_exit(&s->scope, s->rc);
	CHECK(rc == s->rc || rc == 0);
	return 0;
}

/* Runs call(s) in another task until that waits. */
static inline void side_start(struct side *s, il_fn *call, void *object)
{
	s->call = call;
	s->object = object;
	s->scope = (il_scope)IL_SCOPE_INIT;
	s->begun = s->ended = false;
	CHECK_RC(il_loop_spawn(il_loop_current(), &s->future, side_main, s), 0);
	UNTIL(s->begun);
}

/* What the call gave. */
static inline int side_join(struct side *s)
{
	CHECK_RC(il_future_join(s->future), 0);
	CHECK(s->ended);
	return s->rc;
}

/* ---- descriptors ---- */

static inline bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static inline int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += is_open(fd);
	return n;
}

#endif
