/*
 * s_select_queues.c: semaphores, locks and limiters in a select: acquired if and only if that case happens; the
 * select keeps its place in each queue meanwhile; what is handed over is never lost.
 */
#include "s_select.h"
#include "waiter.h"
#include "waits.h"

/* A select over one of each, all of which others have. */
struct all {
	il_semaphore *s;
	il_lock *lock;
	il_limiter *limiter;
	il_event *e;
	struct chooser c;
	il_group g;
};

enum { SEMAPHORE, LOCK, LIMITER, EVENT };

static void start_all(struct all *a)
{
	*a = (struct all){.s = new_semaphore(0, 2),
			  .lock = new_lock(),
			  .limiter = new_limiter(1),
			  .e = new_event()};
	CHECK_RC(il_lock_acquire_nowait(a->lock), 0);
	CHECK_RC(il_limiter_acquire_nowait(a->limiter), 0);
	a->c.cases[SEMAPHORE] = il_case_semaphore(a->s);
	a->c.cases[LOCK] = il_case_lock(a->lock);
	a->c.cases[LIMITER] = il_case_limiter(a->limiter);
	a->c.cases[EVENT] = il_case_event(a->e);
	CHECK_RC(il_group_open(&a->g), 0);
	start_choosing(&a->g, &a->c, 4);
	CHECK_EQ(il_semaphore_get_statistics(a->s).waiting, 1);
	CHECK_EQ(il_lock_get_statistics(a->lock).waiting, 1);
	CHECK_EQ(il_limiter_get_statistics(a->limiter).waiting, 1);
}

/* Everything is back, or with this index the chooser's. */
static void end_all(struct all *a, int index)
{
	CHECK_EQ(il_semaphore_get_statistics(a->s).waiting, 0);
	CHECK_EQ(il_lock_get_statistics(a->lock).waiting, 0);
	CHECK_EQ(il_limiter_get_statistics(a->limiter).waiting, 0);
	CHECK_RC(il_group_close(&a->g, 0), 0);
	check_chose(&a->c, index, 0);
	CHECK(!il_lock_locked(a->lock));
	il_event_destroy(a->e);
	il_semaphore_destroy(a->s);
	il_lock_destroy(a->lock);
	il_limiter_destroy(a->limiter);
}

static void give_all(struct all *a)
{
	CHECK_RC(il_semaphore_release(a->s), 0);
	CHECK_RC(il_limiter_release(a->limiter), 0);
	CHECK_RC(il_lock_release(a->lock), 0);
	CHECK_RC(il_event_set(a->e), 0);
}

/* ---- 373 ---- */

IL_TEST(S, n373_only_the_first_that_is_handed_over_is_acquired)
{
	struct all a;

	start_all(&a);
	give_all(&a);
	CHECK_EQ(il_semaphore_value(a.s), 0);
	CHECK_EQ(il_limiter_borrowed(a.limiter), 0);
	CHECK(!il_lock_locked(a.lock));
	end_all(&a, SEMAPHORE);
}

IL_TEST(S, n373_of_the_others_nothing_is_acquired)
{
	struct all a;

	start_all(&a);
	CHECK_RC(il_event_set(a.e), 0);
	give_all(&a);
	CHECK_EQ(il_semaphore_value(a.s), 1);
	CHECK_EQ(il_limiter_borrowed(a.limiter), 0);
	CHECK(!il_lock_locked(a.lock));
	end_all(&a, EVENT);
}

IL_TEST(S, n373_a_cancelled_or_late_select_leaves_its_places)
{
	struct all a;
	il_case cases[3];

	start_all(&a);
	cases[0] = a.c.cases[SEMAPHORE];
	cases[1] = a.c.cases[SEMAPHORE];
	CHECK_RC(il_select(cases, 2, IL_MSEC(1)), -ETIMEDOUT);
	CHECK_RC(il_scope_cancel(&a.c.scope), 0);
	CHECK_EQ(il_semaphore_get_statistics(a.s).waiting, 0);
	give_all(&a);
	CHECK_EQ(il_semaphore_value(a.s), 1);
	end_all(&a, -ECANCELED);
}

/* Others queue behind the select. */
IL_TEST(S, n373_it_keeps_its_place_and_those_behind_get_what_it_does_not_take)
{
	struct all a;
	struct waiter permit = {.rc = 1}, lock = {.rc = 1}, token = {.rc = 1};

	start_all(&a);
	start_waiting(&a.g, &permit, take_permit, a.s);
	start_waiting(&a.g, &lock, lock_and_release, a.lock);
	start_waiting(&a.g, &token, borrow_and_return, a.limiter);
	CHECK_RC(il_semaphore_release(a.s), 0); /* the select's */
	CHECK_EQ(il_semaphore_get_statistics(a.s).waiting, 1);
	CHECK_EQ(il_lock_get_statistics(a.lock).waiting, 1);
	CHECK_EQ(il_limiter_get_statistics(a.limiter).waiting, 1);
	CHECK_RC(il_lock_release(a.lock), 0); /* the others' */
	CHECK_RC(il_limiter_release(a.limiter), 0);
	CHECK_RC(il_semaphore_release(a.s), 0);
	end_all(&a, SEMAPHORE);
	check_waited(&permit, 0);
	check_waited(&lock, 0);
	check_waited(&token, 0);
}

