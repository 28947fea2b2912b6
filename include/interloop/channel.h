/**
 * @file channel.h
 * @brief Channels: items of one fixed size go from tasks to tasks of one loop, through a bounded
 * buffer.
 *
 * A channel is its ends: senders and receivers, each of which can be cloned. Items are copied by
 * value, in order, each to exactly one receiver. When the last sender is closed, receivers drain
 * the buffer and then get 0, the end. When the last receiver is closed, senders get -EPIPE and what
 * is left in the buffer is dropped. Without a buffer (max 0) a sender waits until a receiver takes
 * its item.
 *
 *     il_sender *out;
 *     il_receiver *in;
 *     int rc = il_channel_create(&out, &in, sizeof(struct job), 16);
 *     ...
 *     while ((rc = il_channel_receive(in, &job)) == 1)
 *             work(&job);
 *
 * A channel belongs to one loop's thread: that in which it was made, or, made outside a loop, that
 * of the first task that sends or receives. Unless stated otherwise every call returns -EINVAL
 * for NULL, -EPERM in another thread, and -ESHUTDOWN for a channel inherited across fork. The
 * semantics are those of AnyIO's memory object streams.
 */
#ifndef INTERLOOP_CHANNEL_H
#define INTERLOOP_CHANNEL_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup channel Channels
 * @{
 */

/** One sending end. */
typedef struct il_sender il_sender;
/** One receiving end. */
typedef struct il_receiver il_receiver;

/** The result of il_sender_get_statistics() and il_receiver_get_statistics(): about the whole
 * channel. */
typedef struct il_channel_statistics {
	size_t item_size;         /**< Bytes per item. */
	size_t max;               /**< Items that the buffer holds. */
	size_t buffered;          /**< Items in it now. */
	size_t open_senders;      /**< Sending ends that are not closed. */
	size_t open_receivers;    /**< Receiving ends that are not closed. */
	size_t waiting_senders;   /**< Tasks that wait to send. */
	size_t waiting_receivers; /**< Tasks that wait to receive. */
	void *reserved[4];        /**< Zero. */
} il_channel_statistics;

/**
 * @brief Creates a channel with one end of each kind; each has an owner of its own. Any thread.
 * @param item_size  bytes per item; 0 is allowed: then only the number of items counts.
 * @param max        items that the buffer holds; 0: no buffer. It
 *                   is allocated here, so that sending needs no memory.
 * @return 0; -EINVAL: NULL, or a number that was negative; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_channel_create(il_sender **sender, il_receiver **receiver,
					   size_t item_size, size_t max);

/**
 * @brief Sends a copy of the item. Waits while the buffer is full and no receiver waits; otherwise
 * yields once. A cancellation point.
 * @param item  item_size bytes; the caller's again when the call returns.
 * @return 0: the item is in the buffer or with a receiver, also if a cancellation came after that;
 *         -ECANCELED, -EPIPE (the last receiver is closed), -EBADF (this end is closed, maybe by
 *         another task meanwhile): it was not sent; -EPERM: not in a task.
 */
IL_MUST_CHECK IL_API int il_channel_send(il_sender *sender, const void *item);

/**
 * @brief Sends a copy of the item if that needs no waiting; inside or outside a task; does not
 * check cancellation.
 * @return 0; -EAGAIN: the buffer is full and no receiver waits; -EPIPE; -EBADF.
 */
IL_MUST_CHECK IL_API int il_channel_send_nowait(il_sender *sender, const void *item);

/**
 * @brief Receives the oldest item. Waits while there is none; otherwise yields once. A
 * cancellation point.
 * @param item  receives item_size bytes; untouched unless the result is 1.
 * @return 1: an item, also if a cancellation came after it was handed over; 0: the end: the last
 *         sender is closed and the buffer is empty; -ECANCELED: no item was taken; -EBADF: this end
 *         is closed, maybe by another task meanwhile; -EPERM: not in a task.
 */
IL_MUST_CHECK IL_API int il_channel_receive(il_receiver *receiver, void *item);

/**
 * @brief Receives the oldest item if that needs no waiting; inside or outside a task; does not
 * check cancellation.
 * @return 1; 0: the end; -EAGAIN: no item now; -EBADF.
 */
IL_MUST_CHECK IL_API int il_channel_receive_nowait(il_receiver *receiver, void *item);

/**
 * @brief Creates another sending end of the same channel, with an owner of its own. The channel
 * ends when all are closed.
 * @return 0; -EBADF: this end is closed; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_sender_clone(il_sender *sender, il_sender **clone);

/**
 * @brief Closes this end. Idempotent; never waits. Tasks that wait on this very end get -EBADF; if
 * it was the last sender, tasks that wait to receive get 0, the end.
 */
IL_API int il_sender_close(il_sender *sender);

/** @brief Closes this end if it is open, and frees it. NULL is allowed; also after the loop has
 * ended. Stops the program with a sentence if a task waits on this very end. */
IL_API void il_sender_destroy(il_sender *sender);

/** @brief Returns the channel's present state; all zero for NULL. */
IL_API il_channel_statistics il_sender_get_statistics(const il_sender *sender);

/** @brief Creates another receiving end, as il_sender_clone() does a sending one. */
IL_MUST_CHECK IL_API int il_receiver_clone(il_receiver *receiver, il_receiver **clone);

/**
 * @brief Closes this end. Idempotent; never waits. Tasks that wait on this very end get -EBADF; if
 * it was the last receiver, tasks that wait to send get -EPIPE and the buffer is dropped.
 */
IL_API int il_receiver_close(il_receiver *receiver);

/** @brief Closes this end if it is open, and frees it, as il_sender_destroy() does a sending one.
 */
IL_API void il_receiver_destroy(il_receiver *receiver);

/** @brief Returns the channel's present state; all zero for NULL. */
IL_API il_channel_statistics il_receiver_get_statistics(const il_receiver *receiver);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
