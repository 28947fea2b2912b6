/*
 * s_select_streams.c: streams and clients in a select: ready when the plain call would not wait, and nothing is taken.
 */
#include "l_net.h"
#include "s_select.h"
#include "waiter.h"
#include "waits.h"

#include <interloop/server.h>

static void check_reads(il_stream *s, const char *text)
{
	char data[100];
	int n = il_stream_read(s, data, sizeof data - 1);

	CHECK(n >= 0);
	data[n > 0 ? n : 0] = '\0';
	CHECK_STR(data, text);
}

/* Until poll_case says so. */
#define CHECK_SOON(one, code) UNTIL(poll_case(one) == (code))

/* ---- 375: streams ---- */

IL_TEST_REAL(S, n375_a_stream_is_ready_when_a_read_would_not_wait)
{
	struct ends e = ends_of(PAIR);
	const il_case readable = il_case_stream(e.a, IL_READABLE);
	char line[20];

	CHECK_RC(poll_case(readable), -ETIMEDOUT);
	CHECK_RC(poll_case(il_case_stream(e.a, IL_READABLE | IL_WRITABLE)), IL_WRITABLE);
	say(e.b, "one\ntwo");
	CHECK_SOON(readable, IL_READABLE);
	CHECK_EQ(il_stream_receive_until(e.a, line, sizeof line, "\n", 1), 3);
	CHECK_RC(poll_case(readable), IL_READABLE); /* kept */
	CHECK_RC(poll_case(readable), IL_READABLE);
	check_hears(e.a, "two");
	CHECK_RC(poll_case(readable), -ETIMEDOUT);
	CHECK_RC(il_stream_shutdown_write(e.b), 0);
	CHECK_SOON(readable, IL_READABLE);
	check_reads(e.a, "");
	CHECK_RC(poll_case(il_case_stream(e.a, 0)), -EINVAL);
	CHECK_RC(il_stream_close(e.a), 0);
	CHECK_RC(poll_case(readable), -EBADF);
	il_stream_destroy(e.a);
	il_stream_destroy(e.b);
}

IL_TEST_REAL(S, n375_a_select_waits_for_a_stream_and_closing_it_is_told)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct ends e = ends_of(kind);
		il_event *never = new_event();
		struct chooser c = {
		    .cases = {il_case_event(never), il_case_stream(e.a, IL_READABLE)}};
		il_group g;

		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &c, 2);
		CHECK_RC(poll_case(c.cases[1]), -EBUSY);
		say(e.b, "x");
		CHECK_RC(il_group_close(&g, 0), 0);
		check_chose(&c, 1, IL_READABLE);
		check_reads(e.a, "x");
		CHECK_RC(il_select(c.cases, 2, IL_MSEC(1)), -ETIMEDOUT);
		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &c, 2);
		il_stream_destroy(e.a);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_chose(&c, 1, -EBADF);
		il_stream_destroy(e.b);
		il_event_destroy(never);
	}
}

IL_TEST_REAL(S, n375_a_stream_that_another_task_reads_is_busy)
{
	struct ends e = ends_of(PAIR);
	struct waiter w = {.rc = -1};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, read_some, e.a);
	CHECK_RC(poll_case(il_case_stream(e.a, IL_READABLE)), -EBUSY);
	CHECK_RC(poll_case(il_case_stream(e.a, IL_WRITABLE)), IL_WRITABLE);
	say(e.b, "x");
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, 1);
	il_stream_destroy(e.a);
	il_stream_destroy(e.b);
}

/* More than there is room for. */
static void write_until_full(il_stream *s)
{
	static char much[1 << 20];

	while (poll_case(il_case_stream(s, IL_WRITABLE)) == IL_WRITABLE)
		CHECK(il_stream_write(s, much, sizeof much) > 0);
}

IL_TEST_REAL(S, n375_what_a_select_waits_for_another_task_does_not_use)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct ends e = ends_of(kind);

		check_has_alone(e.a, IL_READABLE);
		if (kind == PAIR) { /* the others' room may grow by itself */
			write_until_full(e.a);
			check_has_alone(e.a, IL_WRITABLE);
		}
		say(e.b, "on");
		check_hears(e.a, "on");
		drop(&e);
	}
}

