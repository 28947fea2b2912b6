/**
 * @file lock.h
 * @brief Locks among the tasks of one loop.
 *
 * Held by one task at a time. If its owner ends without releasing it, every waiter and every later
 * call gets -EOWNERDEAD, forever: what the lock protected may be half done (as in Trio).
 *
 * The rules that locks, conditions, semaphores and limiters share are at the top of sync.h.
 */
#ifndef INTERLOOP_LOCK_H
#define INTERLOOP_LOCK_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup lock Locks
 * @{
 */

/** Flag of the _create_with functions: taking what is free does not yield; cancellation is still
 * checked. */
#define IL_FAST_ACQUIRE 1u

/** A lock. */
typedef struct il_lock il_lock;

/** The result of il_lock_get_statistics(). */
typedef struct il_lock_statistics {
	bool locked;       /**< A task holds it. */
	bool broken;       /**< Its owner ended without releasing it. */
	const char *owner; /**< il_lock_owner() */
	size_t waiting;    /**< Tasks that wait to acquire it. */
	void *reserved[4]; /**< Zero. */
} il_lock_statistics;

/** @brief Creates a lock, free. Any thread. -EINVAL: NULL; -ENOMEM. */
IL_MUST_CHECK IL_API int il_lock_create(il_lock **lock);

/** @brief As il_lock_create(), with flags: 0 or IL_FAST_ACQUIRE. -EINVAL: an unknown flag. */
IL_MUST_CHECK IL_API int il_lock_create_with(il_lock **lock, unsigned flags);

/**
 * @brief Frees it. NULL is allowed. Stops the program with a sentence if a task waits for it,
 * another task holds it, or a condition still uses it.
 */
IL_API void il_lock_destroy(il_lock *lock);

/**
 * @brief Takes the lock; waits while another task holds it. A cancellation point.
 * @return 0; -ECANCELED: not taken; -EALREADY: the calling task holds it; -EOWNERDEAD.
 */
IL_MUST_CHECK IL_API int il_lock_acquire(il_lock *lock);

/**
 * @brief Takes the lock if it is free; neither waits nor checks cancellation.
 * @return 0; -EAGAIN: another task holds it; -EALREADY: the calling task holds it; -EOWNERDEAD.
 */
IL_MUST_CHECK IL_API int il_lock_acquire_nowait(il_lock *lock);

/**
 * @brief Hands the lock to the first waiter, or frees it. Never waits.
 * @return 0; -EALREADY: the calling task does not hold it.
 */
IL_API int il_lock_release(il_lock *lock);

/** @brief Whether a task holds it. */
IL_API bool il_lock_locked(const il_lock *lock);

/** @brief Whether the calling task holds it; false outside a task. */
IL_API bool il_lock_held(const il_lock *lock);

/** @brief Returns the name of the task that holds it ("" if it has none), valid while that task
 * lives; NULL: free. After a release it is at once the next owner's. */
IL_API const char *il_lock_owner(const il_lock *lock);

/** @brief Returns the lock's present state; all zero for NULL. */
IL_API il_lock_statistics il_lock_get_statistics(const il_lock *lock);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
