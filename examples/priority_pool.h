/*
 * priority_pool.h: threads over two queues: an urgent call begins before all ordinary ones.
 */
#ifndef PRIORITY_POOL_H
#define PRIORITY_POOL_H

#include <interloop.h>

enum { URGENT, ORDINARY, PRIORITIES };

/* An executor for each priority, and `threads` that run the calls of both. A queue takes `room` calls (0: any
 * number); callers beyond that wait, or are refused with -EAGAIN. The threads end when both are shut down. */
int priority_pool_create(il_executor *executors[PRIORITIES], int threads, size_t room);

#endif
