/*
 * priority_pool.c: an executor of one's own. Everything is under the pool's lock, but no function of interloop that ends
 * calls or submits some is called with it.
 */
#include "priority_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* [pool] */
struct lane {
	struct priority_pool *pool;
	il_executor *executor;
	il_call *first, **last; /* linked through il_call_link() */
	size_t queued, calls;   /* calls: without an answer */
	bool shut;
};

struct priority_pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct lane lanes[PRIORITIES];
	size_t room;
	int threads, executors, open; /* open: not shut down */
};

static il_call **next_of(il_call *call)
{
	return (il_call **)il_call_link(call);
}
/* [pool] */

/* [submit] */
static int lane_submit(void *self, il_call *call)
{
	struct lane *lane = self;
	struct priority_pool *pool = lane->pool;
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	if (lane->shut)
		rc = -ESHUTDOWN;
	else if (pool->room && lane->queued == pool->room)
		rc = -EAGAIN; /* work() says il_executor_room() */
	if (rc == 0) {
		*next_of(call) = NULL;
		*lane->last = call;
		lane->last = next_of(call);
		lane->queued++;
		lane->calls++;
	}
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

/* Under the lock: the call that `at` points to leaves the queue. */
static il_call *unlink_call(struct lane *lane, il_call **at)
{
	il_call *call = *at;

	*at = *next_of(call);
	if (!*at)
		lane->last = at;
	lane->queued--;
	return call;
}

static void uncount_call(struct lane *lane)
{
	pthread_mutex_lock(&lane->pool->lock);
	lane->calls--;
	pthread_cond_broadcast(&lane->pool->changed);
	pthread_mutex_unlock(&lane->pool->lock);
}
/* [submit] */

/* [run] */
/* Under the lock: the first call of the first lane that has any. */
static il_call *take_call(struct priority_pool *pool, struct lane **from)
{
	for (*from = pool->lanes; *from < pool->lanes + PRIORITIES; ++*from)
		if ((*from)->first)
			return unlink_call(*from, &(*from)->first);
	return NULL;
}

/* Under the lock. */
static void free_if_last(struct priority_pool *pool)
{
	bool last = pool->threads == 0 && pool->executors == 0;

	pthread_mutex_unlock(&pool->lock);
	if (last)
		free(pool);
}

static void *work(void *arg)
{
	struct priority_pool *pool = arg;
	struct lane *lane;
	il_call *call;

	pthread_mutex_lock(&pool->lock);
	while ((call = take_call(pool, &lane)) || pool->open > 0) {
		if (!call) {
			pthread_cond_wait(&pool->changed, &pool->lock);
			continue;
		}
		pthread_mutex_unlock(&pool->lock);
		il_executor_room(lane->executor); /* its place is free: whoever waits may have it */
		il_call_run(call);
		uncount_call(lane);
		pthread_mutex_lock(&pool->lock);
	}
	pool->threads--;
	free_if_last(pool);
	return NULL;
}
/* [run] */

/* [end] */
/* A cancelled call: its place is free at once. */
static bool lane_withdraw(void *self, il_call *call)
{
	struct lane *lane = self;
	il_call **at = &lane->first;
	bool queued;

	pthread_mutex_lock(&lane->pool->lock);
	while (*at && *at != call)
		at = next_of(*at);
	queued = *at != NULL;
	if (queued)
		unlink_call(lane, at);
	pthread_mutex_unlock(&lane->pool->lock);
	if (!queued)
		return false; /* a thread has it: il_call_run() finds that it is cancelled */
	uncount_call(lane);
	il_executor_room(lane->executor);
	return true;
}

/* Under the lock: the first that somebody waits for; the others run, whatever happens. */
static il_call *take_attended(struct lane *lane)
{
	for (il_call **at = &lane->first; *at; at = next_of(*at)) {
		il_call_info info;
		il_call_get_info(*at, &info);
		if (info.attended)
			return unlink_call(lane, at);
	}
	return NULL;
}

static int lane_shut_down(void *self, unsigned flags)
{
	struct lane *lane = self;
	il_call *call = NULL;

	do {
		if (call) {
			il_call_fail(call, -ECANCELED);
			uncount_call(lane);
		}
		pthread_mutex_lock(&lane->pool->lock);
		lane->pool->open -= !lane->shut;
		lane->shut = true;
		pthread_cond_broadcast(&lane->pool->changed);
		call = flags & IL_CANCEL_FUTURES ? take_attended(lane) : NULL;
		while (!call && !(flags & IL_NOWAIT) && lane->calls > 0)
			pthread_cond_wait(&lane->pool->changed, &lane->pool->lock);
		pthread_mutex_unlock(&lane->pool->lock);
	} while (call);
	return 0;
}

static void lane_destroy(void *self)
{
	struct lane *lane = self;

	pthread_mutex_lock(&lane->pool->lock);
	lane->pool->executors--;
	free_if_last(lane->pool);
}
/* [end] */

/* [create] */
static int start_threads(struct priority_pool *pool, int threads)
{
	for (int i = 0; i < threads; i++) {
		pthread_t thread;
		int rc = pthread_create(&thread, NULL, work, pool);
		if (rc)
			return i > 0 ? 0 : -rc; /* fewer will do */
		pthread_detach(thread);
		pool->threads++;
	}
	return 0;
}

static int open_lane(struct priority_pool *pool, int priority)
{
	static const il_executor_ops ops = {.name = "priority pool",
					    .submit = lane_submit,
					    .withdraw = lane_withdraw,
					    .shutdown = lane_shut_down,
					    .destroy = lane_destroy};
	struct lane *lane = &pool->lanes[priority];
	int rc;

	*lane = (struct lane){.pool = pool, .last = &lane->first};
	rc = il_executor_create(&lane->executor, &ops, lane);
	pool->executors += rc == 0;
	pool->open = pool->executors;
	return rc;
}

int priority_pool_create(il_executor *executors[PRIORITIES], int threads, size_t room)
{
	struct priority_pool *pool = calloc(1, sizeof *pool);
	int rc = pool ? 0 : -ENOMEM;

	executors[URGENT] = executors[ORDINARY] = NULL;
	if (rc < 0)
		return rc;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	pool->room = room;
	pthread_mutex_lock(&pool->lock); /* the threads begin when all is there */
	for (int i = 0; i < PRIORITIES && rc == 0; i++) {
		rc = open_lane(pool, i);
		executors[i] = pool->lanes[i].executor;
	}
	if (rc == 0)
		rc = start_threads(pool, threads);
	pthread_mutex_unlock(&pool->lock);
	if (rc < 0 && !executors[URGENT])
		free(pool);
	for (int i = 0; i < PRIORITIES && rc < 0; i++) {
		il_executor_unref(executors[i]);
		executors[i] = NULL;
	}
	return rc;
}
/* [create] */
