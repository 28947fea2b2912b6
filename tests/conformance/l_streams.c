/*
 * l_streams.c: byte streams: what was sent arrives in order and once, each direction has one user, and closing
 * wakes whoever waits. Each rule on TCP and on a Unix socket pair.
 */
#include "l_net.h"

#define EACH_KIND(kind) for (int kind = 0; kind < KINDS; kind++)

/* Three times what the system holds between two ends of ends_small. */
enum { LARGE = 1 << 20, BUFFER = 128 << 10 };

static void buffer_little(const il_stream *s)
{
	const int size = BUFFER;

	CHECK_EQ(setsockopt(il_stream_fd(s), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
	CHECK_EQ(setsockopt(il_stream_fd(s), SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
}

static struct ends ends_small(int kind)
{
	struct ends e = ends_of(kind);

	buffer_little(e.a);
	buffer_little(e.b);
	return e;
}

/* ---- 214: sending and receiving ---- */

static void receive_large(il_stream *s, const unsigned char *expected)
{
	unsigned char *piece = malloc(BUFFER);
	size_t got = 0;

	while (got < LARGE) {
		int n = il_stream_read(s, piece, BUFFER);
		CHECK(n >= 1 && n <= BUFFER && (size_t)n <= LARGE - got);
		CHECK(memcmp(piece, expected + got, (size_t)n) == 0);
		got += (size_t)n;
	}
	free(piece);
}

IL_TEST_REAL(L, n214_a_large_send_completes_only_as_the_peer_reads)
{
	unsigned char *data = large_data(LARGE);

	EACH_KIND(kind)
	{
		struct ends e = ends_small(kind);
		struct side writer = {.bytes = data, .size = LARGE};

		side_start(&writer, side_write, e.a);
		CHECK_RC(il_sleep(IL_MSEC(2)), 0);
		CHECK(!writer.ended);
		receive_large(e.b, data);
		CHECK_RC(side_join(&writer), 0);
		drop(&e);
	}
	free(data);
}

struct pieces {
	struct iovec list[40];
	int count;
};

static int side_write_pieces(void *arg)
{
	struct side *s = arg;
	const struct pieces *p = s->bytes;

	return il_stream_writev_all(s->object, p->list, p->count);
}

IL_TEST_REAL(L, n214_many_pieces_are_sent_in_order)
{
	unsigned char *data = large_data(LARGE);
	struct pieces p = {.count = 0};

	/* Of growing length, the first ones empty. */
	for (size_t at = 0; at < LARGE; p.count++) {
		size_t size = (size_t)p.count / 2 * 3001, left = LARGE - at;
		CHECK(p.count < 40);
		p.list[p.count] = (struct iovec){data + at, size < left ? size : left};
		if (p.count == 39)
			p.list[39].iov_len = left;
		at += p.list[p.count].iov_len;
	}
	EACH_KIND(kind)
	{
		struct ends e = ends_small(kind);
		struct side writer = {.bytes = &p};
		side_start(&writer, side_write_pieces, e.a);
		receive_large(e.b, data);
		CHECK_RC(side_join(&writer), 0);
		CHECK_RC(il_stream_writev_all(e.a, p.list, 0), 0);
		CHECK_RC(il_stream_writev_all(e.a, p.list, -1), -EINVAL);
		CHECK_RC(il_stream_writev_all(e.a, NULL, 1), -EINVAL);
		drop(&e);
	}
	free(data);
}

IL_TEST_REAL(L, n214_a_receive_gives_what_is_there)
{
	char two[2];

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		say(e.a, "hello");
		CHECK_RC(il_stream_read(e.b, two, sizeof two), 2);
		CHECK(memcmp(two, "he", 2) == 0);
		check_hears(e.b, "llo");
		say(e.b, "back");
		check_hears(e.a, "back");
		drop(&e);
	}
}

IL_TEST_REAL(L, n214_no_room_is_refused_and_takes_nothing)
{
	char byte;

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		say(e.a, "x");
		CHECK_RC(il_stream_read(e.b, &byte, 0), -EINVAL);
		CHECK_RC(il_stream_read(e.b, &byte, (size_t)-1), -EINVAL);
		CHECK_RC(il_stream_read_now(e.b, &byte, (size_t)-1), -EINVAL);
		CHECK_RC(il_stream_receive_until(e.b, &byte, (size_t)-1, "x", 1), -EINVAL);
		CHECK_RC(il_stream_read(e.b, NULL, 1), -EINVAL);
		CHECK_RC(il_stream_read(NULL, &byte, 1), -EINVAL);
		CHECK_RC(il_stream_write_all(NULL, &byte, 1), -EINVAL);
		CHECK_RC(il_stream_write_all(e.a, NULL, 1), -EINVAL);
		CHECK_RC(il_stream_write_all(e.a, NULL, 0), 0);
		check_hears(e.b, "x");
		drop(&e);
	}
}

static int count_turns(void *arg)
{
	struct side *s = arg;
	int *stop = s->object;
	int turns = 0;

	while (!*stop && il_yield() == 0)
		turns++;
	return turns;
}

IL_TEST_REAL(L, a_call_that_is_done_at_once_lets_others_run)
{
	struct ends e = ends_of(PAIR);
	struct side other = {.size = 0};
	int stop = 0;

	side_start(&other, count_turns, &stop);
	for (int i = 0; i < 10; i++) {
		say(e.a, "x");
		check_hears(e.b, "x");
	}
	stop = 1;
	CHECK(side_join(&other) >= 20);
	drop(&e);
}

/* ---- 215: the end of sending ---- */

IL_TEST_REAL(L, n215_data_then_the_end_and_receiving_goes_on)
{
	char data[8];

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		say(e.a, "last");
		CHECK_RC(il_stream_shutdown_write(e.a), 0);
		CHECK_RC(il_stream_shutdown_write(e.a), 0);
		check_hears(e.b, "last");
		CHECK_RC(il_stream_read(e.b, data, sizeof data), 0);
		CHECK_RC(il_stream_read(e.b, data, sizeof data), 0);
		say(e.b, "still here");
		check_hears(e.a, "still here");
		CHECK_RC(il_stream_write_all(e.a, "x", 1), -EPIPE);
		CHECK_RC(il_stream_shutdown_write(e.b), 0);
		CHECK_RC(il_stream_read(e.a, data, sizeof data), 0);
		drop(&e);
	}
}

IL_TEST_REAL(L, n215_the_end_wakes_a_reader)
{
	EACH_KIND(kind)
	for (int how = 0; how < 2; how++) {
		struct ends e = ends_of(kind);
		struct side reader = {.size = 0};
		side_start(&reader, side_read, e.b);
		if (how)
			CHECK_RC(il_stream_close(e.a), 0);
		else
			CHECK_RC(il_stream_shutdown_write(e.a), 0);
		CHECK_RC(side_join(&reader), 0);
		drop(&e);
	}
}

IL_TEST_REAL(L, n215_the_end_waits_for_the_writer_and_for_no_scope)
{
	unsigned char *data = large_data(LARGE);

	EACH_KIND(kind)
	{
		struct ends e = ends_small(kind);
		struct side writer = {.bytes = data, .size = LARGE};
		il_scope s = IL_SCOPE_INIT;
		char byte;

		side_start(&writer, side_write, e.a);
		CHECK_RC(il_stream_shutdown_write(e.a), -EBUSY);
		receive_large(e.b, data);
		CHECK_RC(side_join(&writer), 0);
		CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
		CHECK_RC(il_scope_cancel(&s), 0);
		CHECK_RC(il_stream_shutdown_write(e.a), 0);
		CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
		CHECK_RC(il_stream_read(e.b, &byte, 1), 0);
		drop(&e);
	}
	free(data);
}

/* ---- 216: one user a direction ---- */

static void check_reading_is_taken(il_stream *s, int kind)
{
	char data[4];
	int fd = -1, count = 1;

	CHECK_RC(il_stream_read(s, data, sizeof data), -EBUSY);
	CHECK_RC(il_stream_receive_exactly(s, data, sizeof data), -EBUSY);
	CHECK_RC(il_stream_receive_until(s, data, sizeof data, "\n", 1), -EBUSY);
	CHECK_RC(il_stream_receive_fds(s, data, sizeof data, &fd, &count),
		 kind == PAIR ? -EBUSY : -ENOTSUP);
	CHECK_EQ(count, 0);
}

IL_TEST_REAL(L, n216_a_second_reader_is_refused)
{
	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		struct side reader = {.size = 0};
		side_start(&reader, side_read, e.b);
		check_reading_is_taken(e.b, kind);
		CHECK(!reader.ended);
		say(e.b, "the other way is free");
		check_hears(e.a, "the other way is free");
		say(e.a, "for the first");
		CHECK_RC(side_join(&reader), 13);
		CHECK_STR(reader.text, "for the first");
		drop(&e);
	}
}

