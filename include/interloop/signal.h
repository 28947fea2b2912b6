/**
 * @file signal.h
 * @brief Receiving signals in a task, one after the other, as AnyIO's and Trio's
 * open_signal_receiver.
 *
 * A receiver handles its signals from open to close. The library handles no other signal unless
 * asked: SIGINT by il_run(), il_loop_options.handle_sigint or a blocking portal's, SIGTERM and SIGINT
 * by il_server_options.stop_at_signals, SIGSEGV and SIGBUS by il_loop_options.report_overflow, and
 * the signal of il_dump_on_signal(). A receiver for SIGINT takes precedence over a loop and a portal
 * until it is closed, whichever began or ends first: a loop that begins meanwhile handles SIGINT once
 * the receiver is closed, and one that ends does not affect the receiver.
 *
 *     rc = il_signal_receiver_open(&r, (const int[]){SIGHUP, SIGTERM}, 2);
 *     while ((rc = il_signal_receiver_next(r, IL_FOREVER)) > 0)
 *             rc == SIGHUP ? reload() : il_server_shutdown(server);
 *     il_signal_receiver_destroy(r);
 *
 * This is a task of the server (il_server_start_soon()), so il_server_shutdown() does not wait in
 * it and the server's end cancels it. It goes on after SIGTERM on purpose: destroying the receiver
 * raises again what nobody took, so a second SIGTERM that came during the grace period would end
 * the program then.
 *
 * The handler that was there before is called too: a receiver takes no SIGCHLD away from a library
 * that waits for its children, and no SIGTERM from a framework. It has the signal's siginfo and
 * context, its own mask and flags (SA_RESTART, SA_NOCLDSTOP and the others, which hold for the
 * receiver too then). The default action, "ignore" and a loop's handler of SIGINT are not called.
 * il_signal_receiver_options.take turns it off.
 *
 * A signal that comes again before it was taken counts once, as POSIX has it. From open to close
 * the receiver's signals are unblocked in its loop's thread: the system can always hand them to
 * that one, also where the program has blocked them in all threads, and what has been pending is
 * received at once. (Code that waits for the same signal with sigwait or a signalfd competes
 * with the receiver.) A handler is the process's, so what comes to another thread is received too.
 */
#ifndef INTERLOOP_SIGNAL_H
#define INTERLOOP_SIGNAL_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup signal Signals
 * @{
 */

/** A receiver of signals. */
typedef struct il_signal_receiver il_signal_receiver;

/** Options of il_signal_receiver_open_with(); zero means the default everywhere. */
typedef struct il_signal_receiver_options {
	bool take; /**< Does not call the handlers that were there before. No effect on SIGCHLD. */
	void *reserved[8]; /**< Zero. */
} il_signal_receiver_options;

/**
 * @brief Begins to receive signals. In a loop's thread, task or not; never waits. Handlers belong
 * to the process and not to a thread, so any loop's thread may do it (Python allows only the main
 * thread).
 * @param receiver  stores the receiver; the caller destroys it with il_signal_receiver_destroy().
 * @param signals   count numbers, 1 or more; one may be named twice.
 * @return 0; -EINVAL: no such signal, or one that cannot be caught (SIGKILL, SIGSTOP) or, being a
 *         fault, not be returned from (SIGSEGV, SIGBUS, SIGFPE, SIGILL); -EBUSY: another receiver
 *         has one of them; -EPERM: not in a loop's thread; -ESHUTDOWN: in a forked child; -EMFILE,
 *         -ENFILE, -ENOMEM. After an error what handled them before does so again.
 */
IL_MUST_CHECK IL_API int il_signal_receiver_open(il_signal_receiver **receiver, const int *signals,
						 size_t count);

/** @brief il_signal_receiver_open() with options. @param options  NULL: the defaults. */
IL_MUST_CHECK IL_API int il_signal_receiver_open_with(il_signal_receiver **receiver,
						      const int *signals, size_t count,
						      const il_signal_receiver_options *options);

/**
 * @brief Takes the signal that has been pending longest; waits for one if there is none. A
 * cancellation point. With a timeout of 0 also outside a task.
 * @param timeout  0: does not wait.
 * @return its number; -ETIMEDOUT: none came; -ECANCELED: nothing was taken; -EBUSY: another task
 *         waits; -EBADF: closed, also while this task waits; -EINVAL: a negative timeout or NULL;
 *         -EPERM: not in the loop's thread, or no task; -ESHUTDOWN: inherited across fork.
 */
IL_MUST_CHECK IL_API int il_signal_receiver_next(il_signal_receiver *receiver, il_time timeout);

/**
 * @brief Puts back what handled the signals before, and then raises those that nobody has taken, in
 * order of arrival, unless the handler that was there before was called for them: none vanishes
 * (Trio). If the disposition was the default, that may end the program. A handler that somebody has
 * installed over the receiver's stays. Idempotent; never waits, so it works in a cancelled scope
 * too. il_loop_close() and il_loop_detach() close what is still open.
 * @return 0; -EINVAL: NULL; -EPERM: not in the loop's thread; -ESHUTDOWN: inherited across fork:
 *         what was there before handles the child's signals.
 */
IL_API int il_signal_receiver_close(il_signal_receiver *receiver);

/** @brief il_signal_receiver_close(), then frees; allowed while a task waits in it, and after the
 * loop was closed. NULL is allowed. In another thread than the loop's it stops the program with a
 * sentence. */
IL_API void il_signal_receiver_destroy(il_signal_receiver *receiver);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
