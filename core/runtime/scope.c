/*
 * scope.c: the tree of cancel scopes. Loop's thread only. Invariants: every scope knows whether it is
 * cancelled in effect, and until when at most it is not, so that a checkpoint looks at one scope; a
 * change is carried down the tree at once, and interrupts the tasks that wait there. One that comes of such an
 * interruption is carried down before the outermost call returns.
 */
#include "scope.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/list.h"
#include "loop.h"
#include "task.h"
#include "thread_state.h"
#include "timer.h"

_Static_assert(sizeof(struct il__cancel_scope) <= sizeof(il_scope),
	       "il_scope's reserve is too small");
_Static_assert(_Alignof(struct il__cancel_scope) <= _Alignof(il_scope), "il_scope is not aligned");

/* ---- the tree ---- */

/* From the parent and the scope's own state. True: something changed for the scopes inside. */
static bool scope_recompute(struct il__cancel_scope *s)
{
	struct il__cancel_scope *outer = s->shield ? NULL : s->parent;
	bool effective = s->cancelled || (outer && outer->effective);
	il_time until = outer && outer->until < s->deadline ? outer->until : s->deadline;
	bool changed = effective != s->effective || until != s->until;
	bool newly = effective && !s->effective;

	s->effective = effective;
	s->until = until;
	if (newly)
		il__list_each (node, &s->tasks)
			il__task_interrupt(il__container_of(node, il_task, scope_link), -ECANCELED);
	return changed;
}

/* Down the tree, without recursion: task stacks are small. */
static void scope_carry_down(struct il__cancel_scope *root)
{
	struct il__cancel_scope *s = root;

	for (;;) {
		if (scope_recompute(s) && !il__list_empty(&s->children)) {
			s = il__container_of(s->children.next, struct il__cancel_scope, sibling);
			continue;
		}
		while (s != root && s->sibling.next == &s->parent->children)
			s = s->parent;
		if (s == root)
			return;
		s = il__container_of(s->sibling.next, struct il__cancel_scope, sibling);
	}
}

struct il__cancel_scope *il__scope_next(const struct il__cancel_scope *s)
{
	if (!il__list_empty(&s->children))
		return il__container_of(s->children.next, struct il__cancel_scope, sibling);
	while (s->parent && s->sibling.next == &s->parent->children)
		s = s->parent;
	return s->parent ? il__container_of(s->sibling.next, struct il__cancel_scope, sibling)
			 : NULL;
}

static void stale_add(struct il__stale_scopes *stale, struct il__cancel_scope *s)
{
	if (s->stale)
		return;
	if (!stale->first)
		stale->end = &stale->first;
	s->stale = true;
	s->next_stale = NULL;
	*stale->end = s;
	stale->end = &s->next_stale;
}

static void stale_remove(struct il__stale_scopes *stale, struct il__cancel_scope *s)
{
	struct il__cancel_scope **at = &stale->first;

	while (*at != s)
		at = &(*at)->next_stale;
	*at = s->next_stale;
	if (!*at)
		stale->end = at;
	s->stale = false;
}

/* A task that is interrupted may cancel what it waits for, another task with a tree of its own, and so on: as many as
 * there are. The stack of whoever cancelled the first does not bear them, so they follow one another. */
static void scope_refresh(struct il__cancel_scope *s)
{
	struct il__stale_scopes *stale = &s->loop->stale_scopes;

	if (stale->under_way) {
		stale_add(stale, s);
		return;
	}
	stale->under_way = true;
	scope_carry_down(s);
	while ((s = stale->first)) {
		stale_remove(stale, s);
		scope_carry_down(s);
	}
	stale->under_way = false;
}

static void on_deadline(struct il__timer *timer)
{
	struct il__cancel_scope *s = il__container_of(timer, struct il__cancel_scope, timer);

	s->expired = true;
	il__scope_cancel(s, NULL);
}

static void link_scope(struct il__cancel_scope *s, il_loop *loop, struct il__cancel_scope *parent)
{
	s->loop = loop;
	s->parent = parent;
	s->state = IL__SCOPE_ENTERED;
	s->timer.fire = on_deadline;
	il__list_init(&s->children);
	il__list_init(&s->tasks);
	il__list_init(&s->sibling);
	if (parent)
		il__list_push(&parent->children, &s->sibling);
	s->effective = s->cancelled;
	s->until = s->deadline;
	scope_recompute(s);
}

void il__scope_init_root(struct il__cancel_scope *s, il_loop *loop, struct il__cancel_scope *parent)
{
	*s = (struct il__cancel_scope){.deadline = IL_FOREVER};
	link_scope(s, loop, parent);
}

