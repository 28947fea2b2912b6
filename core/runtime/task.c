/*
 * task.c: a task from its spawn to its end; park and wake. Loop's thread only. Invariants: a task is
 * in the ready queue exactly while its state is READY; the first wake of a parked task counts; what
 * it alone needs lies at the base of its stack, so that a parked task holds one page.
 */
#include "task.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "context.h"
#include "ledger.h"
#include "local.h"
#include "loop.h"
#include "scope.h"
#include "stack.h"
#include "thread_state.h"
#include "timer.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(offsetof(il_task, loop) <= IL__LINE, "waking and resuming touch one line");
_Static_assert(sizeof(il_task) <= 2 * IL__LINE, "a task takes two lines");

/* ---- from spawn to end ---- */

static void finish_owned(il_task *task)
{
	struct il__list *node;

	while ((node = il__list_pop(&task->base->owned))) {
		struct il__owned *owned = il__container_of(node, struct il__owned, link);
		owned->abandoned(owned, task);
	}
}

/* Out of all lists but the ready queue's; its stack is left. */
static void task_retire(il_task *task)
{
	il__list_remove(&task->scope_link);
	if (task->base->has_own)
		il__scope_fini_root(&task->base->own);
	task->loop->tasks--;
	task->state = IL__TASK_ENDED;
}

/* The scope that it began in. */
static const struct il__cancel_scope *task_outermost(const il_task *task)
{
	const struct il__task_base *base = task->base;

	return base->has_own ? &base->own : base->parent_scope;
}

static void task_end(il_task *task, int rc)
{
	il_loop *loop = task->loop;
	struct il__task_base *base = task->base;

	if (il__inherited(loop->generation))
		il__fatal("a task returned in a forked child, but its loop stayed with the parent: "
			  "end the "
			  "child with _exit or exec");
	if (task->scope != task_outermost(task))
		il__fatal(
		    "a task%s%s ended inside a scope or group that it had entered: leave it with "
		    "il_scope_exit or il_group_close first",
		    base->name[0] ? " called " : "", base->name);
	finish_owned(task);
	task_retire(task);
	loop->current = NULL;
	il__self.no_wait++;
	if (base->ended)
		base->ended(task, rc);
	il__self.no_wait--;
	il__locals_unref(base->locals);
	il__paid(&loop->ledger, IL__OWED_TASK);
	il__loop_switch_from(loop, task);
}

static void task_begin(void *arg)
{
	il_task *task = arg;

	il__context_entered();
	il__loop_arrived(task->loop);
	task->base->begun = true;
	task_end(task, task->base->fn(task->base->arg));
}

/* At the top of its stack. */
static struct il__task_base *make_base(const struct il__stack *stack, il_fn *fn, void *arg,
				       const struct il__task_setup *options)
{
	struct il__task_base *base = (void *)(stack->top - stack->colour - sizeof *base);

	memset(base, 0, sizeof *base);
	base->fn = fn;
	base->arg = arg;
	base->ended = options->ended;
	base->owner = options->owner;
	base->locals = il__locals_ref(options->locals);
	base->parent_scope = options->scope;
	il__list_init(&base->owned);
	return base;
}

static void on_alarm(struct il__timer *timer);

il_task *il__task_spawn(il_loop *loop, il_fn *fn, void *arg, const struct il__task_setup *options)
{
	struct il__stack *stack = il__stack_get(&loop->stacks);
	struct il__task_base *base;
	il_task *task;

	if (!stack)
		return NULL;
	if (il__owe(&loop->ledger, IL__OWED_TASK) < 0) {
		il__stack_put(&loop->stacks, stack);
		return NULL;
	}
	il__loop_meet(loop, fn);
	base = make_base(stack, fn, arg, options);
	task = il__container_of(stack, il_task, stack);
	task->alarm = (struct il__timer){.fire = on_alarm};
	task->abort = NULL;
	task->loop = loop;
	task->scope = options->scope;
	task->base = base;
	if (options->own_scope) {
		base->has_own = true;
		il__scope_init_root(&base->own, loop, options->scope);
		task->scope = &base->own;
	}
	il__list_push(&task->scope->tasks, &task->scope_link);
	loop->tasks++;
	il__context_make(&task->context, il__stack_low(&loop->stacks, stack), (char *)base,
			 task_begin, task);
	il__loop_ready(loop, task);
	return task;
}

