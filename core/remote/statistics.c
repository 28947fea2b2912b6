/*
 * statistics.c: what a pool tells of its servers. Any thread. Which executors are remote pools is known here.
 */
#include "pool.h"

#include <errno.h>

static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static struct il__remote_pool *pools; /* under pools_lock */

static void hold_pools(void)
{
	pthread_mutex_lock(&pools_lock);
}

static void release_pools(void)
{
	pthread_mutex_unlock(&pools_lock);
}

static void watch_fork(void)
{
	pthread_atfork(hold_pools, release_pools, release_pools);
}

/* A child of fork may have pools of its own, whatever another thread was doing here. */
static void lock_pools(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_fork);
	hold_pools();
}

void il__remote_pool_list(struct il__remote_pool *pool, bool listed)
{
	struct il__remote_pool **at = &pools;

	lock_pools();
	if (listed) {
		pool->next = pools;
		pools = pool;
	} else {
		while (*at != pool)
			at = &(*at)->next;
		*at = pool->next;
	}
	release_pools();
}

static void fill_in(struct il__remote_pool *pool, il_remote_statistics *s)
{
	pthread_mutex_lock(&pool->lock);
	s->calls = pool->calls - pool->answering;
	s->server_count = pool->server_count;
	for (size_t i = 0; i < pool->server_count; i++) {
		s->servers[i] = pool->servers[i].statistics;
		s->servers[i].connected = pool->servers[i].connected;
		s->servers[i].calls = pool->servers[i].calls;
	}
	pthread_mutex_unlock(&pool->lock);
}

int il_remote_pool_get_statistics(il_executor *ex, il_remote_statistics *s)
{
	il_executor_statistics all;
	struct il__remote_pool *pool;
	int rc;

	if (!ex || !s)
		return il_fail(-EINVAL, "il_remote_pool_get_statistics: NULL");
	rc = il_executor_get_statistics(ex, &all);
	if (rc < 0)
		return rc;
	*s = (il_remote_statistics){.calls = 0};
	lock_pools();
	for (pool = pools; pool && pool->executor != ex;)
		pool = pool->next;
	if (pool)
		fill_in(pool, s);
	release_pools();
	return pool ? 0
		    : il_fail(-EINVAL, "il_remote_pool_get_statistics: the executor is not one of "
				       "il_remote_pool_create");
}
