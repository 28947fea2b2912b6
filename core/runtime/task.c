/*
 * task.c: a task from its spawn to its end; park and wake. Loop's thread only. Invariants: a task is in
 * the ready queue exactly while its state is READY; the first wake of a parked task counts; the
 * task's header lies at the top of its own stack, so that a parked task touches one page.
 */
#include "runtime.h"

#include <stdio.h>
#include <string.h>

/* ---- from spawn to end ---- */

static void finish_owned(il_task *task)
{
	struct il__list *node;

	while ((node = il__list_pop(&task->owned))) {
		struct il__owned *owned = il__container_of(node, struct il__owned, link);
		owned->abandoned(owned, task);
	}
}

/* Out of all lists but the ready queue's; its stack is left. */
static void retire(il_task *task)
{
	il__list_remove(&task->scope_link);
	if (task->has_own)
		il__scope_fini_root(&task->own);
	task->loop->tasks--;
	task->state = IL__TASK_ENDED;
}

static void end(il_task *task, int rc)
{
	il_loop *loop = task->loop;

	if (il__inherited(loop->generation))
		il__fatal("a task returned in a forked child, but its loop stayed with the parent: "
			  "end the "
			  "child with _exit or exec");
	if (task->scope != (task->has_own ? &task->own : task->parent_scope))
		il__fatal(
		    "a task%s%s ended inside a scope or group that it had entered: leave it with "
		    "il_scope_exit or il_group_close first",
		    task->name[0] ? " called " : "", task->name);
	finish_owned(task);
	retire(task);
	loop->current = NULL;
	il__self.no_wait++;
	if (task->ended)
		task->ended(task, rc);
	il__self.no_wait--;
	il__locals_unref(task->locals);
	il__loop_release(loop);
	il__loop_switch_from(loop, task);
}

static void begin(void *arg)
{
	il_task *task = arg;

	il__context_entered(&task->context);
	il__loop_arrived(task->loop);
	task->begun = true;
	end(task, task->fn(task->arg));
}

static void on_alarm(struct il__timer *timer);

il_task *il__task_spawn(il_loop *loop, il_fn *fn, void *arg, const struct il__task_options *options)
{
	struct il__stack *stack = il__stack_get(&loop->stacks);
	il_task *task;

	if (!stack)
		return NULL;
	if (il__loop_hold(loop) < 0) {
		il__stack_put(&loop->stacks, stack);
		return NULL;
	}
	task = (il_task *)(void *)(stack->top - stack->colour - (sizeof *task + 63) / 64 * 64);
	memset(task, 0, sizeof *task);
	task->alarm.fire = on_alarm;
	task->loop = loop;
	task->stack = stack;
	task->fn = fn;
	task->arg = arg;
	task->ended = options->ended;
	task->owner = options->owner;
	task->locals = il__locals_ref(options->locals);
	task->parent_scope = options->scope;
	task->scope = options->scope;
	il__list_init(&task->owned);
	if (options->own_scope) {
		task->has_own = true;
		il__scope_init_root(&task->own, loop, options->scope);
		task->scope = &task->own;
	}
	il__list_push(&task->scope->tasks, &task->scope_link);
	loop->tasks++;
	il__context_make(&task->context, stack, (char *)task, begin, task);
	il__loop_ready(loop, task);
	return task;
}

void il__task_discard(il_task *task)
{
	il_loop *loop = task->loop;

	il__list_remove(&task->link);
	retire(task);
	il__locals_unref(task->locals);
	il__context_free(&task->context);
	il__stack_put(&loop->stacks, task->stack);
	il__loop_release(loop);
}

/* ---- park and wake ---- */

/* For a task that meets its cancellation: il_error_detail() says why, or nothing. */
static void tell_reason(const il_task *self)
{
	const char *reason = il__scope_reason(self->scope);

	if (reason)
		il__refuse(-ECANCELED, "cancelled: %s", reason);
	else
		il__forget_refusal();
}

int il__task_park(il_task *self, il__abort_fn *abort, void *arg, const char *waits_for)
{
	self->abort = abort;
	self->abort_arg = arg;
	self->waits_for = waits_for;
	self->state = IL__TASK_PARKED;
	il__loop_switch_from(self->loop, self);
	if (il__unlikely(self->wake_rc == -ECANCELED))
		tell_reason(self);
	return self->wake_rc;
}

bool il__task_wake(il_task *task, int rc)
{
	if (task->state != IL__TASK_PARKED)
		return false;
	il__task_prefetch(task);
	task->abort = NULL;
	task->wake_rc = rc;
	il__loop_ready(task->loop, task);
	return true;
}

bool il__abort_freely(il_task *task, void *arg)
{
	(void)task;
	(void)arg;
	return true;
}

/* Gives up the task's wait if it can be given up. */
static void give_up(il_task *task, int rc)
{
	il__abort_fn *abort = task->abort;

	if (task->state != IL__TASK_PARKED || !abort)
		return;
	task->abort = NULL;
	if (abort(task, task->abort_arg))
		il__task_wake(task, rc);
}

void il__task_interrupt(il_task *task)
{
	give_up(task, -ECANCELED);
}

