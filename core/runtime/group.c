/*
 * group.c: task groups. Loop's thread only. Invariant: while a group is open, `children` counts the tasks
 * that were started in it and have not ended, and the task that opened it leaves il_group_close only at 0.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "future.h"
#include "local.h"
#include "loop.h"
#include "scope.h"
#include "task.h"
#include "thread_state.h"

#include <interloop/group.h>

enum { ERRORS_KEPT = 8 };

struct il__group {
	il_task *opener;
	struct il__cancel_scope scope;
	size_t children;
	size_t errors;
	int codes[ERRORS_KEPT];
	char *why; /* the first one's il_error_detail(); NULL: it had none */
	bool open, joining;
};

_Static_assert(sizeof(struct il__group) <= sizeof(il_group), "il_group's reserve is too small");
_Static_assert(_Alignof(struct il__group) <= _Alignof(il_group), "il_group is not aligned");

static struct il__group *group_of(il_group *g)
{
	return (struct il__group *)(void *)g;
}

/* ---- children ---- */

static void one_less(struct il__group *g)
{
	if (--g->children == 0 && g->joining)
		il__task_wake(g->opener, 0);
}

static void child_ended(il_task *task, int rc)
{
	struct il__group *g = task->base->owner;

	if (rc < 0 && !il__task_was_cancelled(task, rc)) {
		if (g->errors == 0)
			g->why = il__keep_refusal(rc);
		if (g->errors < ERRORS_KEPT)
			g->codes[g->errors] = rc;
		g->errors++;
		il__scope_cancel(&g->scope, "another task of the group failed");
	}
	one_less(g);
}

static int check_open(il_group *group, il_fn *fn, const char *function)
{
	struct il__group *g = group_of(group);

	if (!group || !fn)
		return il__refuse(-EINVAL, "%s: %s is NULL", function, group ? "fn" : "group");
	if (!g->open)
		return il__refuse(-ESHUTDOWN, "%s: the group is closed", function);
	return il__loop_check_thread(g->scope.loop, function);
}

static inline int start_soon(il_group *group, il_future **f, il_fn *fn, void *arg,
			     const il_task_options *with)
{
	struct il__group *g = group_of(group);
	struct il__task_setup options = {.scope = &g->scope,
					 .ended = child_ended,
					 .owner = g,
					 .heard = true,
					 .locals = il__locals_current(),
					 .with = with};
	int rc = 0;

	if (f)
		rc = il__future_task(g->scope.loop, f, fn, arg, &options);
	else if (!il__task_spawn(g->scope.loop, fn, arg, &options))
		rc = -ENOMEM;
	if (rc == 0)
		g->children++;
	return rc;
}

int il_group_start_soon(il_group *group, il_future **f, il_fn *fn, void *arg)
{
	int rc = check_open(group, fn, "il_group_start_soon");

	return rc < 0 ? rc : start_soon(group, f, fn, arg, NULL);
}

int il_group_start_soon_with(il_group *group, il_future **f, il_fn *fn, void *arg,
			     const il_task_options *options)
{
	int rc = check_open(group, fn, "il_group_start_soon_with");

	if (rc == 0)
		rc = il__task_check_options(options, "il_group_start_soon_with");
	return rc < 0 ? rc : start_soon(group, f, fn, arg, options);
}

/* ---- il_group_start ---- */

struct start {
	il_task *caller, *child;
	bool called;
	bool cancelled; /* the caller was: it waits for the child's end now */
	int value, rc;
	char *why; /* rc's words */
};

static int group_on_started(il_task *task, int value)
{
	struct start *start = task->base->starter;

	if (!start || start->called)
		return il__refuse(-EALREADY, "il_task_started: called before");
	start->called = true;
	start->value = value;
	if (start->cancelled)
		return 0;
	task->base->starter = NULL;
	il__task_wake(start->caller, 0);
	return 0;
}

static void started_child_ended(il_task *task, int rc)
{
	struct start *start = task->base->starter;
	bool called = !start || start->called;

	if (start) {
		if (rc < 0 && rc != -ECANCELED)
			start->rc = start->called ? -ECANCELED : rc;
		else
			start->rc = start->cancelled ? -ECANCELED : -EPROTO;
		start->why = il__keep_refusal(start->rc == rc ? rc : 0);
		il__task_wake(start->caller, 0);
	}
	if (called)
		child_ended(task, rc);
	else
		one_less(task->base->owner);
}

static void tell_started(struct il__report *r, const il_task *task)
{
	const struct start *start = task->waiter.arg;
	char room[IL__TASK_TITLE];

	il__report(r, "il_task_started of %s", il__task_title(start->child, room));
}

static const struct il__wait start_wait = {"il_group_start", tell_started};

static bool cancel_child(il_task *caller, void *arg)
{
	struct start *start = arg;

	(void)caller;
	start->cancelled = true;
	il__task_cancel(start->child);
	return false;
}

