/*
 * executor.h: the one interface over thread pools, process pools and executors of the user's own. Any thread.
 */
#ifndef IL_CORE_EXECUTOR_EXECUTOR_H
#define IL_CORE_EXECUTOR_EXECUTOR_H

#include "../base/list.h"
#include "../base/ticks.h"
#include "../runtime/wakeup.h"
#include "call.h"

#include <interloop/executor.h>
#include <interloop/inspect.h>

struct il__report;
struct il__watcher_of_end;

/* What became of a pool's calls; under the pool's lock. */
struct il__call_counts {
	uint64_t submitted, completed, failed, cancelled, deaths;
	il__ticks longest_wait;
};

/* A call goes into the queue, and leaves it for a worker. */
static inline void il__call_queued(il_call *call)
{
	call->queued_at = il__ticks_now();
}

static inline void il__call_taken(struct il__call_counts *counts, const il_call *call)
{
	il__ticks waited = il__ticks_now() - call->queued_at;

	if (waited > counts->longest_wait)
		counts->longest_wait = waited;
}

/* Before it finishes. */
static inline void il__call_count(struct il__call_counts *counts, int rc)
{
	if (rc >= 0)
		counts->completed++;
	else if (rc == -ECANCELED)
		counts->cancelled++;
	else
		counts->failed++;
}

struct il__executor_type {
	const char *runs_in; /* "a worker thread": for people */
	/* Of one of the user's own, of whose calls only the number is known. NULL: a pool. */
	const char *(*name)(void *self);
	/* What its workers do; under its own lock. NULL: there is nothing to say. */
	void (*tell)(void *self, struct il__report *r);
	/* `waits`: the caller waits for the call, so the queue's bound does not apply. */
	int (*submit)(void *self, il_call *call, bool waits);
	/* Instead, where the caller waits, also for room. 1: submitted, but the task was cancelled meanwhile.
	 * NULL: there is always room. */
	int (*submit_waiting)(void *self, il_call *call, il_time deadline);
	/* Not NULL: asked, maybe under a lock, before withdraw or kill, one of which must follow if it
	 * says so, under no lock: a function of the user's runs. */
	bool (*visit)(void *self, il_call *call);
	bool (*withdraw)(void *self,
			 il_call *call); /* true: it never runs, and is the caller's again */
	/* Ends what runs it, so that it finishes soon, with -ECANCELED; the caller makes sure that it
	 * has not finished meanwhile, or knows that its memory stays. NULL: it cannot be ended. */
	void (*kill)(void *self, il_call *call);
	/* end: NULL with IL_NOWAIT; else fired once all have ended. False: they have already. With
	 * IL__UNLESS_IT_WAITS true means that nothing was done. */
	bool (*shutdown)(void *self, unsigned flags, struct il__watcher_of_end *end);
	void (*ended)(void *self); /* after a waiting shutdown: reap */
	void (*destroy)(void *self);
	bool keeps_executor;             /* self frees the il_executor, with itself */
	bool (*is_worker)(void *self);   /* whether this thread works for it */
	bool (*only_worker)(void *self); /* and is its only one */
	/* In place of `shutdown` and `ended`: all of it, and gives what il_executor_shutdown returns. May
	 * block, if a wait is allowed here: then `may_wait` is 0, and task the waiting one, or NULL. */
	int (*shut_down_in_place)(void *self, unsigned flags, il_task *task, int may_wait);
	/* Its workers, queue and counts; `running` is what is left. */
	void (*statistics)(void *self, il_executor_statistics *statistics);
};

/* A flag beside those of il_executor_shutdown. */
enum { IL__UNLESS_IT_WAITS = 1 << 8 };

/* Somebody who waits for an executor's end; under the executor's lock. */
struct il__watcher_of_end {
	struct il__list link;
	struct il__wakeup wakeup;
	il_executor *executor; /* for dumps */
};

struct il_executor {
	struct il__list link; /* all of the process, under their lock */
	atomic_uint refs;
	unsigned generation;
	const struct il__executor_type *ops;
	void *self;
	bool copies, locals;
	bool kills;      /* cancelling a running call kills its worker */
	bool in_loop;    /* calls end by what the waiting task's loop does */
	size_t max_size; /* of an argument; 0: any */
	size_t workers;  /* threads, at most; 0: they never wait for a task */
};

/* executors.c: among all of the process, while it may be used. */
void il__executors_add(il_executor *ex);
void il__executors_remove(il_executor *ex);
size_t il__calls_left(const struct il__call_counts *counts); /* without an answer */
/* A pool's statistics from its counts; `queued` is there. Under the pool's lock. */
void il__call_counts_tell(const struct il__call_counts *counts, il_executor_statistics *s);
int il__executor_make(il_executor **ex, const struct il__executor_type *ops, void *self,
		      bool copies, bool locals);
int il__executor_check(il_executor *ex, il_fn *fn, const char *function);
/* Takes the call to the executor, waiting for room where that is the only way: -ETIMEDOUT, -ECANCELED. 1: the call is there,
 * but the task was cancelled meanwhile. */
static inline int il__executor_submit_waiting(il_executor *ex, il_call *call, il_time deadline)
{
	return ex->ops->submit_waiting ? ex->ops->submit_waiting(ex->self, call, deadline)
				       : ex->ops->submit(ex->self, call, true);
}
/* It is the user's own and takes no call back: one that is cancelled before it begins is left there, until the user ends it. */
static inline bool il__executor_keeps_calls(const il_executor *ex)
{
	return ex->ops->visit && !ex->ops->withdraw;
}
/* No lock is held. Takes it back, or ends it; false: it has an answer, or will have one. */
static inline bool il__executor_withdraw(il_executor *ex, il_call *call)
{
	return ex->ops->withdraw && (!ex->ops->visit || ex->ops->visit(ex->self, call)) &&
	       ex->ops->withdraw(ex->self, call);
}
static inline void il__executor_kill(il_executor *ex, il_call *call)
{
	if (!ex->ops->visit || ex->ops->visit(ex->self, call))
		ex->ops->kill(ex->self, call);
}
/* What calls into ex owe a loop, so many at most; 0: what its end does. */
struct il__account il__executor_account(const il_executor *ex, size_t calls);

/* How many there are for a pool that may use all, or so many by its option. */
int il__processors_for(size_t cpu_count);

#endif
