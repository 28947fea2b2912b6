/**
 * @file executor.h
 * @brief Executors: a pool of threads, of processes, or your own, behind one interface.
 *
 * Thread-safe and reference-counted: any thread and any loop may use one. Moving work from threads
 * to processes changes the line that creates the executor and no other. The semantics are those of
 * Python's concurrent.futures.Executor.
 */
#ifndef INTERLOOP_EXECUTOR_H
#define INTERLOOP_EXECUTOR_H

#include <interloop/base.h>
#include <interloop/thread_pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup executor Executors
 * @{
 */

/** One submitted call, as an executor of your own sees it. Its memory is gone once il_call_run() or
 * il_call_fail() has been called. */
typedef struct il_call il_call;

/**
 * @brief Runs the call's function in the calling thread and ends the call with its result. A call
 * that was cancelled meanwhile is not run, but ends all the same. NULL is allowed.
 */
IL_API void il_call_run(il_call *call);

/**
 * @brief Ends the call without running it. A call that nobody waits for is run instead. NULL is
 * allowed.
 * @param rc  what the caller gets, as it is: as a rule a negative code, but a result of 0 or more
 *            likewise.
 */
IL_API void il_call_fail(il_call *call, int rc);

/** @brief Returns a pointer variable inside the call, yours from submit on: with it an executor
 * links calls into a queue without allocating. NULL for NULL. */
IL_API void **il_call_link(il_call *call);

/** What an executor of your own does. */
typedef struct il_executor_ops {
	const char *name; /**< For people. */
	/** Takes the call: exactly one il_call_run() or il_call_fail() must follow, from any thread
	 * but not before submit has returned. Must not wait. Negative: refused (-EAGAIN: full), the
	 * call remains the caller's. */
	int (*submit)(void *self, il_call *call);
	/** Refuses further calls; with IL_CANCEL_FUTURES fails those not begun with -ECANCELED;
	 * without IL_NOWAIT returns once all have ended: it may block, since a task has it run in a
	 * worker thread. il_executor_shutdown() returns its result. Called once or more. May be
	 * NULL. */
	int (*shutdown)(void *self, unsigned flags);
	/** The last reference is gone: free self. May be NULL. */
	void (*destroy)(void *self);
	void *reserved[8]; /**< Zero. */
} il_executor_ops;

/**
 * @brief Creates an executor of your own. ops is copied.
 * @return 0; -EINVAL: no submit; -ENOMEM.
 */
IL_API int il_executor_create(il_executor **ex, const il_executor_ops *ops, void *self);

/**
 * @brief Submits a call to the executor; never waits. Any thread.
 * @param f     receives a reference to the call's future, before fn can begin; NULL: fn owns arg
 *              and is called exactly once whatever happens to the executor. Exception: a process
 *              pool that cannot run it logs that. Where arguments are copied (a process pool,
 *              threads with copy_args) fn gets a copy, which is freed after the call; nothing is
 *              copied back, and arg is the caller's again as soon as this returns.
 * @param arg   the call's until its future is done.
 * @param size  of the flat struct behind arg. Pass 0 if the call will only ever run in a thread.
 *              Processes (and threads with copy_args) copy it there and back. IL_BYTES, IL_SHARED:
 *              arg is an il_bytes (bytes.h), an il_shared (shared.h).
 * @return 0: the future's result is fn's, or -EOWNERDEAD: fn ended its thread (pthread_exit), or
 *         its worker process died. -EAGAIN: the queue is full; -ESHUTDOWN: shut down, or inherited
 *         across fork; -ENOTRECOVERABLE: broken; -EINVAL; -ENOMEM. Refused, arg is untouched.
 */
IL_API int il_executor_submit(il_executor *ex, il_future **f, il_fn *fn, void *arg, size_t size);

/**
 * @brief Runs fn in the executor and waits for its end. Not limited by queue_limit: if a custom
 * executor returns -EAGAIN, the call retries until there is room.
 *
 * In a task it is a cancellation point. Cancelled, it takes a queued call back (-ECANCELED); it
 * waits for a running one and returns its result, and the cancellation shows at the next
 * cancellation point. With kill_on_cancel of a process pool it kills a running one (-ECANCELED).
 * @return fn's result; -EOWNERDEAD: as above; -EPERM: a place that may not wait; -EDEADLK: called
 *         by the pool's only worker; otherwise as il_executor_submit.
 */
IL_API int il_executor_run(il_executor *ex, il_fn *fn, void *arg, size_t size);

/**
 * @brief Runs fn for each of count items of size bytes (or IL_BYTES, IL_SHARED) and waits for all.
 *
 * -EDEADLK, -EPERM and cancellation are as in il_executor_run().
 * @param results  receives each result in item order; may be NULL.
 * @param timeout  for all of it, from the call on; 0: returns -ETIMEDOUT at once.
 * @return 0; the first negative result in item order; -ETIMEDOUT. On failure or timeout calls not
 *         begun are cancelled (-ECANCELED in results), running ones are waited for; a process pool
 *         kills them when the time is up, and with kill_on_cancel when the task is cancelled.
 */
IL_API int il_executor_map(il_executor *ex, il_fn *fn, void *items, size_t count, size_t size,
			   int *results, il_time timeout);

/** Flags of il_executor_shutdown(). */
enum {
	IL_NOWAIT = 1u,        /**< Return at once; what was accepted still runs. */
	IL_CANCEL_FUTURES = 2u /**< Cancel calls that have not begun; those without a future run. */
};

/**
 * @brief Refuses further calls and waits for those accepted, and for the workers' end. Idempotent,
 * any thread. In a task it waits shielded; in a cancelled scope it acts like IL_NOWAIT and returns
 * -ECANCELED. It holds a reference while it waits, as il_executor_run() and il_executor_map() do:
 * another task may drop the last one meanwhile.
 * @return 0; -EDEADLK: waiting in one of the executor's own workers; -EPERM: a place that may not
 *         wait, while a worker lives: nothing has changed; -ECANCELED; -EINVAL: an unknown flag.
 */
IL_API int il_executor_shutdown(il_executor *ex, unsigned flags);

/** @brief Takes another reference; returns ex. */
IL_API il_executor *il_executor_ref(il_executor *ex);

/** @brief Drops a reference. The last one shuts the executor down as with IL_NOWAIT: accepted calls
 * still run, then the memory is freed. NULL is allowed. */
IL_API void il_executor_unref(il_executor *ex);

/** @brief il_executor_shutdown(ex, 0), then il_executor_unref(). NULL is allowed. */
IL_API void il_executor_destroy(il_executor *ex);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
