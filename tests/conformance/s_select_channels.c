/*
 * s_select_channels.c: channels in a select: no item is lost and none is doubled, whoever else sends, receives,
 * selects, gives up or closes meanwhile; and nobody receives what it sends itself.
 */
#include "s_select.h"

IL_TEST(S, n364_of_two_items_in_one_turn_one_is_taken_and_the_other_is_still_there)
{
	struct both_ends a = new_channel(1), b = new_channel(1);
	int x = 0, y = 0;
	struct chooser c = {.cases = {il_case_receive(a.in, &x), il_case_receive(b.in, &y)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	send_now(&b, 2);
	send_now(&a, 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 1, 1);
	CHECK_EQ(x, 0);
	CHECK_EQ(y, 2);
	check_next(&a, 1);
	destroy_channel(&a);
	destroy_channel(&b);
}

IL_TEST(S, n366_after_a_cancelled_select_the_next_receiver_gets_the_item)
{
	struct both_ends c = new_channel(0);
	int x = 0, y = 0;
	struct chooser first = {.cases = {il_case_receive(c.in, &x)}},
		       next = {.cases = {il_case_receive(c.in, &y)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &first, 1);
	start_choosing(&g, &next, 1);
	CHECK_RC(il_scope_cancel(&first.scope), 0);
	send_now(&c, 5);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&first, -ECANCELED, 0);
	check_chose(&next, 0, 1);
	CHECK_EQ(x, 0);
	CHECK_EQ(y, 5);
	destroy_channel(&c);
}

IL_TEST_FIFO(S, n370_selects_and_plain_receives_wait_in_one_queue)
{
	struct both_ends c = new_channel(0), never = new_channel(0);
	int got[3] = {0}, other = 0;
	struct chooser waits[3];
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++) {
		waits[i].cases[0] = il_case_receive(never.in, &other);
		waits[i].cases[1] = il_case_receive(c.in, &got[i]);
		start_choosing(&g, &waits[i], 2);
	}
	for (int i = 0; i < 3; i++)
		send_now(&c, i + 1);
	CHECK_RC(il_channel_send_nowait(c.out, &other), -EAGAIN);
	CHECK_RC(il_group_close(&g, 0), 0);
	for (int i = 0; i < 3; i++) {
		check_chose(&waits[i], 1, 1);
		CHECK_EQ(got[i], i + 1);
	}
	destroy_channel(&c);
	destroy_channel(&never);
}

/* As many as one likes, again and again in the same array. */
IL_TEST(S, n379_one_of_many_cases_happens_and_the_array_is_used_again)
{
	enum { MANY = 500 };
	struct both_ends *c = calloc(MANY, sizeof *c);
	il_case *cases = calloc(MANY, sizeof *cases);
	int got[MANY] = {0};

	for (int i = 0; i < MANY; i++) {
		c[i] = new_channel(1);
		cases[i] = il_case_receive(c[i].in, &got[i]);
	}
	for (int i = 0; i < MANY; i += 99) {
		CHECK_RC(il_select(cases, MANY, i % 2 ? 0 : 1), -ETIMEDOUT);
		send_now(&c[i], i + 1);
		CHECK_EQ(il_select(cases, MANY, IL_FOREVER), i);
		CHECK_EQ(got[i], i + 1);
	}
	for (int i = 0; i < MANY; i++)
		destroy_channel(&c[i]);
	free(cases);
	free(c);
}

/* Each of two selects would do for the other, twice over: one item goes one way, and no more. */
IL_TEST(S, n371_two_selects_that_fit_each_other_exchange_one_item)
{
	struct both_ends a = new_channel(0), b = new_channel(0);
	int one = 1, two = 2, got = 0, mine = 0;
	struct chooser left = {.cases = {il_case_send(a.out, &one), il_case_receive(b.in, &got)}};
	il_case right[] = {il_case_receive(a.in, &mine), il_case_send(b.out, &two)};
	il_group g;

	for (int first = 0; first < 2; first++) {
		il_case swapped[] = {right[first], right[!first]};
		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &left, 2);
		CHECK_EQ(il_select(swapped, 2, IL_FOREVER), 0);
		CHECK_RC(il_select(swapped, 2, 0), -ETIMEDOUT);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_chose(&left, first, first);
		CHECK_EQ(got, first ? two : 0);
		CHECK_EQ(mine, one);
	}
	destroy_channel(&a);
	destroy_channel(&b);
}

IL_TEST(S, n369_the_same_channel_in_two_cases)
{
	struct both_ends c = new_channel(0);
	int x = 0, y = 0;
	struct chooser twice = {.cases = {il_case_receive(c.in, &x), il_case_receive(c.in, &y)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &twice, 2);
	send_now(&c, 5);
	CHECK_RC(il_channel_send_nowait(c.out, &x), -EAGAIN);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&twice, 0, 1);
	CHECK_EQ(x, 5);
	CHECK_EQ(y, 0);
	destroy_channel(&c);
}

