/*
 * p_streams.c: streams of a transport of one's own: whatever moves the bytes, reading, writing, ending and closing are
 * those of a socket.
 */
#include "l_net.h"
#include "p_layers.h"
#include "p_rings.h"
#include "s_select.h"
#include "waiter.h"
#include "waits.h"

struct rings {
	struct ring_end *end[2];
	il_stream *s[2];
};

static struct rings rings_open(void)
{
	struct rings r;

	make_rings(r.end, r.s);
	return r;
}

static void rings_drop(struct rings *r)
{
	il_stream_destroy(r->s[0]);
	il_stream_destroy(r->s[1]);
}

static int wait_write_much(void *arg)
{
	static const char much[3 * RING];

	return il_stream_write_all(arg, much, sizeof much);
}

/* One who reads and one who writes more than there is room for, of one stream. */
struct users {
	struct waiter reader, writer;
	il_group g;
};

static void users_start(struct users *u, il_stream *s)
{
	u->reader.name = "reader";
	u->writer.name = "writer";
	CHECK_RC(il_group_open(&u->g), 0);
	start_waiting(&u->g, &u->reader, read_some, s);
	start_waiting(&u->g, &u->writer, wait_write_much, s);
}

static void users_hear_of_its_end(struct users *u)
{
	UNTIL(u->reader.returned && u->writer.returned);
	check_waited(&u->reader, -EBADF);
	check_waited(&u->writer, -EBADF);
	CHECK_RC(il_group_close(&u->g, 0), 0);
}

/* ---- 286: as on a socket ---- */

IL_TEST(P, n286_a_transport_is_read_and_written_as_a_socket)
{
	struct rings r = rings_open();
	char data[16];

	say(r.s[0], "hello, world\nrest");
	CHECK_RC(il_stream_read(r.s[1], data, 2), 2);
	CHECK(memcmp(data, "he", 2) == 0);
	CHECK_RC(il_stream_receive_exactly(r.s[1], data, 5), 0);
	CHECK(memcmp(data, "llo, ", 5) == 0);
	CHECK_RC(il_stream_receive_until(r.s[1], data, sizeof data, "\n", 1), 5);
	CHECK(memcmp(data, "world", 5) == 0);
	CHECK_EQ(il_stream_buffered(r.s[1]), 4);
	check_hears(r.s[1], "rest");
	say(r.s[1], "back");
	check_hears(r.s[0], "back");
	CHECK_RC(il_stream_shutdown_write(r.s[0]), 0);
	CHECK_RC(il_stream_shutdown_write(r.s[0]), 0);
	CHECK_RC(il_stream_write_all(r.s[0], "x", 1), -EPIPE);
	CHECK_RC(il_stream_read(r.s[1], data, sizeof data), 0);
	CHECK_RC(il_stream_read(r.s[1], data, sizeof data), 0);
	CHECK_RC(il_stream_receive_exactly(r.s[1], data, 1), -ENODATA);
	say(r.s[1], "still");
	check_hears(r.s[0], "still");
	CHECK_RC(il_stream_close(r.s[1]), 0);
	CHECK_RC(il_stream_close(r.s[1]), 0);
	CHECK_RC(il_stream_read(r.s[1], data, sizeof data), -EBADF);
	CHECK_RC(il_stream_write_all(r.s[1], "x", 1), -EBADF);
	CHECK_RC(il_stream_read(r.s[0], data, sizeof data), 0);
	rings_drop(&r);
}

IL_TEST(P, n286_waits_end_when_the_transport_says_that_it_is_ready)
{
	struct rings r = rings_open();
	struct waiter reader = {.name = "reader"}, writer = {.name = "writer"};
	char data[16], *much = malloc(3 * RING);
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &reader, read_some, r.s[1]);
	CHECK_RC(il_stream_read(r.s[1], data, sizeof data), -EBUSY);
	say(r.s[0], "x");
	UNTIL(reader.returned);
	check_waited(&reader, 1);
	start_waiting(&g, &writer, wait_write_much, r.s[0]);
	CHECK_RC(il_stream_write_all(r.s[0], "x", 1), -EBUSY);
	CHECK_RC(il_stream_shutdown_write(r.s[0]), -EBUSY);
	CHECK_RC(il_stream_receive_exactly(r.s[1], much, 3 * RING), 0);
	UNTIL(writer.returned);
	check_waited(&writer, 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	free(much);
	rings_drop(&r);
}

