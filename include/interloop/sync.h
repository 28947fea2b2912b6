/**
 * @file sync.h
 * @brief Locks, conditions, semaphores and capacity limiters, among the tasks of one loop.
 *
 * One rule for all four: waiters are served first come, first served, and whoever gives something
 * back hands it straight to the first waiter, so that nobody can take it between the release and
 * the wake-up. A task that waits and is cancelled leaves the queue; one that was handed what it
 * waited for and is cancelled before it runs gives it on to the next. So a call that answers
 * -ECANCELED has taken nothing, and a call that answers 0 has.
 *
 * An object belongs to one loop's thread: the loop in whose thread it was made, or, made outside a
 * loop, that of the first task that acquires or waits. From another thread use a portal. Taking a
 * free lock, permit or token yields once, so that a loop of acquire and release cannot keep the
 * others from running; IL_FAST_ACQUIRE leaves that out. Destroying an object that a task waits for
 * stops the program with a sentence.
 *
 * Where not said otherwise every call answers -EINVAL for a NULL object, -EPERM in another thread
 * than the object's, and -ESHUTDOWN for an object inherited across fork. Calls that wait, and those
 * that name the calling task as an owner, answer -EPERM outside a task. The semantics are AnyIO's.
 */
#ifndef INTERLOOP_SYNC_H
#define INTERLOOP_SYNC_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Flag of the _create_with functions: taking what is free checks cancellation without a yield. */
#define IL_FAST_ACQUIRE 1u

/** @name Lock
 * Held by one task at a time. If its owner ends without releasing it, whoever waits and whoever
 * comes later gets -EOWNERDEAD, for ever: what the lock protected may be half done (as in Trio).
 * @{ */
/** A lock. */
typedef struct il_lock il_lock;

/** What il_lock_get_statistics gives. */
typedef struct il_lock_statistics {
	bool locked;       /**< A task holds it. */
	bool broken;       /**< Its owner ended without releasing it. */
	const char *owner; /**< il_lock_owner */
	size_t waiting;    /**< Tasks that wait to acquire it. */
	void *reserved[4]; /**< Zero. */
} il_lock_statistics;

/** @brief Creates a lock, free. Any thread. -EINVAL: NULL; -ENOMEM. */
IL_API int il_lock_create(il_lock **lock);

/** @brief il_lock_create with flags: 0 or IL_FAST_ACQUIRE. -EINVAL: an unknown flag. */
IL_API int il_lock_create_with(il_lock **lock, unsigned flags);

/**
 * @brief Frees it. NULL is allowed. Stops the program with a sentence if a task waits for it,
 * another task holds it, or a condition still uses it.
 */
IL_API void il_lock_destroy(il_lock *lock);

/**
 * @brief Takes the lock; waits while another task holds it. A cancellation point.
 * @return 0; -ECANCELED: not taken; -EALREADY: the calling task holds it; -EOWNERDEAD.
 */
IL_API int il_lock_acquire(il_lock *lock);

/**
 * @brief Takes the lock if it is free; neither waits nor looks at cancellation.
 * @return 0; -EAGAIN: another task holds it; -EALREADY: the calling task holds it; -EOWNERDEAD.
 */
IL_API int il_lock_acquire_nowait(il_lock *lock);

/**
 * @brief Gives the lock to the first waiter, or frees it. Never waits.
 * @return 0; -EALREADY: the calling task does not hold it.
 */
IL_API int il_lock_release(il_lock *lock);

/** @brief Whether a task holds it. */
IL_API bool il_lock_locked(const il_lock *lock);

/** @brief Whether the calling task holds it; false outside a task. */
IL_API bool il_lock_held(const il_lock *lock);

/** @brief The name of the task that holds it ("" when it has none), valid while that task lives;
 * NULL: free. After a release it is the next owner's at once. */
IL_API const char *il_lock_owner(const il_lock *lock);

/** @brief A picture of the lock as it is now; all zero for NULL. */
IL_API il_lock_statistics il_lock_get_statistics(const il_lock *lock);
/** @} */

/** @name Condition
 * Tasks that hold a lock wait for it to become worth looking again.
 * @{ */
/** A condition. */
typedef struct il_condition il_condition;

/** What il_condition_get_statistics gives. */
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

/** @brief il_lock_acquire on its lock. */
IL_API int il_condition_acquire(il_condition *condition);
/** @brief il_lock_acquire_nowait on its lock. */
IL_API int il_condition_acquire_nowait(il_condition *condition);
/** @brief il_lock_release on its lock. */
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
 * @return the predicate's result; or an error of il_condition_wait.
 */
IL_API int il_condition_wait_for(il_condition *condition, il_fn *predicate, void *arg);

/**
 * @brief Wakes the first n of those who wait, fewer if there are fewer; they run once they have the
 * lock, in order. Never waits.
 * @return 0; -EALREADY: the calling task does not hold the lock.
 */
IL_API int il_condition_notify(il_condition *condition, size_t n);

/** @brief il_condition_notify for all who wait. */
IL_API int il_condition_notify_all(il_condition *condition);

/** @brief A picture of the condition as it is now; all zero for NULL. */
IL_API il_condition_statistics il_condition_get_statistics(const il_condition *condition);
/** @} */

/** @name Semaphore
 * A number of permits that have no owner: any task may release what another acquired.
 * @{ */
/** A semaphore. */
typedef struct il_semaphore il_semaphore;

