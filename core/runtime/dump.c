/*
 * dump.c: a loop in words: its tree of scopes and tasks. It is read only, and nothing is allocated, so that it can be
 * had anywhere in the loop's thread, however short memory is. Loop's thread, but for the look from outside.
 */
#include "../base/error.h"
#include "../base/list.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "extension.h"
#include "loop.h"
#include "loops.h"
#include "scope.h"
#include "stack_use.h"
#include "task.h"
#include "thread_state.h"
#include "timer.h"

#include <interloop/inspect.h>

#include <stdio.h>

/* ---- tasks ---- */

static void tell_parked(struct il__report *r, const il_task *task)
{
	const struct il__wait *wait = task->base->wait;
	il_time until = il__timer_deadline(task->loop, &task->alarm);

	il__report(r, "%s for ", wait->call);
	il__report_duration(r, il__loop_waited(task->loop, task->base->since));
	if (until != IL_FOREVER) {
		il__report(r, ", for ");
		il__report_until(r, until);
		il__report(r, " more at most");
	}
	if (!wait->tell)
		return;
	il__report(r, ": ");
	wait->tell(r, task);
}

static void tell_stack(struct il__report *r, const il_task *task)
{
	const struct il__stacks *pool = il__stack_pool(&task->loop->stacks, &task->stack);

	if (pool->measured)
		il__report(r, "; has used %zu of %zu bytes of stack",
			   il__stack_used(pool, &task->stack), pool->size);
}

static void tell_task(struct il__report *r, const il_task *task, size_t depth)
{
	char room[IL__TASK_TITLE], function[256];

	il__report_indent(r, depth);
	il__report(r, "%s", il__task_title(task, room));
	if (!task->base->name[0] && !task->base->is_main) {
		il__report_function_text(task->base->fn, task->base->arg, function,
					 sizeof function);
		il__report(r, " (%s)", function);
	}
	il__report(r, ": ");
	if (task == task->loop->current)
		il__report(r, "runs");
	else if (task->waiter.state == IL__TASK_PARKED)
		tell_parked(r, task);
	else
		il__report(r, task->base->begun ? "ready" : "ready, has not begun");
	if (task->scope->effective)
		il__report(r, "; cancelled");
	tell_stack(r, task);
	il__report_line_end(r);
}

/* ---- scopes ---- */

/* Those that a task has entered, and others that say something. */
static bool scope_shows(const struct il__cancel_scope *s)
{
	return s->task || s->deadline != IL_FOREVER || s->shield || s->cancelled;
}

static void tell_scope(struct il__report *r, const struct il__cancel_scope *s, size_t depth)
{
	const char *reason = s->cancelled ? il__scope_reason(s) : NULL;
	char room[IL__TASK_TITLE];

	il__report_indent(r, depth);
	il__report(r, s->of_group ? "group" : "scope");
	if (s->task)
		il__report(r, " of %s", il__task_title(s->task, room));
	if (s->deadline != IL_FOREVER) {
		il__report(r, ", ends in ");
		il__report_until(r, s->deadline);
	}
	il__report(r, "%s%s%s%s", s->shield ? ", shielded" : "", s->cancelled ? ", cancelled" : "",
		   reason ? ": " : "", reason ? reason : "");
	il__report_line_end(r);
}

/* One more than there are scopes above it that show. */
static size_t scope_depth(const struct il__cancel_scope *s)
{
	size_t depth = 1;

	while ((s = s->parent))
		depth += scope_shows(s);
	return depth;
}

static void tell_tree(struct il__report *r, il_loop *loop)
{
	for (struct il__cancel_scope *s = &loop->scope; s; s = il__scope_next(s)) {
		const size_t depth = scope_depth(s);
		if (scope_shows(s))
			tell_scope(r, s, depth);
		il__list_each (node, &s->tasks)
			tell_task(r, il__container_of(node, const il_task, scope_link),
				  depth + scope_shows(s));
	}
}

