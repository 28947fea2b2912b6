/*
 * l_net.h: what the tests of streams and descriptors share: connected ends, and what a task receives, sends or waits
 * for while the test goes on. Everything stays on the loopback interface.
 */
#ifndef IL_TESTS_L_NET_H
#define IL_TESTS_L_NET_H

#include "peers.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- connected ends ---- */

enum { TCP, PAIR, KINDS };

struct ends {
	il_stream *a, *b;
};

static inline struct ends connect_to(il_listener *listener)
{
	struct ends e = {NULL, NULL};
	char port[8];

	CHECK_RC(il_stream_connect_tcp(&e.a, "127.0.0.1",
				       port_text(il_listener_port(listener), port), NULL),
		 0);
	CHECK_RC(il_listener_accept(listener, &e.b), 0);
	return e;
}

static inline struct ends ends_of(int kind)
{
	struct ends e = {NULL, NULL};

	if (kind == PAIR) {
		CHECK_RC(il_stream_pair(&e.a, &e.b), 0);
	} else {
		il_listener *listener = listen_here();
		e = connect_to(listener);
		il_listener_destroy(listener);
	}
	return e;
}

static inline void drop(struct ends *e)
{
	il_stream_destroy(e->a);
	il_stream_destroy(e->b);
}

/* One receive gives exactly this. */
static inline void check_hears(il_stream *s, const char *text)
{
	char data[64];
	int n = il_stream_read(s, data, sizeof data - 1);

	CHECK_RC(n, (int)strlen(text));
	data[n > 0 ? n : 0] = '\0';
	CHECK_STR(data, text);
}

/* Sends past the library and without letting others run: what a peer does at its own time. */
static inline void slip(const il_stream *s, const char *text)
{
	size_t size = strlen(text);

	CHECK_EQ(send(il_stream_fd(s), text, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* ---- a task beside the test ---- */

static inline int side_readable(void *arg)
{
	struct side *s = arg;

	return il_wait_readable(*(int *)s->object);
}

static inline int side_read(void *arg)
{
	struct side *s = arg;
	int n = il_stream_read(s->object, s->text, sizeof s->text - 1);

	s->text[n > 0 ? n : 0] = '\0';
	return n;
}

static inline int side_write(void *arg)
{
	struct side *s = arg;

	return il_stream_write_all(s->object, s->bytes, s->size);
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* The process sleeps: no ready descriptor keeps the loop turning. */
static inline void check_no_work(void)
{
	il_time used = il_test_cpu();

	CHECK_RC(il_sleep(IL_MSEC(60)), 0);
	CHECK(il_test_cpu() - used < IL_MSEC(30));
}

#endif