/* Two pipes are readable at the same time as the stream, one before and one after it: so the second to be told comes
 * after the stream, whichever way round the native loop goes. */
struct rivals {
	il_stream *stream;
	int told;
};

static void destroy_as_second(void *arg, unsigned mask)
{
	struct rivals *r = arg;

	(void)mask;
	if (++r->told == 2)
		il_stream_destroy(r->stream);
}

IL_TEST_REAL(S, n375_a_stream_that_is_destroyed_right_after_it_was_ready_is_closed)
{
	struct ends e = ends_of(PAIR);
	struct rivals r = {.stream = e.a};
	struct chooser c = {.cases = {il_case_stream(e.a, IL_READABLE)}};
	il_fd_watch *watches[2];
	int pipes[2][2];
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pipe(pipes[i]), 0);
		CHECK_RC(
		    il_fd_watch_open(&watches[i], pipes[i][0], IL_READABLE, destroy_as_second, &r),
		    0);
	}
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* the native loop knows all three */
	CHECK_EQ(write(pipes[0][1], "x", 1), 1);
	slip(e.b, "x");
	CHECK_EQ(write(pipes[1][1], "x", 1), 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, -EBADF);
	for (int i = 0; i < 2; i++) {
		il_fd_watch_close(watches[i]);
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	il_stream_destroy(e.b);
}

/* ---- 375: clients ---- */

struct talk {
	il_client *client;
	il_stream *peer;
};

static struct talk new_talk(const il_client_options *options)
{
	struct talk t;
	il_stream *mine = NULL;

	CHECK_RC(il_stream_pair(&mine, &t.peer), 0);
	CHECK_RC(il_client_open(&t.client, mine, il_protocol_lines(), options), 0);
	return t;
}

static void end_talk(struct talk *t)
{
	il_client_destroy(t->client);
	il_stream_destroy(t->peer);
}

static void check_receives(il_client *c, const char *text)
{
	il_packet packet;

	CHECK_RC(il_client_receive(c, &packet, 0), 1);
	CHECK_STR((const char *)packet.data, text);
}

IL_TEST_REAL(S, n375_a_client_is_ready_when_a_whole_packet_is_there)
{
	struct talk t = new_talk(NULL);
	const il_case one = il_case_client(t.client);
	il_packet packet;

	CHECK_RC(poll_case(one), -ETIMEDOUT);
	say(t.peer, "AB");
	for (int i = 0; i < 20; i++)
		CHECK_RC(poll_case(one), -ETIMEDOUT);
	say(t.peer, "C\nD\nE");
	CHECK_SOON(one, 0);
	CHECK_RC(poll_case(one), 0);
	check_receives(t.client, "ABC");
	CHECK_RC(poll_case(one), 0);
	check_receives(t.client, "D");
	CHECK_RC(poll_case(one), -ETIMEDOUT);
	CHECK_RC(il_client_receive(t.client, &packet, 0), -ETIMEDOUT);
	CHECK_RC(il_stream_shutdown_write(t.peer), 0);
	CHECK_SOON(one, 0); /* the end, in the middle of a packet */
	CHECK_RC(il_client_receive(t.client, &packet, 0), -ENODATA);
	CHECK_RC(poll_case(one), 0);
	CHECK_RC(il_client_receive(t.client, &packet, 0), 0);
	CHECK_RC(poll_case(one), 0);
	CHECK_RC(il_client_close(t.client), 0);
	CHECK_RC(poll_case(one), -EBADF);
	end_talk(&t);
}

