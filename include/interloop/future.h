/**
 * @file future.h
 * @brief Futures: the outcome of a call that goes on elsewhere. Thread-safe, reference-counted.
 *
 * Waiting in a task parks it, in a plain thread blocks it; in a loop's thread outside a task it
 * returns -EPERM. The semantics are those of Python's concurrent.futures, except that a running
 * task can be cancelled too.
 */
#ifndef INTERLOOP_FUTURE_H
#define INTERLOOP_FUTURE_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup future Futures
 * @{
 */

/** @brief Creates a pending future with one reference, for a producer of your own. -ENOMEM. */
IL_MUST_CHECK IL_API int il_future_create(il_future **future);

/** @brief Takes another reference; returns f. NULL is allowed. Any thread. */
IL_API il_future *il_future_ref(il_future *f);

/** @brief Drops a reference; the last one frees it. NULL is allowed. Cancels nothing. Any thread.
 */
IL_API void il_future_unref(il_future *f);

/**
 * @brief Waits until f is done. In a task it is a cancellation point, but with a timeout of 0 (it
 * only looks) or where f is done; cancelling the wait does not cancel f.
 * @param timeout  0: do not wait; IL_FOREVER: no limit; negative: -EINVAL.
 * @return 0 once done, also when f was cancelled; -ETIMEDOUT; -ECANCELED: this wait was cancelled;
 *         -EPERM: a place that may not wait; -EDEADLK: without a timeout, f is the calling task's
 *         own, or this thread is the pool's only worker, and f is queued behind it; -ESHUTDOWN: f
 *         was inherited across fork and is not done; -ENOMEM: for a task's timeout; -EINVAL.
 */
IL_API int il_future_wait(il_future *f, il_time timeout);

/**
 * @brief As il_future_wait(), but returns the function's own result; -ECANCELED if f was cancelled.
 *
 * Use il_future_done() and il_future_cancelled() to tell a result from the end of the wait.
 */
IL_API int il_future_result(il_future *f, il_time timeout);

/**
 * @brief Waits shielded until f is done, drops the caller's reference and returns the result.
 * @return the result; -EPERM: a place that may not wait, -EDEADLK and -ESHUTDOWN as in
 *         il_future_wait(); after these the reference is kept.
 */
IL_API int il_future_join(il_future *f);

/**
 * @brief Cancels the call behind f. Any thread; never waits.
 *
 * A call that has not begun never begins, and f is done at once. A running task is cancelled: the
 * outcome is fixed at once, and f is done when the task has ended. A function in a worker thread
 * cannot be stopped.
 * @return true: the outcome is, or already was, -ECANCELED; false: it is running uncancellably, or
 *         done otherwise.
 */
IL_API bool il_future_cancel(il_future *f);

/** @brief Whether f is done: has a result, or was cancelled and its function has ended. */
IL_API bool il_future_done(const il_future *f);
/** @brief Whether its function is running (also one that is being cancelled). */
IL_API bool il_future_running(const il_future *f);
/** @brief Whether its outcome is cancellation, also before it is done. */
IL_API bool il_future_cancelled(const il_future *f);

/**
 * @brief Calls callback once: in the thread that completes or cancels f, or at once in the caller's
 * thread if f is done. Those that were added before it was done run in the order in which they were added,
 * and those that one thread adds in its order; one that another thread adds to a done f does not wait for
 * them. No lock is held; they must not wait.
 *
 * A callback may complete further futures, whose callbacks then run inside it. More than eight deep
 * they are put off, so that a chain of any length takes little stack: they run in the same thread,
 * before the outermost call that completed or cancelled a future returns.
 * @param callback  a negative result is logged and changes nothing.
 * @return 0; -EINVAL: NULL; -ENOMEM; -ESHUTDOWN: f was inherited across fork and is not done.
 */
IL_API int il_future_on_done(il_future *f, int (*callback)(il_future *f, void *arg), void *arg);

/** @name The producer's side
 * @{ */
/**
 * @brief The producer is about to begin.
 * @return 1: run it; 0: it was cancelled, skip it; -EALREADY: it runs or is done; -ESHUTDOWN.
 */
IL_API int il_future_set_running(il_future *f);
/**
 * @brief Completes f with a result: wakes its waiters and runs its callbacks in this thread.
 * @return 0; -EALREADY: it is done or cancelled, the first outcome stays; -EPERM: f is not from
 *         il_future_create; -ESHUTDOWN.
 */
IL_API int il_future_set_result(il_future *f, int result);
/** @} */

/** When il_futures_wait() returns. */
typedef enum il_return_when {
	IL_FIRST_COMPLETED, /**< When one is done, cancelled ones included. */
	/** When one has a negative result that is not a cancellation, or all are done. */
	IL_FIRST_FAILURE,
	IL_ALL_COMPLETED /**< When all are done. */
} il_return_when;

/**
 * @brief Waits for several futures; one that is listed twice counts once. A cancellation point, but
 * with a timeout of 0 (it only looks) or where enough are done.
 * @param timeout  as in il_future_wait(); running out is no error here.
 * @return how many are done (ask each with il_future_done()); -ECANCELED, -EPERM, -EINVAL, -ENOMEM;
 *         -EDEADLK as in il_future_wait; -ESHUTDOWN: one was inherited across fork and is not done.
 */
IL_API int il_futures_wait(il_future *const *fs, size_t count, il_return_when when,
			   il_time timeout);

/** An iterator over futures in the order of their completion. Owned by one task or thread. */
typedef struct il_as_completed il_as_completed;

/**
 * @brief Begins to iterate. Those done already come first; one that is listed twice comes once. The
 * iterator holds a reference to each future until it has been returned.
 * @param timeout  for the whole iteration, from now.
 * @return 0; -EINVAL; -ENOMEM; -ESHUTDOWN: one was inherited across fork and is not done.
 */
IL_MUST_CHECK IL_API int il_as_completed_open(il_as_completed **it, il_future *const *fs,
					      size_t count, il_time timeout);

/**
 * @brief Waits for the next one. A cancellation point, but where one is done or the time is up.
 * @param f  receives it; borrowed from the caller's own array.
 * @return 1 and the next one; 0 at the end; -ETIMEDOUT: il_error_detail() says "n of m futures
 *         unfinished"; -ECANCELED; -EPERM, -EDEADLK and -ENOMEM as in il_future_wait; -ESHUTDOWN:
 *         inherited across fork.
 */
IL_MUST_CHECK IL_API int il_as_completed_next(il_as_completed *it, il_future **f);

/** @brief Returns how many are still to come. */
IL_API size_t il_as_completed_pending(const il_as_completed *it);

/** @brief Ends the iteration and frees the iterator; the futures are not changed. NULL is allowed.
 */
IL_API void il_as_completed_close(il_as_completed *it);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
