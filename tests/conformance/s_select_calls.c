/*
 * s_select_calls.c: a select of which one case is a stream or client over the test's own transport, whose functions
 * change what the other cases wait for: nothing of that is missed, and nothing is taken twice.
 */
#include "s_select.h"

#include <interloop/layer.h>
#include <interloop/server.h>

struct caller {
	void (*call)(void *object); /* in each receive, or each want, `calls` times */
	void *object;
	int calls;
	bool in_want;
	bool asked;
	const char *text; /* and then receives this, once; NULL: nothing */
	il_stream *stream;
};

static void caller_calls(struct caller *c, bool in_want)
{
	if (c->in_want == in_want && c->calls && c->calls--)
		c->call(c->object);
}

static int caller_receive(void *self, void *data, size_t max)
{
	struct caller *c = self;
	int n = c->text ? (int)strlen(c->text) : -EAGAIN;

	c->asked = true;
	caller_calls(c, false);
	if (n > 0) {
		CHECK((size_t)n <= max);
		memcpy(data, c->text, (size_t)n);
		c->text = NULL;
	}
	return n;
}

static int caller_send(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	(void)pieces;
	return count ? -EAGAIN : 0;
}

static int caller_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)direction, (void)fd, (void)mask;
	caller_calls(self, true);
	return -ENOENT;
}

static const struct il_transport caller_transport = {
    .name = "caller", .receive = caller_receive, .send = caller_send, .want = caller_want};

static il_client *client_over(struct caller *c)
{
	il_client *client = NULL;

	CHECK_RC(il_stream_open_transport(&c->stream, &caller_transport, c), 0);
	CHECK_RC(il_client_open(&client, c->stream, il_protocol_lines(), NULL), 0);
	return client;
}

/* ---- what the calls do ---- */

static void set_event(void *event)
{
	CHECK_RC(il_event_set(event), 0);
}

static void complete(void *future)
{
	CHECK_RC(il_future_set_result(future, 0), 0);
}

static void cancel(void *scope)
{
	CHECK_RC(il_scope_cancel(scope), 0);
}

static void release(void *semaphore)
{
	CHECK_RC(il_semaphore_release(semaphore), 0);
}

static void send_one(void *sender)
{
	CHECK_RC(il_channel_send_nowait(sender, &(int){1}), 0);
}

static void give_back(void *limiter)
{
	CHECK_RC(il_limiter_release_on_behalf_of(limiter, limiter), 0);
}

static void close_stream(void *stream)
{
	CHECK_RC(il_stream_close(stream), 0);
}

/* ---- before the wait ---- */

/* The select of {other, client}, whose client calls that, gives the other. */
static void check_hears_of(il_case other, void (*call)(void *), void *object, int rc)
{
	struct caller c = {.call = call, .object = object, .calls = 1};
	il_client *client = client_over(&c);
	il_case cases[] = {other, il_case_client(client)};

	CHECK_RC(il_select(cases, 2, IL_SEC(1)), 0);
	CHECK_RC(cases[0].rc, rc);
	CHECK_EQ(c.calls, 0);
	il_client_destroy(client);
}

IL_TEST(S, n372_an_event_that_another_case_sets_is_not_missed)
{
	il_event *event = new_event();

	check_hears_of(il_case_event(event), set_event, event, 0);
	il_event_destroy(event);
}

static int find_and_set(const il_protocol *p, il_parse *parse)
{
	CHECK_RC(il_event_set(p->state.pointer), 0);
	parse->consumed = 0;
	return 0;
}

IL_TEST_REAL(S, n372_nor_is_one_that_a_protocol_sets)
{
	il_event *event = new_event();
	const il_protocol setter = {.find = find_and_set, .state.pointer = event};
	il_stream *mine = NULL, *peer = NULL;
	il_client *client = NULL;
	il_case cases[2] = {il_case_event(event)};

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_stream_write_all(peer, "half", 4), 0);
	CHECK_RC(il_client_open(&client, mine, &setter, NULL), 0);
	cases[1] = il_case_client(client);
	CHECK_RC(il_select(cases, 2, IL_SEC(1)), 0);
	il_client_destroy(client);
	il_stream_destroy(peer);
	il_event_destroy(event);
}

