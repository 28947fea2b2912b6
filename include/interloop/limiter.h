/**
 * @file limiter.h
 * @brief Capacity limiters: tokens and who has borrowed one.
 *
 * A number of tokens, which can be changed at any time, and the set of their borrowers. Each
 * borrower has one token at most. A borrower is a task, or any address that the caller chooses. A
 * task that ends without releasing its token leaves it borrowed, until it is released on behalf of
 * the address that il_limiter_borrowers() lists for the task.
 *
 * The rules that locks, conditions, semaphores and limiters share are at the top of sync.h.
 */
#ifndef INTERLOOP_LIMITER_H
#define INTERLOOP_LIMITER_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup limiter Capacity limiters
 * @{
 */

/** The result of il_limiter_get_statistics(). */
typedef struct il_limiter_statistics {
	size_t total;      /**< il_limiter_total() */
	size_t borrowed;   /**< il_limiter_borrowed() */
	size_t waiting;    /**< Borrowers that wait for a token. */
	void *reserved[4]; /**< Zero. */
} il_limiter_statistics;

/**
 * @brief Creates a limiter. Any thread.
 * @param total  tokens; 0: nobody gets one until it is raised; SIZE_MAX: no limit.
 * @return 0; -EINVAL: NULL, or a negative number was converted to size_t; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_limiter_create(il_limiter **limiter, size_t total);

/** @brief Frees it. NULL is allowed. Must not happen while a worker thread runs under it. Stops the
 * program with a sentence if a task waits for it. A task that was handed a token still returns with it. */
IL_API void il_limiter_destroy(il_limiter *limiter);

/**
 * @brief Borrows a token for the calling task; waits while there is none. A cancellation point.
 * @return 0; -ECANCELED: none borrowed; -EALREADY: the task has one already; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_limiter_acquire(il_limiter *limiter);

/** @brief As il_limiter_acquire(), but neither waits nor checks cancellation. -EAGAIN: none is
 * free. */
IL_MUST_CHECK IL_API int il_limiter_acquire_nowait(il_limiter *limiter);

/**
 * @brief As il_limiter_acquire(), on behalf of another borrower.
 * @param borrower  any address but NULL; it is never read.
 * @return as il_limiter_acquire(); -EALREADY: that borrower has a token, or waits for one; -EINVAL.
 */
IL_MUST_CHECK IL_API int il_limiter_acquire_on_behalf_of(il_limiter *limiter, const void *borrower);

/** @brief As il_limiter_acquire_nowait(), on behalf of another borrower; inside or outside a task.
 */
IL_MUST_CHECK IL_API int il_limiter_acquire_on_behalf_of_nowait(il_limiter *limiter,
								const void *borrower);

/**
 * @brief Gives the calling task's token back; the first waiter gets it. Never waits.
 * @return 0; -EALREADY: the task has not borrowed one.
 */
IL_API int il_limiter_release(il_limiter *limiter);

/** @brief As il_limiter_release(), on behalf of another borrower; inside or outside a task. */
IL_API int il_limiter_release_on_behalf_of(il_limiter *limiter, const void *borrower);

/**
 * @brief Changes the number of tokens. If it is raised, the first waiters get their tokens at once.
 * If it is lowered below the number borrowed, no borrower loses its token, and nobody gets one
 * until enough were released. Never waits.
 * @return 0; -EINVAL: a negative number was converted to size_t.
 */
IL_API int il_limiter_set_total(il_limiter *limiter, size_t total);

/** @brief Returns how many tokens there are; SIZE_MAX: no limit. 0 for NULL. */
IL_API size_t il_limiter_total(const il_limiter *limiter);
/** @brief Returns how many tokens are borrowed; 0 for NULL. */
IL_API size_t il_limiter_borrowed(const il_limiter *limiter);
/** @brief Returns how many tokens can be borrowed without waiting; SIZE_MAX: no limit. 0 for NULL.
 */
IL_API size_t il_limiter_available(const il_limiter *limiter);

/**
 * @brief Lists who has borrowed a token, in no particular order.
 * @param borrowers  receives up to n of them; NULL: none.
 * @return il_limiter_borrowed().
 */
IL_API size_t il_limiter_borrowers(const il_limiter *limiter, const void **borrowers, size_t n);

/** @brief Returns the limiter's present state; all zero for NULL.
 *
 * When a worker hands its token straight to the next queued call, the figures count the previous
 * call until the loop has processed the hand-over. */
IL_API il_limiter_statistics il_limiter_get_statistics(const il_limiter *limiter);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