IL_TEST_REAL(S, n375_a_select_waits_for_the_whole_packet)
{
	struct talk t = new_talk(NULL);
	struct both_ends channel = new_channel(1);
	int item = 0;
	struct chooser c = {
	    .cases = {il_case_receive(channel.in, &item), il_case_client(t.client)}};
	il_packet packet;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	CHECK_RC(il_client_receive(t.client, &packet, 0), -EBUSY);
	CHECK_RC(poll_case(c.cases[1]), -EBUSY);
	say(t.peer, "half");
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK(!c.returned);
	say(t.peer, " and half\n");
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 1, 0);
	check_receives(t.client, "half and half");
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	send_now(&channel, 3);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 1);
	CHECK_RC(il_client_receive(t.client, &packet, 0), -ETIMEDOUT);
	end_talk(&t);
	destroy_channel(&channel);
}

IL_TEST_REAL(S, n375_a_client_that_is_destroyed_meanwhile_is_ready_as_closed)
{
	struct talk t = new_talk(NULL);
	struct chooser c = {.cases = {il_case_client(t.client)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	end_talk(&t);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, -EBADF);
}

IL_TEST_REAL(S, n375_a_packet_that_is_too_large_is_ready)
{
	il_client_options options = {.max_packet = 100};
	struct talk t = new_talk(&options);
	const il_case one = il_case_client(t.client);
	char many[400];
	il_packet packet;

	memset(many, 'x', sizeof many);
	CHECK_RC(il_stream_write_all(t.peer, many, sizeof many), 0);
	CHECK_SOON(one, 0);
	CHECK_RC(il_client_receive(t.client, &packet, 0), -EMSGSIZE);
	end_talk(&t);
}

IL_TEST_REAL(S, n375_the_limits_of_a_client_hold_in_a_select)
{
	il_client_options options = {.idle_timeout = IL_MSEC(30)};
	struct talk t = new_talk(&options);
	il_case one = il_case_client(t.client);
	il_time begin = il_now();
	il_packet packet;

	/* A wait that ends sooner does not use it up. */
	if (il_select(&one, 1, IL_MSEC(10)) == -ETIMEDOUT)
		CHECK_RC(il_select(&one, 1, IL_FOREVER), 0);
	CHECK_RC(one.rc, 0);
	CHECK(il_now() - begin >= IL_MSEC(30));
	CHECK_RC(il_client_receive(t.client, &packet, 0), 0);
	end_talk(&t);
}

/* The loop stands until the limit has passed as well. */
IL_TEST_REAL(S, n375_a_packet_that_has_come_in_time_counts_more_than_the_limit)
{
	const il_time limit = IL_MSEC(200);
	struct talk t = new_talk(&(il_client_options){.idle_timeout = limit});
	struct chooser c = {.cases = {il_case_client(t.client)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	slip(t.peer, "in time\n");
	usleep((useconds_t)(limit / 1000));
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
	check_receives(t.client, "in time");
	end_talk(&t);
}

/* The first to come counts, also where the second comes before the select has run. */
IL_TEST_REAL(S, n366_a_case_that_comes_after_the_cancellation_does_not_count)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct ends e = ends_of(kind);
		struct chooser c = {.cases = {il_case_stream(e.a, IL_READABLE)}};
		il_group g;

		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &c, 1);
		CHECK_RC(il_scope_cancel(&c.scope), 0);
		CHECK_RC(il_stream_close(e.a), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_chose(&c, -ECANCELED, 0);
		il_stream_destroy(e.a);
		il_stream_destroy(e.b);
	}
}

IL_TEST_VIRTUAL(S, n366_nor_does_a_clients_limit_that_passes_with_the_deadline_of_a_scope)
{
	il_client_options options = {.idle_timeout = IL_SEC(60)};
	struct talk t = new_talk(&options);
	il_case one = il_case_client(t.client);
	il_scope scope = IL_SCOPE_INIT;
	il_packet packet;

	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_SEC(60)), 0), 0);
	CHECK_RC(il_select(&one, 1, IL_FOREVER), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK_RC(il_client_receive(t.client, &packet, 0), -ETIMEDOUT);
	end_talk(&t);
}

/* ---- 292: a transport's stream ---- */

struct ring {
	il_stream *stream;
	char bytes[16];
	size_t count;
	bool ended;
};

