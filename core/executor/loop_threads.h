/*
 * loop_threads.h: a loop's worker threads, for the calls that run there (run_in_thread.c). Loop's thread only.
 */
#ifndef IL_CORE_EXECUTOR_LOOP_THREADS_H
#define IL_CORE_EXECUTOR_LOOP_THREADS_H

#include "../base/list.h"
#include "../runtime/extension.h"
#include "../runtime/loop.h"

#include <interloop/executor.h>
#include <interloop/sync.h>

/* A call that its task has left, and that runs on. While it is linked the list has a reference: its worker, which is told
 * that the loop is closed, may drop its own at any moment. */
struct il__left_call {
	struct il__list link;
	struct il__account *account;
	void (*drop)(struct il__left_call *call); /* the list's reference */
};

struct il__threads {
	struct il__extension extension;
	il_executor *pool;
	il_limiter *limiter;  /* the one that calls have by default */
	size_t active;        /* calls that run */
	struct il__list left; /* calls that were abandoned, and run on */
	struct il__list
	    waiters; /* of il_threads_wait: while there are any, those calls owe a result */
};

int il__threads_get(il_loop *loop, struct il__threads **threads);
/* run_in_thread.c: as il_run_in_thread, in a task that may wait. Its result is owed by that account. */
int il__run_in_thread(il_task *task, struct il__account *account, il_fn *fn, void *arg);
/* One that ran does not any more. */
void il__threads_count_out(struct il__threads *threads);
/* A call is abandoned, and has ended: until then it may call into the loop, so nobody sleeps forever. */
void il__threads_leave(struct il__threads *threads, il_loop *loop, struct il__left_call *call);
void il__threads_come_back(struct il__threads *threads, il_loop *loop, struct il__left_call *call);

#endif