/** What il_semaphore_get_statistics gives. */
typedef struct il_semaphore_statistics {
	size_t value;      /**< il_semaphore_value */
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
IL_API int il_semaphore_create(il_semaphore **semaphore, size_t initial, size_t max);

/** @brief il_semaphore_create with flags: 0 or IL_FAST_ACQUIRE. -EINVAL: an unknown flag. */
IL_API int il_semaphore_create_with(il_semaphore **semaphore, size_t initial, size_t max,
				    unsigned flags);

/** @brief Frees it. NULL is allowed. Stops the program with a sentence if a task waits for it. */
IL_API void il_semaphore_destroy(il_semaphore *semaphore);

/**
 * @brief Takes a permit; waits while there is none. A cancellation point.
 * @return 0; -ECANCELED: none taken.
 */
IL_API int il_semaphore_acquire(il_semaphore *semaphore);

/** @brief Takes a permit if there is one; inside or outside a task. 0; -EAGAIN: there is none. */
IL_API int il_semaphore_acquire_nowait(il_semaphore *semaphore);

/**
 * @brief Gives a permit to the first waiter, or back. Inside or outside a task; never waits.
 * @return 0; -EINVAL: all permits are there already, nothing changed.
 */
IL_API int il_semaphore_release(il_semaphore *semaphore);

/** @brief How many permits can be had without waiting; 0 for NULL. */
IL_API size_t il_semaphore_value(const il_semaphore *semaphore);

/** @brief A picture of the semaphore as it is now; all zero for NULL. */
IL_API il_semaphore_statistics il_semaphore_get_statistics(const il_semaphore *semaphore);
/** @} */

/** @name Capacity limiter
 * A number of tokens, changeable at any time, and who has borrowed one: each borrower one at most.
 * A borrower is a task, or any address that the caller chooses.
 * @{ */

/** What il_limiter_get_statistics gives. */
typedef struct il_limiter_statistics {
	size_t total;      /**< il_limiter_total */
	size_t borrowed;   /**< il_limiter_borrowed */
	size_t waiting;    /**< Borrowers that wait for a token. */
	void *reserved[4]; /**< Zero. */
} il_limiter_statistics;

/**
 * @brief Creates a limiter. Any thread.
 * @param total  tokens; 0: nobody gets in until it is raised; SIZE_MAX: without end.
 * @return 0; -EINVAL: NULL, or a number that was negative; -ENOMEM.
 */
IL_API int il_limiter_create(il_limiter **limiter, size_t total);

/** @brief Frees it. NULL is allowed. Must not happen while a worker thread runs under it. Stops the
 * program with a sentence if a task waits for it. */
IL_API void il_limiter_destroy(il_limiter *limiter);

/**
 * @brief Borrows a token for the calling task; waits while there is none. A cancellation point.
 * @return 0; -ECANCELED: none borrowed; -EALREADY: the task has one already; -ENOMEM.
 */
IL_API int il_limiter_acquire(il_limiter *limiter);

/** @brief il_limiter_acquire that neither waits nor looks at cancellation. -EAGAIN: none free. */
IL_API int il_limiter_acquire_nowait(il_limiter *limiter);

/**
 * @brief il_limiter_acquire on behalf of somebody else.
 * @param borrower  any address but NULL; it is never read.
 * @return as il_limiter_acquire; -EALREADY: that borrower has a token, or waits for one; -EINVAL.
 */
IL_API int il_limiter_acquire_on_behalf_of(il_limiter *limiter, const void *borrower);

/** @brief il_limiter_acquire_nowait on behalf of somebody else; inside or outside a task. */
IL_API int il_limiter_acquire_on_behalf_of_nowait(il_limiter *limiter, const void *borrower);

/**
 * @brief Gives the calling task's token to the first waiter, or back. Never waits.
 * @return 0; -EALREADY: the task has not borrowed one.
 */
IL_API int il_limiter_release(il_limiter *limiter);

/** @brief il_limiter_release on behalf of somebody else; inside or outside a task. */
IL_API int il_limiter_release_on_behalf_of(il_limiter *limiter, const void *borrower);

/**
 * @brief Changes the number of tokens. Raised, the first waiters enter at once; lowered below what
 * is borrowed, nobody is put out, and nobody enters until enough have come back. Never waits.
 * @return 0; -EINVAL: a number that was negative.
 */
IL_API int il_limiter_set_total(il_limiter *limiter, size_t total);

/** @brief How many tokens there are; SIZE_MAX: without end. 0 for NULL, as the next two. */
IL_API size_t il_limiter_total(const il_limiter *limiter);
/** @brief How many are borrowed. */
IL_API size_t il_limiter_borrowed(const il_limiter *limiter);
/** @brief How many could be borrowed without waiting; SIZE_MAX: without end. */
IL_API size_t il_limiter_available(const il_limiter *limiter);

/**
 * @brief Who has borrowed a token, in no order.
 * @param borrowers  receives up to n of them; may be NULL with n 0.
 * @return il_limiter_borrowed.
 */
IL_API size_t il_limiter_borrowers(const il_limiter *limiter, const void **borrowers, size_t n);

/** @brief A picture of the limiter as it is now; all zero for NULL. Of calls in worker threads that follow
 * one another with one token it names the earlier until the loop has heard of its end. */
IL_API il_limiter_statistics il_limiter_get_statistics(const il_limiter *limiter);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