IL_TEST_REAL(L, n216_a_second_writer_is_refused)
{
	unsigned char *data = large_data(LARGE);

	EACH_KIND(kind)
	{
		struct ends e = ends_small(kind);
		struct side writer = {.bytes = data, .size = LARGE};
		const struct iovec piece = {data, 1};
		side_start(&writer, side_write, e.a);
		CHECK_RC(il_stream_write_all(e.a, "x", 1), -EBUSY);
		CHECK_RC(il_stream_writev_all(e.a, &piece, 1), -EBUSY);
		CHECK(!writer.ended);
		say(e.b, "the other way is free");
		check_hears(e.a, "the other way is free");
		receive_large(e.b, data);
		CHECK_RC(side_join(&writer), 0);
		drop(&e);
	}
	free(data);
}

/* ---- 217: closing under a waiting task ---- */

static int side_exactly(void *arg)
{
	struct side *s = arg;

	return il_stream_receive_exactly(s->object, s->text, 8);
}

static int side_until(void *arg)
{
	struct side *s = arg;

	return il_stream_receive_until(s->object, s->text, 8, "\n", 1);
}

static int side_fds(void *arg)
{
	struct side *s = arg;
	int fd = -1, count = 1;

	return il_stream_receive_fds(s->object, s->text, 8, &fd, &count);
}

