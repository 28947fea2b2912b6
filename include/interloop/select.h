/**
 * @file select.h
 * @brief Waiting for the first of several things: a channel, an event, a descriptor, a client, a
 * child, whatever comes first.
 *
 *     il_case cases[] = {
 *             il_case_receive(jobs, &job),
 *             il_case_event(stop),
 *     };
 *     switch (il_select(cases, 2, IL_SEC(5))) {
 *     case 0: // cases[0].rc is 1: job is ours; 0: the channel has ended
 *     case 1: // stop is set
 *     case -ETIMEDOUT:
 *     ...
 *
 * Exactly one case happens: the first in the array that is ready, or else the first that becomes
 * ready. Only the case that happens takes anything (an item, a permit, a token, a lock, a signal).
 * A call that returns -ETIMEDOUT or -ECANCELED has taken nothing. So any waiting call gets a time
 * limit by a select of one case.
 *
 * Most cases only tell that something is ready, and the plain call that follows does not wait:
 * il_stream_read() after il_case_stream(), il_client_receive() after il_case_client().
 *
 * A case is a value on the stack. It can be used for any number of calls, one at a time, and changed
 * between them. A case whose object is NULL, or whose descriptor is negative, is switched off: it
 * never happens.
 */
#ifndef INTERLOOP_SELECT_H
#define INTERLOOP_SELECT_H

#include <interloop/base.h>
#include <interloop/channel.h>
#include <interloop/datagram.h>
#include <interloop/lock.h>
#include <interloop/process.h>
#include <interloop/semaphore.h>
#include <interloop/signal.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup select Waiting for the first of several
 * @{
 */

/** One thing to wait for. Made by the functions il_case_...; read `rc` after il_select(). */
typedef struct il_case {
	void *object;       /**< What is waited for; NULL: switched off, unless fd is used. */
	void *item;         /**< Where an item is, or goes. */
	int fd;             /**< Of il_case_fd(); negative: switched off. */
	int rc;             /**< Once it has happened: its code, as its function says. */
	unsigned kind;      /**< Set by the function that made the case. */
	unsigned mask;      /**< IL_READABLE, IL_WRITABLE or both. */
	void *reserved[16]; /**< The library's. */
} il_case;

/** @name Cases that take something if they happen
 * @{ */

/** @brief An item is received. rc: as il_channel_receive(): 1: the item is in `item`; 0: the channel has
 * ended; -EBADF: this end is closed. */
IL_API il_case il_case_receive(il_receiver *receiver, void *item);

/** @brief An item is sent; it must stay valid during the call. rc: as il_channel_send(): 0; -EPIPE:
 * the last receiver is closed; -EBADF: this end is closed. */
IL_API il_case il_case_send(il_sender *sender, const void *item);

/** @brief A permit is acquired. rc: 0. */
IL_API il_case il_case_semaphore(il_semaphore *semaphore);

/** @brief The lock is acquired. rc: 0; at once -EALREADY: the calling task holds it; -EOWNERDEAD: a
 * task that held it has ended. */
IL_API il_case il_case_lock(il_lock *lock);

/** @brief A token is acquired for the calling task. rc: 0; at once -EALREADY: the task has one. */
IL_API il_case il_case_limiter(il_limiter *limiter);

/** @brief A signal is received, and its number stored unless `number` is NULL. rc: as
 * il_signal_receiver_next(): its number; -EBADF: the receiver is closed. */
IL_API il_case il_case_signal(il_signal_receiver *receiver, int *number);
/** @} */

/** @name Cases that only tell
 * @{ */

/** @brief The event is set. rc: 0. */
IL_API il_case il_case_event(il_event *event);

/** @brief The future is done, by whatever thread. rc: 0, whatever the result, which
 * il_future_result() returns. */
IL_API il_case il_case_future(il_future *future);

/** @brief A descriptor is ready for one of the directions in mask, or has an error or a hang-up. rc: as
 * il_wait_fd(): the ready directions; -EBADF: not open, or il_notify_closing() was called. */
IL_API il_case il_case_fd(int fd, unsigned mask);

/** @brief A call in one of the directions in mask would not wait: bytes are there (also such as a layer or
 * il_stream_receive_until() keeps), the end, an error, or room to send. rc: these directions; -EBADF: the
 * stream is closed. */
IL_API il_case il_case_stream(il_stream *stream, unsigned mask);

/** @brief il_client_receive() would not wait: a whole packet is there, the end, or an error. Half a packet
 * is not ready. The packet received last is invalid from the call on. The time limits of the client's
 * server hold; when one passes that is the end. rc: 0; -EBADF: the client is closed. */
IL_API il_case il_case_client(il_client *client);

/** @brief il_datagram_receive() would not wait: a datagram is there, or an error. rc: 0; -EBADF: the
 * socket is closed. */
IL_API il_case il_case_datagram(il_datagram *d);

/** @brief A connection can be accepted. rc: 0; -EBADF: the listener is closed. */
IL_API il_case il_case_listener(il_listener *listener);

/** @brief The child has ended. rc: as il_process_wait(), which other tasks may call as well. */
IL_API il_case il_case_process(il_process *process);
/** @} */

/**
 * @brief Waits until one of the cases happens. A cancellation point; yields at least once.
 *
 * Cases of semaphores, locks and limiters keep their places in the queues during the call. If one
 * of these, or a channel's item, is handed over, this decides which case happens, and the others
 * leave their queues at once. When a case and a cancellation come in the same turn, the first of
 * them decides. Asking a stream or client over a transport of your own calls its functions
 * (layer.h), and asking a client its protocol's `find`: what these change for other cases, such as
 * an event that they set, is not missed.
 *
 * An object may be in several cases: the first one happens. Exception: a descriptor, stream,
 * client, datagram socket, listener or signal receiver has one waiter per direction.
 * @param cases    as made by il_case_...; may be NULL if count is 0.
 * @param count    0, or all cases switched off: the call only waits for the timeout.
 * @param timeout  0: take what is ready, do not wait; allowed outside a task, too. IL_FOREVER: no
 *                 limit.
 * @return the index of the case that happened; -ETIMEDOUT; -ECANCELED; -EBUSY: another task, or
 *         another case, waits where only one may, such as for the same direction of a descriptor,
 *         whatever is ready; -EPERM: outside a task with a timeout above 0, or with a lock or a
 *         limiter, which need an owner; or an object belongs to another loop or thread; -ESHUTDOWN:
 *         an object was inherited across fork; -EINVAL: a negative timeout, or a case of an unknown
 *         kind; -ENOMEM. After a negative code no case has happened and nothing was taken.
 */
IL_MUST_CHECK IL_API int il_select(il_case *cases, size_t count, il_time timeout);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
