/*
 * exit_stack.c: what a task or service_init has taken, to be given back in reverse order whatever happens.
 * Each entry runs once. Most run shielded, so that giving back always works; portals and groups are closed
 * in the scopes they were opened in. Loop's thread only.
 */
#include "exit_stack.h"
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"

#include <interloop/executor.h>

void il__exit_stack_init(il_exit_stack *stack, il_loop *loop)
{
	stack->loop = loop;
	stack->opener = NULL;
	stack->exits = stack->first;
	stack->count = 0;
	stack->capacity = sizeof stack->first / sizeof stack->first[0];
	stack->closing = false;
}

static int exit_stack_grow(il_exit_stack *stack)
{
	size_t size = stack->capacity * sizeof *stack->exits;
	bool inside = stack->exits == stack->first;
	struct il__exit *exits = il__realloc(inside ? NULL : stack->exits, 2 * size);

	if (!exits)
		return il__refuse(-ENOMEM, "il_exit_stack_push: out of memory");
	if (inside)
		memcpy(exits, stack->first, size);
	stack->exits = exits;
	stack->capacity *= 2;
	return 0;
}

static int exit_stack_push(il_exit_stack *stack, struct il__exit entry, const char *function)
{
	int rc;

	if (!stack || !entry.run || (!entry.shielded && !entry.arg))
		return il__refuse(-EINVAL, "%s: NULL", function);
	rc = il__loop_check_thread(stack->loop, function);
	if (rc < 0)
		return rc;
	if (stack->closing)
		return il__refuse(-ESHUTDOWN, "%s: the exit stack is being closed", function);
	if (stack->count == stack->capacity)
		rc = exit_stack_grow(stack);
	if (rc == 0)
		stack->exits[stack->count++] = entry;
	return rc;
}

static int exit_stack_run(const struct il__exit *entry)
{
	return il__guarded_fn(entry->run, entry->arg);
}

static int run_shielded(const struct il__exit *entry)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, IL_FOREVER, IL_SHIELD);

	return rc < 0 ? rc : il_scope_exit(&scope, exit_stack_run(entry));
}

/* What is undone later, a pool or a group, may still name these two, to hear -ESHUTDOWN: references are
 * dropped in the end. */
static int close_portal(void *portal)
{
	int rc = il_portal_close(il_portal_ref(portal));

	if (rc < 0)
		il_portal_unref(portal);
	return rc;
}

static int close_executor(void *executor)
{
	return il_executor_shutdown(executor, 0);
}

static void drop_references(const il_exit_stack *stack, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct il__exit *entry = &stack->exits[i];
		if (entry->run == close_portal)
			il_portal_unref(entry->arg);
		else if (entry->run == close_executor)
			il_executor_unref(entry->arg);
	}
}

int il__exit_stack_close(il_exit_stack *stack, int rc)
{
	size_t count = stack->count;
	char *why = il__keep_refusal(rc);

	stack->closing = true;
	while (stack->count) {
		const struct il__exit *entry = &stack->exits[--stack->count];
		int error;

		il__clear_refusal();
		error = entry->shielded ? run_shielded(entry) : exit_stack_run(entry);
		if (error >= 0 || error == -ECANCELED)
			continue;
		if (rc >= 0 || rc == -ECANCELED) {
			rc = error;
			il__free(why);
			why = il__keep_refusal(rc);
		} else {
			il__log(IL_LOG_ERROR, "exit stack: an entry failed: %s (%s)",
				il_error_name(error), il_strerror(error));
		}
	}
	drop_references(stack, count);
	if (stack->exits != stack->first)
		il__free(stack->exits);
	return il__refuse_again(rc, why);
}

/* ---- the public side ---- */

int il_exit_stack_open(il_exit_stack **stack)
{
	il_exit_stack *s;
	il_task *task;
	int rc;

	if (!stack)
		return il__refuse(-EINVAL, "il_exit_stack_open: NULL");
	task = il__task_current("il_exit_stack_open", &rc);
	if (!task)
		return rc;
	s = il__calloc(1, sizeof *s);
	if (!s)
		return il__refuse(-ENOMEM, "il_exit_stack_open: out of memory");
	il__exit_stack_init(s, task->loop);
	s->opener = il__task_identity(task);
	*stack = s;
	return 0;
}

int il_exit_stack_close(il_exit_stack *stack, int rc)
{
	il_task *task;
	int refused;

	if (!stack)
		return il__refuse(-EINVAL, "il_exit_stack_close: NULL");
	task = il__task_current("il_exit_stack_close", &refused);
	if (!task)
		return refused;
	if (stack->opener != il__task_identity(task))
		return il__refuse(-EPERM,
				  "il_exit_stack_close: %s; only the task that opened it may",
				  stack->opener ? "another task opened the stack"
						: "the stack is a server's, which closes it");
	if (stack->closing)
		return il__refuse(-EALREADY, "il_exit_stack_close: the stack is being closed");
	rc = il__exit_stack_close(stack, rc);
	il__free(stack);
	return rc;
}

int il_exit_stack_push(il_exit_stack *stack, il_fn *fn, void *arg)
{
	return exit_stack_push(stack, (struct il__exit){fn, arg, true}, "il_exit_stack_push");
}

int il_exit_stack_executor(il_exit_stack *stack, il_executor *executor)
{
	if (!executor)
		return il__refuse(-EINVAL, "il_exit_stack_executor: NULL");
	return exit_stack_push(stack, (struct il__exit){close_executor, executor, true},
			       "il_exit_stack_executor");
}

int il_exit_stack_portal(il_exit_stack *stack, il_portal *portal)
{
	return exit_stack_push(stack, (struct il__exit){close_portal, portal, false},
			       "il_exit_stack_portal");
}

static int close_group(void *arg)
{
	il_group *group = arg;

	il_scope_cancel(il_group_scope(group));
	return il_group_close(group, 0);
}

int il_exit_stack_group(il_exit_stack *stack, il_group *group)
{
	return exit_stack_push(stack, (struct il__exit){close_group, group, false},
			       "il_exit_stack_group");
}
