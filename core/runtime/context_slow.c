/*
 * context_slow.c: a context switch that looks how long the task that leaves has held its loop. Nobody comes here before a
 * loop with il_loop_options.slow_task has opened. Loop's thread only.
 */
#include "../base/base.h"
#include "context.h"
#include "loop.h"
#include "slow_task.h"
#include "switch.h"
#include "task.h"
#include "thread_state.h"

_Atomic(il__context_change *) il__slow_way;

void il__context_change_slow(struct il__context *from, struct il__context *to, bool ending)
{
	il__context_change *way = atomic_load_explicit(&il__slow_way, memory_order_relaxed);
	il_loop *loop = il__self.loop;
	int saved = errno;

	if (loop->options.slow_task)
		il__slow_task_look(loop, from == &loop->own_context
					     ? NULL
					     : il__container_of(from, il_task, context));
	if (way)
		way(from, to, ending);
	else
		il__switch(&from->sp, to->sp);
	errno = saved;
}
