/*
 * l_stream_fds.c: descriptors over a Unix stream when bytes are read ahead of what was asked, and when this
 * process has no room for them: none is lost without a word. recvmsg of this executable counts.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "l_net.h"

#include <dlfcn.h>
#include <sys/resource.h>

static atomic_size_t receipts;

/* Under the system's name. */
ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t (*real)(int, struct msghdr *, int);

	*(void **)&real = dlsym(RTLD_NEXT, "recvmsg");
	atomic_fetch_add(&receipts, 1);
	return real(fd, message, flags);
}

static void send_one(il_stream *s, const char *text)
{
	int p[2];

	CHECK_EQ(pipe(p), 0);
	CHECK_RC(il_stream_send_fds(s, text, strlen(text), p, 1), 0);
	close(p[0]);
	close(p[1]);
}

/* The next receive gives this text and so many descriptors, which are closed. */
static void check_gives(il_stream *s, size_t max, const char *text, int descriptors)
{
	char data[64];
	int got[4], count = 4;
	int n = il_stream_receive_fds(s, data, max, got, &count);

	CHECK_RC(n, (int)strlen(text));
	data[n > 0 ? n : 0] = '\0';
	CHECK_STR(data, text);
	CHECK_EQ(count, descriptors);
	while (count > 0) {
		CHECK(fcntl(got[--count], F_GETFD) & FD_CLOEXEC);
		close(got[count]);
	}
}

static void check_line(il_stream *s, const char *text)
{
	char line[32];
	int n = il_stream_receive_until(s, line, sizeof line - 1, "\n", 1);

	CHECK_RC(n, (int)strlen(text));
	line[n > 0 ? n : 0] = '\0';
	CHECK_STR(line, text);
}

IL_TEST_REAL(L, n225_reading_ahead_loses_no_descriptor)
{
	struct ends e = ends_of(PAIR);
	int before = open_descriptors();

	say(e.a, "line\nanother\n");
	send_one(e.a, "hello");
	send_one(e.a, "world");
	check_line(e.b, "line");
	check_line(e.b, "another");
	check_gives(e.b, 1, "h", 1);
	check_gives(e.b, 16, "ello", 0);
	check_gives(e.b, 16, "world", 1);
	CHECK_EQ(open_descriptors(), before);
	drop(&e);
}

static int side_receive_nine(void *arg)
{
	struct side *s = arg;

	return il_stream_receive_exactly(s->object, s->text, 9);
}

IL_TEST_REAL(L, n225_a_receive_that_fails_keeps_the_descriptors_with_the_bytes)
{
	char data[64];

	for (int way = 0; way < 3; way++) {
		struct ends e = ends_of(PAIR);
		struct side reader = {.size = 0};
		int before = open_descriptors();
		send_one(e.a, "x");
		send_one(e.a, "yz");
		if (way == 0) { /* given up */
			side_start(&reader, side_receive_nine, e.b);
			CHECK_RC(il_scope_cancel(&reader.scope), 0);
			CHECK_RC(side_join(&reader), -ECANCELED);
			CHECK_EQ(il_stream_buffered(e.b), 3);
		} else if (way == 1) { /* no delimiter within the limit */
			CHECK_RC(il_stream_receive_until(e.b, data, 1, "\n", 1), -EMSGSIZE);
		} else { /* the end in the middle */
			CHECK_RC(il_stream_shutdown_write(e.a), 0);
			CHECK_RC(il_stream_receive_exactly(e.b, data, 9), -ENODATA);
			CHECK_RC(il_stream_receive_until(e.b, data, 9, "\n", 1), -ENODATA);
		}
		check_gives(e.b, 8, "x", 1); /* never those of two messages */
		check_gives(e.b, 8, "yz", 1);
		CHECK_EQ(open_descriptors(), before);
		drop(&e);
	}
}

IL_TEST_REAL(L, n225_descriptors_of_bytes_that_others_take_are_closed)
{
	struct ends e = ends_of(PAIR);
	char data[8];
	int before = open_descriptors();

	send_one(e.a, "a line\nb");
	check_line(e.b, "a line");
	check_gives(e.b, 8, "b", 1); /* it may have come with this one */
	send_one(e.a, "exact");
	CHECK_RC(il_stream_receive_exactly(e.b, data, 5), 0);
	CHECK_EQ(open_descriptors(), before);
	say(e.a, "end\n");
	send_one(e.a, "kept");
	check_line(e.b, "end");
	drop(&e); /* with what is kept */
	CHECK_EQ(open_descriptors(), before - 2);
}

IL_TEST_REAL(L, n225_descriptors_that_find_no_room_are_an_error)
{
	struct ends e, lines, exact;
	struct rlimit full, none;
	char data[8];
	int got[4], count, rc[3];

	if (il_test_valgrind()) /* it has its own idea of the limit */
		return;
	e = ends_of(PAIR);
	lines = ends_of(PAIR);
	exact = ends_of(PAIR);
	send_one(e.a, "x");
	send_one(lines.a, "y\n");
	send_one(exact.a, "z");
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &full), 0);
	none = full;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	count = 4;
	rc[0] = il_stream_receive_fds(e.b, data, sizeof data, got, &count);
	rc[1] = il_stream_receive_until(lines.b, data, sizeof data, "\n", 1);
	rc[2] = il_stream_receive_exactly(exact.b, data, 1);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
	CHECK_EQ(count, 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(rc[i], -EMFILE);
	if (!IL_TEST_PORTABLE)
		check_gives(e.b, 8, "x", 1); /* it was looked at only */
	else
		check_gives(e.b, 8, "x", 0);
	check_line(lines.b, "y"); /* no byte is lost */
	check_gives(exact.b, 8, "z", 0);
	drop(&e);
	drop(&lines);
	drop(&exact);
}

static int side_answer_lines(void *arg)
{
	struct side *s = arg;

	for (size_t i = 0; i < s->size; i++) {
		check_line(s->object, "ask");
		say(s->object, "answer");
	}
	return 0;
}

IL_TEST_REAL(L, a_line_over_a_unix_stream_costs_one_receipt)
{
	struct ends e = ends_of(PAIR);
	struct side server = {.size = il_test_rounds(1000)};
	const size_t before = atomic_load(&receipts);

	side_start(&server, side_answer_lines, e.b);
	for (size_t i = 0; i < server.size; i++) {
		say(e.a, "ask\n");
		check_hears(e.a, "answer");
	}
	CHECK_RC(side_join(&server), 0);
	CHECK(atomic_load(&receipts) - before <= server.size + 1);
	drop(&e);
}
