/*
 * context_slow.c: a look, before a context is switched, how long the task that leaves has held its loop. Nobody comes here before a
 * loop with il_loop_options.slow_task has opened. Loop's thread only.
 */
#include "../base/base.h"
#include "context.h"
#include "loop.h"
#include "slow_task.h"
#include "task.h"
#include "thread_state.h"

void il__context_leave_slow(struct il__context *from)
{
	il_loop *loop = il__self.loop;

	if (loop->options.slow_task)
		il__slow_task_look(loop, from == &loop->own_context
					     ? NULL
					     : il__container_of(from, il_task, context));
}