static void close_with(il_stream **s, bool destroy)
{
	int fd = il_stream_fd(*s);

	if (destroy) {
		il_stream_destroy(*s);
		*s = NULL;
	} else {
		CHECK_RC(il_stream_close(*s), 0);
		CHECK_RC(il_stream_close(*s), 0);
		CHECK_RC(il_stream_fd(*s), -EBADF);
	}
	CHECK(!is_open(fd));
}

IL_TEST_REAL(L, n217_closing_wakes_a_reader)
{
	il_fn *const calls[] = {side_read, side_exactly, side_until};

	EACH_KIND(kind)
	for (int i = 0; i < 6; i++) {
		struct ends e = ends_of(kind);
		struct side reader = {.size = 0};
		side_start(&reader, calls[i / 2], e.a);
		if (calls[i / 2] != side_read)
			say(e.b, "part");
		close_with(&e.a, i % 2);
		CHECK_RC(side_join(&reader), -EBADF);
		drop(&e);
	}
}

IL_TEST_REAL(L, n217_closing_wakes_a_receiver_of_descriptors)
{
	struct ends e = ends_of(PAIR);
	struct side reader = {.size = 0};

	side_start(&reader, side_fds, e.a);
	close_with(&e.a, false);
	CHECK_RC(side_join(&reader), -EBADF);
	drop(&e);
}

IL_TEST_REAL(L, n217_closing_wakes_a_writer_and_a_reader_together)
{
	unsigned char *data = large_data(LARGE);

	EACH_KIND(kind)
	for (int how = 0; how < 2; how++) {
		struct ends e = ends_small(kind);
		struct side writer = {.bytes = data, .size = LARGE}, reader = {.size = 0};
		side_start(&writer, side_write, e.a);
		side_start(&reader, side_read, e.a);
		close_with(&e.a, how);
		CHECK_RC(side_join(&writer), -EBADF);
		CHECK_RC(side_join(&reader), -EBADF);
		drop(&e);
	}
	free(data);
}

IL_TEST_REAL(L, n217_the_woken_task_does_not_touch_the_next_file_of_that_number)
{
	EACH_KIND(kind)
	{
		struct ends old = ends_of(kind), new = {NULL, NULL};
		struct side reader = {.size = 0};
		int number = il_stream_fd(old.a), pair[2];

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		side_start(&reader, side_read, old.a);
		slip(old.b, "old");
		CHECK_RC(il_stream_close(old.a), 0);
		CHECK_EQ(dup2(pair[0], number), number);
		close(pair[0]);
		CHECK_RC(il_stream_open_fd(&new.a, number), 0);
		CHECK_RC(il_stream_open_fd(&new.b, pair[1]), 0);
		slip(new.b, "new");
		CHECK_RC(side_join(&reader), -EBADF);
		check_hears(new.a, "new");
		drop(&old);
		drop(&new);
	}
}

