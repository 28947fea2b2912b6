/*
 * l_details.c: what streams, listeners and descriptors fail with when the system, or another task, has the last
 * word: il_error_detail() then tells of this failure or of none, never of an older one.
 */
#include "l_net.h"

#include <netinet/tcp.h>

/* After an older refusal of the same task. */
#define CHECK_FRESH(call, code)                                    \
	do {                                                       \
		CHECK_RC(il_sleep(-7), -EINVAL);                   \
		CHECK_RC((call), (code));                          \
		CHECK(strstr(il_error_detail(), "sleep") == NULL); \
	} while (0)

static int close_stream(void *stream)
{
	return il_stream_close(stream);
}

static int close_listener(void *listener)
{
	return il_listener_close(listener);
}

static void soon(il_fn *fn, void *arg)
{
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, fn, arg), 0);
}

IL_TEST_REAL(L, a_failed_stream_has_no_words_of_an_older_failure)
{
	struct ends e = ends_of(TCP);
	il_address address;
	int fd, count = 1;
	char data[8];

	make_rst(il_stream_fd(e.a));
	il_stream_close(e.a);
	CHECK_FRESH(il_stream_read(e.b, data, 1), -ECONNRESET);
	CHECK_FRESH(il_stream_write_all(e.b, "x", 1), -EPIPE);
	CHECK_FRESH(il_stream_fd(e.a), -EBADF);
	drop(&e);
	e = ends_of(PAIR);
	soon(close_stream, e.b);
	CHECK_FRESH(il_stream_read(e.b, data, 1), -EBADF);
	CHECK_FRESH(il_stream_read(e.b, data, 1), -EBADF);
	drop(&e);
	e = ends_of(PAIR);
	soon(close_stream, e.b);
	CHECK_FRESH(il_stream_receive_until(e.b, data, 1, "\n", 1), -EBADF);
	drop(&e);
	e = ends_of(PAIR);
	soon(close_stream, e.b);
	CHECK_FRESH(il_stream_receive_fds(e.b, data, 1, &fd, &count), -EBADF);
	CHECK_RC(il_stream_shutdown_write(e.a), 0);
	fd = 0;
	CHECK_FRESH(il_stream_write_all(e.a, "x", 1), -EPIPE);
	CHECK_FRESH(il_stream_send_fds(e.a, "x", 1, &fd, 1), -EPIPE);
	drop(&e);
	e = ends_of(PAIR);
	il_stream_close(e.b);
	CHECK_FRESH(il_stream_write_all(e.a, "x", 1), -EPIPE);
	CHECK_FRESH(il_stream_peer_address(e.b, &address), -EBADF);
	drop(&e);
}

IL_TEST_REAL(L, a_failed_listener_has_no_words_of_an_older_failure)
{
	il_listener *listener = listen_here();
	il_stream *s = NULL;
	il_address address;

	CHECK_FRESH(il_listener_address(listener, 7, &address), -ENOENT);
	soon(close_listener, listener);
	CHECK_FRESH(il_listener_accept(listener, &s), -EBADF);
	CHECK_FRESH(il_listener_accept(listener, &s), -EBADF);
	CHECK_FRESH(il_stream_connect_unix(&s, "/nowhere/socket"), -ENOENT);
	il_listener_destroy(listener);
}

static int notify(void *fd)
{
	return il_notify_closing(*(int *)fd);
}

IL_TEST_REAL(L, a_failed_wait_has_no_words_of_an_older_failure)
{
	int p[2];

	CHECK_EQ(pipe(p), 0);
	soon(notify, &p[0]);
	CHECK_FRESH(il_wait_readable(p[0]), -ECANCELED);
	CHECK_FRESH(il_wait_readable(-1), -EBADF);
	close(p[0]);
	close(p[1]);
}

static int refuse_something(void *arg)
{
	(void)arg;
	return il_task_set_name(NULL) == -EINVAL ? 0 : -1;
}

/* The call lets others run before it returns. */
IL_TEST_REAL(L, a_failure_keeps_its_own_words_while_others_run)
{
	struct ends e = ends_of(PAIR);
	char data[8];

	CHECK_RC(il_stream_close(e.a), 0);
	soon(refuse_something, NULL);
	CHECK_RC(il_stream_receive_exactly(e.b, data, 2), -ENODATA);
	CHECK(strstr(il_error_detail(), "il_stream_receive_exactly") != NULL);
	drop(&e);
}

/* ---- keepalive ---- */

static int option_of(const il_stream *s, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	CHECK_EQ(getsockopt(il_stream_fd(s), level, name, &value, &size), 0);
	return value;
}

IL_TEST_REAL(L, keepalive_times_are_set_in_the_systems_units_rounded_up)
{
	struct ends e = ends_of(TCP);
	int interval = option_of(e.a, IPPROTO_TCP, TCP_KEEPINTVL);

	CHECK_RC(il_stream_set_keepalive_times(e.a, IL_MSEC(1500), 0, 3, IL_USEC(1500)), 0);
	CHECK_EQ(option_of(e.a, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(option_of(e.a, IPPROTO_TCP, TCP_KEEPIDLE), 2);
	CHECK_EQ(option_of(e.a, IPPROTO_TCP, TCP_KEEPINTVL), interval);
	CHECK_EQ(option_of(e.a, IPPROTO_TCP, TCP_KEEPCNT), 3);
	CHECK_EQ(option_of(e.a, IPPROTO_TCP, TCP_USER_TIMEOUT), 2);
	CHECK_RC(il_stream_set_keepalive_times(e.a, 0, IL_SEC(7), 0, 0), 0);
	CHECK_EQ(option_of(e.a, IPPROTO_TCP, TCP_KEEPINTVL), 7);
	CHECK_EQ(option_of(e.a, IPPROTO_TCP, TCP_KEEPIDLE), 2);
	drop(&e);
}

IL_TEST_REAL(L, keepalive_times_out_of_range_change_nothing)
{
	struct ends e = ends_of(TCP), unix_ends = ends_of(PAIR);
	int idle = option_of(e.a, IPPROTO_TCP, TCP_KEEPIDLE);

	CHECK_RC(il_stream_set_keepalive_times(e.a, IL_SEC(9), -1, 0, 0), -EINVAL);
	CHECK_RC(il_stream_set_keepalive_times(e.a, IL_SEC(9), IL_FOREVER, 0, 0), -EINVAL);
	CHECK_RC(il_stream_set_keepalive_times(e.a, IL_SEC(9), 0, 128, 0), -EINVAL);
	CHECK_RC(il_stream_set_keepalive_times(e.a, IL_SEC(9), 0, -1, 0), -EINVAL);
	CHECK_RC(il_stream_set_keepalive_times(e.a, IL_SEC(9), 0, 0, IL_FOREVER), -EINVAL);
	CHECK_DETAIL("il_stream_set_keepalive_times");
	CHECK_EQ(option_of(e.a, IPPROTO_TCP, TCP_KEEPIDLE), idle);
	CHECK_EQ(option_of(e.a, SOL_SOCKET, SO_KEEPALIVE), 0);
	CHECK_RC(il_stream_set_keepalive_times(unix_ends.a, 0, 0, 0, 0), -ENOTSUP);
	CHECK_RC(il_stream_set_keepalive_times(NULL, 0, 0, 0, 0), -EINVAL);
	drop(&e);
	drop(&unix_ends);
}
