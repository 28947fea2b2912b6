/*
 * steps.c: runs the steps that wait or act by themselves: sleeps, items, conditions, futures.
 */
#include "world.h"

static int step_sleep(const struct step *s)
{
	il_time until = il_deadline(step_time(s));
	int rc = check_wait(il_sleep(step_time(s)), "il_sleep");

	if (rc == 0 && il_now() != until)
		broken("il_sleep ended %lld ns late", (long long)(il_now() - until));
	return rc;
}

/* Runs fn under the step's time and, for some, a shield; what the time cancels is no failure. */
static int under_deadline(const struct step *s, int (*fn)(const struct step *s))
{
	il_scope scope = IL_SCOPE_INIT;

	if (il_scope_enter(&scope, il_deadline(step_time(s)), s->b % 5 ? 0 : IL_SHIELD) < 0)
		broken("il_scope_enter: %s", il_error_detail());
	return il_scope_exit(&scope, fn(s));
}

/* ---- the channel ---- */

static int send_one(const struct step *s)
{
	int item = item_offer(), rc;

	if (item < 0)
		return 0;
	if (s->kind == SEND)
		rc = check_wait(il_channel_send(world.sender, &item), "il_channel_send");
	else
		rc = il_channel_send_nowait(world.sender, &item);
	if (rc < 0 && rc != -ECANCELED && rc != -EAGAIN)
		broken("an item was not sent: %s", il_error_name(rc));
	item_sent(item, rc);
	return rc == -EAGAIN ? 0 : rc;
}

static int receive_one(const struct step *s)
{
	il_time since = il_now();
	int item = -1, rc;

	if (s->kind == RECEIVE)
		rc = check_wait(il_channel_receive(world.receiver, &item), "il_channel_receive");
	else
		rc = il_channel_receive_nowait(world.receiver, &item);
	if (rc == 1)
		item_received(item, since);
	else if (item != -1 || (rc != -ECANCELED && rc != -EAGAIN))
		broken("an item was not received: %s, item %d", il_error_name(rc), item);
	return rc == -ECANCELED ? rc : 0;
}

int step_channel(const struct step *s)
{
	return under_deadline(s,
			      s->kind == SEND || s->kind == SEND_NOWAIT ? send_one : receive_one);
}

/* ---- the condition ---- */

static int perhaps(void *step)
{
	const struct step *s = step;

	if (!il_lock_held(world.condition_lock))
		broken("the predicate runs without the lock");
	return (world.steps + s->a) % 3 == 0;
}

static void hold_condition(int change)
{
	world.condition_holders += change;
	if (world.condition_holders != (change > 0))
		broken("%d tasks hold the condition's lock", world.condition_holders);
}

static int condition_wait(const struct step *s)
{
	int rc = check_wait(il_condition_acquire(world.condition), "il_condition_acquire");

	if (rc < 0)
		return rc;
	hold_condition(1);
	hold_condition(-1);
	rc = s->a % 2 ? il_condition_wait(world.condition)
		      : il_condition_wait_for(world.condition, perhaps, (void *)(uintptr_t)s);
	check_wait(rc, "il_condition_wait");
	if (!il_lock_held(world.condition_lock))
		broken("the lock is not held after the wait");
	hold_condition(1);
	hold_condition(-1);
	if (il_condition_release(world.condition) < 0)
		broken("il_condition_release: %s", il_error_detail());
	return rc < 0 ? rc : 0;
}

static int condition_notify(const struct step *s)
{
	int rc = check_wait(il_condition_acquire(world.condition), "il_condition_acquire");

	if (rc < 0)
		return rc;
	hold_condition(1);
	rc = s->a % 2 ? il_condition_notify_all(world.condition)
		      : il_condition_notify(world.condition, s->a % 3);
	hold_condition(-1);
	if (rc < 0 || il_condition_release(world.condition) < 0)
		broken("a condition's notification: %s", il_error_detail());
	return 0;
}

int step_condition(const struct step *s)
{
	return under_deadline(s, s->kind == CONDITION_WAIT ? condition_wait : condition_notify);
}

/* ---- the event and the future ---- */

static int event_wait(const struct step *s)
{
	int rc = check_wait(il_event_wait(world.event), "il_event_wait");

	(void)s;
	if (rc == 0 && !il_event_is_set(world.event))
		broken("il_event_wait returned, and the event is not set");
	return rc;
}

int step_future(const struct step *s)
{
	il_time since = il_now();
	int rc;

	switch (s->kind) {
	case FUTURE_WAIT:
		rc = check_wait(il_future_wait(world.future, step_time(s)), "il_future_wait");
		if (rc == 0 && !il_future_done(world.future))
			broken("il_future_wait returned, and the future is not done");
		if (rc == -ETIMEDOUT && il_now() != since + step_time(s))
			broken("il_future_wait timed out at the wrong time");
		return rc == -ECANCELED ? rc : 0;
	case FUTURE_SET:
		rc = il_future_set_result(world.future, s->a);
		break;
	default:
		rc = il_future_cancel(world.future) ? 0 : -EALREADY;
		if ((rc == 0) != il_future_cancelled(world.future))
			broken("il_future_cancel and il_future_cancelled do not agree");
	}
	if (!il_future_done(world.future))
		broken("the future is still not done");
	return 0;
}

/* ---- any ---- */

static int step_small(const struct step *s)
{
	switch (s->kind) {
	case SLEEP:
		return step_sleep(s);
	case YIELD:
		return check_wait(il_yield(), "il_yield");
	case YIELD_SHIELDED:
		return il_yield_shielded();
	case EVENT_WAIT:
		return under_deadline(s, event_wait);
	case EVENT_SET: /* seldom, for it stays set */
		return s->a % 4 ? 0 : il_event_set(world.event);
	case LIMIT:
		return il_limiter_set_total(world.limiter, 1 + s->a % 3);
	default:
		return s->a % 8 ? 0 : -EIO;
	}
}

static int step_run(const struct step *s, const struct place *at)
{
	switch (s->kind) {
	case LOCK:
	case TRY_LOCK:
	case PERMIT:
	case TOKEN:
		return step_hold(s, at);
	case CONDITION_WAIT:
	case CONDITION_NOTIFY:
		return step_condition(s);
	case SEND:
	case SEND_NOWAIT:
	case RECEIVE:
	case RECEIVE_NOWAIT:
		return step_channel(s);
	case FUTURE_WAIT:
	case FUTURE_SET:
	case FUTURE_CANCEL:
		return step_future(s);
	case SELECT:
		return step_select(s, at);
	case SCOPE:
	case SCOPE_CANCEL:
	case SCOPE_SHIELD_OFF:
	case SCOPE_DEADLINE:
		return step_scope(s, at);
	case GROUP:
	case TASK:
	case TASK_CANCEL:
		return step_group(s, at);
	case GATHER:
	case CROWD:
		return step_many(s);
	default:
		return step_small(s);
	}
}

int run_one(const struct place *at)
{
	int rc;

	if (at->step->gone)
		return 0;
	rc = at->step->hollow ? run_inside(at) : step_run(at->step, at);
	world.steps++;
	world_check();
	return rc;
}

int run_inside(const struct place *at)
{
	const struct step *s = at->step + 1, *end = at->step + at->step->size;
	int rc = 0;

	for (; s < end && rc == 0; s += s->size)
		rc = run_one(&(struct place){.step = s, .holds = at->holds});
	return rc;
}