IL_TEST_REAL(L, n217_a_closed_stream_stays_closed)
{
	char data[8];

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		il_address address;
		say(e.b, "unread");
		CHECK_RC(il_stream_close(e.a), 0);
		CHECK_RC(il_stream_read(e.a, data, sizeof data), -EBADF);
		CHECK_RC(il_stream_receive_exactly(e.a, data, sizeof data), -EBADF);
		CHECK_RC(il_stream_receive_until(e.a, data, sizeof data, "\n", 1), -EBADF);
		CHECK_RC(il_stream_write_all(e.a, "x", 1), -EBADF);
		CHECK_RC(il_stream_shutdown_write(e.a), -EBADF);
		CHECK_RC(il_stream_local_address(e.a, &address), -EBADF);
		CHECK_RC(il_stream_peer_address(e.a, &address), -EBADF);
		CHECK_RC(il_stream_set_keepalive(e.a, true), -EBADF);
		CHECK_RC(il_stream_set_keepalive_times(e.a, 0, 0, 0, 0), -EBADF);
		CHECK_RC(il_stream_close(NULL), -EINVAL);
		il_stream_destroy(NULL);
		drop(&e);
	}
}

/* ---- the peer is gone ---- */

IL_TEST_REAL(L, writing_to_a_peer_that_is_gone_is_an_error_and_no_signal)
{
	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		int rc = 0;
		CHECK_RC(il_stream_close(e.b), 0);
		while (rc == 0)
			rc = il_stream_write_all(e.a, "x", 1);
		CHECK(rc == -EPIPE || rc == -ECONNRESET);
		CHECK_RC(il_stream_write_all(e.a, "x", 1), -EPIPE);
		drop(&e);
	}
}

IL_TEST_REAL(L, a_reset_wakes_the_reader_and_the_writer)
{
	unsigned char *data = large_data(LARGE);
	struct ends e = ends_small(TCP);
	struct side writer = {.bytes = data, .size = LARGE}, reader = {.size = 0};

	side_start(&writer, side_write, e.a);
	side_start(&reader, side_read, e.a);
	make_rst(il_stream_fd(e.b));
	CHECK_RC(il_stream_close(e.b), 0);
	/* The system tells of a reset once; who comes later hears of its consequence. */
	int r = side_join(&reader), w = side_join(&writer);
	CHECK(r == -ECONNRESET || r == 0);
	CHECK(w == -ECONNRESET || w == -EPIPE);
	CHECK(r == -ECONNRESET || w == -ECONNRESET);
	drop(&e);
	free(data);
}

IL_TEST_REAL(L, what_was_sent_before_closing_is_delivered)
{
	char byte;

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		say(e.a, "goodbye");
		CHECK_RC(il_stream_close(e.a), 0);
		check_hears(e.b, "goodbye");
		CHECK_RC(il_stream_read(e.b, &byte, 1), 0);
		drop(&e);
	}
}

/* ---- 219: a deadline ---- */

struct timed {
	il_stream *stream;
	char data[8];
};

static int read_timed(void *arg)
{
	struct timed *t = arg;

	return il_stream_read(t->stream, t->data, sizeof t->data);
}

static int exactly_timed(void *arg)
{
	struct timed *t = arg;

	return il_stream_receive_exactly(t->stream, t->data, 5);
}

static int until_timed(void *arg)
{
	struct timed *t = arg;

	return il_stream_receive_until(t->stream, t->data, sizeof t->data, "\n", 1);
}

IL_TEST_REAL(L, n219_a_receive_leaves_on_time_and_the_stream_goes_on)
{
	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		struct timed t = {.stream = e.b};
		il_time begin = il_now();

		CHECK_RC(il_fail_after(IL_MSEC(100), read_timed, &t), -ETIMEDOUT);
		CHECK(il_now() - begin >= IL_MSEC(100));
		CHECK(il_now() - begin < IL_MSEC(100) + il_test_patience());
		CHECK_RC(il_fail_after(0, read_timed, &t), -ETIMEDOUT);
		say(e.a, "late");
		check_hears(e.b, "late");
		drop(&e);
	}
}

