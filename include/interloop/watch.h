/**
 * @file watch.h
 * @brief Callbacks in the loop's thread, for libraries that bring their own event handling: a
 * descriptor becomes ready, a time comes.
 *
 * Client libraries (hiredis, libpq, libcurl, c-ares and many others) ask for two things: "call me
 * when this descriptor is ready" and "call me at this time". These are they:
 *
 *     static void ready(void *arg, unsigned mask)
 *     {
 *             library_handle_events(arg, mask & IL_READABLE, mask & IL_WRITABLE);
 *     }
 *     il_fd_watch_open(&watch, library_fd(x), IL_READABLE, ready, x);
 *
 * A callback is a plain call: it may do what does not wait (set an event or a future, start a task,
 * open and close watches, its own too); what waits returns -EPERM in it. It sees the task-local
 * values of whoever has opened it. In a task of your own il_wait_fd() and il_sleep() are simpler.
 * examples/adapters/ has complete adapters.
 *
 * An active watch (one with a mask) and a timer that is set keep the host of an attached loop
 * alive, and il_loop_detach() returns -EBUSY. After il_loop_close() or il_loop_shutdown() they go on
 * until the last task has ended, but keep nothing alive any more; then they are disarmed, and only
 * to be closed.
 *
 * All functions belong to the loop's thread. Unless stated otherwise they return -EINVAL for NULL,
 * -EPERM in another thread, and -ESHUTDOWN in a forked child or when the loop was closed.
 */
#ifndef INTERLOOP_WATCH_H
#define INTERLOOP_WATCH_H

#include <interloop/base.h>
#include <interloop/fd.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup watch Callbacks for other libraries
 * @{
 */

/** A descriptor that is watched for a callback. */
typedef struct il_fd_watch il_fd_watch;
/** A time at which a callback is called. */
typedef struct il_timer il_timer;

/**
 * @brief Begins to watch a descriptor: ready(arg, mask) is called for as long as it is ready
 * (level-triggered), with the directions that are ready; after an error or a hang-up with all that
 * are watched. In the loop's thread, task or not; never waits.
 *
 * A descriptor has one watch at most. A direction is either watched or waited for by a task; the
 * other one is free. While there is a watch, even one with no mask, the descriptor also stays
 * registered for what tasks wait for with il_wait_fd(): waits that follow each other begin without
 * a system call. If the descriptor is closed while its watch is open, and without
 * il_notify_closing(), tasks that wait for it wait forever. Streams, listeners and other objects
 * own their descriptors, which cannot be watched. The descriptor's flags are not changed; the host
 * may watch it too.
 * @param watch  receives the watch; the caller closes it with il_fd_watch_close(), before the
 *               descriptor is closed or right before that.
 * @param mask   IL_READABLE, IL_WRITABLE, both, or 0: not now.
 * @return 0; -EBADF: not an open descriptor; -EBUSY: it has a watch or an owner, or a task waits for
 *         one of these directions; -EPERM: the system cannot watch such a file (a regular one,
 *         /dev/null), which is always ready; -EINVAL: an unknown bit; -ENOMEM; -ESHUTDOWN: the loop
 *         is being closed.
 */
IL_MUST_CHECK IL_API int il_fd_watch_open(il_fd_watch **watch, int fd, unsigned mask,
					  void (*ready)(void *arg, unsigned mask), void *arg);

/**
 * @brief Watches for other directions from now on. Cheap if the mask is the same.
 * @param mask  0: for none, until the next call.
 * @return 0; -EBUSY: a task waits for one of them; -EBADF: the descriptor was closed, as
 *         il_notify_closing() said; -EINVAL: an unknown bit; -ENOMEM. After an error the old mask
 *         holds.
 */
IL_API int il_fd_watch_set(il_fd_watch *watch, unsigned mask);

/**
 * @brief Ends the watch and frees it. No callback comes after it, not even of the same poll. Allowed
 * in any callback, also its own, and after the loop was closed. The descriptor may be closed right
 * after. NULL is allowed. In a forked child it only frees. In another thread than the loop's it
 * stops the program with a sentence.
 */
IL_API void il_fd_watch_close(il_fd_watch *watch);

/**
 * @brief Creates a timer, which is not set. In the loop's thread, task or not; never waits.
 * @param timer  receives the timer; the caller closes it with il_timer_close().
 * @param due    called once for each il_timer_set(), at the deadline or soon after, never before.
 * @return 0; -ENOMEM; -ESHUTDOWN: the loop is being closed.
 */
IL_MUST_CHECK IL_API int il_timer_open(il_timer **timer, void (*due)(void *arg), void *arg);

/**
 * @brief Sets the timer, or sets it anew; also in its own callback.
 * @param deadline  on il_now()'s clock; one that has passed is due at once, in the loop's next turn.
 *                  IL_FOREVER: takes it back.
 * @return 0; -ENOMEM: it stays as it was.
 */
IL_API int il_timer_set(il_timer *timer, il_time deadline);

/** @brief Ends the timer and frees it, as il_fd_watch_close(). */
IL_API void il_timer_close(il_timer *timer);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
