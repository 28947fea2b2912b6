/*
 * loop_statistics.c: the numbers of a loop, taken from what it has anyway. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/list.h"
#include "inbox.h"
#include "loop.h"
#include "stack.h"
#include "thread_state.h"
#include "timer.h"

#include <interloop/inspect.h>

/* Without those of its own. */
static size_t loop_descriptors(const il_loop *loop)
{
	return il__list_length(&loop->watched) - (loop->wake.watch.mask != 0) -
	       (loop->wake_timer.source.watch.mask != 0);
}

int il_loop_get_statistics(il_loop *loop, il_loop_statistics *statistics)
{
	int rc;

	if (!loop || !statistics)
		return il__refuse(-EINVAL, "il_loop_get_statistics: %s is NULL",
				  loop ? "statistics" : "loop");
	rc = il__loop_check_thread(loop, "il_loop_get_statistics");
	if (rc < 0)
		return rc;
	*statistics = (il_loop_statistics){
	    .tasks = loop->tasks,
	    .ready = il__list_length(&loop->ready),
	    .queue = il__inbox_queued(loop->inbox),
	    .timers = loop->timers.count,
	    .next_deadline = il__timers_next(&loop->timers),
	    .descriptors = loop_descriptors(loop),
	    .turns = loop->turns.count,
	    .longest_turn = il__ticks_time(loop->turns.longest),
	    .slow_tasks = loop->slow.count,
	    .most_stack_used = il__stacks_most_used(&loop->stacks),
	};
	return 0;
}
