/**
 * @file executor.h
 * @brief Executors: a pool of threads, of processes, or your own, behind one interface.
 *
 * Thread-safe and reference-counted: any thread and any loop may use one. Moving work from threads
 * to processes changes only the line that creates the executor, if the function uses only its
 * argument: no pointers in it, no globals that main has set, no portal, no il_from_thread_run(), and
 * a size that is not 0. The semantics are those of Python's concurrent.futures.Executor.
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

/**
 * One submitted call, as an executor of your own sees it. Each accepted call is finished exactly
 * once: by il_call_run(), il_call_fail() or il_call_finish(). Exception: `withdraw` has dropped it.
 * After either its memory is gone.
 *
 * Any thread may finish it, but the thread that submits it not before `submit` has returned. If it is
 * finished while `withdraw` or `kill` runs for it, that takes effect when the function returns;
 * neither is called for a call that is finished.
 */
typedef struct il_call il_call;

/** What the argument of a call is, by the size that il_executor_submit() was given. */
/* [form] */
typedef enum il_call_form {
	IL_CALL_FLAT,  /**< The struct goes there, and comes back as the function left it. */
	IL_CALL_BYTES, /**< il_bytes: `in` goes there, `out` comes back. */
	IL_CALL_SHARED /**< il_shared: the memory is in both, args go there and come back. */
} il_call_form;
/* [form] */

/** What a call carries, for an executor that runs it elsewhere. */
typedef struct il_call_info {
	il_fn *fn;         /**< The function. */
	const char *name;  /**< il_function_name(fn); NULL: none. */
	il_call_form form; /**< What the argument is. */
	/** What goes there: the struct, il_bytes.in, il_shared.args. Only to be read within `submit`,
	 * and from il_call_begin() until the call is finished: the caller of a cancelled call takes it
	 * back. */
	const void *in;
	size_t in_size;    /**< Bytes of it. */
	bool attended;     /**< Somebody waits; false: there is no future. */
	bool waits;        /**< The caller waits: a bound of the queue does not apply to it. */
	void *reserved[6]; /**< Zero. */
} il_call_info;

/** @brief Fills in *info, until the call is finished. Any thread. A NULL call gives zeros. */
IL_API void il_call_get_info(const il_call *call, il_call_info *info);

/**
 * @brief Returns when the caller who waits for the call gives it up: the earliest deadline of its
 * scopes, or of il_executor_map(), as it was when the caller came, also where the call waited for room
 * since. So an executor can leave out what is too old, or take the most urgent call first. Any thread, until
 * the call is finished.
 * @return a time of the caller's il_now(). IL_FOREVER: no deadline, nobody waits, or a NULL call; and
 *         in virtual time, which stands while the call is out, unless the executor has `in_loop`.
 */
IL_API il_time il_call_deadline(const il_call *call);

/**
 * @brief Says that the call begins elsewhere: its future is running, and is not withdrawn any more.
 * Any thread. Later calls return the same. It does not finish the call.
 * @return false: the call was cancelled before: finish it all the same, with any code; NULL.
 */
IL_API bool il_call_begin(il_call *call);

/**
 * @brief Runs the call's function in the calling thread and ends the call with its result. A call
 * that was cancelled meanwhile is not run, but ends all the same. NULL is allowed.
 */
IL_API void il_call_run(il_call *call);

/**
 * @brief Ends the call without running it. NULL is allowed.
 *
 * A call without a future is run instead, in this thread. Exception: an executor with `withdraw` or
 * `kill` runs its calls elsewhere; its failure is only logged.
 * @param rc  what the caller gets, as it is: as a rule a negative code, but a result of 0 or more
 *            likewise.
 */
IL_API void il_call_fail(il_call *call, int rc);

/**
 * @brief Ends the call with what its function has returned and made elsewhere. NULL is allowed.
 *
 * A call that was cancelled before il_call_begin() gets -ECANCELED and nothing else. One without a
 * future gets a line of the log if rc is negative.
 * @param rc      the function's result, or why there is none.
 * @param out     what the function made, copied: the struct, il_bytes.out, il_shared.args. NULL: the
 *                argument stays as it was; with IL_BYTES and rc >= 0: the function made nothing.
 * @param size    bytes of it. A struct of another size than went there: the caller gets -EPROTO. No
 *                memory: -ENOMEM.
 * @param detail  il_error_detail() of a negative rc, copied; NULL: none.
 */
IL_API void il_call_finish(il_call *call, int rc, const void *out, size_t size, const char *detail);

/** @brief Returns a pointer variable inside the call, yours from submit on: with it an executor
 * links calls into a queue without allocating. NULL for NULL. */
IL_API void **il_call_link(il_call *call);

/**
 * @brief Says that an executor of your own which was full has room: those who wait for room are
 * submitted, in their order, until it is full again or nobody waits.
 *
 * Any thread; hold no lock that `submit` takes. Until `destroy` has returned, and as long as a call
 * of the executor is not finished: whoever takes a call out of a queue may say so before it runs it.
 * Costs next to nothing when nobody waits. Does nothing for other executors and NULL.
 */
IL_API void il_executor_room(il_executor *ex);

