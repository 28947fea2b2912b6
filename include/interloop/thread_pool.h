/**
 * @file thread_pool.h
 * @brief Executors of worker threads.
 */
#ifndef INTERLOOP_THREAD_POOL_H
#define INTERLOOP_THREAD_POOL_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup thread_pool Thread pools
 * @{
 */

/** Options of a thread pool; zero means the default everywhere. */
typedef struct il_thread_pool_options {
	/** Threads at most; negative: -EINVAL. Default: min(32, processors + 4), by the processors
	 * that the program had when the library was loaded, its control groups allow, and cpus
	 * lists. */
	int max_workers;
	const char *name; /**< Threads are called name_0, name_1, ...; NULL: unique per pool. */
	/** Most calls that wait for a worker. Default: 65,536; SIZE_MAX: no limit. */
	size_t queue_limit;
	/** Runs first in each worker. A negative result breaks the pool, whose calls then say why
	 * (il_error_detail(), with what il_fail() said), and so does a function that ends its thread
	 * instead of returning. */
	il_fn *initializer;
	void *initializer_arg; /**< Must stay valid until the last worker has ended. */
	bool copy_args;        /**< Copy arg in and out as a process pool does, so that a call which
				    relies on sharing it fails here already. */
	bool without_locals;   /**< Do not hand the submitter's task-local values to the call. */
	/** Bytes of a worker's stack, at most 8 GiB (512 MiB where pointers have 32 bits). Default:
	 * the system's. A guard of 64 KiB (16 KiB where pointers have 32 bits) is added below. */
	size_t stack_size;
	/** A worker idle for this long ends. Default: 10 s; IL_FOREVER: never. */
	il_time idle_timeout;
	/** Processors that the workers may use; copied. NULL: those that the program had when the
	 * library was loaded, whoever makes the pool. Where they cannot be set, that is logged. */
	const int *cpus;
	size_t cpu_count; /**< How many processors cpus lists. */
	void (*on_thread_start)(int index,
				void *arg); /**< Runs in each new worker, first of all. */
	void *on_thread_start_arg;          /**< Passed to on_thread_start. */
	/** Runs last in each worker whose initializer did not fail, with initializer_arg, also when
	 * the worker ends because it was idle. il_executor_shutdown() waits for it; a call that
	 * comes meanwhile and finds no other worker waits for it too. */
	void (*finalizer)(void *arg);
	void *reserved[7]; /**< Zero. */
} il_thread_pool_options;

/**
 * @brief Creates a thread pool with one reference. No thread starts before the first call.
 * @param options  NULL: the defaults.
 * @return 0; -EINVAL: an option is out of range; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_thread_pool_create(il_executor **ex,
					       const il_thread_pool_options *options);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