void il__task_discard(il_task *task)
{
	il_loop *loop = task->loop;

	il__list_remove(&task->link);
	task_retire(task);
	il__locals_unref(task->base->locals);
	il__context_free(&task->context);
	il__stack_put(&loop->stacks, &task->stack);
	il__paid(&loop->ledger, IL__OWED_TASK);
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

/* Who wakes a task has no words for it. */
static void tell_why(const il_task *self, int rc)
{
	if (rc == -ECANCELED)
		tell_reason(self);
	else
		il__forget_refusal();
}

/* What it is woken with, of which `expected` is no failure. */
static inline int task_park(il_task *self, il__abort_fn *abort, void *arg, const char *waits_for,
			    int expected)
{
	self->abort = abort;
	self->abort_arg = arg;
	self->base->waits_for = waits_for;
	self->state = IL__TASK_PARKED;
	il__loop_switch_from(self->loop, self);
	if (il__unlikely(self->wake_rc < 0 && self->wake_rc != expected))
		tell_why(self, self->wake_rc);
	return self->wake_rc;
}

int il__task_park(il_task *self, il__abort_fn *abort, void *arg, const char *waits_for)
{
	return task_park(self, abort, arg, waits_for, 0);
}

bool il__task_wake(il_task *task, int rc)
{
	if (task->state != IL__TASK_PARKED)
		return false;
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
static void task_give_up(il_task *task, int rc)
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
	task_give_up(task, -ECANCELED);
}

static void on_alarm(struct il__timer *timer)
{
	il_task *task = il__container_of(timer, il_task, alarm);

	/* When it ends soon it leaves its neighbours, who have slept as long. */
	__builtin_prefetch(task->scope_link.prev);
	__builtin_prefetch(task->scope_link.next);
	task_give_up(task, -ETIMEDOUT);
}

static inline int task_park_until(il_task *self, il__abort_fn *abort, void *arg,
				  const char *waits_for, il_time deadline, int expected)
{
	int rc;

	if (deadline == IL_FOREVER)
		return il__task_park(self, abort, arg, waits_for);
	rc = il__timer_arm(self->loop, &self->alarm, deadline);
	if (rc < 0) {
		if (abort(self, arg))
			return rc;
		return il__task_park(self, NULL, arg, waits_for);
	}
	rc = task_park(self, abort, arg, waits_for, expected);
	il__timer_disarm(self->loop, &self->alarm);
	return rc;
}

int il__task_park_until(il_task *self, il__abort_fn *abort, void *arg, const char *waits_for,
			il_time deadline)
{
	return task_park_until(self, abort, arg, waits_for, deadline, 0);
}

bool il__task_was_cancelled(const il_task *task, int rc)
{
	return rc == -ECANCELED && task_outermost(task)->effective;
}

void il__task_cancel(il_task *task)
{
	il__scope_cancel(&task->base->own, NULL);
}

void il__task_yield(il_task *self)
{
	il__loop_ready(self->loop, self);
	il__loop_switch_from(self->loop, self);
}

bool il__task_cancelled(il_task *self)
{
	struct il__cancel_scope *s = self->scope;

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
	rc = task_park_until(task, il__abort_freely, NULL, "il_sleep", deadline, -ETIMEDOUT);
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

static int refuse_delay(void)
{
	return il__refuse(-EINVAL, "il_sleep: the delay is negative");
}

int il_core_sleep(il_loop *loop, il_time delay)
{
	int rc;
	il_task *task = il__task_current("il_sleep", &rc);

	if (delay < 0)
		return refuse_delay();
	if (!task)
		return rc;
	if (task->loop != loop)
		return il__refuse(-EPERM,
				  "il_loop_sleep: the calling task belongs to another loop");
	return delay ? sleep_until(task, il__deadline_from(il__loop_now(loop), delay))
		     : yield_once(task);
}

int il_sleep(il_time delay)
{
	int rc;
	il_task *task = il__task_current("il_sleep", &rc);

	if (!task)
		return delay < 0 ? refuse_delay() : rc;
	return task->loop->backend->sleep(task->loop, delay);
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

	return loop && loop->current ? loop->current->base->name : NULL;
}

int il_task_set_name(const char *name)
{
	int rc;
	il_task *task = il__task_current("il_task_set_name", &rc);

	if (!task)
		return rc;
	if (!name)
		return il__refuse(-EINVAL, "il_task_set_name: name is NULL");
	snprintf(task->base->name, sizeof task->base->name, "%s", name);
	return 0;
}

int il_task_started(int value)
{
	int rc;
	il_task *task = il__task_current("il_task_started", &rc);

	if (!task)
		return rc;
	if (!task->base->started)
		return il__refuse(
		    -EPERM,
		    "il_task_started: nobody waits for it; start the task with il_group_start "
		    "or il_portal_start_task");
	return task->base->started(task, value);
}
