/**
 * @file inspect.h
 * @brief Looking inside a program that runs: what its tasks wait for, and how much it does.
 *
 * A service hangs, and a debugger shows epoll_wait. il_dump() writes down what every task of every
 * loop waits for:
 *
 *     loop 1 (libev, own): 3 tasks, 0 ready, 0 posted calls, 1 descriptors, 0 timers, ...
 *       group of main
 *         main: il_group_close for 3.012 s: 2 children
 *         reader: il_lock_acquire for 3.012 s: lock 0x55d0c8, which writer has, 1 wait
 *         writer: il_stream_write_all for 3.011 s: descriptor 9 (127.0.0.1:40312), writable
 *
 * The text is for people and may change. "for" counts from the turn of the loop in which the task
 * parked. Numbers for machines are the statistics: exact once the work that they count has ended, and
 * cheap enough to be always on. Those of servers are il_server_get_statistics(); channels, locks,
 * conditions, semaphores and limiters have theirs in their own headers.
 */
#ifndef INTERLOOP_INSPECT_H
#define INTERLOOP_INSPECT_H

#include <interloop/base.h>
#include <interloop/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup inspect Looking inside
 * @{
 */

/** The result of il_loop_get_statistics(). */
typedef struct il_loop_statistics {
	size_t tasks; /**< That live, the calling one included. */
	size_t ready; /**< Of these, those that could run at once, and wait for their turn. */
	/** Calls posted to the loop that have not begun. 0 where il_loop_options.queue_limit is
	 * SIZE_MAX: they are not counted then. */
	size_t queue;
	size_t timers;         /**< Sleeps, time limits and deadlines that are under way. */
	il_time next_deadline; /**< The first of these, on il_now()'s clock; IL_FOREVER: none. */
	size_t descriptors;    /**< Watched for tasks, il_fd_watch and worker processes. */
	uint64_t turns;        /**< Visits of the native loop to its tasks, this one included. */
	il_time longest_turn;  /**< The longest turn that has ended, by the real clock. */
	uint64_t slow_tasks;   /**< How often a task has held the loop for longer than slow_task. */
	/** The most bytes of its stack that a task has used, also one that has ended. 0 without
	 * il_loop_options.measure_stacks. */
	size_t most_stack_used;
	void *reserved[7 - sizeof(uint64_t) / sizeof(void *)]; /**< Zero. */
} il_loop_statistics;

/**
 * @brief Writes the figures of the loop (il_loop_statistics). Loop's thread, inside or outside a
 * task; never waits.
 * @return 0; -EINVAL: NULL; -EPERM: another thread; -ESHUTDOWN: the loop was inherited across fork.
 */
IL_API int il_loop_get_statistics(il_loop *loop, il_loop_statistics *statistics);

/** The result of il_executor_get_statistics(). `submitted` is always the sum of `queued`, `running`,
 * `completed`, `failed` and `cancelled`. */
typedef struct il_executor_statistics {
	size_t workers;     /**< Threads or processes that live. */
	size_t idle;        /**< Of these, those without a call. */
	size_t running;     /**< Calls that workers have now. */
	size_t queued;      /**< Calls that wait for a worker. */
	uint64_t submitted; /**< Calls that were accepted. */
	uint64_t completed; /**< Calls whose function has returned 0 or more. */
	/** Calls whose function has returned an error, or whose worker died or could not be had. */
	uint64_t failed;
	uint64_t cancelled;     /**< Calls that ended with -ECANCELED. */
	uint64_t worker_deaths; /**< Worker processes that died with a call. */
	il_time longest_wait;   /**< The longest time that a call has waited for a worker. */
	void *reserved[8];      /**< Zero. */
} il_executor_statistics;

/**
 * @brief Writes the figures of the executor (il_executor_statistics). Any thread; never waits. The
 * counters stay after a shutdown; a call is counted before its result is known. Of an executor of
 * your own, and of a remote pool, the workers and longest_wait are not known: they are 0.
 * @return 0; -EINVAL: NULL; -ESHUTDOWN: the executor was inherited across fork.
 */
IL_API int il_executor_get_statistics(il_executor *ex, il_executor_statistics *statistics);

/**
 * @brief Writes down the tree of the loop's scopes and tasks, its servers with their clients, and its
 * portals. Loop's thread: in a task, in a plain call, in the log function. Never waits, allocates no
 * memory, changes nothing.
 *
 * A line each: the name, the call that it waits in, for how long already, and what for; deadlines
 * and shields of scopes; with il_loop_options.measure_stacks the use of its stack. Tasks without a
 * name are called "main" or "task N", with their function; of two that live at once N is not the same.
 * @param fd  where it is written. If it takes nothing for a second, the rest is left out.
 * @return 0; -EINVAL: loop is NULL, or fd negative; -EPERM: another thread; -ESHUTDOWN: the loop was
 *         inherited across fork, or is closed; -ETIMEDOUT: fd took nothing for a second; or why it
 *         could not be written.
 */
IL_API int il_loop_dump(il_loop *loop, int fd);

/**
 * @brief Writes down every loop and every executor of the process. Any thread; allocates no memory.
 *
 * Each loop adds its part in its own thread, as il_loop_dump(). A loop that does not come to it
 * within a second is listed with the task that keeps it busy, and since when at most: since the loop
 * began its turn, in which other tasks may have run before. In a task it waits for them, at most a
 * second, and is no cancellation point. Where nothing may wait (in a loop's thread outside a task, in
 * a callback) and in virtual time, other loops are listed without their tasks.
 * @param fd  as for il_loop_dump().
 * @return 0; -EINVAL: fd is negative; -ETIMEDOUT: fd took nothing for a second; or why it could not be
 *         written.
 */
IL_API int il_dump(int fd);

/**
 * @brief From now on a signal has the process write il_dump() to stderr. Any thread; does not wait, except that 0 blocks
 * until a dump that is under way is written.
 *
 * It works also while a loop, or every loop, is stuck: the handler does no more than write a descriptor, where a thread
 * of the library's own, which this starts, waits for it. Signals that come while a dump is written bring one more.
 * The signal is unblocked in the calling thread. It interrupts system calls as any handler with SA_RESTART does.
 *
 * The environment variable INTERLOOP_DUMP_SIGNAL=QUIT (a name, with or without SIG, or a number) does the same when the
 * first loop opens, without a change to the program, and ends it when the program exits. It is ignored in programs that
 * are set-uid or the like. A worker process ignores the signal that it names, so that a terminal's Ctrl-\ brings a dump
 * of the program and ends no worker.
 *
 * In a forked child the signal is what it was before. The child may call this, too; the variable counts there
 * when the child opens a loop.
 * @param number  the signal, such as SIGQUIT or SIGUSR1; another one than before takes its place. 0: no signal any more;
 *                what was there before is put back, if no other handler has been set since.
 * @return 0, also if nothing changes; -EBUSY: the signal is taken, that is, it has a handler (also one that was
 *         set since an earlier call) or a receiver, or another thread is in this function; -EINVAL: there is no such signal, nobody may catch it, or it is
 *         a fault; -ENOMEM, -EMFILE, -ENFILE: there is not enough for the thread or its descriptor.
 */
IL_API int il_dump_on_signal(int number);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