IL_TEST_REAL(L, n219_a_part_that_came_before_the_deadline_is_kept)
{
	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		struct timed t = {.stream = e.b};

		say(e.a, "one");
		do
			CHECK_RC(il_fail_after(IL_MSEC(5), exactly_timed, &t), -ETIMEDOUT);
		while (il_stream_buffered(e.b) < 3);
		say(e.a, "!?two");
		CHECK_RC(exactly_timed(&t), 0);
		CHECK(memcmp(t.data, "one!?", 5) == 0);
		CHECK_RC(il_fail_after(IL_MSEC(5), until_timed, &t), -ETIMEDOUT);
		say(e.a, "\n");
		CHECK_RC(until_timed(&t), 3);
		CHECK(memcmp(t.data, "two", 3) == 0);
		CHECK_EQ(il_stream_buffered(e.b), 0);
		drop(&e);
	}
}

IL_TEST_REAL(L, n219_no_byte_is_lost_between_a_result_and_a_cancellation)
{
	il_fn *const calls[] = {side_read, side_exactly, side_until};

	EACH_KIND(kind)
	for (size_t i = 0; i < 3 * il_test_rounds(60); i++) {
		struct ends e = ends_of(kind);
		struct side reader = {.size = 0};
		char data[9];

		side_start(&reader, calls[i % 3], e.b);
		slip(e.a, "12345678\n");
		for (size_t turns = i / 3 % 4; turns; turns--)
			CHECK_RC(il_yield(), 0);
		CHECK_RC(il_scope_cancel(&reader.scope), 0);
		int rc = side_join(&reader);
		CHECK(rc >= 0 || rc == -ECANCELED);
		size_t taken = rc < 0 ? 0 : i % 3 == 1 ? 8 : 9;
		if (taken < 9)
			CHECK_RC(il_stream_receive_exactly(e.b, data, 9 - taken), 0);
		CHECK_EQ(il_stream_buffered(e.b), 0);
		drop(&e);
	}
}

/* ---- 220: closing in a cancelled task ---- */

static int io_then_close(void *arg)
{
	struct side *s = arg;
	il_stream *stream = s->object;
	int fd = il_stream_fd(stream);
	int rc = il_stream_write_all(stream, s->bytes, s->size);

	CHECK_RC(rc, -ECANCELED);
	CHECK_RC(il_stream_read(stream, s->text, 1), -ECANCELED);
	CHECK_RC(il_stream_close(stream), 0);
	CHECK(!is_open(fd));
	return rc;
}

IL_TEST_REAL(L, n220_closing_after_cancelled_io_frees_the_descriptor)
{
	unsigned char *data = large_data(LARGE);

	EACH_KIND(kind)
	{
		struct ends e = ends_small(kind);
		struct side task = {.bytes = data, .size = LARGE};
		int n;

		side_start(&task, io_then_close, e.a);
		CHECK_RC(il_scope_cancel(&task.scope), 0);
		CHECK_RC(side_join(&task), -ECANCELED);
		CHECK(il_scope_caught(&task.scope));
		do
			n = il_stream_read(e.b, data, BUFFER);
		while (n > 0);
		CHECK_RC(n, 0);
		drop(&e);
	}
	free(data);
}

IL_TEST_REAL(L, n220_a_stream_is_destroyed_in_a_cancelled_scope)
{
	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		il_scope s = IL_SCOPE_INIT;
		int fd = il_stream_fd(e.a);

		CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
		CHECK_RC(il_scope_cancel(&s), 0);
		CHECK_RC(il_stream_write_all(e.a, "x", 1), -ECANCELED);
		close_with(&e.a, true);
		CHECK(!is_open(fd));
		CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
		check_hears(e.b, "");
		drop(&e);
	}
}

static int make_a_pair(void *arg)
{
	*(struct ends *)arg = ends_of(PAIR);
	return 0;
}

IL_TEST_OWN_REAL(L, closing_the_loop_closes_its_streams)
{
	il_loop *loop = NULL;
	struct ends e = {NULL, NULL};
	char byte;
	int fd;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, make_a_pair, &e), 0);
	fd = il_stream_fd(e.a);
	CHECK(is_open(fd));
	CHECK_RC(il_stream_read(e.a, &byte, 1), -EPERM);
	CHECK_RC(il_loop_close(loop), 0);
	CHECK(!is_open(fd));
	CHECK_RC(il_stream_fd(e.a), -EBADF);
	drop(&e);
	il_loop_destroy(loop);
}

