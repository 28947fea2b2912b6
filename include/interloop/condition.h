/**
 * @file condition.h
 * @brief Conditions: tasks that hold a lock wait to be notified of a change.
 *
 * Tasks that hold a lock wait for it to become worth looking again.
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

/** What il_condition_get_statistics() gives. */
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
IL_API int il_condition_create(il_condition **condition, il_lock *lock);

/** @brief Frees it, and the lock if it is its own. NULL is allowed. Stops the program with a
 * sentence if a task waits for it. */
IL_API void il_condition_destroy(il_condition *condition);

/** @brief Its lock, borrowed. NULL for NULL. */
IL_API il_lock *il_condition_lock(il_condition *condition);

/** @brief il_lock_acquire() on its lock. */
IL_API int il_condition_acquire(il_condition *condition);
/** @brief il_lock_acquire_nowait() on its lock. */
IL_API int il_condition_acquire_nowait(il_condition *condition);
/** @brief il_lock_release() on its lock. */
IL_API int il_condition_release(il_condition *condition);

/**
 * @brief Releases the lock, waits to be notified, and takes the lock again. A cancellation point.
 *
 * Whatever it answers the lock is held again, shielded from cancellation and in its turn among
 * those who wait for the lock; only after -EALREADY, -EOWNERDEAD and the errors of the file's head
 * it is not.
 * @return 0: notified; -ECANCELED: cancelled before that, the notification is still to be had by
 *         others; -EALREADY: the calling task does not hold the lock; -EOWNERDEAD: a later owner of
 *         the lock ended without releasing it.
 */
IL_API int il_condition_wait(il_condition *condition);

/**
 * @brief Waits until predicate(arg) is not 0, evaluating it with the lock held: at once, and after
 * each notification. A cancellation point.
 * @param predicate  0: wait on; positive: true; negative: an error. It may wait, but must come back
 *                   with the lock held.
 * @return the predicate's result; or an error of il_condition_wait().
 */
IL_API int il_condition_wait_for(il_condition *condition, il_fn *predicate, void *arg);

/**
 * @brief Wakes the first n of those who wait, fewer if there are fewer; they run once they have the
 * lock, in order. Never waits.
 * @return 0; -EALREADY: the calling task does not hold the lock.
 */
IL_API int il_condition_notify(il_condition *condition, size_t n);

/** @brief il_condition_notify() for all who wait. */
IL_API int il_condition_notify_all(il_condition *condition);

/** @brief A picture of the condition as it is now; all zero for NULL. */
IL_API il_condition_statistics il_condition_get_statistics(const il_condition *condition);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
