/*
 * slow_task.c: says which tasks have held their loop for longer than il_loop_options.slow_task. It is looked at where a
 * context is switched (context_slow.c) and where a task that yields goes on at once; both have a way of their own for
 * loops with this option, so that others read no clock. Loop's thread, but for the environment.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* secure_getenv */
#endif
#include "slow_task.h"
#include "../base/error.h"
#include "../base/os.h"
#include "loop.h"
#include "task.h"
#include "thread_state.h"

#include <stdlib.h>

static const il_time BETWEEN = IL_SEC(1); /* two lines about one task */

/* The log function is the user's, and may wait for nothing. It is called for this task, though the next one has been
 * taken, which shall not find its words. */
static void slow_task_say(il_task *task, il_time held)
{
	const struct il__refusal before = il__refusal;
	il_task *next = task->loop->current;
	char room[IL__TASK_TITLE];

	task->loop->current = task->waiter.state == IL__TASK_ENDED ? NULL : task;
	il__self.no_wait++;
	il__log(IL_LOG_WARNING,
		"slow task: %s has held the loop for %lld ms; give such work to a thread "
		"(il_run_in_thread), or call il_yield in it",
		il__task_title(task, room), (long long)(held / IL_MSEC(1)));
	il__self.no_wait--;
	task->loop->current = next;
	il__refusal = before;
}

void il__slow_task_look(il_loop *loop, il_task *task)
{
	il_time now = il__os_now(), held = now - loop->slow.since;

	if (task && il__unlikely(held > loop->options.slow_task)) {
		loop->slow.count++;
		if (!task->base->slow_logged || now - task->base->slow_logged >= BETWEEN) {
			task->base->slow_logged = now;
			slow_task_say(task, held);
			now = il__os_now();
		}
	}
	loop->slow.since = now;
}

il_time il__slow_task_from_environment(void)
{
	const char *text = secure_getenv("INTERLOOP_SLOW_TASK_MS");
	char *end;
	long long ms;

	if (!text || !*text)
		return 0;
	ms = strtoll(text, &end, 10);
	if (!*end && ms >= 0 && ms < IL_FOREVER / IL_MSEC(1))
		return IL_MSEC(ms);
	il__log(IL_LOG_WARNING,
		"INTERLOOP_SLOW_TASK_MS: \"%s\" is no number of milliseconds; no task is slow",
		text);
	return 0;
}