/* ---- 226: a known number, and up to a delimiter ---- */

IL_TEST_REAL(L, n226_an_end_in_the_middle_keeps_the_bytes)
{
	char data[16];

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		say(e.a, "abc");
		CHECK_RC(il_stream_shutdown_write(e.a), 0);
		CHECK_RC(il_stream_receive_exactly(e.b, data, 4), -ENODATA);
		CHECK_EQ(il_stream_buffered(e.b), 3);
		CHECK_RC(il_stream_receive_until(e.b, data, sizeof data, "\n", 1), -ENODATA);
		CHECK_EQ(il_stream_buffered(e.b), 3);
		CHECK_RC(il_stream_receive_exactly(e.b, data, 1), 0);
		CHECK_EQ(data[0], 'a');
		check_hears(e.b, "bc");
		CHECK_RC(il_stream_read(e.b, data, sizeof data), 0);
		CHECK_RC(il_stream_receive_exactly(e.b, data, 1), -ENODATA);
		CHECK_RC(il_stream_receive_exactly(e.b, data, 0), 0);
		drop(&e);
	}
}

/* Sends the text byte by byte, each one seen alone. */
static int side_dribble(void *arg)
{
	struct side *s = arg;
	int rc = 0;

	for (const char *p = s->bytes; rc == 0 && *p; p++) {
		rc = il_stream_write_all(s->object, p, 1);
		if (rc == 0)
			rc = il_sleep(IL_USEC(100));
	}
	return rc;
}

static void check_until(il_stream *s, const char *delimiter, const char *expected)
{
	char data[16];
	int n = il_stream_receive_until(s, data, sizeof data - 1, delimiter, strlen(delimiter));

	CHECK_RC(n, (int)strlen(expected));
	data[n > 0 ? n : 0] = '\0';
	CHECK_STR(data, expected);
}

IL_TEST_REAL(L, n226_a_delimiter_is_found_across_chunks)
{
	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		struct side writer = {.bytes = "one\r\ntwo\r\r\n\r\naabaaabx--end"};
		char rest[4] = "";

		side_start(&writer, side_dribble, e.a);
		check_until(e.b, "\r\n", "one");
		check_until(e.b, "\r\n", "two\r");
		check_until(e.b, "\r\n", "");
		check_until(e.b, "aaab", "aab"); /* begins again within a false start */
		check_until(e.b, "--", "x");
		CHECK_RC(side_join(&writer), 0);
		CHECK_RC(il_stream_receive_exactly(e.b, rest, 3),
			 0); /* some may be kept, some not */
		CHECK_STR(rest, "end");
		drop(&e);
	}
}

IL_TEST_REAL(L, n226_one_chunk_serves_several_calls)
{
	char data[4];

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		say(e.a, "one\ntwo\n1234rest");
		check_until(e.b, "\n", "one");
		check_until(e.b, "\n", "two");
		CHECK_RC(il_stream_receive_exactly(e.b, data, sizeof data), 0);
		CHECK(memcmp(data, "1234", 4) == 0);
		CHECK_EQ(il_stream_buffered(e.b), 4);
		check_hears(e.b, "rest");
		drop(&e);
	}
}

IL_TEST_REAL(L, n226_a_limit_is_an_error_and_the_bytes_are_kept)
{
	char data[8];

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		say(e.a, "1234567");
		CHECK_RC(il_stream_receive_until(e.b, data, 6, "\n", 1), -EMSGSIZE);
		CHECK_RC(il_stream_receive_until(e.b, data, 6, "\n", 1), -EMSGSIZE);
		CHECK_EQ(il_stream_buffered(e.b), 7);
		say(e.a, "\n");
		CHECK_RC(il_stream_receive_until(e.b, data, 7, "\n", 1), 7);
		CHECK(memcmp(data, "1234567", 7) == 0);
		say(e.a, "abcdefg\n"); /* the delimiter comes too, but too late */
		CHECK_RC(il_stream_receive_until(e.b, data, 6, "\n", 1), -EMSGSIZE);
		CHECK_RC(il_stream_receive_until(e.b, data, 7, "\n", 1), 7);
		CHECK(memcmp(data, "abcdefg", 7) == 0);
		say(e.a, "\n");
		CHECK_RC(il_stream_receive_until(e.b, NULL, 0, "\n", 1), 0);
		CHECK_RC(il_stream_receive_until(e.b, data, 7, "", 0), -EINVAL);
		CHECK_RC(il_stream_receive_until(e.b, data, 7, NULL, 1), -EINVAL);
		CHECK_RC(il_stream_receive_until(e.b, NULL, 7, "\n", 1), -EINVAL);
		drop(&e);
	}
}

