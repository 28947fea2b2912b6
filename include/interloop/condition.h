/**
 * @file condition.h
 * @brief Conditions: tasks that hold a lock wait to be notified of a change.
 *
 * The rules that locks, conditions, semaphores and limiters share are at the top of sync.h.
 */
#ifndef INTERLOOP_CONDITION_H
#define INTERLOOP_CONDITION_H

#include <interloop/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup condition Conditions
 * @{
 */

/** A condition. */
typedef struct il_condition il_condition;

/** The result of il_condition_get_statistics(). */
typedef struct il_condition_statistics {
	size_t waiting;          /**< Tasks that wait to be notified. */
	il_lock_statistics lock; /**< Of its lock; those notified wait there. */
	void *reserved[4];       /**< Zero. */
} il_condition_statistics;

/**
 * @brief Creates a condition over a lock. Any thread.
 * @param lock  must outlive the condition; NULL: a lock of its own.
 * @return 0; -EINVAL: NULL condition; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_condition_create(il_condition **condition, il_lock *lock);

/** @brief Frees it, and the lock if it is its own. NULL is allowed. Stops the program with a
 * sentence if a task waits for it, as does waiting on in il_condition_wait_for() afterwards. */
IL_API void il_condition_destroy(il_condition *condition);

/** @brief Returns its lock, borrowed. NULL for NULL. */
IL_API il_lock *il_condition_lock(il_condition *condition);

/** @brief As il_lock_acquire(), on its lock. */
IL_MUST_CHECK IL_API int il_condition_acquire(il_condition *condition);
/** @brief As il_lock_acquire_nowait(), on its lock. */
IL_MUST_CHECK IL_API int il_condition_acquire_nowait(il_condition *condition);
/** @brief As il_lock_release(), on its lock. */
IL_API int il_condition_release(il_condition *condition);

/**
 * @brief Releases the lock, waits to be notified, and takes the lock again. A cancellation point.
 *
 * The lock is held again on return, also after -ECANCELED: the task takes it shielded from
 * cancellation, in its turn among those who wait for it. It is not held only after -EALREADY,
 * -EOWNERDEAD and the general errors listed at the top of sync.h.
 * @return 0: notified; -ECANCELED: cancelled before that, no notification was consumed, it goes to
 *         another waiter; -EALREADY: the calling task does not hold the lock; -EOWNERDEAD: a later
 *         owner of the lock ended without releasing it.
 */
IL_MUST_CHECK IL_API int il_condition_wait(il_condition *condition);

/**
 * @brief Waits until predicate(arg) is not 0. It is evaluated with the lock held: at once, and
 * after each notification. A cancellation point.
 * @param predicate  0: go on waiting; positive: true; negative: an error. It may wait, but must
 *                   return with the lock held.
 * @return the predicate's result; or an error of il_condition_wait().
 */
IL_MUST_CHECK IL_API int il_condition_wait_for(il_condition *condition, il_fn *predicate,
					       void *arg);

/**
 * @brief Wakes the first n waiters, fewer if there are fewer; each runs once it has the
 * lock, in order. Never waits.
 * @return 0; -EALREADY: the calling task does not hold the lock; -EINVAL: NULL, or n is negative.
 */
IL_API int il_condition_notify(il_condition *condition, size_t n);

/** @brief As il_condition_notify(), for all waiters. */
IL_API int il_condition_notify_all(il_condition *condition);

/** @brief Returns the condition's present state; all zero for NULL. */
IL_API il_condition_statistics il_condition_get_statistics(const il_condition *condition);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
