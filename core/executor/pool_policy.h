/*
 * pool_policy.h: what thread pools and process pools decide alike. Under the lock of a pool.
 */
#ifndef IL_CORE_EXECUTOR_POOL_POLICY_H
#define IL_CORE_EXECUTOR_POOL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IL__NAMED_WORKERS = 64 };

/* The lowest number that no living worker has, for its name; with very many workers just some number. */
static inline int il__worker_index_take(uint64_t *taken, size_t living)
{
	for (int i = 0; i < IL__NAMED_WORKERS; i++) {
		if (!(*taken & (UINT64_C(1) << i))) {
			*taken |= UINT64_C(1) << i;
			return i;
		}
	}
	return (int)living;
}

static inline void il__worker_index_release(uint64_t *taken, int index)
{
	if (index < IL__NAMED_WORKERS)
		*taken &= ~(UINT64_C(1) << index);
}

/* The queue's bound counts what waits; what free workers are about to take does not. */
static inline bool il__queue_is_full(size_t queued, size_t limit, size_t free_workers)
{
	return limit < SIZE_MAX - free_workers && queued >= limit + free_workers;
}

#endif