/* ---- foreign descriptors as streams ---- */

IL_TEST_REAL(L, a_pipe_is_a_stream_of_one_direction)
{
	int fd[2];
	il_stream *in = NULL, *out = NULL;
	struct side reader = {.size = 0};
	char byte;

	CHECK_EQ(pipe(fd), 0);
	CHECK_RC(il_stream_open_fd(&in, fd[0]), 0);
	CHECK_RC(il_stream_open_fd(&out, fd[1]), 0);
	CHECK(fcntl(fd[0], F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(fd[1], F_GETFL) & O_NONBLOCK);
	side_start(&reader, side_read, in);
	say(out, "through");
	CHECK_RC(side_join(&reader), 7);
	CHECK_STR(reader.text, "through");
	CHECK_RC(il_stream_shutdown_write(out), -ENOTSUP);
	side_start(&reader, side_read, in);
	CHECK_RC(il_stream_close(out), 0);
	CHECK_RC(side_join(&reader), 0);
	CHECK_RC(il_stream_read(in, &byte, 1), 0);
	il_stream_destroy(in);
	il_stream_destroy(out);
}

IL_TEST_REAL(L, a_pipe_without_a_reader_is_broken)
{
	unsigned char *data = large_data(LARGE);
	int fd[2];
	il_stream *out = NULL;
	struct side writer = {.bytes = data, .size = LARGE};

	CHECK_EQ(pipe(fd), 0);
	CHECK_RC(il_stream_open_fd(&out, fd[1]), 0);
	side_start(&writer, side_write, out);
	close(fd[0]);
	CHECK_RC(side_join(&writer), -EPIPE);
	il_stream_destroy(out);
	free(data);
}

IL_TEST_REAL(L, what_is_no_stream_is_refused_and_stays_the_callers)
{
	il_stream *s = NULL, *again = NULL;
	int directory = open("/", O_RDONLY | O_CLOEXEC);
	int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
	int pair[2];

	CHECK_RC(il_stream_open_fd(&s, -1), -EBADF);
	CHECK_RC(il_stream_open_fd(&s, directory), -ENOTSUP);
	CHECK_DETAIL("for a file use il_file_open");
	CHECK_RC(il_stream_open_fd(&s, datagram), -ENOTSUP);
	CHECK(s == NULL);
	close(directory);
	CHECK_EQ(close(datagram), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_RC(il_stream_open_fd(&s, pair[0]), 0);
	CHECK_RC(il_stream_open_fd(&again, pair[0]), -EBUSY);
	il_stream_destroy(s);
	CHECK(!is_open(pair[0]));
	close(pair[1]);
}

/* ---- 225: descriptors over a Unix stream ---- */

static void check_is_pipe(int writing, int reading)
{
	char byte = 0;

	CHECK(fcntl(reading, F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(write(writing, "!", 1), 1);
	CHECK_EQ(read(reading, &byte, 1), 1);
	CHECK_EQ(byte, '!');
}

IL_TEST_REAL(L, n225_descriptors_pass_and_are_close_on_exec)
{
	struct ends e = ends_of(PAIR);
	int p[2], got[4] = {-1, -1, -1, -1}, count = 4;
	char data[8];

	CHECK_EQ(pipe(p), 0);
	CHECK_RC(il_stream_send_fds(e.a, "two", 3, p, 2), 0);
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), 3);
	CHECK_EQ(count, 2);
	CHECK(memcmp(data, "two", 3) == 0);
	CHECK(is_open(p[0]) && is_open(p[1]));
	check_is_pipe(p[1], got[0]);
	CHECK(fcntl(got[1], F_GETFD) & FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	say(e.a, "none");
	count = 4;
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), 4);
	CHECK_EQ(count, 0);
	close(p[0]);
	close(p[1]);
	CHECK_RC(il_stream_close(e.a), 0);
	count = 4;
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), 0);
	CHECK_EQ(count, 0);
	drop(&e);
}