static int ring_receive(void *self, void *data, size_t max)
{
	struct ring *r = self;
	size_t n = r->count < max ? r->count : max;

	if (!n)
		return r->ended ? 0 : -EAGAIN;
	memcpy(data, r->bytes, n);
	memmove(r->bytes, r->bytes + n, r->count - n);
	r->count -= n;
	return (int)n;
}

static int ring_send(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	(void)pieces;
	return count ? -EAGAIN : 0;
}

static int ring_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)self;
	(void)direction;
	(void)fd;
	(void)mask;
	return -ENOENT;
}

static const struct il_transport ring_transport = {
    .name = "ring", .receive = ring_receive, .send = ring_send, .want = ring_want};

static void ring_put(struct ring *r, char byte)
{
	r->bytes[r->count++] = byte;
	il_transport_ready(r->stream, IL_READABLE);
}

IL_TEST(S, n292_a_transports_stream_in_a_select)
{
	struct ring r = {.count = 0};
	struct chooser c;
	il_group g;

	CHECK_RC(il_stream_open_transport(&r.stream, &ring_transport, &r), 0);
	c.cases[0] = il_case_stream(r.stream, IL_READABLE);
	CHECK_RC(poll_case(c.cases[0]), -ETIMEDOUT);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	il_transport_ready(r.stream, IL_READABLE); /* there is nothing after all */
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_yield(), 0);
	CHECK(!c.returned);
	ring_put(&r, 'a');
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, IL_READABLE);
	check_reads(r.stream, "a");
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, -ECANCELED, 0);
	ring_put(&r, 'b');
	CHECK_RC(poll_case(c.cases[0]), IL_READABLE);
	check_reads(r.stream, "b");
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	ring_put(&r, 'c');
	il_stream_destroy(r.stream); /* before the task that was told has run */
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, -EBADF);
}

IL_TEST(S, n292_at_a_clients_limit_its_transport_is_asked_once_more)
{
	const il_client_options options = {.idle_timeout = IL_MSEC(100)};
	struct ring r = {.count = 0};
	struct chooser c;
	il_client *client = NULL;
	il_group g;

	CHECK_RC(il_stream_open_transport(&r.stream, &ring_transport, &r), 0);
	CHECK_RC(il_client_open(&client, r.stream, il_protocol_lines(), &options), 0);
	c.cases[0] = il_case_client(client);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	memcpy(r.bytes, "untold\n", r.count = 7);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
	check_receives(client, "untold");
	il_client_destroy(client);
}

/* Closes its own stream, or destroys it, when it is asked. */
struct leaver {
	il_stream *stream;
	bool destroys;
	int closes;
};

static int leaver_receive(void *self, void *data, size_t max)
{
	struct leaver *l = self;

	(void)data;
	(void)max;
	CHECK_EQ(l->closes, 0);
	if (l->destroys)
		il_stream_destroy(l->stream);
	else
		CHECK_RC(il_stream_close(l->stream), 0);
	return -EAGAIN;
}

static int leaver_send(void *self, const struct iovec *pieces, int count)
{
	const struct leaver *l = self;

	(void)pieces;
	(void)count;
	CHECK_EQ(l->closes, 0);
	return 0;
}

static void leaver_close(void *self)
{
	struct leaver *l = self;

	l->closes++;
}

IL_TEST(S, n292_a_transport_that_closes_its_stream_when_a_select_asks)
{
	const struct il_transport transport = {.name = "leaver",
					       .receive = leaver_receive,
					       .send = leaver_send,
					       .close = leaver_close};

	for (int destroys = 0; destroys < 2; destroys++) {
		struct leaver l = {.destroys = destroys};

		CHECK_RC(il_stream_open_transport(&l.stream, &transport, &l), 0);
		CHECK_RC(poll_case(il_case_stream(l.stream, IL_READABLE | IL_WRITABLE)), -EBADF);
		CHECK_EQ(l.closes, 1);
		if (!destroys)
			il_stream_destroy(l.stream);
	}
}