/** What an executor of your own does. No lock of the library is held in these functions. */
typedef struct il_executor_ops {
	const char *name; /**< For people: in il_dump(). Copied. */
	/** Takes the call, which must be finished exactly once. Must not wait. Negative: refused, the call
	 * remains the caller's. -EAGAIN: full: il_executor_submit() returns it; a caller that waits
	 * is put in line, and il_executor_room() must be called once there is room. It gives those
	 * in line to `submit` in the thread that calls it. */
	int (*submit)(void *self, il_call *call);
	/** Refuses further calls; with IL_CANCEL_FUTURES fails those not begun with -ECANCELED;
	 * without IL_NOWAIT returns once all have ended: it may block, since a task has it run in a
	 * worker thread, or, where none can be made, calls it with IL_NOWAIT and waits for the calls.
	 * il_executor_shutdown() returns its result. Called once or more. May be
	 * NULL: then il_executor_shutdown() only refuses further calls, and waits for none. */
	int (*shutdown)(void *self, unsigned flags);
	/** The last reference is gone, and no other function of this table runs: free self. May be
	 * NULL. */
	void (*destroy)(void *self);
	/** The call was cancelled before it began; il_call_begin() returns false from here on. True:
	 * given up, nothing follows and its memory goes now. False: it will be finished, and only
	 * then is its future done. May be NULL: the future is done at once, il_executor_run() and
	 * il_executor_map() do not wait for the call, and the end changes nothing. Must not wait. */
	bool (*withdraw)(void *self, il_call *call);
	/** The call was cancelled while it runs: finish it soon. Its future is cancelled, whatever the
	 * result; il_executor_run() returns the result. NULL: it cannot be ended, and
	 * il_future_cancel() is false. Must not wait. */
	void (*kill)(void *self, il_call *call);
	size_t max_size; /**< Of an argument; beyond it a submit is -EMSGSIZE. 0: no limit. */
	bool copies;     /**< Calls work on copies of their structs, as thread pools' copy_args. */
	/** Calls end by what tasks of the caller's loop do, as over a simulated network: virtual time
	 * passes while they are waited for. Default: it stands, as for threads. */
	bool in_loop;
	void *reserved[4]; /**< Zero. */
} il_executor_ops;

/**
 * @brief Creates an executor of your own. ops is copied.
 * @return 0; -EINVAL: no submit; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_executor_create(il_executor **ex, const il_executor_ops *ops,
					    void *self);

/**
 * @brief Submits a call to the executor; never waits. Any thread.
 * @param f     receives a reference to the call's future, before fn can begin; NULL: fn owns arg and
 *              is called exactly once whatever happens to the executor. Exceptions: a process pool
 *              that cannot run it logs that; an executor of your own that runs calls elsewhere
 *              (`withdraw` or `kill`) may run it never or more than once. Where arguments are
 *              copied (a process pool, threads with copy_args) fn gets a copy, which is freed after
 *              the call; nothing is copied back, and arg is the caller's again as soon as this
 *              returns.
 * @param arg   the call's until its future is done.
 * @param size  of the flat struct behind arg. Pass 0 if the call will only ever run in a thread.
 *              Processes (and threads with copy_args) copy it there and back; of a NULL arg nothing
 *              is copied, and fn gets NULL. IL_BYTES, IL_SHARED:
 *              arg is an il_bytes (bytes.h), an il_shared (shared.h).
 * @return 0: the future's result is fn's, or -EOWNERDEAD: fn ended its thread (pthread_exit), or
 *         its worker process died. -EAGAIN: the queue is full; -ESHUTDOWN: shut down, or inherited
 *         across fork; -ENOTRECOVERABLE: broken, also if it is shut down as well; -EINVAL; -ENOMEM.
 *         Refused, arg is untouched.
 */
IL_MUST_CHECK IL_API int il_executor_submit(il_executor *ex, il_future **f, il_fn *fn, void *arg,
					    size_t size);

/**
 * @brief Runs fn in the executor and waits for its end. Not limited by queue_limit: where an executor
 * of your own is full, callers wait for room, first come, first served.
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
 * @brief Refuses further calls, and waits for those accepted and for the workers' end. Idempotent,
 * any thread.
 *
 * A cancellation that comes while a task waits here does not end the wait. Exception: in a scope
 * that is cancelled already it does not wait, as with IL_NOWAIT, and returns -ECANCELED. It holds a
 * reference while it waits, as il_executor_run() and il_executor_map() do: another task may drop the
 * last one meanwhile.
 * @return 0; -EDEADLK: waiting in one of the executor's own workers; -EPERM: a place that may not
 *         wait, while a worker lives: nothing has changed; -ECANCELED; -ESHUTDOWN: inherited across
 *         fork; -EINVAL: NULL, or an unknown flag.
 */
IL_API int il_executor_shutdown(il_executor *ex, unsigned flags);

/** @brief Takes another reference; returns ex. */
IL_API il_executor *il_executor_ref(il_executor *ex);

/** @brief Drops a reference. The last one shuts the executor down as with IL_NOWAIT: accepted calls
 * still run, then the memory is freed. NULL is allowed. */
IL_API void il_executor_unref(il_executor *ex);

/**
 * @brief il_executor_shutdown(ex, 0), then il_executor_unref(). NULL is allowed.
 *
 * So in a scope that is cancelled already calls may still run afterwards: join their futures first,
 * or use il_exit_stack_executor(), which waits.
 */
IL_API void il_executor_destroy(il_executor *ex);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