/* The future waits before the client does. */
IL_TEST(S, n372_nor_is_a_future_that_another_case_completes)
{
	for (int in_want = 0; in_want < 2; in_want++) {
		il_future *f = new_future();
		struct caller c = {.call = complete, .object = f, .calls = 1, .in_want = in_want};
		il_client *client = client_over(&c);
		il_case cases[] = {il_case_future(f), il_case_client(client)};

		CHECK_RC(il_select(cases, 2, IL_SEC(1)), 0);
		il_client_destroy(client);
		il_future_unref(f);
	}
}

static int count_turns(void *turns)
{
	while (il_yield() == 0)
		++*(int *)turns;
	return 0;
}

IL_TEST(S, others_run_beside_a_select_whose_case_always_causes_another)
{
	enum { ROUNDS = 50 };
	il_semaphore *s = new_semaphore(0, 1);
	struct caller c = {.call = release, .object = s, .calls = ROUNDS};
	il_client *client = client_over(&c);
	il_case cases[] = {il_case_semaphore(s), il_case_client(client)};
	int turns = 0;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, count_turns, &turns), 0);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_RC(il_select(cases, 2, IL_SEC(1)), 0);
	CHECK(turns >= ROUNDS / 2);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_client_destroy(client);
	il_semaphore_destroy(s);
}

IL_TEST(S, n373_a_permit_that_another_case_releases_is_taken)
{
	il_semaphore *s = new_semaphore(0, 1);

	check_hears_of(il_case_semaphore(s), release, s, 0);
	CHECK_EQ(il_semaphore_value(s), 0);
	il_semaphore_destroy(s);
}

IL_TEST(S, n373_a_token_that_another_case_gives_back_is_taken_once)
{
	il_limiter *limiter = new_limiter(1);

	CHECK_RC(il_limiter_acquire_on_behalf_of(limiter, limiter), 0);
	check_hears_of(il_case_limiter(limiter), give_back, limiter, 0);
	CHECK_EQ(il_limiter_borrowed(limiter), 1);
	CHECK_RC(il_limiter_release(limiter), 0);
	il_limiter_destroy(limiter);
}

IL_TEST(S, n361_an_item_that_another_case_sends_comes_before_later_ones)
{
	struct both_ends ch = new_channel(2);
	int item = 0;

	check_hears_of(il_case_receive(ch.in, &item), send_one, ch.out, 1);
	CHECK_EQ(item, 1);
	send_now(&ch, 2);
	check_next(&ch, 2);
	destroy_channel(&ch);
}

/* Both cases of the channel are asked once more, before one of them waits. */
IL_TEST(S, n369_a_select_does_not_send_to_itself)
{
	struct both_ends ch = new_channel(0);
	struct caller c = {.text = NULL};
	il_client *client = client_over(&c);
	int item = 0;
	il_case cases[] = {il_case_send(ch.out, &(int){1}), il_case_receive(ch.in, &item),
			   il_case_client(client)};

	CHECK_RC(il_select(cases, 3, IL_MSEC(1)), -ETIMEDOUT);
	CHECK_EQ(item, 0);
	il_client_destroy(client);
	destroy_channel(&ch);
}

IL_TEST_REAL(S, n375_a_stream_that_another_case_closes_is_closed)
{
	struct caller other = {.text = NULL};
	il_client *client = client_over(&other);
	il_stream *stream = NULL, *peer = NULL;

	CHECK_RC(il_stream_pair(&stream, &peer), 0);
	check_hears_of(il_case_stream(stream, IL_READABLE), close_stream, stream, -EBADF);
	check_hears_of(il_case_client(client), close_stream, other.stream, -EBADF);
	CHECK_RC(il_stream_open_transport(&other.stream, &caller_transport, &other), 0);
	check_hears_of(il_case_stream(other.stream, IL_READABLE), close_stream, other.stream,
		       -EBADF);
	il_stream_destroy(other.stream);
	il_client_destroy(client);
	il_stream_destroy(stream);
	il_stream_destroy(peer);
}

