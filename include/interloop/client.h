/**
 * @file client.h
 * @brief A connected client: its packets in and out, and its end.
 */
#ifndef INTERLOOP_CLIENT_H
#define INTERLOOP_CLIENT_H

#include <interloop/protocol.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup client Clients
 * @{
 */

/**
 * @brief Waits for the next packet. A cancellation point. After -ETIMEDOUT, -ECANCELED and -ENOMEM
 * the bytes received so far are kept for the next receive.
 * @param packet   receives it. Its bytes are in the client's buffer, valid until the next receive
 *                 or the last unref, and followed by a zero byte that is not counted (if the
 *                 protocol found them there).
 * @param timeout  0: only what is there already (allowed outside a task); IL_FOREVER; negative:
 *                 -EINVAL.
 * @return 1: a packet; 0: the client is gone, or nothing more can be received from it;
 *         -EBADMSG, -EMSGSIZE: the bytes were no packet, or one that is too large. The handler may
 *         reply and go on, see the protocol;
 *         -ENODATA: the client was gone in the middle of a packet; -ETIMEDOUT; -ECANCELED;
 *         -EBADF: il_client_close was called; -EBUSY: another task receives; -ENOMEM.
 */
IL_API int il_client_receive(il_client *client, il_packet *packet, il_time timeout);

/**
 * @brief Sends one packet, framed by the protocol; waits while the peer is slow. A cancellation
 * point. Packets of several tasks are sent whole, one after the other.
 * @return 0; -EPIPE: the client is gone; -EBADF: il_client_close() was called; -ECANCELED: nothing
 *         was sent, or the client was closed because a part was; -EMSGSIZE, -EBADMSG: the protocol
 *         cannot frame this; -ENOMEM.
 */
IL_API int il_client_send(il_client *client, const void *data, size_t size);

/**
 * @brief Closes the client: tasks that receive or send get -EBADF at once, packets not received yet
 * are dropped. Idempotent; never waits. on_disconnection follows when its handler has returned.
 */
IL_API int il_client_close(il_client *client);

/**
 * @brief A polite close, for a handler that gives up on a client that still sends: a connection
 * closed on unread bytes is reset, and the last answer may be lost with it.
 *
 * What other tasks are sending is sent, then our side is shut down for writing (half-close), and
 * what the client sends is dropped until it closes too or the time is up; then il_client_close().
 * The packet received last stays valid. A cancellation point; cancelled, it closes at once. The
 * steps are those of RFC 9112, section 9.6.
 * @param timeout  for all of it; 0: closes at once; IL_FOREVER: no limit.
 * @return 0: closed, also when the time was up or it was closed before; -ECANCELED, -ENOMEM:
 *         closed, too. Nothing has changed: -EBUSY: another task receives; -EINVAL: a negative
 *         timeout.
 */
IL_API int il_client_finish(il_client *client, il_time timeout);

/** @brief Whether it was closed or is being finished, or receiving or sending found it gone. */
IL_API bool il_client_is_closing(const il_client *client);

/** @brief Returns the client's loop. */
IL_API il_loop *il_client_loop(il_client *client);

/** @brief Returns the client's server, borrowed; NULL after on_disconnection. */
IL_API il_server *il_client_server(const il_client *client);

/** @brief Returns the address of the peer as text: "127.0.0.1:4711"; of a Unix socket the path that
 * it connected to and a running number: "/run/app.sock#3". The client's. */
IL_API const char *il_client_address(const il_client *client);

/** @brief Returns the connection, borrowed: for addresses and options of sockets, not for bytes. */
IL_API il_stream *il_client_stream(const il_client *client);

/** @brief Takes another reference, for a task that keeps the client beyond its handler. Returns
 * it. Loop's thread. */
IL_API il_client *il_client_ref(il_client *client);
/** @brief Drops a reference. NULL is allowed. Loop's thread, or after the loop was closed. */
IL_API void il_client_unref(il_client *client);

/** @brief Sets a pointer of your own, not owned; NULL at first. */
IL_API void il_client_set_data(il_client *client, void *data);
/** @brief Returns what il_client_set_data() set. */
IL_API void *il_client_data(const il_client *client);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