void il__scope_fini_root(struct il__cancel_scope *s)
{
	il__timer_disarm(s->loop, &s->timer);
	if (il__unlikely(s->stale)) /* a portal that a callback has stopped */
		stale_remove(&s->loop->stale_scopes, s);
	il__list_remove(&s->sibling);
	s->state = IL__SCOPE_LEFT;
}

static void move_task(il_task *task, struct il__cancel_scope *to)
{
	il__list_remove(&task->scope_link);
	il__list_push(&to->tasks, &task->scope_link);
	task->scope = to;
}

int il__scope_enter_for(il_task *task, struct il__cancel_scope *s, il_time deadline, unsigned flags)
{
	il_loop *loop = task->loop;

	s->deadline = s->has_deadline && s->deadline < deadline ? s->deadline : deadline;
	if (s->deadline != IL_FOREVER && !s->cancelled) {
		if (s->deadline <= il__loop_now(loop)) {
			s->cancelled = s->expired = true;
		} else {
			int rc = il__timer_arm(loop, &s->timer, s->deadline);
			if (rc < 0)
				return rc;
		}
	}
	s->shield |= (flags & IL_SHIELD) != 0;
	s->fails_at_deadline = (flags & IL_FAIL_AT_DEADLINE) != 0;
	s->task = task;
	link_scope(s, loop, task->scope);
	move_task(task, s);
	return 0;
}

bool il__scope_is_over(struct il__cancel_scope *s)
{
	struct il__timers *timers = &s->loop->timers;

	if (!s->effective && s->until <= il__loop_now(s->loop)) {
		timers->in_task = true;
		while (il__timers_expire(s->loop) && !s->effective)
			;
		timers->in_task = false;
	}
	return s->effective;
}

int il__scope_exit_for(il_task *task, struct il__cancel_scope *s, int rc)
{
	const bool ours = rc == -ECANCELED && s->cancelled;
	const bool outer = ours && !s->shield && il__scope_is_over(s->parent);

	il__timer_disarm(s->loop, &s->timer);
	if (il__unlikely(s->stale)) /* cancelled by code that an interruption has called */
		stale_remove(&s->loop->stale_scopes, s);
	move_task(task, s->parent);
	il__list_remove(&s->sibling);
	s->state = IL__SCOPE_LEFT;
	if (ours && !outer) {
		s->caught = true;
		return s->fails_at_deadline && s->expired
			   ? il__refuse(-ETIMEDOUT, "il_scope_exit: the scope's deadline passed")
			   : 0;
	}
	return rc;
}

void il__scope_cancel(struct il__cancel_scope *s, const char *reason)
{
	if (s->cancelled)
		return;
	s->cancelled = true;
	s->reason = reason;
	if (s->state != IL__SCOPE_ENTERED)
		return;
	il__timer_disarm(s->loop, &s->timer);
	scope_refresh(s);
}

void il__scope_restore(struct il__cancel_scope *s)
{
	s->cancelled = false;
	scope_refresh(s);
}

const char *il__scope_reason(const struct il__cancel_scope *s)
{
	const char *reason = NULL;

	/* The outermost one that is visible is who catches it. */
	for (; s && s->effective; s = s->shield ? NULL : s->parent)
		if (s->cancelled)
			reason = s->reason ? s->reason : s->expired ? "its deadline passed" : NULL;
	return reason;
}

/* ---- the public side ---- */

/* 0 where the caller may touch it: any thread before entry, then the loop's. */
static int scope_check(const struct il__cancel_scope *s, const char *function)
{
	if (!s)
		return il__refuse(-EINVAL, "%s: scope is NULL", function);
	return s->state == IL__SCOPE_ENTERED ? il__loop_check_thread(s->loop, function) : 0;
}

int il_scope_enter(il_scope *scope, il_time deadline, unsigned flags)
{
	struct il__cancel_scope *s = il__scope_of(scope);
	il_task *task;
	int rc;

	if (!scope || (flags & ~(IL_SHIELD | IL_FAIL_AT_DEADLINE)))
		return il__refuse(-EINVAL, "il_scope_enter: scope is NULL, or a flag other than "
					   "IL_SHIELD and IL_FAIL_AT_DEADLINE is set");
	task = il__task_current("il_scope_enter", &rc);
	if (!task)
		return rc;
	if (s->state != IL__SCOPE_NEW)
		return il__refuse(
		    -EALREADY, "il_scope_enter: a scope serves once; make it IL_SCOPE_INIT again");
	return il__scope_enter_for(task, s, deadline, flags);
}

