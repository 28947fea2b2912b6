/**
 * @file semaphore.h
 * @brief Semaphores among the tasks of one loop.
 *
 * A number of permits that have no owner: any task may release what another acquired.
 *
 * The rules that locks, conditions, semaphores and limiters share are at the top of sync.h.
 */
#ifndef INTERLOOP_SEMAPHORE_H
#define INTERLOOP_SEMAPHORE_H

#include <interloop/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup semaphore Semaphores
 * @{
 */

/** A semaphore. */
typedef struct il_semaphore il_semaphore;

/** The result of il_semaphore_get_statistics(). */
typedef struct il_semaphore_statistics {
	size_t value;      /**< il_semaphore_value() */
	size_t max;        /**< What it was created with. */
	size_t waiting;    /**< Tasks that wait to acquire. */
	void *reserved[4]; /**< Zero. */
} il_semaphore_statistics;

/**
 * @brief Creates a semaphore. Any thread.
 * @param initial  permits at the start, 0 or more.
 * @param max      permits at most; SIZE_MAX: no maximum.
 * @return 0; -EINVAL: NULL, initial above max, or a number that was negative; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_semaphore_create(il_semaphore **semaphore, size_t initial, size_t max);

/** @brief As il_semaphore_create(), with flags: 0 or IL_FAST_ACQUIRE. -EINVAL: an unknown flag. */
IL_MUST_CHECK IL_API int il_semaphore_create_with(il_semaphore **semaphore, size_t initial,
						  size_t max, unsigned flags);

/** @brief Frees it. NULL is allowed. Stops the program with a sentence if a task waits for it. A task
 * that was handed a permit still returns with it. */
IL_API void il_semaphore_destroy(il_semaphore *semaphore);

/**
 * @brief Takes a permit; waits while there is none. A cancellation point.
 * @return 0; -ECANCELED: none taken.
 */
IL_MUST_CHECK IL_API int il_semaphore_acquire(il_semaphore *semaphore);

/** @brief Takes a permit if there is one; inside or outside a task. 0; -EAGAIN: there is none. */
IL_MUST_CHECK IL_API int il_semaphore_acquire_nowait(il_semaphore *semaphore);

/**
 * @brief Hands a permit to the first waiter, or returns it. Inside or outside a task; never waits.
 * @return 0; -EINVAL: all permits are there already, nothing changed.
 */
IL_API int il_semaphore_release(il_semaphore *semaphore);

/** @brief Returns how many permits can be taken without waiting; 0 for NULL. */
IL_API size_t il_semaphore_value(const il_semaphore *semaphore);

/** @brief Returns the semaphore's present state; all zero for NULL. */
IL_API il_semaphore_statistics il_semaphore_get_statistics(const il_semaphore *semaphore);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