int il_group_start(il_group *group, int *value, il_fn *fn, void *arg)
{
	struct il__group *g = group_of(group);
	struct start start = {.rc = 0};
	struct il__task_setup options;
	int rc;

	start.caller = il__task_current("il_group_start", &rc);
	if (!start.caller || (rc = check_open(group, fn, "il_group_start")) < 0 ||
	    (rc = il__task_check(start.caller)) < 0)
		return rc;
	options = (struct il__task_setup){.scope = &g->scope,
					  .own_scope = true,
					  .ended = started_child_ended,
					  .owner = g,
					  .locals = il__locals_current()};
	start.child = il__task_spawn(g->scope.loop, fn, arg, &options);
	if (!start.child)
		return -ENOMEM;
	start.child->base->started = group_on_started;
	start.child->base->starter = &start;
	g->children++;
	il__task_park(start.caller, cancel_child, &start, &start_wait);
	if (start.rc == -EPROTO && !start.why)
		return il__refuse(-EPROTO,
				  "il_group_start: the task ended without calling il_task_started");
	il__refuse_again(start.rc, start.why);
	if (start.rc == -ECANCELED)
		il__task_cancelled(start.caller); /* the reason */
	if (start.rc == 0 && value)
		*value = start.value;
	return start.rc;
}

/* ---- open and close ---- */

int il_group_open(il_group *group)
{
	struct il__group *g = group_of(group);
	il_task *task;
	int rc;

	if (!group)
		return il__refuse(-EINVAL, "il_group_open: group is NULL");
	task = il__task_current("il_group_open", &rc);
	if (!task)
		return rc;
	/* The memory may hold anything: only the task's own scopes tell whether the group is open. */
	for (struct il__cancel_scope *s = task->scope; s; s = s->parent)
		if (s == &g->scope)
			return il__refuse(-EALREADY, "il_group_open: the group is open");
	*g = (struct il__group){.opener = task, .open = true};
	g->scope.of_group = true;
	return il__scope_enter_for(task, &g->scope, IL_FOREVER, 0);
}

il_scope *il_group_scope(il_group *group)
{
	return group ? (il_scope *)(void *)&group_of(group)->scope : NULL;
}

static void tell_children(struct il__report *r, const il_task *task)
{
	const struct il__group *g = task->waiter.arg;

	il__report(r, "%zu %s", g->children, g->children == 1 ? "child" : "children");
}

static const struct il__wait close_wait = {"il_group_close", tell_children};

static void group_join(struct il__group *g)
{
	if (g->children == 0)
		il__task_yield(g->opener);
	g->joining = true;
	while (g->children > 0)
		il__task_park(g->opener, NULL, g, &close_wait);
}

int il_group_close(il_group *group, int body)
{
	struct il__group *g = group_of(group);
	bool cancelled, outer;
	il_task *task;
	int rc;

	if (!group)
		return il__refuse(-EINVAL, "il_group_close: group is NULL");
	task = il__task_current("il_group_close", &rc);
	if (!task)
		return rc;
	if (task->scope != &g->scope || task != g->opener || !g->open)
		return il__refuse(-EALREADY,
				  "il_group_close: the group is not open, was opened by another "
				  "task, or is not the innermost scope of this one");
	cancelled = body == -ECANCELED && g->scope.effective;
	if (body < 0)
		il__scope_cancel(&g->scope, "the group's body failed");
	group_join(g);
	g->open = false;
	outer = !g->scope.shield &&
		(cancelled ? il__scope_is_over(g->scope.parent) : g->scope.parent->effective);
	il__scope_exit_for(task, &g->scope, cancelled ? -ECANCELED : 0);
	if (g->errors && (body >= 0 || cancelled))
		return il__refuse_again(g->codes[0], g->why);
	il__free(g->why);
	if (body < 0 && !cancelled)
		return il__pass_on(body);
	if (outer) {
		il__task_cancelled(task); /* the reason */
		return -ECANCELED;
	}
	return body < 0 ? 0 : body;
}

size_t il_group_errors(const il_group *group, int *codes, size_t n)
{
	const struct il__group *g = (const struct il__group *)(const void *)group;

	if (!group)
		return 0;
	if (!il__is_items(codes, n))
		n = 0;
	for (size_t i = 0; i < n && i < g->errors && i < ERRORS_KEPT; i++)
		codes[i] = g->codes[i];
	return g->errors;
}

/* ---- il_gather ---- */

struct item {
	il_fn *fn;
	void *arg;
	int *result;
};

static int run_item(void *arg)
{
	struct item *item = arg;
	int rc = item->fn(item->arg);

	if (item->result)
		*item->result = rc;
	return rc;
}

int il_gather(il_fn *fn, void *items, size_t count, size_t size, int *results)
{
	struct item *all;
	il_group group;
	int rc;

	if (!fn || (count && !items) || !il__is_array(count, size) ||
	    !il__is_array(count, sizeof(int)))
		return il__refuse(-EINVAL,
				  "il_gather: fn or items is NULL, or count * size overflows");
	if (!il__task_current("il_gather", &rc))
		return rc;
	rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	all = count ? il__calloc(count, sizeof *all) : NULL;
	if (count && !all)
		rc = il__refuse(-ENOMEM, "il_gather: no memory for %zu tasks", count);
	for (size_t i = 0; rc == 0 && results && i < count; i++)
		results[i] = -ECANCELED;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		all[i] = (struct item){fn, (char *)items + i * size, results ? &results[i] : NULL};
		rc = il_group_start_soon(&group, NULL, run_item, &all[i]);
	}
	rc = il_group_close(&group, rc);
	il__free(all);
	return rc;
}