int il_scope_exit(il_scope *scope, int rc)
{
	struct il__cancel_scope *s = il__scope_of(scope);
	il_task *task;
	int refused;

	if (!scope)
		return il__refuse(-EINVAL, "il_scope_exit: scope is NULL");
	task = il__task_current("il_scope_exit", &refused);
	if (!task)
		return refused;
	if (s->state != IL__SCOPE_ENTERED || task->scope != s || s->task != task || s->of_group)
		return il__refuse(
		    -EALREADY,
		    "il_scope_exit: %s; scopes are left in reverse order by the task that entered",
		    s->state != IL__SCOPE_ENTERED ? "the scope is not entered"
		    : s->task != task             ? "another task entered it"
		    : s->of_group ? "it belongs to a group: il_group_close leaves it"
				  : "an inner scope or group is still open");
	return il__pass_on(il__scope_exit_for(task, s, rc));
}

int il_scope_cancel(il_scope *scope)
{
	return il_scope_cancel_because(scope, NULL);
}

int il_scope_cancel_because(il_scope *scope, const char *reason)
{
	int rc = scope_check(il__scope_of(scope), "il_scope_cancel");

	if (rc == 0)
		il__scope_cancel(il__scope_of(scope), reason);
	return rc;
}

bool il_scope_cancelled(const il_scope *scope)
{
	return scope && ((const struct il__cancel_scope *)(const void *)scope)->cancelled;
}

bool il_scope_caught(const il_scope *scope)
{
	return scope && ((const struct il__cancel_scope *)(const void *)scope)->caught;
}

bool il_scope_expired(const il_scope *scope)
{
	return scope && ((const struct il__cancel_scope *)(const void *)scope)->expired;
}

int il_scope_set_deadline(il_scope *scope, il_time deadline)
{
	struct il__cancel_scope *s = il__scope_of(scope);
	int rc = scope_check(s, "il_scope_set_deadline");

	if (rc < 0)
		return rc;
	if (s->state == IL__SCOPE_LEFT || s->cancelled)
		return il__refuse(-EALREADY, "il_scope_set_deadline: the scope %s",
				  s->cancelled ? "is cancelled" : "was left");
	if (s->state == IL__SCOPE_ENTERED) {
		if (deadline == IL_FOREVER)
			il__timer_disarm(s->loop, &s->timer);
		else if ((rc = il__timer_arm(s->loop, &s->timer, deadline)) < 0)
			return rc;
	}
	s->has_deadline = true;
	s->deadline = deadline;
	if (s->state == IL__SCOPE_ENTERED) {
		if (deadline != IL_FOREVER && deadline <= il__loop_now(s->loop))
			on_deadline(&s->timer);
		else
			scope_refresh(s);
	}
	return 0;
}

int il_scope_set_shield(il_scope *scope, bool shield)
{
	struct il__cancel_scope *s = il__scope_of(scope);
	int rc = scope_check(s, "il_scope_set_shield");

	if (rc < 0)
		return rc;
	s->shield = shield;
	if (s->state == IL__SCOPE_ENTERED)
		scope_refresh(s);
	return 0;
}

il_time il_effective_deadline(void)
{
	il_loop *loop = il__self.loop;
	il_task *task = loop ? loop->current : NULL;

	if (!task)
		return IL_FOREVER;
	return task->scope->effective ? INT64_MIN : task->scope->until;
}

static int run_under_deadline(const char *function, il_time delay, unsigned flags, il_fn *fn,
			      void *arg)
{
	il_scope scope = IL_SCOPE_INIT;
	bool own;
	int rc;

	if (delay < 0 || !fn)
		return il__refuse(-EINVAL, "%s: %s", function,
				  fn ? "the delay is negative" : "fn is NULL");
	if (!il__task_current(function, &rc))
		return rc;
	rc = il_scope_enter(&scope, il_deadline(delay), flags);
	if (rc < 0)
		return rc;
	own = il__disown_refusal();
	rc = il_scope_exit(&scope, il__after_refusal(il__guarded_fn(fn, arg), own));
	if (rc == -ETIMEDOUT && il_scope_caught(&scope))
		il__refuse(rc, "%s: %lld ms have passed", function, (long long)(delay / 1000000));
	return rc;
}

int il_move_on_after(il_time delay, il_fn *fn, void *arg)
{
	return run_under_deadline("il_move_on_after", delay, 0, fn, arg);
}

int il_fail_after(il_time delay, il_fn *fn, void *arg)
{
	return run_under_deadline("il_fail_after", delay, IL_FAIL_AT_DEADLINE, fn, arg);
}