/* A select that looks what there is keeps it: whoever receives meanwhile would miss it. */
IL_TEST(P, n286_while_a_select_waits_a_second_reader_or_writer_is_refused)
{
	struct rings r = rings_open();
	char *much = calloc(1, RING);

	check_has_alone(r.s[0], IL_READABLE);
	CHECK_RC(il_stream_write(r.s[0], much, RING), RING);
	check_has_alone(r.s[0], IL_WRITABLE);
	CHECK_RC(il_stream_receive_exactly(r.s[1], much, RING), 0);
	say(r.s[0], "on");
	check_hears(r.s[1], "on");
	say(r.s[1], "back");
	check_hears(r.s[0], "back");
	free(much);
	rings_drop(&r);
}

IL_TEST(P, n286_opening_needs_a_transport_that_receives_and_sends)
{
	struct il_transport half = ring_transport;
	il_stream *s = NULL;

	CHECK_RC(il_stream_open_transport(NULL, &ring_transport, NULL), -EINVAL);
	CHECK_RC(il_stream_open_transport(&s, NULL, NULL), -EINVAL);
	half.receive = NULL;
	CHECK_RC(il_stream_open_transport(&s, &half, NULL), -EINVAL);
	half = ring_transport;
	half.send = NULL;
	CHECK_RC(il_stream_open_transport(&s, &half, NULL), -EINVAL);
	CHECK(s == NULL);
}

/* ---- 287: little by little ---- */

IL_TEST(P, n287_one_byte_a_call_makes_the_whole)
{
	enum { SIZE = 64 << 10 };
	struct rings r = rings_open();
	char *sent = large_data(SIZE), *got = malloc(SIZE);
	struct side writer = {.bytes = sent, .size = SIZE};

	r.end[0]->most = r.end[1]->most = 1;
	side_start(&writer, side_write, r.s[0]);
	CHECK_RC(il_stream_receive_exactly(r.s[1], got, SIZE), 0);
	CHECK_RC(side_join(&writer), 0);
	CHECK(memcmp(sent, got, SIZE) == 0);
	free(sent);
	free(got);
	rings_drop(&r);
}

static int send_nothing(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	(void)pieces;
	(void)count;
	return 0;
}

/* A peer that is always there, for a piece a call. self counts by direction how often nobody waits any more. */
static int piece_receive(void *self, void *data, size_t max)
{
	size_t n = max < 4096 ? max : 4096;

	(void)self;
	memset(data, 'x', n);
	return (int)n;
}

static int piece_send(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	if (!count)
		return 0;
	return pieces[0].iov_len < 4096 ? (int)pieces[0].iov_len : 4096;
}

static void piece_idle(void *self, unsigned direction)
{
	((int *)self)[direction == IL_WRITABLE]++;
}

static const struct il_transport piece_transport = {
    .name = "piece", .receive = piece_receive, .send = piece_send, .idle = piece_idle};

static int count_turns(void *turns)
{
	int rc;

	while ((rc = il_yield()) == 0)
		++*(size_t *)turns;
	return rc;
}

IL_TEST_FIFO(P, n287_who_moves_much_at_a_time_lets_others_run)
{
	enum { SIZE = 4 << 20 };
	char *data = malloc(SIZE);
	size_t turns = 0, before;
	int idles[2] = {0, 0};
	il_stream *s = NULL;
	il_group g;

	CHECK_RC(il_stream_open_transport(&s, &piece_transport, idles), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, count_turns, &turns), 0);
	CHECK_RC(il_stream_receive_exactly(s, data, SIZE), 0);
	CHECK(turns >= 10);
	before = turns;
	CHECK_RC(il_stream_write_all(s, data, SIZE), 0);
	CHECK(turns - before >= 10);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(idles[0] + idles[1], 0);
	il_stream_destroy(s);
	free(data);
}