static int hold_and_choose(void *arg)
{
	struct chooser *c = arg;
	il_lock *lock = c->cases[0].object;

	c->rc = il_select(c->cases, 1, IL_FOREVER);
	CHECK_RC(c->rc, 0);
	CHECK_RC(c->cases[0].rc, 0);
	CHECK(il_lock_held(lock));
	CHECK_RC(il_lock_release(lock), 0);
	return 0;
}

IL_TEST(S, n373_the_lock_is_the_selecting_tasks)
{
	struct chooser c;
	il_lock *lock = new_lock();
	il_group g;

	CHECK_RC(il_lock_acquire(lock), 0);
	c.cases[0] = il_case_lock(lock);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, hold_and_choose, &c), 0);
	UNTIL(il_lock_get_statistics(lock).waiting == 1);
	CHECK_RC(il_lock_release(lock), 0);
	CHECK(il_lock_locked(lock) && !il_lock_held(lock));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(!il_lock_locked(lock));
	il_lock_destroy(lock);
}

struct owner {
	il_lock *lock;
	il_event *end;
};

static int end_with_the_lock(void *arg)
{
	struct owner *o = arg;

	CHECK_RC(il_lock_acquire(o->lock), 0);
	return il_event_wait(o->end);
}

IL_TEST(S, n373_a_lock_that_breaks_is_ready)
{
	struct chooser c;
	struct owner o = {.lock = new_lock(), .end = new_event()};
	il_group g;

	c.cases[0] = il_case_lock(o.lock);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, end_with_the_lock, &o), 0);
	UNTIL(il_lock_locked(o.lock));
	start_choosing(&g, &c, 1);
	CHECK_RC(il_event_set(o.end), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, -EOWNERDEAD);
	CHECK_RC(poll_case(il_case_lock(o.lock)), -EOWNERDEAD);
	il_lock_destroy(o.lock);
	il_event_destroy(o.end);
}

IL_TEST(S, n373_one_limiter_in_two_cases)
{
	struct chooser c;
	il_limiter *limiter = new_limiter(1);
	il_group g;

	CHECK_RC(il_limiter_acquire(limiter), 0);
	c.cases[0] = c.cases[1] = il_case_limiter(limiter);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	CHECK_EQ(il_limiter_get_statistics(limiter).waiting, 1);
	CHECK_RC(il_limiter_release(limiter), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
	CHECK_EQ(il_limiter_borrowed(limiter), 1);
	il_limiter_destroy(limiter);
}

/* ---- 373: random rounds: no unit is lost ---- */

enum { UNITS = 3, TASKS = 6 };

struct storm {
	il_semaphore *semaphores[UNITS];
	il_lock *locks[UNITS];
	il_limiter *limiters[UNITS];
	uint64_t random;
	size_t rounds, had; /* left for all tasks; how often something was acquired */
};

static void storm_give_back(const il_case *c, uint64_t kind)
{
	CHECK_RC(c->rc, 0);
	if (kind == 0)
		CHECK_RC(il_semaphore_release(c->object), 0);
	else if (kind == 1)
		CHECK_RC(il_lock_release(c->object), 0);
	else
		CHECK_RC(il_limiter_release(c->object), 0);
}

static int storm_once(struct storm *s)
{
	il_case cases[4];
	uint64_t kinds[4];
	int happened;

	for (int i = 0; i < 4; i++) {
		uint64_t unit = random_below(&s->random, UNITS);
		kinds[i] = random_below(&s->random, 3);
		cases[i] = kinds[i] == 0   ? il_case_semaphore(s->semaphores[unit])
			   : kinds[i] == 1 ? il_case_lock(s->locks[unit])
					   : il_case_limiter(s->limiters[unit]);
	}
	happened = il_select(cases, 4, IL_USEC(random_below(&s->random, 20)));
	if (happened < 0)
		return happened;
	s->had++;
	for (uint64_t n = random_below(&s->random, 4); n > 0; n--)
		il_yield_shielded();
	storm_give_back(&cases[happened], kinds[happened]);
	return 0;
}

static int storm_task(void *arg)
{
	struct storm *s = arg;

	while (s->rounds > 0) {
		il_scope scope = IL_SCOPE_INIT;
		int rc;
		s->rounds--;
		CHECK_RC(
		    il_scope_enter(&scope, il_deadline(IL_USEC(random_below(&s->random, 30))), 0),
		    0);
		rc = storm_once(s);
		CHECK(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED);
		CHECK_RC(il_scope_exit(&scope, rc), rc == -ECANCELED ? 0 : rc);
	}
	return 0;
}

IL_TEST(S, n373_in_a_storm_of_selects_no_unit_is_lost)
{
	static uint64_t seed;
	struct storm s = {.random = UINT64_C(88172645463325252) + ++seed,
			  .rounds = il_test_rounds(il_test_virtual() ? 20000 : 10000)};
	size_t rounds = s.rounds;
	il_group g;

	for (int i = 0; i < UNITS; i++) {
		s.semaphores[i] = new_semaphore(1, 1);
		s.locks[i] = new_lock();
		s.limiters[i] = new_limiter(1);
	}
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < TASKS; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, storm_task, &s), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(s.had > rounds / 10);
	for (int i = 0; i < UNITS; i++) {
		CHECK_EQ(il_semaphore_value(s.semaphores[i]), 1);
		CHECK(!il_lock_locked(s.locks[i]));
		CHECK_EQ(il_limiter_borrowed(s.limiters[i]), 0);
		il_semaphore_destroy(s.semaphores[i]);
		il_lock_destroy(s.locks[i]);
		il_limiter_destroy(s.limiters[i]);
	}
}
