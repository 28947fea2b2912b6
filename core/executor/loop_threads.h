/*
 * loop_threads.h: a loop's worker threads, for the calls that run there (run_in_thread.c). Loop's thread only.
 */
#ifndef IL_CORE_THREADS_H
#define IL_CORE_THREADS_H

#include "offload.h"

struct il__threads {
	struct il__extension extension;
	il_executor *pool;
	il_limiter *limiter; /* the one that calls have by default */
	size_t active;       /* calls that run */
	long abandoned;      /* calls that run on, less those that wait for a task of the loop */
	struct il__list waiters; /* of il_threads_wait */
};

int il__threads_get(il_loop *loop, struct il__threads **threads);
/* One that ran does not any more. */
void il__threads_count_out(struct il__threads *threads);
/* A virtual clock stands for abandoned calls as long as somebody waits for them. */
void il__threads_count_abandoned(struct il__threads *threads, il_loop *loop, int more);

#endif