static int side_receive_one(void *arg)
{
	struct side *s = arg;
	int count = 1;
	int n = il_stream_receive_fds(s->object, s->text, sizeof s->text,
				      (int *)(uintptr_t)s->bytes, &count);

	CHECK_EQ(count, n > 0);
	return n;
}

IL_TEST_REAL(L, n225_descriptors_come_to_a_waiting_receiver_and_with_the_first_byte)
{
	struct ends e = ends_small(PAIR);
	int p[2], got = -1;
	unsigned char *data = large_data(LARGE);
	struct side receiver = {.bytes = &got};

	CHECK_EQ(pipe(p), 0);
	side_start(&receiver, side_receive_one, e.b);
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, p, 1), 0);
	CHECK_RC(side_join(&receiver), 1);
	check_is_pipe(p[1], got);
	close(got);
	side_start(&receiver, side_receive_one, e.b);
	CHECK_RC(il_scope_cancel(&receiver.scope), 0);
	CHECK_RC(side_join(&receiver), -ECANCELED);
	close(p[0]);
	close(p[1]);
	drop(&e);
	free(data);
}

IL_TEST_REAL(L, n225_surplus_descriptors_are_closed)
{
	struct ends e = ends_of(PAIR);
	int p[2], got[2] = {-1, -1}, count = 1, before;
	char data[8];

	CHECK_EQ(pipe(p), 0);
	const int many[] = {p[0], p[1], p[0], p[1], p[0]};
	before = open_descriptors();
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, many, 5), 0);
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), 1);
	CHECK_EQ(count, 1);
	CHECK_EQ(got[1], -1);
	CHECK_EQ(open_descriptors(), before + 1);
	close(got[0]);
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, many, 5), 0);
	check_hears(e.b, "x");
	CHECK_RC(il_stream_send_fds(e.a, "lost with the stream", 20, many, 5), 0);
	close(p[0]);
	close(p[1]);
	drop(&e);
	CHECK_EQ(open_descriptors(), before - 4);
}

IL_TEST_REAL(L, n225_bad_counts_are_refused_and_nothing_moves)
{
	enum { MOST = 253 };
	struct ends e = ends_of(PAIR), tcp = ends_of(TCP);
	int fds[MOST + 1], got[MOST], count, p[2];
	char data[8];

	CHECK_EQ(pipe(p), 0);
	for (int i = 0; i <= MOST; i++)
		fds[i] = p[0];
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, fds, 0), -EINVAL);
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, fds, -1), -EINVAL);
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, fds, MOST + 1), -EINVAL);
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, NULL, 1), -EINVAL);
	CHECK_RC(il_stream_send_fds(e.a, "", 0, fds, 1), -EINVAL);
	CHECK_RC(il_stream_send_fds(tcp.a, "x", 1, fds, 1), -ENOTSUP);
	CHECK_RC(il_stream_send_fds(e.a, "all", 3, fds, MOST), 0);
	count = 0;
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), -EINVAL);
	count = -1;
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), -EINVAL);
	CHECK_EQ(count, -1);
	count = MOST + 1;
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), -EINVAL);
	count = MOST;
	CHECK_RC(il_stream_receive_fds(e.b, data, 0, got, &count), -EINVAL);
	CHECK_RC(il_stream_receive_fds(e.b, data, (size_t)-1, got, &count), -EINVAL);
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, NULL, &count), -EINVAL);
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, NULL), -EINVAL);
	CHECK_RC(il_stream_receive_fds(tcp.b, data, sizeof data, got, &count), -ENOTSUP);
	CHECK_EQ(count, 0);
	count = MOST;
	CHECK_RC(il_stream_receive_fds(e.b, data, sizeof data, got, &count), 3);
	CHECK_EQ(count, MOST);
	for (int i = 0; i < count; i++)
		close(got[i]);
	CHECK_RC(il_stream_shutdown_write(e.a), 0);
	CHECK_RC(il_stream_send_fds(e.a, "x", 1, fds, 1), -EPIPE);
	close(p[0]);
	close(p[1]);
	drop(&e);
	drop(&tcp);
}
