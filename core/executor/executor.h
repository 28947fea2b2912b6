/*
 * executor.h: the one interface over thread pools, process pools and executors of the user's own. Any thread.
 */
#ifndef IL_CORE_EXECUTOR_EXECUTOR_H
#define IL_CORE_EXECUTOR_EXECUTOR_H

#include "../base/list.h"
#include "../runtime/wakeup.h"
#include "call.h"

#include <interloop/executor.h>

struct il__watcher_of_end;

struct il__executor_type {
	/* `waits`: the caller waits for the call, so the queue's bound does not apply. */
	int (*submit)(void *self, il_call *call, bool waits);
	bool (*withdraw)(void *self,
			 il_call *call); /* true: it never runs, and is the caller's again */
	/* Ends what runs it, so that -ECANCELED is answered soon; the caller makes sure that it is not
	 * answered meanwhile, or knows that its memory stays. NULL: it cannot be ended. */
	void (*kill)(void *self, il_call *call);
	/* end: NULL with IL_NOWAIT; else fired once all have ended. False: they have already. With
	 * IL__UNLESS_IT_WAITS true means that nothing was done. */
	bool (*shutdown)(void *self, unsigned flags, struct il__watcher_of_end *end);
	void (*ended)(void *self); /* after a waiting shutdown: reap */
	void (*destroy)(void *self);
	bool (*is_worker)(void *self);   /* whether this thread works for it */
	bool (*only_worker)(void *self); /* and is its only one */
	/* In place of `shutdown` and `ended`: all of it, and gives what il_executor_shutdown returns. May
	 * block, if a wait is allowed here: then `may_wait` is 0, and task the waiting one, or NULL. */
	int (*shut_down_in_place)(void *self, unsigned flags, il_task *task, int may_wait);
};

/* A flag beside those of il_executor_shutdown. */
enum { IL__UNLESS_IT_WAITS = 1 << 8 };

/* Somebody who waits for an executor's end; under the executor's lock. */
struct il__watcher_of_end {
	struct il__list link;
	struct il__wakeup wakeup;
};

struct il_executor {
	atomic_uint refs;
	unsigned generation;
	const struct il__executor_type *ops;
	void *self;
	bool copies, locals;
	bool kills;      /* cancelling a running call kills its worker */
	size_t max_size; /* of an argument; 0: any */
	size_t workers;  /* threads, at most; 0: they never wait for a task */
};

int il__executor_make(il_executor **ex, const struct il__executor_type *ops, void *self,
		      bool copies, bool locals);
int il__executor_check(il_executor *ex, il_fn *fn, const char *function);
/* Takes the call to the executor, waiting for room where that is the only way. -ETIMEDOUT. */
int il__executor_submit_waiting(il_executor *ex, il_call *call, il_task *task, il_time deadline);
/* What calls into ex owe a loop, so many at most. */
struct il__account il__executor_account(const il_executor *ex, size_t calls);

/* How many there are for a pool that may use all, or so many by its option. */
int il__processors_for(size_t cpu_count);

#endif
