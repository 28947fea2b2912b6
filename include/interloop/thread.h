/**
 * @file thread.h
 * @brief Blocking code in a worker thread for one call, and from there back into the loop.
 *
 * The semantics are those of AnyIO's to_thread and from_thread.
 *
 * The library's threads block the signals that others may send, so that the kernel delivers them to
 * yours; signals that a thread raises itself (SIGSEGV and the like) are not blocked. A child
 * process made there by fork has the signal mask of the thread's creator; one made by posix_spawn,
 * system or popen inherits the thread's. Worker threads have the processors, the policy and the
 * niceness that the program had when the library was loaded, whatever the loop's thread has.
 */
#ifndef INTERLOOP_THREAD_H
#define INTERLOOP_THREAD_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup thread Blocking code in a thread
 * @{
 */

/** Options of il_run_in_thread_with(); zero means the default everywhere. */
typedef struct il_run_in_thread_options {
	il_limiter *limiter;    /**< Default: NULL, the loop's own, of thread_limit tokens. */
	const char *name;       /**< The thread's name during the call, 15 bytes of it. */
	bool abandon_on_cancel; /**< Leave at once when cancelled; the thread runs on. */
	void (*release)(
	    void *arg);    /**< With abandon_on_cancel: frees arg after an abandoned call. */
	bool *abandoned;   /**< With abandon_on_cancel: set before the call returns. */
	void *reserved[8]; /**< Zero. */
} il_run_in_thread_options;

/**
 * @brief Runs fn in a worker thread while the loop goes on; parks the calling task until fn has
 * ended.
 *
 * It is a cancellation point until fn has begun. A running fn is waited for and its result is
 * returned; the cancellation shows at the next cancellation point.
 * @return fn's result; -ECANCELED: fn was not called; -EPERM: not in a task; -ESHUTDOWN: this is a
 *         forked child of the loop's process; -EINVAL: fn is NULL;
 *         -ENOMEM: no thread could be made; -EALREADY: other code released the limiter token of
 *         this call; -EOWNERDEAD: fn ended its thread (pthread_exit) instead of returning.
 */
IL_API int il_run_in_thread(il_fn *fn, void *arg);

/**
 * @brief As il_run_in_thread(), with options.
 *
 * With abandon_on_cancel a cancelled call returns -ECANCELED at once. Then *abandoned says who owns
 * arg. True: the thread, which calls release(arg) once at its end. False: the caller, and release
 * is never called. In release il_from_thread_run() and its siblings return -EPERM: the call is
 * over.
 * @return as il_run_in_thread(); -EINVAL: abandon_on_cancel with an arg, but without release and
 *         abandoned.
 */
IL_API int il_run_in_thread_with(il_fn *fn, void *arg, const il_run_in_thread_options *options);

/** @brief Returns the calling loop's limiter of il_run_in_thread(), borrowed. NULL outside a loop's
 * thread. */
IL_API il_limiter *il_thread_limiter(void);

/** @brief Returns how many worker threads of the calling loop run a function now, abandoned ones
 * included. */
IL_API size_t il_threads_active(void);

/**
 * @brief Waits until il_threads_active() is 0. A cancellation point.
 * @return 0; -ECANCELED; -EPERM: not in a task, and one runs; -ESHUTDOWN: this is a forked child of
 *         the loop's process; -ENOMEM.
 */
IL_API int il_threads_wait(void);

/** @name From a worker thread back into the loop
 * In a worker thread that runs il_run_in_thread(), il_executor_run() or il_executor_map() sent by a
 * task. Elsewhere they return -EPERM.
 * @{ */
/**
 * @brief Runs fn as a task on the loop of the task that waits for this thread, under that task's
 * scope (of an abandonable call: not under it), and waits for its result. In a task of a loop that
 * the worker runs itself it waits as that task does: a cancellation point, which cancels fn's task
 * too.
 * @return fn's result; -ECANCELED: the calling task was cancelled before fn began; -EPERM;
 *         -ESHUTDOWN: the loop is closed or closing, and no task waits for this thread; -ENOMEM.
 */
IL_API int il_from_thread_run(il_fn *fn, void *arg);
/** @brief Runs fn as a plain call in that loop's thread, where it must not wait; waits for its
 * result. -ECANCELED: the calling task was cancelled before. */
IL_API int il_from_thread_run_sync(il_fn *fn, void *arg);
/**
 * @brief Tells a long function whether its result is still wanted. Never waits.
 * @return 0: go on; -ECANCELED: the scope of the waiting task is cancelled: end soon; -EPERM: no task waits
 *         for the call (il_executor_submit(), a plain thread, a worker process): go on.
 */
IL_API int il_from_thread_check_cancelled(void);
/** @} */

/** @} */

#ifdef __cplusplus
}
#endif

#endif