/* ---- the loop ---- */

static void tell_name(struct il__report *r, const il_loop *loop)
{
	il__report(r, "loop %u (%s, %s)", loop->entry.number, loop->backend->name,
		   loop->own ? "own" : "adopted");
}

static void tell_numbers(struct il__report *r, il_loop *loop)
{
	il_loop_statistics s;

	if (il_loop_get_statistics(loop, &s) < 0)
		return;
	il__report(r, ": %zu tasks, %zu ready, %zu posted calls, %zu descriptors, %zu timers",
		   s.tasks, s.ready, s.queue, s.descriptors, s.timers);
	il__report(r, ", %llu turns, the longest ", (unsigned long long)s.turns);
	il__report_duration(r, s.longest_turn);
	if (s.most_stack_used)
		il__report(r, ", at most %zu bytes of a stack used", s.most_stack_used);
	if (s.slow_tasks)
		il__report(r, ", %llu slow tasks", (unsigned long long)s.slow_tasks);
}

void il__loop_tell(struct il__report *r, il_loop *loop)
{
	r->now = il__loop_now(loop);
	tell_name(r, loop);
	tell_numbers(r, loop);
	il__report_line_end(r);
	tell_tree(r, loop);
	il__list_each (node, &loop->extensions) {
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		if (x->ops->tell)
			x->ops->tell(x, r);
	}
}

/* A task that may end, and be another, while it is looked at: its memory is the loop's, and stays as long as that is
 * held. So the name may be cut, but it is one. */
static IL__RACY void copy_title(const il_task *task, char title[IL__TASK_TITLE])
{
	const volatile struct il__task_base *base = ((const volatile il_task *)task)->base;
	const char *unnamed = base->is_main ? "main" : NULL;
	size_t i = 0;

	for (; i + 1 < IL__TASK_TITLE && base->name[i]; i++)
		title[i] = base->name[i];
	title[i] = 0;
	if (i == 0 && unnamed)
		memcpy(title, unnamed, sizeof "main");
	else if (i == 0)
		snprintf(title, IL__TASK_TITLE, "task %u",
			 ((const volatile il_task *)task)->stack.number);
}

static IL__RACY const il_task *racy_current(const il_loop *loop)
{
	return ((const volatile il_loop *)loop)->current;
}

void il__loop_tell_from_outside(struct il__report *r, il_loop *loop, const char *why)
{
	il__ticks began = atomic_load_explicit(&loop->turns.began, memory_order_relaxed);
	const il_task *task = racy_current(loop);
	char title[IL__TASK_TITLE] = "";

	if (task)
		copy_title(task, title);
	tell_name(r, loop);
	il__report(r, ": %s", why);
	if (began) {
		il__report(r, "; %s has held it for ",
			   *title ? title : "a plain call, or a callback,");
		il__report_duration(r, il__ticks_ago(began));
		il__report(r, " at most"); /* others may have run before it in this turn */
	} else {
		il__report(r, "; no task of it runs");
	}
	il__report_line_end(r);
}

int il_loop_dump(il_loop *loop, int fd)
{
	struct il__report r;
	int rc, saved = errno;

	if (!loop || fd < 0)
		return il__refuse(-EINVAL, "il_loop_dump: %s",
				  loop ? "the descriptor is negative" : "loop is NULL");
	rc = il__loop_check_thread(loop, "il_loop_dump");
	if (rc < 0)
		return rc;
	if (loop->closed)
		return il__refuse(-ESHUTDOWN, "il_loop_dump: the loop is closed");
	il__report_begin(&r, fd);
	il__loop_tell(&r, loop);
	rc = il__report_end(&r);
	errno = saved;
	return rc < 0 ? il__refuse(rc, "il_loop_dump: descriptor %d does not take it: %s", fd,
				   il__system_words(rc))
		      : 0;
}