static void check_ends(il_case one, il_scope *scope)
{
	CHECK_RC(il_scope_enter(scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_select(&one, 1, IL_SEC(1)), -ECANCELED);
	CHECK_RC(il_scope_exit(scope, -ECANCELED), 0);
}

IL_TEST(S, n366_a_case_may_cancel_the_select)
{
	for (int in_want = 0; in_want < 2; in_want++) {
		il_scope scopes[] = {IL_SCOPE_INIT, IL_SCOPE_INIT};
		struct caller c = {
		    .call = cancel, .object = &scopes[0], .calls = 1, .in_want = in_want};
		il_client *client = client_over(&c);

		check_ends(il_case_client(client), &scopes[0]);
		c.object = &scopes[1];
		c.calls = 1;
		check_ends(il_case_stream(c.stream, IL_READABLE), &scopes[1]);
		il_client_destroy(client);
	}
}

static int find_and_cancel(const il_protocol *p, il_parse *parse)
{
	cancel(p->state.pointer);
	parse->consumed = 0;
	return 0;
}

IL_TEST_REAL(S, n366_so_may_a_protocol)
{
	il_scope scope = IL_SCOPE_INIT;
	const il_protocol canceller = {.find = find_and_cancel, .state.pointer = &scope};
	il_stream *mine = NULL, *peer = NULL;
	il_client *client = NULL;

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_stream_write_all(peer, "half", 4), 0);
	CHECK_RC(il_client_open(&client, mine, &canceller, NULL), 0);
	check_ends(il_case_client(client), &scope);
	il_client_destroy(client);
	il_stream_destroy(peer);
}

/* ---- while it waits ---- */

/* Others are there only once all wait; the look at the client calls that, and finds a packet as well. */
static void check_keeps(il_case other, void (*call)(void *), void *object, int rc)
{
	struct caller c = {.call = call, .object = object};
	il_client *client = client_over(&c);
	struct chooser chooser = {.cases = {other, il_case_client(client)}};
	il_packet packet;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &chooser, 2);
	c.calls = 1;
	c.text = "hello\n";
	il_transport_ready(c.stream, IL_READABLE);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&chooser, 0, rc);
	CHECK_EQ(c.calls, 0);
	CHECK_RC(il_client_receive(client, &packet, 0), 1); /* nothing of it is lost either */
	CHECK_EQ(packet.size, 5);
	il_client_destroy(client);
}

/* As of a stream (check_has_alone). */
IL_TEST_REAL(S, n375_who_does_not_wait_takes_nothing_of_a_client_that_a_select_waits_for)
{
	struct chooser chooser;
	il_client *client = NULL;
	il_stream *mine = NULL, *peer = NULL;
	il_packet packet;
	il_group g;
	char text[8];

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_client_open(&client, mine, il_protocol_lines(), NULL), 0);
	chooser.cases[0] = il_case_client(client);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &chooser, 1);
	CHECK_RC(il_stream_write_all(peer, "hel", 3), 0);
	CHECK_RC(il_stream_read_now(mine, text, sizeof text), -EBUSY);
	CHECK_RC(il_stream_write_now(mine, &(struct iovec){"x", 1}, 1), 1);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_stream_write_all(peer, "lo\n", 3), 0);
	CHECK_RC(il_stream_read_now(mine, text, sizeof text), -EBUSY);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&chooser, 0, 0);
	CHECK_RC(il_client_receive(client, &packet, 0), 1);
	CHECK_EQ(packet.size, 5);
	CHECK_RC(il_stream_read_now(mine, text, sizeof text), -EAGAIN);
	il_client_destroy(client);
	il_stream_destroy(peer);
}

IL_TEST(S, n373_a_permit_that_comes_while_another_case_is_looked_at_is_not_lost)
{
	il_semaphore *s = new_semaphore(0, 1);

	check_keeps(il_case_semaphore(s), release, s, 0);
	CHECK_EQ(il_semaphore_value(s), 0);
	il_semaphore_destroy(s);
}

IL_TEST(S, n361_an_item_that_comes_while_another_case_is_looked_at_is_not_lost)
{
	struct both_ends ch = new_channel(1);
	int item = 0;

	check_keeps(il_case_receive(ch.in, &item), send_one, ch.out, 1);
	CHECK_EQ(item, 1);
	CHECK_EQ(il_receiver_get_statistics(ch.in).buffered, 0);
	destroy_channel(&ch);
}

IL_TEST(S, n372_a_future_that_is_completed_while_another_case_is_looked_at_is_not_missed)
{
	for (int in_want = 0; in_want < 2; in_want++) {
		il_future *f = new_future();
		struct caller c = {.call = complete, .object = f, .in_want = in_want};
		il_client *client = client_over(&c);
		struct chooser chooser = {.cases = {il_case_future(f), il_case_client(client)}};
		il_group g;

		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &chooser, 2);
		c.calls = 1;
		il_transport_ready(c.stream, IL_READABLE);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_chose(&chooser, 0, 0);
		il_client_destroy(client);
		il_future_unref(f);
	}
}
