/**
 * @file layer.h
 * @brief Streams of your own: over whatever moves bytes (il_transport), and over another stream
 * (il_layer): encryption, compression, a protocol's framing, a simulated network.
 *
 * A transport is a table of functions that never wait: each does what it can do now and says
 * -EAGAIN when that is nothing. il_stream_open_transport() makes a stream of it, with everything
 * that a stream has: waiting, cancellation, il_stream_receive_exactly(), clients and servers over
 * it. When a function has returned -EAGAIN, `want` tells what is to be waited for. A layer's
 * transport reads and writes the stream below with il_stream_read_now() and il_stream_write_now(),
 * passes on their -EAGAIN, and for `want` returns -EAGAIN as well.
 *
 * All functions of a transport run in the loop's thread, as plain calls: a call in them that would
 * have to wait returns -EPERM. They run one after the other, except where they cause it themselves,
 * as by closing their own stream. They may call il_fail() to say more about an error.
 *
 * A handshake is best part of `send` and `receive`: `accept` opens the transport's stream and sends
 * nothing with il_stream_writev_all(s, NULL, 0), which waits until `send` with count 0, and so the
 * handshake, is through.
 */
#ifndef INTERLOOP_LAYER_H
#define INTERLOOP_LAYER_H

#include <interloop/base.h>
#include <interloop/fd.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup layer Transports and layers
 * @{
 */

/**
 * What moves a stream's bytes. `receive` and `send` must be there; others may be NULL. `self` is
 * what il_stream_open_transport() got. Directions are IL_READABLE (receiving) and IL_WRITABLE
 * (sending). An error that `receive` or `send` returns, and the end, are final for that direction:
 * the stream returns them again without asking. -EAGAIN is none.
 */
struct il_transport {
	const char *name; /**< For messages; a constant. */
	/** Receives 1 to max bytes: how many; 0: the end; -EAGAIN: see `want`; else why not. */
	int (*receive)(void *self, void *data, size_t max);
	/**
	 * Takes bytes: how many, fewer is fine; -EAGAIN; else why not. 0 for more than nothing is
	 * -EPIPE to the user. count 0 flushes: returns 0 when nothing is held back and a byte would
	 * be taken, else -EAGAIN; il_stream_write_all(), il_client_send() and il_client_finish()
	 * return after that, and so does a server's handler. A flush that ends a write has
	 * a non-NULL pieces; any other flush has NULL. If `idle` is called after bytes were taken, or
	 * after such a flush returned -EAGAIN, the write was cut off. A layer that only passes bytes on
	 * flushes the stream below with the same pieces: il_stream_write_now(under, pieces, 0).
	 */
	int (*send)(void *self, const struct iovec *pieces, int count);
	/**
	 * Called after -EAGAIN in that direction, or after il_transport_drained(), each time before
	 * somebody waits. *mask is the direction at first. Returns 0: *fd and *mask, which it sets,
	 * are the descriptor and the directions that make it worth trying again (for TLS, receiving
	 * may want to write); -EAGAIN: what `under` wants in the directions of *mask, in which it
	 * has returned -EAGAIN itself, or has no more; -ENOENT: the transport calls
	 * il_transport_ready(); 1: it is worth trying again once others have run; else the error
	 * that the waiting call returns. Reader and writer may want the same. NULL: as -EAGAIN if
	 * there is an `under`, else as -ENOENT.
	 */
	int (*want)(void *self, unsigned direction, int *fd, unsigned *mask);
	/** Nobody waits in that direction any more: the wait was cancelled or timed out, or
	 * another case of a select happened; or il_stream_send_file() was cut between two parts of
	 * the file. A writer of whom nothing was taken flushes before, with NULL: where that returns
	 * -EAGAIN the loop goes on with it, and this is not called. Not called when the stream is
	 * closed. */
	void (*idle)(void *self, unsigned direction);
	/** il_stream_shutdown_write(): 0 or an error. May return -EAGAIN: then the loop calls it
	 * again, by `want` for sending, until it returns something else, or the stream is closed.
	 * NULL: -ENOTSUP. */
	int (*shutdown_write)(void *self);
	/** Bytes that are received and decoded and not taken yet: there without the descriptor. */
	size_t (*pending)(void *self);
	/** The stream is closed. Once, after every other function has returned. May try to send a
	 * last record; never waits. Closes what is below. Not called in a forked child. */
	void (*close)(void *self);
	/** The stream is destroyed: frees self, and what is below. Last. */
	void (*destroy)(void *self);
	/** The stream below, whose addresses this one has; may return NULL. */
	il_stream *(*under)(void *self);
	void *reserved[8]; /**< Zero. */
};

/**
 * @brief Makes a stream of a transport. In a loop's thread; never waits.
 * @param stream     receives the stream; the caller destroys it with il_stream_destroy().
 * @param transport  is copied.
 * @param self       on success the stream's, which calls `close` and `destroy`; after a failure
 *                   still the caller's.
 * @return 0; -EINVAL: no `receive` or no `send`; -EPERM: not in a loop's thread; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_stream_open_transport(il_stream **stream,
						  const struct il_transport *transport, void *self);

/**
 * @brief Says that these directions of a transport are worth trying again: wakes whoever waits for
 * them, and the streams above. A select that has got -EAGAIN from them and still asks its other
 * cases asks them again. Loop's thread, in a task or not, also from inside the transport's own
 * functions; another thread stops the program with a sentence. Calls none of the transport's
 * functions. Does nothing for NULL, for a closed stream and for a stream that is no transport's.
 */
IL_API void il_transport_ready(il_stream *stream, unsigned mask);

/**
 * @brief Says, in a `receive` that returns bytes, that it would now return -EAGAIN: whoever receives
 * next waits first, and `receive` is not called in vain. It spares a system call per request. A
 * hint: calls that do not wait still call `receive`, and so does one where `want` fails. Loop's
 * thread. Does nothing for NULL, for a closed stream and for a stream that is no transport's.
 */
IL_API void il_transport_drained(il_stream *stream);

/**
 * @brief Returns the `self` of the transport with these functions: the stream's own, or that of the
 * nearest stream below it. For who has made the transport and looks through the layers of others.
 * Loop's thread; never waits.
 * @return NULL: there is none, or a stream on the way is closed.
 */
IL_API void *il_transport_find(const il_stream *stream, const struct il_transport *transport);

/**
 * How one end of a layer over a stream is made. Copied where it is given. `under` has the bytes
 * that were received and not taken, so several layers may begin in one segment.
 *
 * Both functions run in a task and may wait; their caller bounds and cancels them. On success (0)
 * *s is the stream to use and `under` belongs to it; *s == under is allowed. After a failure
 * `under` is closed and still the caller's to destroy.
 */
struct il_layer {
	/** The server's side. */
	int (*accept)(il_stream **s, il_stream *under, void *self);
	/** The client's side. host: whom it wants to talk to; may be NULL. */
	int (*connect)(il_stream **s, il_stream *under, const char *host, void *self);
	void *self; /**< The first two functions' last argument, and what is counted. */
	/** One reference more, and one less; in any loop's thread. May be NULL. Each stream that
	 * came through the layer holds one until it is destroyed. */
	void (*ref)(void *self);
	void (*unref)(void *self); /**< See `ref`. */
	void *reserved[8];         /**< Zero. */
};

/** @} */

#ifdef __cplusplus
}
#endif

#endif
