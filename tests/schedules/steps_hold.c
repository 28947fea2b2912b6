/*
 * steps_hold.c: steps that hold something while others inside run, and the select, which may come to hold it.
 */
#include "world.h"

#include <stddef.h>

/* ---- what is held ---- */

static void lock_taken(void)
{
	if (world.lock_holders++)
		broken("two tasks hold the lock");
	if (!il_lock_held(world.lock))
		broken("the lock was acquired, and is not held");
}

static int lock_give(void)
{
	world.lock_holders--;
	world.lock_released = il_now();
	return il_lock_release(world.lock);
}

static void permit_taken(void)
{
	if (++world.permits > world.program->permits)
		broken("%d permits are taken of %d", world.permits, world.program->permits);
}

static int permit_give(void)
{
	world.permits--;
	return il_semaphore_release(world.semaphore);
}

static int take(const struct step *s)
{
	il_time since = il_now();
	int rc;

	switch (s->kind) {
	case LOCK:
		rc = check_wait(il_lock_acquire(world.lock), "il_lock_acquire");
		if (rc == 0 && il_now() != since && il_now() != world.lock_released)
			broken("the lock was acquired late");
		break;
	case TRY_LOCK:
		rc = il_lock_acquire_nowait(world.lock);
		break;
	case PERMIT:
		rc = check_wait(il_semaphore_acquire(world.semaphore), "il_semaphore_acquire");
		break;
	default:
		rc = check_wait(il_limiter_acquire(world.limiter), "il_limiter_acquire");
	}
	if (rc == 0 && s->kind == PERMIT)
		permit_taken();
	else if (rc == 0 && s->kind != TOKEN)
		lock_taken();
	return rc;
}

static void give(const struct step *s)
{
	int rc = s->kind == PERMIT  ? permit_give()
		 : s->kind == TOKEN ? il_limiter_release(world.limiter)
				    : lock_give();

	if (rc < 0)
		broken("a release returned %s: %s", il_error_name(rc), il_error_detail());
}

/* Who holds something already waits for a time only: two such might wait for each other. */
static int take_in_time(const struct step *s, bool holds)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc;

	if (il_scope_enter(&scope, holds ? il_deadline(step_time(s)) : IL_FOREVER, 0) < 0)
		broken("il_scope_enter: %s", il_error_detail());
	rc = take(s);
	if (rc == 0) {
		int cancelled = il_scope_exit(&scope, 0);
		return cancelled == 0 || cancelled == -ECANCELED ? 1 : cancelled;
	}
	return il_scope_exit(&scope, rc);
}

int step_hold(const struct step *s, const struct place *at)
{
	struct place inner = {.step = s, .holds = true};
	int rc = take_in_time(s, at->holds);

	if (rc == -EAGAIN && s->kind == TRY_LOCK)
		return 0;
	if (rc == -EALREADY && at->holds)
		return 0;
	if (rc < 0 && rc != -ECANCELED)
		broken("nothing was acquired: %s", il_error_name(rc));
	if (rc != 1)
		return rc;
	rc = run_inside(&inner);
	give(s);
	return rc;
}

/* ---- select ---- */

enum { CASES = 7 };

static void make_cases(il_case cases[CASES], unsigned mask, int *in, int *out)
{
	cases[0] = il_case_receive(mask & 1 ? world.receiver : NULL, in);
	cases[1] = il_case_send(mask & 2 && *out >= 0 ? world.sender : NULL, out);
	cases[2] = il_case_lock(mask & 4 ? world.lock : NULL);
	cases[3] = il_case_semaphore(mask & 8 ? world.semaphore : NULL);
	cases[4] = il_case_limiter(mask & 16 ? world.limiter : NULL);
	cases[5] = il_case_event(mask & 32 ? world.event : NULL);
	cases[6] = il_case_future(mask & 64 ? world.future : NULL);
}

static const enum step_kind held_by_case[CASES] = {STEP_KINDS, STEP_KINDS, LOCK, PERMIT, TOKEN};

/* Case i happened: exactly that. */
static void select_happened(const il_case *c, int i, int in, il_time since)
{
	const struct step held = {.kind = (uint8_t)held_by_case[i]};

	if (i == 0)
		item_received(in, since);
	else if (in != -1)
		broken("another case happened, and item %d was received", in);
	if (i == 5 && !il_event_is_set(world.event))
		broken("the event's case happened, and it is not set");
	if (i == 6 && !il_future_done(world.future))
		broken("the future's case happened, and it is not done");
	if (i < 2 || i > 4 || c->rc == -EALREADY)
		return;
	if (i == 2)
		lock_taken();
	else if (i == 3)
		permit_taken();
	give(&held);
}

int step_select(const struct step *s, const struct place *at)
{
	il_case cases[CASES];
	il_time since = il_now();
	int in = -1, out = (s->a & 3) == 2 ? item_offer() : -1, rc; /* never to itself */

	make_cases(cases, s->a, &in, &out);
	rc = check_wait(il_select(cases, CASES, step_time(s)), "il_select");
	if (out >= 0)
		item_sent(out, rc == 1 ? cases[1].rc : -ECANCELED);
	if (rc >= 0) {
		if (cases[rc].rc < 0 && !(cases[rc].rc == -EALREADY && at->holds))
			broken("case %d: %s", rc, il_error_name(cases[rc].rc));
		select_happened(&cases[rc], rc, in, since);
		return 0;
	}
	if (rc == -ETIMEDOUT && il_now() != since + step_time(s))
		broken("il_select timed out %lld ns late",
		       (long long)(il_now() - since - step_time(s)));
	if (in != -1)
		broken("il_select returned %s, and item %d was received", il_error_name(rc), in);
	if (rc != -ECANCELED && rc != -ETIMEDOUT)
		broken("il_select returned %s", il_error_name(rc));
	return rc == -ETIMEDOUT ? 0 : rc;
}
