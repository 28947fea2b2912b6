/*
 * wait.h: what a parked task waits in, and for, in words: for dumps and the report of a deadlock. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_WAIT_H
#define IL_CORE_RUNTIME_WAIT_H

#include "../base/base.h"

struct il__report;

/*
 * Given to il__task_park, where it costs no more than a name would: a constant, or where the call has many names, a
 * part of what its task waits with, on its stack. Valid while the task is parked.
 */
struct il__wait {
	const char *call; /* the public function */
	/* Adds what it waits for, which it finds by task->waiter.arg, or by task->base->wait as a part of what. NULL: the
	 * call says all. */
	void (*tell)(struct il__report *r, const il_task *task);
};

#endif
