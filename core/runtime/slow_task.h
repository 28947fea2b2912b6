/*
 * slow_task.h: tasks that hold their loop for longer than they may. Loop's thread, but for what is said below.
 */
#ifndef IL_CORE_RUNTIME_SLOW_TASK_H
#define IL_CORE_RUNTIME_SLOW_TASK_H

#include "../base/base.h"

/* What $INTERLOOP_SLOW_TASK_MS says; 0: nothing. Any thread. */
il_time il__slow_task_from_environment(void);
/* A task lets others run: says so if it has held the loop for too long. Only where options.slow_task is set. */
void il__slow_task_look(il_loop *loop, il_task *task);

#endif
