/*
 * thread_pool.h: worker threads over one queue. Everything in the pool is under its lock, but for a
 * worker's own wake-up. Idle workers are reused last in, first out, those that last served the same loop
 * before others; and a worker is idle before it finishes its call, so that what is submitted by that end
 * runs in the same, warm thread. If that calls functions of the user's, it is detained until they return. Until then it
 * counts as free for one call only: the first that they submit. When they return it takes whatever is queued first.
 *
 * The pool outlives its executor while threads live: the last of them frees it.
 */
#ifndef IL_CORE_EXECUTOR_THREAD_POOL_H
#define IL_CORE_EXECUTOR_THREAD_POOL_H

#include "../base/list.h"
#include "../base/parker.h"
#include "executor.h"

enum { IL__THREAD_POOL_WHY = 320 };

struct il__thread_worker {
	struct il__list idle; /* linked while idle and not assigned; under lock */
	struct il__thread_pool *pool;
	struct il__list link; /* pool->workers; under lock */
	bool detained;        /* written under lock, by its own thread */
	il_fn *runs;          /* of its call; NULL: none; under lock, as `began` */
	il__ticks began;
	const struct il__inbox *served; /* its last caller's, compared only; under lock */
	struct il__parker parker;       /* renewed by the worker before each rest */
	int index;
	pthread_t thread;
	/* What it would be in the middle of if it ended now; its own thread only. */
	enum { IL__WORKER_SETS_UP, IL__WORKER_SERVES, IL__WORKER_FINALIZES } stage;
	il_call *running;
};

struct il__thread_pool {
	pthread_mutex_t lock;
	struct il__list queue;
	size_t queued;
	size_t own;           /* of those: which a detained worker comes for */
	struct il__list idle; /* newest first */
	struct il__list workers;
	/* One was woken for the queue and has not come yet. It wakes the next one if there is more to do:
	 * so a burst of short calls wakes one worker, not all. */
	bool waking;
	bool gathered; /* a loop has let its calls wait for those of its next turn */
	size_t burst;  /* how many calls the last wake-up served */
	/* Loops that look after the queue: while there are any, its workers wake each other for it no more. Except for the
	 * calls up to the place `left`: no loop has put them off, or it looks no more, and another may be held up. */
	unsigned watchers;
	uint64_t left;
	size_t emptied,
	    seen_emptied; /* how often the queue was empty; when they last looked, and when that was new */
	il_time seen_at;
	il_executor *executor;
	size_t live, busy, max;
	size_t detained; /* of those that are not busy */
	struct il__call_counts counts;
	bool shut, broken, released;
	bool failing;    /* an initializer failed: broken once that is logged */
	bool has_exited; /* `exited` ended and is not joined */
	pthread_t exited;
	struct il__list ends; /* il__watcher_of_end: fired when live becomes 0 */
	uint64_t indexes;     /* the lowest 64 in use: names are reused */
	il_thread_pool_options options;
	char name[16];
	char why[IL__THREAD_POOL_WHY]; /* it is broken */
};

/* Under the lock, while calls are queued: who is to have the first of them, or NULL: none is idle. */
struct il__thread_worker *il__thread_worker_find(const struct il__thread_pool *pool);
/* Under the lock: an idle worker that the caller must wake once it has left the lock, or NULL: there is
 * no need. Until then it waits. */
struct il__thread_worker *il__thread_worker_rouse(struct il__thread_pool *pool);
/* Under the lock: whether there are calls that no worker will come for, but one more would. */
static inline bool il__thread_pool_lacks_worker(const struct il__thread_pool *pool)
{
	return pool->live < pool->max &&
	       pool->live - pool->busy - pool->detained < pool->queued - pool->own;
}
/* thread_worker.c. Under the lock: one more worker. */
int il__thread_worker_start(struct il__thread_pool *pool);
/* Under the lock, but not while it finishes the call. Until its turn comes a call may still be withdrawn; one that
 * nobody waits for is run. */
void il__thread_pool_fail(struct il__thread_pool *pool, struct il__list *calls, int rc);
void il__thread_pool_free(struct il__thread_pool *pool);

/* Waits in this thread whatever it is; the loop's own threads at its end. False: time is up. */
bool il__thread_pool_finish(il_executor *ex, il_time deadline);
/* A call that waits for what others hold: a worker that is through with a call of the same `waiting_calls` runs
 * the first of them next. Any thread. */
void il__thread_pool_add_waiting(il_executor *ex, il_call *call);
bool il__thread_pool_remove_waiting(il_executor *ex, il_call *call); /* false: a worker has it */
/* After one that runs no other shall run with its token. False: it has run, and another does. */
bool il__thread_pool_refuse_next(il_executor *ex, il_call *call);

#endif