static void on_alarm(struct il__timer *timer)
{
	give_up(il__container_of(timer, il_task, alarm), -ETIMEDOUT);
}

int il__task_park_until(il_task *self, il__abort_fn *abort, void *arg, const char *waits_for,
			il_time deadline)
{
	int rc;

	if (deadline == IL_FOREVER)
		return il__task_park(self, abort, arg, waits_for);
	rc = il__timer_arm(self->loop, &self->alarm, deadline);
	if (rc < 0) {
		if (abort(self, arg))
			return rc;
		return il__task_park(self, NULL, NULL, waits_for);
	}
	rc = il__task_park(self, abort, arg, waits_for);
	il__timer_disarm(self->loop, &self->alarm);
	return rc;
}

bool il__task_was_cancelled(const il_task *task, int rc)
{
	return rc == -ECANCELED && (task->has_own ? &task->own : task->parent_scope)->effective;
}

void il__task_cancel(il_task *task)
{
	il__scope_cancel(&task->own, NULL);
}

void il__task_yield(il_task *self)
{
	il__loop_ready(self->loop, self);
	il__loop_switch_from(self->loop, self);
}

bool il__task_cancelled(il_task *self)
{
	struct il__scope *s = self->scope;

	if (il__unlikely(s->until != IL_FOREVER) && !s->effective &&
	    s->until <= il__loop_now(self->loop))
		while (il__timers_expire(self->loop))
			;
	if (il__likely(!s->effective))
		return false;
	tell_reason(self);
	return true;
}

int il__task_check_closely(il_task *self)
{
	if (il__likely(!il__task_cancelled(self)))
		return 0;
	il__task_yield(self);
	return -ECANCELED;
}

/* ---- the public side ---- */

static int sleep_until(il_task *task, il_time deadline)
{
	int rc = il__task_check(task);

	if (rc < 0)
		return rc;
	rc = il__task_park_until(task, il__abort_freely, NULL, "il_sleep", deadline);
	return rc == -ETIMEDOUT ? 0 : rc;
}

static int yield_once(il_task *task)
{
	int rc = il__task_check(task);

	if (rc < 0)
		return rc;
	il__task_yield(task);
	return il__task_cancelled(task) ? -ECANCELED : 0;
}

int il_core_sleep(il_loop *loop, il_time delay)
{
	int rc;
	il_task *task = il__task_current("il_sleep", &rc);

	if (!task)
		return rc;
	if (task->loop != loop)
		return il__refuse(-EPERM,
				  "il_loop_sleep: the calling task belongs to another loop");
	if (delay < 0)
		return il__refuse(-EINVAL, "il_sleep: the delay is negative");
	return delay ? sleep_until(task, il__deadline_from(il__loop_now(loop), delay))
		     : yield_once(task);
}

int il_sleep(il_time delay)
{
	int rc;
	il_task *task = il__task_current("il_sleep", &rc);

	return task ? task->loop->backend->sleep(task->loop, delay) : rc;
}

/* Past the vtable: a delay would lose the order of equal deadlines. */
int il_sleep_until(il_time deadline)
{
	int rc;
	il_task *task = il__task_current("il_sleep_until", &rc);

	if (!task)
		return rc;
	return deadline > il__loop_now(task->loop) ? sleep_until(task, deadline) : yield_once(task);
}

int il_sleep_forever(void)
{
	int rc;
	il_task *task = il__task_current("il_sleep_forever", &rc);

	if (!task)
		return rc;
	rc = il__task_check(task);
	return rc < 0 ? rc : il__task_park(task, il__abort_freely, NULL, "il_sleep_forever");
}

int il_yield(void)
{
	int rc;
	il_task *task = il__task_current("il_yield", &rc);

	if (!task)
		return rc;
	il__task_yield(task);
	return il__task_cancelled(task) ? -ECANCELED : 0;
}

int il_yield_shielded(void)
{
	int rc;
	il_task *task = il__task_current("il_yield_shielded", &rc);

	if (!task)
		return rc;
	il__task_yield(task);
	return 0;
}

int il_check_cancelled(void)
{
	int rc;
	il_task *task = il__task_current("il_check_cancelled", &rc);

	if (!task)
		return rc;
	return il__task_cancelled(task) ? -ECANCELED : 0;
}

const char *il_task_name(void)
{
	il_loop *loop = il__self.loop;

	return loop && loop->current ? loop->current->name : NULL;
}

int il_task_set_name(const char *name)
{
	int rc;
	il_task *task = il__task_current("il_task_set_name", &rc);

	if (!task)
		return rc;
	if (!name)
		return il__refuse(-EINVAL, "il_task_set_name: name is NULL");
	snprintf(task->name, sizeof task->name, "%s", name);
	return 0;
}

int il_task_started(int value)
{
	int rc;
	il_task *task = il__task_current("il_task_started", &rc);

	if (!task)
		return rc;
	if (!task->started)
		return il__refuse(
		    -EPERM,
		    "il_task_started: nobody waits for it; start the task with il_group_start "
		    "or il_portal_start_task");
	return task->started(task, value);
}
