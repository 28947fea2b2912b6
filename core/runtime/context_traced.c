/*
 * context_traced.c: a context switch as a trace records it. While no trace is on nobody comes here, so that a switch
 * does not even ask. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/load.h"
#include "../base/trace.h"
#include "context.h"
#include "loop.h"
#include "task.h"
#include "thread_state.h"

/* One that has ended has given back what it was started with. */
static void introduce(const il_task *task)
{
	struct il__task_base *base = task ? task->base : NULL;

	if (base)
		il__trace_task(task, base->fn,
			       task->waiter.state == IL__TASK_ENDED ? NULL : base->arg, base->name,
			       &base->traced);
}

/* Who leaves is what its own context belongs to; who comes is the loop's current task already. */
static void trace_change(const struct il__context *from, bool ending)
{
	const il_loop *loop = il__self.loop;
	const il_task *task =
	    from == &loop->own_context ? NULL : il__container_of(from, const il_task, context);
	enum il__trace_left left = ending ? IL__TRACE_ENDED : IL__TRACE_READY;
	const char *waits_for = NULL;

	if (task && task->waiter.state == IL__TASK_PARKED) {
		left = IL__TRACE_PARKED;
		waits_for = task->base->wait->call;
	}
	introduce(task);
	introduce(loop->current);
	il__trace_change(task, left, waits_for, loop->current);
}

/* A thread that is met in the middle of a turn, perhaps of a task. */
static void introduce_thread(void)
{
	const il_loop *loop = il__self.loop;

	if (!loop || !loop->turning)
		return;
	il__trace_turn(true, loop->backend->name);
	introduce(loop->current);
	if (loop->current)
		il__trace_change(NULL, IL__TRACE_READY, NULL, loop->current);
}

static void context_hear_of_threads(void)
{
	il__trace_introduce = introduce_thread;
}
IL__AT_LOAD(context_hear_of_threads, IL__LOADED);

void il__context_leave_traced(const struct il__context *from, bool ending)
{
	if (il__trace_on())
		trace_change(from, ending);
}
