/*
 * steps_tree.c: scopes, groups and their tasks, and the calls that run many of them.
 */
#include "world.h"

#include <stddef.h>

/* The value that a started task gives. */
enum { STARTED = 7 };

int task_run(void *arg)
{
	struct place at = *(struct place *)arg;
	int rc;

	world.tasks_begun++;
	if (at.step->b % 16 == 0)
		il_task_started(STARTED);
	rc = run_inside(&at);
	world.tasks_ended++;
	return rc == -EIO || rc == -ECANCELED ? rc : 0;
}

/* ---- scopes ---- */

static int scope_run(const struct step *s, const struct place *at)
{
	il_scope scope = IL_SCOPE_INIT;
	il_scope **slot = &world.scopes[s->a % SLOTS];
	il_time deadline = s->b % 3 ? il_deadline(step_time(s)) : IL_FOREVER;
	struct place inner = {.step = s, .holds = at->holds};
	int rc, code;
	bool cancelled;

	if (il_scope_enter(&scope, deadline, s->b % 4 ? 0 : IL_SHIELD) < 0)
		broken("il_scope_enter: %s", il_error_detail());
	slot = *slot ? NULL : slot;
	if (slot)
		*slot = &scope;
	rc = run_inside(&inner);
	if (slot)
		*slot = NULL;
	cancelled = il_scope_cancelled(&scope);
	code = il_scope_exit(&scope, rc);
	if (il_scope_caught(&scope) && (!cancelled || rc != -ECANCELED || code != 0))
		broken("a scope caught what was not its own");
	if (rc != -ECANCELED && code != rc)
		broken("il_scope_exit made %d of %d", code, rc);
	return check_wait(code, "il_scope_exit");
}

int step_scope(const struct step *s, const struct place *at)
{
	il_scope *scope = world.scopes[s->a % SLOTS];
	int rc;

	if (s->kind == SCOPE)
		return scope_run(s, at);
	if (!scope)
		return 0;
	if (s->kind == SCOPE_CANCEL)
		return il_scope_cancel_because(scope, "a step");
	if (s->kind == SCOPE_SHIELD_OFF)
		return il_scope_set_shield(scope, false);
	rc = il_scope_set_deadline(scope, il_deadline(step_time(s)));
	if (rc < 0 && !(rc == -EALREADY && il_scope_cancelled(scope)))
		broken("il_scope_set_deadline returned %s", il_error_name(rc));
	return 0;
}

/* ---- groups ---- */

struct family {
	il_group group;
	struct place places[CHILDREN_MAX];
	int count;
	il_future *futures[SLOTS]; /* in the slots of the world that they took */
};

static int child_start(struct family *family, const struct place *at)
{
	struct place *place = &family->places[family->count++];
	int slot = at->step->a % SLOTS, value = 0, rc;
	il_future **future = at->step->b % 3 || world.tasks[slot] ? NULL : &family->futures[slot];

	*place = *at;
	if (at->step->b % 8 == 0) {
		rc = check_wait(il_group_start(&family->group, &value, task_run, place),
				"il_group_start");
		if (rc == 0 && value != STARTED)
			broken("il_group_start gave %d", value);
		return rc == -ECANCELED ? rc : 0;
	}
	rc = il_group_start_soon(&family->group, future, task_run, place);
	if (rc == 0 && future)
		world.tasks[slot] = *future;
	return rc;
}

static int family_body(struct family *family, const struct place *at)
{
	const struct step *s = at->step + 1, *end = at->step + at->step->size;
	int rc = 0;

	for (; s < end && rc == 0; s += s->size) {
		struct place inner = {.step = s, .holds = at->holds};
		rc = s->kind == TASK && !s->gone && !s->hollow ? child_start(family, &inner)
							       : run_one(&inner);
	}
	return rc;
}

static void family_forget(struct family *family)
{
	for (int i = 0; i < SLOTS; i++) {
		if (!family->futures[i])
			continue;
		if (!il_future_done(family->futures[i]))
			broken("a group was closed, and a task of it has not ended");
		world.tasks[i] = NULL;
		il_future_unref(family->futures[i]);
	}
}

static int group_run(const struct place *at)
{
	struct family family = {.count = 0};
	int slot = at->step->a % SLOTS, rc;
	bool known;

	if (il_group_open(&family.group) < 0)
		broken("il_group_open: %s", il_error_detail());
	known = !world.scopes[slot];
	if (known)
		world.scopes[slot] = il_group_scope(&family.group);
	rc = family_body(&family, at);
	if (known)
		world.scopes[slot] = NULL;
	rc = il_group_close(&family.group, rc);
	family_forget(&family);
	if (rc < 0 && rc != -ECANCELED && rc != -EIO)
		broken("il_group_close returned %s", il_error_name(rc));
	return check_wait(rc == -EIO ? 0 : rc, "il_group_close");
}

int step_group(const struct step *s, const struct place *at)
{
	il_future *task = world.tasks[s->a % SLOTS];
	bool cancelled;

	if (s->kind == GROUP)
		return group_run(at);
	if (s->kind == TASK) /* of a group that was left out */
		return run_inside(at);
	if (!task)
		return 0;
	cancelled = il_future_cancel(task);
	if (cancelled != il_future_cancelled(task) || (!cancelled && !il_future_done(task)))
		broken("a task's future was cancelled: %d, %d", cancelled,
		       il_future_cancelled(task));
	return 0;
}

/* ---- many at once ---- */

static int sleep_for(void *time)
{
	il_time until = il_deadline(*(il_time *)time);
	int rc = il_sleep(*(il_time *)time);

	*(il_time *)time = -1;
	if (rc == 0 && il_now() != until)
		broken("one of many slept %lld ns too long", (long long)(il_now() - until));
	return rc;
}

/* So many that the heap of timers has several floors. */
int step_many(const struct step *s)
{
	il_time delays[40];
	size_t n = s->kind == GATHER ? s->a % 4 : 10 + s->a % 30;
	int rc;

	for (size_t i = 0; i < n; i++)
		delays[i] = (il_time)((i + 1) * (s->b + 7u) * 2654435761u % 1009);
	rc = il_gather(sleep_for, delays, n, sizeof delays[0], NULL);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (delays[i] != -1)
			broken("il_gather left out item %zu", i);
	return check_wait(rc, "il_gather");
}