static int cancel_soon(void *scope)
{
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_yield(), 0);
	return il_scope_cancel(scope);
}

static void begin_moving(il_group *g, il_scope *scope)
{
	*scope = (il_scope)IL_SCOPE_INIT;
	CHECK_RC(il_group_open(g), 0);
	CHECK_RC(il_scope_enter(scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_start_soon(g, NULL, cancel_soon, scope), 0);
}

static void end_moving(il_group *g, il_scope *scope, int rc)
{
	CHECK_RC(rc, -ECANCELED);
	CHECK_RC(il_scope_exit(scope, rc), 0);
	CHECK_RC(il_group_close(g, 0), 0);
}

IL_TEST_FIFO(P, n287_who_moves_much_at_a_time_can_be_cancelled)
{
	enum { SIZE = 4 << 20 };
	struct layer_maker pass = {.kind = LAYER_PASS};
	char *data = malloc(SIZE);
	int idles[2] = {0, 0};
	il_stream *s = NULL;
	il_scope scope;
	il_group g;

	CHECK_RC(il_stream_open_transport(&s, &piece_transport, idles), 0);
	begin_moving(&g, &scope);
	end_moving(&g, &scope, il_stream_receive_exactly(s, data, SIZE));
	CHECK(il_stream_buffered(s) > 0 && il_stream_buffered(s) < SIZE);
	CHECK_EQ(idles[0], 1);
	for (int layers = 0; layers < 2; layers++) { /* each on the way down learns of a cut */
		idles[1] = 0;
		if (layers)
			CHECK_RC(layer_open(&s, s, &pass), 0);
		begin_moving(&g, &scope);
		end_moving(&g, &scope, il_stream_write_all(s, data, SIZE));
		CHECK_EQ(idles[1], 1);
	}
	il_stream_destroy(s);
	free(data);
}

IL_TEST(P, n287_a_send_that_takes_nothing_is_a_broken_pipe)
{
	struct il_transport lazy = ring_transport;
	struct ring_end *end = calloc(1, sizeof *end);
	il_stream *s;

	lazy.send = send_nothing;
	CHECK_RC(il_stream_open_transport(&s, &lazy, end), 0);
	CHECK_RC(il_stream_write_all(s, "x", 1), -EPIPE);
	CHECK_DETAIL("ring");
	CHECK_RC(il_stream_write(s, "x", 1), -EPIPE);
	CHECK_RC(il_stream_write_now(s, &(struct iovec){(char[]){"x"}, 1}, 1), -EPIPE);
	il_stream_destroy(s);
}

/* ---- 288, 290: told too often, or without a reason ---- */

IL_TEST(P, n290_being_told_for_nothing_does_nothing)
{
	struct rings r = rings_open();
	struct users u;

	il_transport_ready(r.s[0], IL_READABLE | IL_WRITABLE); /* nobody waits */
	users_start(&u, r.s[0]);
	for (int i = 0; i < 5; i++) {
		il_transport_ready(r.s[0], IL_READABLE | IL_WRITABLE);
		CHECK_RC(il_yield(), 0);
		CHECK(!u.reader.returned && !u.writer.returned);
	}
	CHECK_RC(il_stream_close(r.s[0]), 0);
	il_transport_ready(r.s[0], IL_READABLE | IL_WRITABLE);
	users_hear_of_its_end(&u);
	rings_drop(&r);
}

IL_TEST(P, n288_a_write_that_the_peers_end_cuts_is_a_broken_pipe)
{
	struct rings r = rings_open();
	struct waiter writer = {.name = "writer"};
	il_group g;
	char byte;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &writer, wait_write_much, r.s[0]);
	CHECK_RC(il_stream_close(r.s[1]), 0);
	UNTIL(writer.returned);
	check_waited(&writer, -EPIPE);
	CHECK_RC(il_stream_write_all(r.s[0], "x", 1), -EPIPE);
	CHECK_RC(il_stream_read(r.s[0], &byte, 1), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	rings_drop(&r);
}

/* ---- 289: closing and cancelling ---- */

IL_TEST(P, n289_closing_wakes_who_waits_and_closes_the_transport_once)
{
	struct rings r = rings_open();
	struct users u;

	users_start(&u, r.s[0]);
	CHECK_RC(il_stream_close(r.s[0]), 0);
	CHECK_EQ(r.end[0]->closes, 1);
	users_hear_of_its_end(&u);
	CHECK_EQ(r.end[0]->closes, 1);
	CHECK_EQ(r.end[0]->idles[0] + r.end[0]->idles[1], 0);
	rings_drop(&r);
}

IL_TEST(P, n289_the_stream_may_be_destroyed_under_who_waits)
{
	struct rings r = rings_open();
	struct users u;

	users_start(&u, r.s[0]);
	/* The reader is woken, and the stream gone when it runs. */
	CHECK_RC(il_stream_write_now(r.s[1], &(struct iovec){(char[]){"x"}, 1}, 1), 1);
	il_stream_destroy(r.s[0]);
	users_hear_of_its_end(&u);
	il_stream_destroy(r.s[1]);
}

IL_TEST(P, n289_a_cancelled_wait_tells_the_transport_and_loses_nothing)
{
	struct rings r = rings_open();
	struct users u;

	users_start(&u, r.s[0]);
	CHECK_EQ(r.end[0]->idles[0] + r.end[0]->idles[1], 0);
	il_scope_cancel(&u.reader.scope);
	UNTIL(u.reader.returned);
	check_waited(&u.reader, -ECANCELED);
	CHECK_EQ(r.end[0]->idles[0], 1);
	CHECK_EQ(r.end[0]->idles[1], 0);
	il_scope_cancel(&u.writer.scope);
	UNTIL(u.writer.returned);
	check_waited(&u.writer, -ECANCELED);
	CHECK_EQ(r.end[0]->idles[0], 1);
	CHECK_EQ(r.end[0]->idles[1], 1);
	CHECK_RC(il_group_close(&u.g, 0), 0);
	say(r.s[1], "late");
	check_hears(r.s[0], "late");
	rings_drop(&r);
}

static int read_and_tell(void *stream)
{
	char byte;
	int rc = il_stream_read(stream, &byte, 1);

	CHECK_DETAIL("the shop closes");
	return rc;
}

IL_TEST(P, n289_whoever_is_cancelled_hears_why_also_where_the_transport_is_told)
{
	struct rings r = rings_open();
	struct waiter reader = {.name = "reader"};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &reader, read_and_tell, r.s[0]);
	il_scope_cancel_because(&reader.scope, "the shop closes");
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&reader, -ECANCELED);
	CHECK_EQ(r.end[0]->idles[0], 1);
	rings_drop(&r);
}

/* ---- 291: what only descriptors have ---- */

IL_TEST(P, n291_a_transport_has_no_descriptor_and_no_address)
{
	struct rings r = rings_open();
	int fd = 0, count = 1;
	il_address address;
	char byte = 0;

	CHECK_RC(il_stream_fd(r.s[0]), -ENOTSUP);
	CHECK_RC(il_stream_take_fd(r.s[0]), -ENOTSUP);
	CHECK_RC(il_stream_send_fds(r.s[0], &byte, 1, &fd, 1), -ENOTSUP);
	CHECK_RC(il_stream_receive_fds(r.s[0], &byte, 1, &fd, &count), -ENOTSUP);
	CHECK_RC(il_stream_set_nodelay(r.s[0], true), -ENOTSUP);
	CHECK_RC(il_stream_set_keepalive(r.s[0], true), -ENOTSUP);
	CHECK_RC(il_stream_local_address(r.s[0], &address), -ENOTSUP);
	CHECK_RC(il_stream_peer_address(r.s[0], &address), -ENOTSUP);
	rings_drop(&r);
}