IL_TEST(S, n369_an_end_that_closes_under_two_cases_of_one_select)
{
	struct both_ends c = new_channel(0);
	int x = 0;
	struct chooser twice = {.cases = {il_case_receive(c.in, &x), il_case_receive(c.in, &x)}};
	struct chooser other = {.cases = {il_case_receive(c.in, &x)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &twice, 2);
	start_choosing(&g, &other, 1);
	CHECK_RC(il_receiver_close(c.in), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&twice, 0, -EBADF);
	check_chose(&other, 0, -EBADF);
	destroy_channel(&c);
}

IL_TEST(S, n369_nobody_receives_its_own_item)
{
	struct both_ends c = new_channel(0);
	int one = 1, two = 2, got_one = 0, got_two = 0;
	struct chooser a = {.cases = {il_case_send(c.out, &one), il_case_receive(c.in, &got_one)}};
	il_case b[] = {il_case_receive(c.in, &got_two), il_case_send(c.out, &two)};
	il_group g;

	CHECK_RC(il_select(b, 2, 0), -ETIMEDOUT);
	CHECK_RC(il_select(b, 2, IL_MSEC(1)), -ETIMEDOUT);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &a, 2);
	CHECK_EQ(il_select(b, 2, IL_FOREVER), 0);
	CHECK_EQ(got_two, 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&a, 0, 0);
	CHECK_EQ(got_one, 0);

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &a, 2);
	b[0].object = NULL;
	CHECK_EQ(il_select(b, 2, IL_FOREVER), 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&a, 1, 1);
	CHECK_EQ(got_one, 2);
	destroy_channel(&c);
}

/* ---- 364: random rounds: items in = items out ---- */

enum { CHANNELS = 4, TASKS = 6 };

struct storm {
	struct both_ends channels[CHANNELS];
	uint64_t random;
	size_t rounds; /* left, for all tasks */
	uint64_t in, out;
	size_t sent, received;
};

/* A few cases over random channels, some of them off; a short or no timeout; sometimes cancelled. */
static int storm_once(struct storm *s)
{
	int items[4], happened;
	il_case cases[4];
	bool sends[4];
	size_t count = 1 + (size_t)random_below(&s->random, 4);
	il_time timeout = random_below(&s->random, 3) ? IL_USEC(random_below(&s->random, 20)) : 0;

	for (size_t i = 0; i < count; i++) {
		struct both_ends *c = &s->channels[random_below(&s->random, CHANNELS)];
		sends[i] = random_below(&s->random, 2);
		items[i] = sends[i] ? 1 + (int)random_below(&s->random, 1000000) : 0;
		cases[i] =
		    sends[i] ? il_case_send(c->out, &items[i]) : il_case_receive(c->in, &items[i]);
		if (random_below(&s->random, 8) == 0)
			cases[i].object = NULL;
	}
	happened = il_select(cases, count, timeout);
	for (size_t i = 0; i < count; i++)
		if (!sends[i] && (int)i != happened)
			CHECK_EQ(items[i], 0);
	if (happened < 0)
		return happened;
	CHECK_RC(cases[happened].rc, !sends[happened]);
	*(sends[happened] ? &s->in : &s->out) += (uint64_t)items[happened];
	++*(sends[happened] ? &s->sent : &s->received);
	return 0;
}

static int storm_task(void *arg)
{
	struct storm *s = arg;

	while (s->rounds > 0) {
		il_scope scope = IL_SCOPE_INIT;
		il_time limit = IL_USEC(random_below(&s->random, 30));
		int rc;
		s->rounds--;
		CHECK_RC(il_scope_enter(&scope, il_deadline(limit), 0), 0);
		rc = storm_once(s);
		CHECK(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED);
		CHECK_RC(il_scope_exit(&scope, rc), rc == -ECANCELED ? 0 : rc);
	}
	return 0;
}

/* What is still in the buffers. */
static void storm_drain(struct storm *s)
{
	for (int i = 0; i < CHANNELS; i++) {
		int item;
		while (il_channel_receive_nowait(s->channels[i].in, &item) == 1) {
			s->out += (uint64_t)item;
			s->received++;
		}
		destroy_channel(&s->channels[i]);
	}
}

static void storm(size_t rounds, uint64_t seed)
{
	struct storm s = {.random = seed, .rounds = rounds};
	il_group g;

	for (int i = 0; i < CHANNELS; i++)
		s.channels[i] = new_channel((size_t)i);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < TASKS; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, storm_task, &s), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(s.sent > rounds / 100);
	storm_drain(&s);
	CHECK_EQ(s.sent, s.received);
	CHECK_EQ(s.in, s.out);
}

/* In virtual time a sixteenth of 10^6 rounds under each seed of the loop. */
IL_TEST(S, n364_in_a_storm_of_selects_no_item_is_lost_and_none_is_doubled)
{
	static uint64_t seed;

	storm(il_test_rounds(il_test_virtual() ? 62500 : 100000),
	      UINT64_C(88172645463325252) + ++seed);
}
