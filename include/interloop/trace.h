/**
 * @file trace.h
 * @brief A trace of the process: what every task, loop, worker thread and worker process did, and when.
 *
 * A trace is a file in Chrome's trace event format, which docs/trace.html, ui.perfetto.dev and chrome://tracing
 * show. Each loop, task, worker thread and worker process has a track. A task's track has a span for
 * each time that it ran, and one for each wait, called as the function that it waited in; a loop's has its
 * turns, and in them the tasks and portal calls that ran; a worker's has its calls. Arrows lead from where a
 * call was submitted to where it ran and back to the task that got its result, and from a portal call into the
 * loop. Without a change to the program: `INTERLOOP_TRACE=FILE ./program`.
 */
#ifndef INTERLOOP_TRACE_H
#define INTERLOOP_TRACE_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup trace Traces
 * @{
 */

/** Of il_trace_start(). Zero is the default everywhere. */
typedef struct il_trace_options {
	/** Events that a thread keeps until they are written, 64 bytes each; rounded up to a power of two, at least
	 * 64, at most 2^24. What comes when so many are unwritten is dropped and counted; the trace has a gap
	 * there. Default: 32768. */
	size_t events;
	void *reserved[8]; /**< NULL. */
} il_trace_options;

/**
 * @brief Starts a trace of the whole process. Any thread; it does not wait.
 *
 * From now on each thread keeps what happens in it, which costs it less than 100 ns an event, and a thread of
 * the library's own writes it to fd. What began before is not in the trace. A forked child writes nothing;
 * it may start a trace of its own. What worker processes do is recorded by the process that has the pool.
 *
 * The environment variable INTERLOOP_TRACE=FILE starts one when the first loop opens, and ends it when the
 * program exits, by exit() or by returning from main. The file must not exist yet; it is made with mode 0600,
 * and no symbolic link is followed. The variable is ignored in programs that are set-uid or the like, and by
 * worker processes. The file of a program that is killed lacks its end; the viewers read it all the same.
 * @param fd       open for writing; it is borrowed until il_trace_stop() has returned. If it is a pipe, somebody
 *                 else than a thread of this process's loops must read it.
 * @param options  NULL: the defaults.
 * @return 0; -EALREADY: a trace is on; -EBADF: fd is not open for writing; -EINVAL: events is too large;
 *         -ENOMEM: no memory, or no thread.
 */
IL_API int il_trace_start(int fd, const il_trace_options *options);

/**
 * @brief Ends the trace and returns when it is written. Any thread, except in a fork handler.
 *
 * It blocks the calling thread, in a loop's thread the loop, until the rest is written; it is no cancellation
 * point. What still runs or waits gets a span that ends now. The file says how many events were dropped, and
 * if there were any, the log does too.
 * @return 0; -EALREADY: no trace is on, or another thread ends it; otherwise why the file could not be
 *         written, for instance -ENOSPC or -EPIPE: then its end is missing.
 */
IL_API int il_trace_stop(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
