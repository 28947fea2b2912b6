/**
 * @file process_pool.h
 * @brief Worker processes behind the executor interface: for code that may crash, that must be
 * killed, or that is not thread-safe.
 *
 * A worker is the same program, started anew: a function is found there by its module and its
 * offset from the module's base, static functions included (or by name: function.h), and its
 * argument is the flat struct of `size` bytes, copied there and back; or bytes (bytes.h); or shared
 * memory (shared.h). Nothing else is shared: globals have their initial values, pointers inside the
 * struct mean nothing. The environment, the working directory and the umask are those that the
 * program had when the pool was made. The library takes a worker over before main; see
 * il_process_worker_main_if_needed() for programs whose functions rely on their own constructors.
 */
#ifndef INTERLOOP_PROCESS_POOL_H
#define INTERLOOP_PROCESS_POOL_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup process_pool Process pools
 * @{
 */

/** Options of a process pool; zero means the default everywhere. */
typedef struct il_process_pool_options {
	/** Processes at most; negative: -EINVAL. Default: the processors that the program had when
	 * the library was loaded, its control groups allow, and cpus lists. */
	int max_workers;
	const char *name; /**< Workers are called name_0, name_1, ...; NULL: "il-process". */
	/** Most calls that wait for a worker. Default: 65,536; SIZE_MAX: no limit. */
	size_t queue_limit;
	/** Runs first in each worker; a negative result breaks the pool, whose calls then say why
	 * (il_error_detail(), with what il_fail() said). One that ends its worker,
	 * or takes longer than start_timeout, is tried again in another, restart_budget times at
	 * most. There is no finalizer, but what it registers with atexit() runs when the worker
	 * ends. */
	il_fn *initializer;
	const void *initializer_arg; /**< Copied at creation. */
	size_t initializer_size;     /**< Bytes behind initializer_arg. */
	/** A worker is replaced after this many calls. Default: 0, never. */
	int max_calls_per_worker;
	bool kill_on_cancel; /**< Cancelling a running call kills its worker (SIGKILL). */
	/** A worker that dies breaks the pool, as in concurrent.futures: the other workers are killed,
	 * and its call, the running and the queued ones all return -ENOTRECOVERABLE. */
	bool break_on_death;
	/** Consecutive worker deaths, with no completed call in between, after which the pool is
	 * broken, and stays so; calls that run go on. A worker that the pool has killed because its
	 * call was cancelled does not count. Default: 16. */
	int restart_budget;
	/** Most bytes copied each way (-EMSGSIZE). Default: 64 MiB; SIZE_MAX: no limit. */
	size_t max_size;
	/** A worker idle for this long is ended at the next call. Default: 300 s. */
	il_time idle_timeout;
	/** How long a worker may take to get ready: to start, and to run the initializer. One that
	 * takes longer is killed and counts as a death (restart_budget); its call goes to another.
	 * Default: 20 s. IL_FOREVER: no limit. In virtual time there is none. */
	il_time start_timeout;
	/** Processors that the workers may use; copied. NULL: those that the program had when the
	 * library was loaded, whoever makes the pool or the call. */
	const int *cpus;
	size_t cpu_count; /**< How many processors cpus lists. */
	void *reserved[6 - sizeof(il_time) / sizeof(void *)]; /**< Zero. */
} il_process_pool_options;

/**
 * @brief Creates a process pool with one reference. No process starts before the first call.
 *
 * Besides the codes of executor.h its calls return: -EOWNERDEAD: the worker died in this call;
 * other calls go on, and il_error_detail() and the log say how it ended and what it last wrote to
 * stderr; -EMSGSIZE: the argument, or the result of the bytes form, is larger than max_size;
 * -EINVAL: an argument without its size; -ENOENT: the function has no name and is in no module that
 * a file backs, or the worker does not have that module or has another build of it; -ENOMEM: there
 * is no memory for an argument or a result, in the worker or here, or to wait for the call (no
 * worker dies of it); -ENOTRECOVERABLE: the initializer failed, the restart budget is used up, or
 * a worker died with break_on_death.
 *
 * If a worker was dead before it read its call, the call goes to another. The loop in whose thread
 * a call was submitted watches the worker itself; one extra thread does it for plain threads, and
 * for a loop between two runs. So a task that blocks its loop's thread, with pthread_join() for
 * instance, holds up the results of what the loop has submitted, for other threads that wait for
 * them, too, and the workers that run it: use il_run_in_thread() for what blocks. The end of a loop
 * cancels the calls with a future that it submitted and that no task waits for, and kills their
 * workers; from then on il_executor_submit() with a future is -ESHUTDOWN in its thread.
 * il_executor_map() kills what still runs when its time is up. A call without a future
 * that is not run (the pool breaks first, or its worker has gone and no other can be started) is
 * logged.
 *
 * A worker has default signal dispositions, no signal blocked, no standard input and no descriptor
 * of yours but stdout, and the processors, the policy and the niceness that the program
 * had when the library was loaded; the library handles no signal in it. It is in the program's
 * process group and control group: Ctrl-C, and SIGTERM by systemd's KillMode=control-group (its
 * default), end it in the middle of a call (-EOWNERDEAD). Let the initializer ignore SIGINT and
 * SIGTERM, as in signal(SIGINT, SIG_IGN), so that calls can end before the program does; the pool
 * itself uses the end of the stream, and SIGKILL. Its stderr is a pipe: the pool
 * writes what comes from it to the program's stderr, and keeps the end for il_error_detail(). Its
 * stdout and stderr are flushed after each call. A worker that is not needed any more gets the end
 * of its stream and calls exit(), so that atexit() handlers run and coverage, profiles and leak
 * reports are written; it is killed if it has not ended within 2 s. A worker in a call is killed at
 * once when its call is cancelled with kill_on_cancel or by the end of its loop (see above), and
 * when the program ends.
 *
 * A worker runs the same file as the program, even if that file was renamed, removed or replaced by
 * another build meanwhile, or its folder is closed to the program. Exception: a program that was
 * started by the name of its loader ("ld.so program") has to stay where it is.
 *
 * @return 0; -EINVAL: an option is out of range, or none of cpus is there; -ENOTSUP: the program
 *         has rights of its file (set-user-ID, set-group-ID, setcap), or /proc is not mounted;
 *         -ENOENT: the initializer is in no module, or a program that was started by the name of
 *         its loader has gone; -EMFILE and its like: no descriptor for the working directory;
 *         -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_process_pool_create(il_executor **ex,
						const il_process_pool_options *options);

/**
 * @brief For programs whose functions rely on their own constructors, or on what main sets up
 * first: in a worker it serves the pool and does not return, else it returns at once.
 *
 * Call it early in main: before main looks at its arguments, which are the library's in a worker,
 * and before it registers atexit() handlers that a worker must not run. Coverage and profiles of
 * the program's own file need it, since their counters are set up by constructors.
 */
IL_API void il_process_worker_main_if_needed(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
