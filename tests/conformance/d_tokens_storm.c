/*
 * d_tokens_storm.c: many calls for few tokens, cancelled, abandoned and left over at the loop's end: each
 * is made once or never, and no token is lost.
 */
#include "workers.h"

#include <time.h>

enum { TASKS = 64, ROUNDS = 300, HIGHEST = 4 };

struct storm_call {
	struct storm *storm;
	atomic_int ran, released;
	atomic_bool over; /* its task has returned, and did not abandon it */
	bool abandoned;
	unsigned spins; /* 0: a nap */
};

struct storm {
	il_limiter *limiter;
	atomic_int running, faults;
	size_t rounds, tasks, cancelled, abandoned;
	il_scope *scopes[TASKS]; /* of the calls under way */
	struct storm_call (*calls)[ROUNDS];
	uint32_t random;
};

static unsigned draw_below(struct storm *s, unsigned n)
{
	s->random = s->random * 1664525 + 1013904223;
	return (s->random >> 16) % n;
}

static void run_for_a_moment(struct storm *s, unsigned spins)
{
	if (atomic_fetch_add(&s->running, 1) >= HIGHEST)
		atomic_fetch_add(&s->faults, 1);
	for (volatile unsigned i = 0; i < spins; i++)
		;
	if (spins == 0)
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	atomic_fetch_sub(&s->running, 1);
}

static int run_storm_call(void *arg)
{
	struct storm_call *c = arg;

	if (atomic_fetch_add(&c->ran, 1) > 0 || atomic_load(&c->over))
		atomic_fetch_add(&c->storm->faults, 1);
	run_for_a_moment(c->storm, c->spins);
	return 7;
}

static void release_storm_call(void *arg)
{
	atomic_fetch_add(&((struct storm_call *)arg)->released, 1);
}

static void send_storm_call(struct storm *s, size_t me, struct storm_call *c, bool abandonable)
{
	il_run_in_thread_options options = {.limiter = s->limiter};
	il_scope scope = IL_SCOPE_INIT;
	int rc;

	if (abandonable) {
		options.abandon_on_cancel = true;
		options.release = release_storm_call;
		options.abandoned = &c->abandoned;
	}
	*c = (struct storm_call){.storm = s, .spins = draw_below(s, 8) * 30};
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	s->scopes[me] = &scope;
	rc = il_run_in_thread_with(run_storm_call, c, &options);
	s->scopes[me] = NULL;
	CHECK_RC(il_scope_exit(&scope, il_check_cancelled()), 0);
	if (c->abandoned) {
		CHECK_RC(rc, -ECANCELED);
		s->abandoned++;
		return;
	}
	atomic_store(&c->over, true);
	s->cancelled += rc == -ECANCELED;
	CHECK(rc == 7 || rc == -ECANCELED);
	CHECK_EQ(c->ran, rc == 7);
}

/* What the others meet: a cancellation, another total, a task that borrows. */
static void make_trouble(struct storm *s)
{
	il_scope *victim = s->scopes[draw_below(s, TASKS)];

	if (victim && draw_below(s, 3) == 0)
		CHECK_RC(il_scope_cancel(victim), 0);
	if (draw_below(s, 4) == 0)
		CHECK_RC(il_limiter_set_total(s->limiter, 1 + draw_below(s, HIGHEST)), 0);
	if (draw_below(s, 16) == 0) {
		CHECK_RC(il_limiter_acquire(s->limiter), 0);
		run_for_a_moment(s, 1 + draw_below(s, 200));
		CHECK_RC(il_limiter_release(s->limiter), 0);
	}
	for (unsigned n = draw_below(s, 3); n > 0; n--)
		CHECK_RC(il_yield(), 0);
}

static int weather_storm(void *arg)
{
	struct storm *s = arg;
	size_t me = s->tasks++;

	for (size_t i = 0; i < s->rounds; i++) {
		send_storm_call(s, me, &s->calls[me][i], me % 3 == 0);
		make_trouble(s);
	}
	return 0;
}

static void check_storm(const struct storm *s)
{
	size_t abandoned = 0;

	for (size_t t = 0; t < TASKS; t++)
		for (size_t i = 0; i < s->rounds; i++) {
			const struct storm_call *c = &s->calls[t][i];
			CHECK(c->ran <= 1);
			CHECK_EQ(c->released, c->abandoned);
			CHECK(c->ran == 1 || !c->abandoned);
			abandoned += c->abandoned;
		}
	CHECK_EQ(abandoned, s->abandoned);
	CHECK_EQ(s->running, 0);
	CHECK_EQ(s->faults, 0);
}

IL_TEST_FIFO(D, n82_a_storm_of_calls_leaves_every_token_where_it_was)
{
	struct storm s = {.rounds = il_test_rounds(ROUNDS), .random = 1};
	il_limiter_statistics end;
	il_group g;

	s.calls = calloc(TASKS, sizeof *s.calls);
	CHECK(s.calls != NULL);
	CHECK_RC(il_limiter_create(&s.limiter, 3), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < TASKS; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, weather_storm, &s), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_threads_wait(), 0);
	end = il_limiter_get_statistics(s.limiter);
	CHECK_EQ(end.borrowed, 0);
	CHECK_EQ(end.waiting, 0);
	CHECK_EQ(il_threads_active(), 0);
	CHECK(s.cancelled > 0);
	check_storm(&s);
	il_limiter_destroy(s.limiter);
	free(s.calls);
}

/* ---- the loop's end ---- */

struct leaver {
	atomic_int begun, released, ended;
	int abandoned;
	unsigned spins;
};

static int spin_and_go(void *arg)
{
	struct leaver *l = arg;

	atomic_fetch_add(&l->begun, 1);
	for (volatile unsigned i = 0; i < l->spins; i++)
		;
	atomic_fetch_add(&l->ended, 1);
	return 0;
}

static void release_leaver(void *arg)
{
	atomic_fetch_add(&((struct leaver *)arg)->released, 1);
}

static int send_leaver(void *arg)
{
	struct leaver *l = arg;
	bool abandoned = false;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release_leaver, .abandoned = &abandoned};
	int rc = il_run_in_thread_with(spin_and_go, l, &options);

	l->abandoned += abandoned;
	return rc;
}

static int leave_in_a_hurry(void *arg)
{
	struct leaver *l = arg;
	il_scope scope = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_limiter_set_total(il_thread_limiter(), 2), 0);
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 12; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, send_leaver, l), 0);
	while (atomic_load(&l->begun) < 3)
		CHECK_RC(il_yield(), 0);
	CHECK_RC(il_scope_cancel(&scope), 0);
	return il_scope_exit(&scope, il_group_close(&g, 0));
}

IL_TEST_OWN(D, n80_the_loop_ends_while_calls_take_their_turns)
{
	for (unsigned i = 0; i < il_test_rounds(100); i++) {
		struct leaver l = {.spins = 37 * (i % 40)};
		CHECK_RC(il_run(il_test_backend(), leave_in_a_hurry, &l), 0);
		UNTIL(atomic_load(&l.released) == l.abandoned);
		CHECK_EQ(l.ended, l.begun);
	}
}
