/**
 * @file client.h
 * @brief A client: packets in and out over a connection, and its end; on a server's side and on
 * one's own.
 *
 * An il_client is one end of a connection that carries packets. A server makes one for each
 * connection that it accepts and gives it to the handler; il_client_connect_tcp() makes one for a
 * connection to another server. The functions are the same on both sides, so a dialogue
 * `int talk(il_client *client)` may be called by a handler and by a task that has connected:
 *
 *     il_client *client;
 *     int rc = il_client_connect_tcp(&client, "example.org", "4000", il_protocol_lines(), NULL);
 *
 *     if (rc < 0)
 *             return rc;
 *     rc = talk(client);
 *     il_client_destroy(client);
 *     return rc;
 *
 * One task receives while others send. A client belongs to the thread of its loop; from other
 * threads go through a portal. Unless stated otherwise a function that returns int returns -EINVAL
 * for NULL, and for a size that was a negative number before the call, -EPERM in another thread
 * (waiting ones: outside a task) and -ESHUTDOWN in a forked child; only other codes are listed
 * below.
 */
#ifndef INTERLOOP_CLIENT_H
#define INTERLOOP_CLIENT_H

#include <interloop/layer.h>
#include <interloop/protocol.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup client Clients
 * @{
 */

/** Which end of the connection a client is: what a layer on it must know. */
enum il_side {
	IL_SIDE_CLIENT = 0, /**< The end that has connected. */
	IL_SIDE_SERVER = 1  /**< The end that has accepted. */
};

/** Options of a client that is not a server's; zero means the default everywhere. */
typedef struct il_client_options {
	/** Of the connection. il_client_connect_unix() uses timeout and layer, and so does
	 * il_client_open(), for the layer. */
	il_connect_options connect;
	/** The name that a layer expects of the peer, copied. Default: the host connected to; a
	 * Unix socket has none. */
	const char *host;
	/** il_client_open(): which end the stream is. */
	enum il_side side;
	/** Most bytes of a received packet: more is -EMSGSIZE. Default: 64 KiB; SIZE_MAX: no
	 * limit. */
	size_t max_packet;
	/** Bytes of buffer to begin with; it grows up to max_packet and its framing. Default: 4
	 * KiB. */
	size_t receive_buffer;
	/** A peer that has not taken a whole packet for this long is given up: the client is closed
	 * and il_client_send() returns -EPIPE. Default: no limit. */
	il_time send_timeout;
	/** A peer that sends no whole packet for this long, while il_client_receive() waits for
	 * one, is given up: il_client_receive() returns 0. The time adds up over all receives that
	 * wait for the same packet. Default: no limit. */
	il_time idle_timeout;
	void *reserved[8]; /**< Zero. */
} il_client_options;

/**
 * @brief Connects to a TCP host, as il_stream_connect_tcp(), for packets. Waits; a cancellation
 * point.
 * @param client    receives the client, the caller's: il_client_destroy(). NULL after a failure.
 * @param host      a name or a number; NULL: this host.
 * @param port      a number or a service name.
 * @param protocol  copied.
 * @param options   NULL: the defaults.
 * @return 0; -EINVAL: no protocol, or an option out of range; errors of il_stream_connect_tcp();
 *         -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_client_connect_tcp(il_client **client, const char *host,
					       const char *port, const il_protocol *protocol,
					       const il_client_options *options);

/** @brief As il_client_connect_tcp(), over a Unix socket; errors of il_stream_connect_unix(), and
 * -ETIMEDOUT. */
IL_MUST_CHECK IL_API int il_client_connect_unix(il_client **client, const char *path,
						const il_protocol *protocol,
						const il_client_options *options);

/**
 * @brief Makes a client of any stream that is open: one end of a pair, a pipe, a transport of your
 * own. Never waits, except for a layer (options->connect.layer), which it puts on the stream.
 *
 * Bytes that the stream keeps (see il_stream_buffered()) are the first of the first packet.
 * @param client    receives the client, the caller's: il_client_destroy(). NULL after a failure.
 * @param stream    the client's from here on, which closes and destroys it; after a failure still
 *                  the caller's, and as it was, or closed if it was the layer's.
 * @param protocol  copied.
 * @param options   NULL: the defaults.
 * @return 0; -EINVAL: no protocol, or an option out of range; -EBADF: the stream is closed; -EBUSY:
 *         a task reads from it or writes to it; the layer's errors, -ETIMEDOUT; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_client_open(il_client **client, il_stream *stream,
					const il_protocol *protocol,
					const il_client_options *options);

/**
 * @brief Closes a client that is not a server's, and drops the caller's reference. NULL is allowed.
 *
 * Tasks that receive or send get -EBADF at once. With a server's client it stops the program with a
 * sentence. In a forked child it only frees, and closes the child's descriptor.
 */
IL_API void il_client_destroy(il_client *client);

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
 *         -ENODATA: the peer closed in the middle of a packet; -ECONNRESET and other errors of the
 *         connection: it failed, so what came before may be cut short; these once, then 0;
 *         -ETIMEDOUT; -ECANCELED;
 *         -EBADF: il_client_close was called; -EBUSY: another task receives; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_client_receive(il_client *client, il_packet *packet, il_time timeout);

/**
 * @brief Sends one packet, framed by the protocol; waits while the peer is slow. A cancellation
 * point. Packets of several tasks are sent whole, one after the other.
 * @return 0; -EPIPE: the client is gone, or il_client_shutdown_write() was called; to a peer of a
 *         datagram server: this one could not be sent, the next one may be; -EBADF:
 *         il_client_close() was called; -ECANCELED, -ENOMEM: nothing was sent, or the client was
 *         closed because a part was; -EMSGSIZE, -EBADMSG: the protocol cannot frame this.
 */
IL_MUST_CHECK IL_API int il_client_send(il_client *client, const void *data, size_t size);

/**
 * @brief Sends a formatted text as one packet: il_client_send() of what printf would write.
 * @return as il_client_send(); -EINVAL also: the text cannot be formatted.
 */
IL_MUST_CHECK IL_API int il_client_printf(il_client *client, const char *format, ...)
    IL_PRINTF(2, 3);

/**
 * @brief Tells the peer that nothing more will be sent (half-close); receiving goes on. Idempotent;
 * never waits, except for il_client_start_layer() in another task.
 * @return 0, also on a closed client; -EBUSY: another task sends; -ENOTSUP: a pipe or terminal, or
 *         a peer of a datagram server. While a layer begins also -ECANCELED, and -EPERM outside a
 *         task.
 */
IL_API int il_client_shutdown_write(il_client *client);

/**
 * @brief Closes the client: tasks that receive or send get -EBADF at once, packets not received yet
 * are dropped. Idempotent; never waits. A server's on_disconnection follows when the handler has
 * returned.
 */
IL_API int il_client_close(il_client *client);

/**
 * @brief A polite close, for a handler that gives up on a client that still sends: a connection
 * closed on unread bytes is reset, and the last packet may be lost with it.
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

/**
 * @brief Puts a layer on the connection in the middle of a dialogue: STARTTLS and its like. Both ends
 * have agreed on it, and the last packet in the clear was received here or sent. Waits; a
 * cancellation point.
 *
 * A server's client calls the layer's `accept`, one that has connected its `connect` with the host
 * that it connected to (il_client_options.host, .side). While the layer begins, sends and
 * il_client_shutdown_write() of other tasks wait and go over the layer, receive and finish are
 * -EBUSY, and il_client_close() ends it.
 *
 * Afterwards the packet received last is invalid, the protocol begins anew with the layer's first
 * byte, and il_client_stream() is another object; on_connection is not called again. Whatever
 * fails, the client is closed: nothing goes on in the clear.
 * @param layer  copied as far as it is needed.
 * @return 0; -EPROTO: bytes were received beyond the last packet, which somebody may have put there;
 *         -ETIMEDOUT and other errors of the layer; -ECANCELED; -ENOMEM: after these the client is
 *         closed. -EBADF: it was, or was closed meanwhile. Nothing has changed: -EBUSY: another
 *         task receives or sends; -EINVAL: no layer, one without the function for this side, or a
 *         peer of a datagram server.
 */
IL_MUST_CHECK IL_API int il_client_start_layer(il_client *client, const struct il_layer *layer);

/** @brief Whether it was closed or is being finished, or receiving or sending found it gone; of a
 * datagram server's peer, which can be gone for a while, sending does not. */
IL_API bool il_client_is_closing(const il_client *client);

/** @brief Returns the client's loop. */
IL_API il_loop *il_client_loop(il_client *client);

/** @brief Returns the client's server, borrowed. NULL: it is not a server's, or on_disconnection is
 * over. */
IL_API il_server *il_client_server(const il_client *client);

/** @brief Returns the address of the peer as text: "127.0.0.1:4711"; of a Unix socket the path that
 * it connected to, on the server's side with a running number: "/run/app.sock#3"; "unnamed" if it
 * has none. The client's. */
IL_API const char *il_client_address(const il_client *client);

/** @brief Returns the connection, borrowed: for addresses and options of sockets, not for bytes;
 * another one after il_client_start_layer(). NULL: it has none, as a peer of a datagram server. */
IL_API il_stream *il_client_stream(const il_client *client);

/** @brief Takes another reference, for a task that keeps the client beyond its handler. Returns
 * it. Loop's thread. */
IL_API il_client *il_client_ref(il_client *client);
/** @brief Drops a reference; the last one closes the client. NULL is allowed. Loop's thread, or
 * after the loop was closed. */
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
