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
#include "../base/probe.h"
#include "../base/report.h"
#include "context.h"
#include "ledger.h"
#include "local.h"
#include "loop.h"
#include "scope.h"
#include "stack.h"
#include "stack_use.h"
#include "thread_state.h"
#include "timer.h"

#include <stdio.h>

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
	task->waiter.state = IL__TASK_ENDED;
}

/* The scope that it began in. */
static const struct il__cancel_scope *task_outermost(const il_task *task)
{
	const struct il__task_base *base = task->base;

	return base->has_own ? &base->own : base->parent_scope;
}

static _Noreturn void task_fatal_inside(const il_task *task)
{
	const char *name = task->base->name;
	char function[256];

	il__report_function_text(task->base->fn, task->base->arg, function, sizeof function);
	il__fatal("a task%s%s that runs %s ended inside a scope or group that it had entered: "
		  "leave it with il_scope_exit or il_group_close first",
		  name[0] ? " called " : "", name, function);
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
		task_fatal_inside(task);
	finish_owned(task);
	task_retire(task);
	loop->current = NULL;
	il__self.no_wait++;
	il__self.scope = base->parent_scope; /* whose future's callbacks run */
	if (base->ended)
		base->ended(task, rc);
	il__self.scope = NULL;
	il__self.no_wait--;
	il__locals_unref(base->locals);
	il__paid(&loop->ledger, IL__OWED_TASK);
	IL__PROBE(task_end, task, rc);
	il__loop_leave_for_good(loop, task);
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

int il__task_check_options(const il_task_options *options, const char *function)
{
	char option[80];

	if (!options || !options->stack_size)
		return 0;
	snprintf(option, sizeof option, "%s: stack_size", function);
	return il__stack_check_size(options->stack_size, option);
}

il_task *il__task_spawn(il_loop *loop, il_fn *fn, void *arg, const struct il__task_setup *options)
{
	struct il__stacks *pool = &loop->stacks;
	struct il__stack *stack;
	struct il__task_base *base;
	il_task *task;

	if (il__unlikely(options->with) &&
	    !(pool = il__stacks_of_size(pool, options->with->stack_size)))
		return NULL;
	stack = il__stack_get(pool);
	if (!stack)
		return NULL;
	if (il__owe(&loop->ledger, IL__OWED_TASK) < 0) {
		il__stack_put(pool, stack);
		return NULL;
	}
	if (il__unlikely(pool->measured))
		il__stack_begin(pool, stack);
	il__loop_meet(loop, fn);
	base = make_base(stack, fn, arg, options);
	task = il__container_of(stack, il_task, stack);
	task->alarm = (struct il__timer){.fire = on_alarm};
	task->waiter.abort = NULL;
	task->loop = loop;
	task->scope = options->scope;
	task->base = base;
	base->slack = loop->options.timer_slack;
	if (il__unlikely(options->with && options->with->name))
		il__task_set_name(task, options->with->name);
	if (options->own_scope) {
		base->has_own = true;
		il__scope_init_root(&base->own, loop, options->scope);
		task->scope = &base->own;
	}
	il__list_push(&task->scope->tasks, &task->scope_link);
	loop->tasks++;
	il__context_make(&task->context, il__stack_low(pool, stack), (char *)base, task_begin,
			 task);
	IL__PROBE(task_start, task, fn);
	il__loop_ready(loop, task);
	return task;
}

void il__task_discard(il_task *task)
{
	il_loop *loop = task->loop;

	il__list_remove(&task->waiter.link);
	task_retire(task);
	il__locals_unref(task->base->locals);
	il__context_free(&task->context);
	il__stack_put(il__stack_pool(&loop->stacks, &task->stack), &task->stack);
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
static inline int task_park(il_task *self, il__abort_fn *abort, void *arg,
			    const struct il__wait *wait, int expected)
{
	self->waiter.abort = abort;
	self->waiter.arg = arg;
	self->base->wait = wait;
	self->base->since = self->loop->turns.since;
	self->waiter.state = IL__TASK_PARKED;
	IL__PROBE(task_park, self, wait->call);
	il__loop_switch_from(self->loop, self);
	if (il__unlikely(self->waiter.wake_rc < 0 && self->waiter.wake_rc != expected))
		tell_why(self, self->waiter.wake_rc);
	return self->waiter.wake_rc;
}

int il__task_park(il_task *self, il__abort_fn *abort, void *arg, const struct il__wait *wait)
{
	return task_park(self, abort, arg, wait, 0);
}

static __attribute__((noinline)) bool wake_other(struct il__waiter *w, int rc)
{
	if (w->state != IL__TASK_STAND_IN)
		return false;
	w->woken(w, rc);
	return true;
}

bool il__waiter_wake(struct il__waiter *w, int rc)
{
	il_task *task = il__container_of(w, il_task, waiter);

	if (il__unlikely(w->state != IL__TASK_PARKED))
		return wake_other(w, rc);
	w->abort = NULL;
	w->wake_rc = rc;
	il__loop_ready(task->loop, task);
	return true;
}

bool il__abort_freely(il_task *task, void *arg)
{
	(void)task;
	(void)arg;
	return true;
}

void il__task_interrupt(il_task *task, int rc)
{
	il__abort_fn *abort = task->waiter.abort;

	if (task->waiter.state != IL__TASK_PARKED || !abort)
		return;
	task->waiter.abort = NULL;
	if (abort(task, task->waiter.arg))
		il__task_wake(task, rc);
}

static void on_alarm(struct il__timer *timer)
{
	il_task *task = il__container_of(timer, il_task, alarm);

	il__task_prefetch(task);
	/* When it ends soon it leaves its neighbours, who have slept as long. */
	__builtin_prefetch(task->scope_link.prev);
	__builtin_prefetch(task->scope_link.next);
	il__task_interrupt(task, -ETIMEDOUT);
}

/* Its time limits end at multiples of the slack, those of other tasks with them. */
static il_time round_up(il_time deadline, il_time slack)
{
	il_time late = slack > 0 && deadline > 0 ? deadline % slack : 0;

	return late && deadline < IL_FOREVER - slack ? deadline + (slack - late) : deadline;
}

static inline int task_park_until(il_task *self, il__abort_fn *abort, void *arg,
				  const struct il__wait *wait, il_time deadline, int expected)
{
	int rc;

	if (deadline == IL_FOREVER)
		return il__task_park(self, abort, arg, wait);
	rc = il__timer_arm(self->loop, &self->alarm, round_up(deadline, self->base->slack));
	if (rc < 0) {
		if (abort(self, arg))
			return rc;
		return il__task_park(self, NULL, arg, wait);
	}
	rc = task_park(self, abort, arg, wait, expected);
	il__timer_disarm(self->loop, &self->alarm);
	return rc;
}

int il__task_park_until(il_task *self, il__abort_fn *abort, void *arg, const struct il__wait *wait,
			il_time deadline)
{
	return task_park_until(self, abort, arg, wait, deadline, 0);
}

bool il__task_was_cancelled(const il_task *task, int rc)
{
	return rc == -ECANCELED && task_outermost(task)->effective;
}

void il__task_cancel(il_task *task)
{
	il__scope_cancel(&task->base->own, NULL);
}

/* A task that runs is in a turn of its loop, so nobody needs to be told that it is ready. */
void il__task_yield(il_task *self)
{
	self->waiter.state = IL__TASK_READY;
	il__list_push(&self->loop->ready, &self->waiter.link);
	il__loop_switch_from(self->loop, self);
}

static __attribute__((noinline)) bool cancelled_or_late(il_task *self)
{
	if (il__likely(!il__scope_is_over(self->scope)))
		return false;
	tell_reason(self);
	return true;
}

bool il__task_cancelled(il_task *self)
{
	return il__unlikely(il__task_may_be_cancelled(self)) && cancelled_or_late(self);
}

int il__task_check_closely(il_task *self)
{
	if (il__likely(!il__task_cancelled(self)))
		return 0;
	il__task_yield(self);
	return -ECANCELED;
}

/* ---- the public side ---- */

static const struct il__wait sleep_wait = {"il_sleep", NULL};
static const struct il__wait forever_wait = {"il_sleep_forever", NULL};

static int sleep_until(il_task *task, il_time deadline)
{
	int rc = il__task_check(task);

	if (rc < 0)
		return rc;
	rc = task_park_until(task, il__abort_freely, NULL, &sleep_wait, deadline, -ETIMEDOUT);
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
	return rc < 0 ? rc : il__task_park(task, il__abort_freely, NULL, &forever_wait);
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

int il_task_set_timer_slack(il_time slack)
{
	int rc;
	il_task *task = il__task_current("il_task_set_timer_slack", &rc);

	if (!task)
		return rc;
	if (slack < 0)
		return il__refuse(-EINVAL, "il_task_set_timer_slack: the slack is negative");
	task->base->slack = slack;
	return 0;
}

int il_task_started(int value)
{
	int rc;
	il_task *task = il__task_current("il_task_started", &rc);

	if (!task)
		return rc;
	if (!task->base->started || task->base->hold)
		return il__refuse(
		    -EPERM,
		    "il_task_started: nobody waits for it; start the task with il_group_start "
		    "or il_portal_start_task");
	return task->base->started(task, value);
}
