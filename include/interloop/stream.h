/**
 * @file stream.h
 * @brief Byte streams, listeners and addresses: sockets and pipes that park the task, not the loop.
 *
 * A stream or listener belongs to the loop in whose thread it was made. One task may read while
 * another writes; a second reader or writer is refused with -EBUSY, also while an il_select() waits
 * for that direction. Every call that may wait is a cancellation point on entry and while it waits;
 * one that completes at once yields all the same, so a fast peer starves nobody. If a result and a
 * cancellation race, the first one decides what the call returns; no received byte, descriptor or
 * connection is lost. Descriptors made here are close-on-exec and non-blocking from birth; adopted
 * ones are left as others share them (il_stream_open_fd()). The semantics are those of AnyIO's byte
 * streams.
 *
 * Unless stated otherwise a function that returns int returns -EINVAL for a NULL object, and for
 * data that is NULL or has a size that was a negative number before the call, -EBADF once this end
 * is closed, -EPERM outside the loop's thread (waiting calls: outside a task) and -ESHUTDOWN in a
 * forked child; only other codes are listed below. Errors of the system (-ECONNRESET, -EPIPE,
 * -EMFILE, ...) come unchanged.
 */
#ifndef INTERLOOP_STREAM_H
#define INTERLOOP_STREAM_H

#include <interloop/base.h>

#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup stream Streams and listeners
 * @{
 */

/** A connection, or one end of a pipe. */
typedef struct il_stream il_stream;
/** Accepts connections. */
typedef struct il_listener il_listener;
struct il_layer;

/* ---- addresses ---- */

/** A socket address of any family. */
typedef struct il_address {
	struct sockaddr_storage storage; /**< As the system's calls want it. */
	socklen_t length;                /**< Bytes used; 0: no address. */
} il_address;

/** Bytes that any il_address_text() needs, the final NUL included. */
#define IL_ADDRESS_TEXT_MAX 128

/**
 * @brief Writes an address for people: "127.0.0.1:80", "[::1]:80", "/run/app.sock", "@abstract",
 * and "" for none or an unnamed Unix socket. Any thread.
 * @param size  of text; a longer text is cut and ends in NUL.
 * @return the length of the whole text; -EINVAL: NULL address, or NULL text with a size.
 */
IL_API int il_address_text(const il_address *address, char *text, size_t size);

/** @brief The port in host order; 0 for other families than IPv4 and IPv6. Any thread. */
IL_API uint16_t il_address_port(const il_address *address);

/** Flags of il_resolve(). */
enum {
	/** For a listener: host NULL means all interfaces. Without it host NULL means loopback. */
	IL_RESOLVE_PASSIVE = 1u,
	IL_RESOLVE_IPV4 = 2u,    /**< IPv4 only. */
	IL_RESOLVE_IPV6 = 4u,    /**< IPv6 only. */
	IL_RESOLVE_NUMERIC = 8u, /**< Numbers only: no lookup. */
	/** For datagram sockets: services that only UDP has are known, too. */
	IL_RESOLVE_DATAGRAM = 16u
};

/**
 * @brief Resolves a host and a port to addresses, for stream sockets unless the flags say
 * otherwise, in the system's order of preference (RFC 6724). Numeric ones are converted in place;
 * names are looked up by getaddrinfo in a thread of the loop's own, for four tasks at a time;
 * others wait for their turn. A cancelled lookup is abandoned at once and leaves its turn to the
 * next; its thread ends the lookup by itself.
 * @param host       a name or an address; NULL: see IL_RESOLVE_PASSIVE.
 * @param port       a decimal number up to 65535, digits only, or a service name; NULL: 0.
 * @param flags      IL_RESOLVE_ flags, 0: both families.
 * @param addresses  receives up to capacity addresses; the caller's.
 * @return the number of addresses found (also those beyond capacity), 1 or more; -ENOENT: no such
 *         host or service; -EAGAIN: the name servers do not reply now, or lookup_limit threads
 *         (il_loop_options) are in use, those of lookups that were given up included; -EIO: the
 *         name servers failed permanently; -EMFILE, -ENFILE: no descriptor was free to ask with;
 *         -EAFNOSUPPORT; -ECANCELED;
 *         -EINVAL: a port out of range, with a sign or a blank, or an unknown flag; -ENOMEM.
 *         il_error_detail() has getaddrinfo's words.
 */
IL_MUST_CHECK IL_API int il_resolve(const char *host, const char *port, unsigned flags,
				    il_address *addresses, size_t capacity);

/* ---- streams: making one ---- */

/** Options of il_stream_connect_tcp(); zero means the default everywhere. */
typedef struct il_connect_options {
	/** For all of it, the lookup included. Default: 0, none; negative: -EINVAL. */
	il_time timeout;
	il_time attempt_delay;  /**< Between two addresses. Default: 250 ms. */
	const char *local_host; /**< Bind to this address first (a number or name); NULL: any. */
	const char *local_port; /**< Bind to this port first; NULL: any. */
	bool delay_small;       /**< Leave Nagle's algorithm on (TCP_NODELAY off). */
	/** Makes the stream over the connection (layer.h), within the timeout; NULL: none; one without
	 * `connect`: -EINVAL. */
	const struct il_layer *layer;
	void *reserved[7]; /**< Zero. */
} il_connect_options;

/**
 * @brief Connects to a TCP host by happy eyeballs (RFC 8305). Waits; a cancellation point.
 *
 * The addresses are tried in turn, alternating between the families: the next one when the last
 * failed, or attempt_delay after it began. The first that connects wins and the others are closed.
 * TCP_NODELAY is on. Where options name a layer, that makes the stream over the connection, for
 * this host.
 * @param stream   receives the stream; the caller destroys it with il_stream_destroy().
 * @param options  NULL: the defaults.
 * @return 0; -ECONNREFUSED and the like: all addresses failed, and this is the most telling error;
 *         -ETIMEDOUT: the timeout passed, or the system's own; -ECANCELED; errors of il_resolve()
 *         and of the layer. Nothing is left open then. A socket that the system connected to itself
 *         counts as refused: nobody listens on that port.
 */
IL_MUST_CHECK IL_API int il_stream_connect_tcp(il_stream **stream, const char *host,
					       const char *port, const il_connect_options *options);

/**
 * @brief Connects to a Unix socket. Waits while the listener's backlog is full; a cancellation
 * point.
 * @param path  "@name": an abstract socket of Linux.
 * @return 0; -ENOENT, -ECONNREFUSED, -EACCES: from the system; -ENAMETOOLONG; -ECANCELED; -EINVAL;
 *         -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_stream_connect_unix(il_stream **stream, const char *path);

/**
 * @brief Creates two connected streams (a Unix socket pair). In the loop's thread; never waits.
 * @return 0; -EMFILE, -ENFILE, -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_stream_pair(il_stream **a, il_stream **b);

/**
 * @brief Adopts a connected stream socket, one end of a pipe, or a terminal. In the loop's thread;
 * never waits. What others share stays as it is: sockets are not made non-blocking, and pipes and
 * terminals are read and written by a description of the stream's own. Exception: where there can
 * be none (the controlling side of a pseudo-terminal, no right to open it anew, other systems than
 * Linux) O_NONBLOCK is set, and taken back when the stream is closed, or, if there are several of
 * one description, the last one that this loop has. The descriptor becomes close-on-exec;
 * descriptors 0 to 2 do not.
 * @param fd  on success the stream's, which closes it; after a failure still the caller's.
 * @return 0; -EBADF: not an open descriptor; -ENOTSUP: a regular file, a directory, a listening or
 *         a datagram socket; -EBUSY: a task waits for it, or another stream has it; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_stream_open_fd(il_stream **stream, int fd);

/* ---- streams: using one ---- */

/**
 * @brief Receives 1 to max bytes, as many as are there; waits for the first. A cancellation point.
 * @param max  -EINVAL when 0 or a negative number; more than INT_MAX counts as INT_MAX.
 * @return the number of bytes; 0: the peer will send no more, or this is the controlling side of a
 *         terminal that nobody has open any more; -EBUSY: another task reads; -EBADF: closed, also
 *         by another task while this one waits; -ECANCELED.
 */
IL_MUST_CHECK IL_API int il_stream_read(il_stream *stream, void *data, size_t max);

/**
 * @brief Receives exactly size bytes. Waits; a cancellation point.
 * @return 0; -ENODATA: the stream ended before. After an error the bytes received so far are kept
 *         for the next receiving call; -EBUSY; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_stream_receive_exactly(il_stream *stream, void *data, size_t size);

/**
 * @brief Receives up to a delimiter, which is taken off the stream but not stored. What came after
 * it stays for the next call. Waits; a cancellation point.
 * @param max        the most that may come before the delimiter; data has room for it.
 * @param delimiter  of length bytes, at least 1.
 * @return the number of bytes in data, 0 or more; -EMSGSIZE: no delimiter after max bytes;
 *         -ENODATA: the stream ended first. After an error the bytes are kept for the
 *         next receiving call; -EBUSY; -ENOMEM; -ECANCELED.
 */
IL_MUST_CHECK IL_API int il_stream_receive_until(il_stream *stream, void *data, size_t max,
						 const void *delimiter, size_t length);

/** @brief Returns how many received bytes are kept for the next receiving call; never waits. */
IL_API size_t il_stream_buffered(const il_stream *stream);

/**
 * @brief Sends all of data; waits while the peer is slow. A cancellation point. No SIGPIPE is
 * raised.
 * @return 0; -EPIPE, -ECONNRESET: the peer is gone, or this end was shut down; -EBUSY: another task
 *         writes; -EBADF; -ECANCELED: some of data may have been sent, close the stream.
 */
IL_MUST_CHECK IL_API int il_stream_write_all(il_stream *stream, const void *data, size_t size);

/**
 * @brief As il_stream_write_all(), for several pieces in order.
 * @param pieces  count pieces, 0 or more; not changed.
 * @return as il_stream_write_all(); -EINVAL: a negative count.
 */
IL_MUST_CHECK IL_API int il_stream_writev_all(il_stream *stream, const struct iovec *pieces,
					      int count);

/**
 * @brief Sends as many bytes of data as the peer takes now, through a layer maybe fewer, at least
 * one; waits for that one. A cancellation point. A time limit that cuts it short on a socket has
 * lost nothing: nothing was sent. What a layer holds back of these bytes goes out by itself.
 * @return how many bytes, 0 only if size is 0; else as il_stream_write_all().
 */
IL_MUST_CHECK IL_API int il_stream_write(il_stream *stream, const void *data, size_t size);

/**
 * @brief Receives what is there: 1 to max bytes, first those that are kept. For those who write
 * layers. Never waits, never yields, is no cancellation point; in a task or not.
 * @param max  -EINVAL when 0 or a negative number; more than INT_MAX counts as INT_MAX.
 * @return the number of bytes; 0: the peer will send no more; -EAGAIN: nothing is there now;
 *         -EBUSY: a task reads, or waits for that in a select; else as il_stream_read().
 */
IL_MUST_CHECK IL_API int il_stream_read_now(il_stream *stream, void *data, size_t max);

/**
 * @brief Sends what is taken now. For those who write layers. Never waits, never yields, is no
 * cancellation point; in a task or not.
 * @param count  pieces; up to 16 of them are looked at. 0: flushes, that is, sends what a layer
 *               holds back.
 * @return the number of bytes taken, fewer than offered when there is no room for more; -EAGAIN:
 *         none now; -EBUSY: a task writes, or waits for that in a select; -EINVAL: a negative count;
 *         else as il_stream_write_all(). With count 0: 0 when nothing is held back and more would be
 *         taken, as far as is known; else -EAGAIN.
 */
IL_MUST_CHECK IL_API int il_stream_write_now(il_stream *stream, const struct iovec *pieces,
					     int count);

/**
 * @brief Tells the peer that nothing more will be sent; receiving goes on. Never waits, and works
 * in a cancelled scope. Idempotent. What a layer cannot send now for it the loop sends as soon as
 * possible, unless the stream is closed before.
 * @return 0; -EBUSY: another task is writing; -ENOTSUP: a pipe or terminal (close it instead), or a
 *         transport that cannot do it; or why a layer cannot tell the peer, such as -EPIPE over TLS
 *         after a write that was cut.
 */
IL_API int il_stream_shutdown_write(il_stream *stream);

/**
 * @brief Sends bytes and with the first of them descriptors, over a Unix socket. Waits; a
 * cancellation point.
 * @param size   1 or more.
 * @param fds    count descriptors, 1 to 253; they stay the caller's.
 * @return 0; -EINVAL: a bad size or count; -ENOTSUP: not a Unix socket; else as
 *         il_stream_write_all().
 */
IL_MUST_CHECK IL_API int il_stream_send_fds(il_stream *stream, const void *data, size_t size,
					    const int *fds, int count);

/**
 * @brief Receives 1 to max bytes and the descriptors that came with them. Waits; a cancellation
 * point. Descriptors that came with bytes which an earlier call has read ahead are kept for this
 * one; those of bytes that another receiving call has taken are closed.
 * @param fds    receives descriptors, close-on-exec, the caller's to close.
 * @param count  in: the capacity of fds, 1 to 253; out: how many came, 0 or more. Surplus
 *               ones are closed.
 * @return the number of bytes; 0: the peer will send no more; -EINVAL: max 0 or a bad count;
 *         -ENOTSUP: not a Unix socket; -EMFILE, -ENFILE: descriptors came that this process has no
 *         room for (on Linux they wait for the next call, elsewhere they are lost); else as
 *         il_stream_read. On an error *count is 0, except after -EINVAL.
 */
IL_MUST_CHECK IL_API int il_stream_receive_fds(il_stream *stream, void *data, size_t max, int *fds,
					       int *count);

/**
 * @brief Sends a part of a file: by sendfile(2), so that no byte is copied, in a worker thread of
 * the loop, for the disk may be slow; where the stream is no socket what a worker reads is written.
 * Waits until the last byte is with the system; a cancellation point. Other tasks' writes meanwhile
 * are -EBUSY. The descriptor stays the caller's, and must stay open until the call returns; its
 * position neither counts nor moves.
 * @param fd      of a file that has offsets (il_file_fd(), open(2)).
 * @param offset  of the first byte, 0 or more.
 * @param size    in bytes; 0: none.
 * @return 0; -ENODATA: the file is shorter, or was cut meanwhile: what there was is sent; -ESPIPE: a
 *         pipe or socket in place of a file; -EBADF: closed, also meanwhile, or no such descriptor;
 *         -EINVAL: a negative offset, or an end beyond INT64_MAX; -ENOMEM: no thread could be made;
 *         errors of il_stream_write_all().
 *         After an error, and after -ECANCELED, some of the bytes may be sent.
 */
IL_MUST_CHECK IL_API int il_stream_send_file(il_stream *stream, int fd, int64_t offset,
					     size_t size);

/** @brief Gives the address of this end; of a layered stream, that of the stream below. 0;
 * -ENOTSUP: no socket is there. Never waits. */
IL_API int il_stream_local_address(const il_stream *stream, il_address *address);

/** @brief Gives the address of the other end; also after it has gone, if the stream was connected
 * or accepted here; of a layered stream, that of the stream below. 0; -ENOTSUP: no socket is there;
 * -ENOTCONN. Never waits. */
IL_API int il_stream_peer_address(const il_stream *stream, il_address *address);

/**
 * @brief Sets what il_stream_peer_address() gives, of this stream and those above it: for a layer
 * that is told by a proxy who the peer is. il_client_address() is taken after the server's layer.
 * @param address  is copied.
 * @return 0; -EINVAL: an empty address; -ENOTSUP: a pipe or terminal.
 */
IL_API int il_stream_set_peer_address(il_stream *stream, const il_address *address);

/** @brief Sends small writes at once (TCP_NODELAY; on by default). 0; -ENOTSUP: not TCP, or a
 * layered stream. */
IL_API int il_stream_set_nodelay(il_stream *stream, bool on);

/** @brief Probes a silent peer (SO_KEEPALIVE; off by default); of a layered stream, by the socket
 * below. 0; -ENOTSUP: no socket is there. */
IL_API int il_stream_set_keepalive(il_stream *stream, bool on);

/**
 * @brief Probes a silent peer, and says when it is given up: then reads and writes return
 * -ETIMEDOUT from the system. Turns SO_KEEPALIVE on; of a layered
 * stream, on the socket below. Times are rounded up, to seconds or for
 * give_up to milliseconds; 0 leaves the system's choice (Linux: 2 hours, 75 s, 9 probes).
 * @param idle      how long nothing comes before the first probe; up to 32767 s.
 * @param interval  between two probes; up to 32767 s.
 * @param probes    so many without a reply, and the peer is given up; up to 127.
 * @param give_up   how long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT); wins over
 *                  interval and probes.
 * @return 0; -ENOTSUP: not TCP, or not on this system; -EINVAL: negative, or out of range.
 */
IL_API int il_stream_set_keepalive_times(il_stream *stream, il_time idle, il_time interval,
					 int probes, il_time give_up);

/** @brief Returns the descriptor, for options of your own; it remains the stream's. -EBADF: closed;
 * -ENOTSUP: a layered stream, or another transport of its own. Not refused in another thread or a
 * forked child. */
IL_API int il_stream_fd(const il_stream *stream);

/**
 * @brief Gives the descriptor back: it is the caller's, as it was adopted, blocking or not and
 * close-on-exec or not. That of a pipe or terminal may have an open file description of its own
 * since. The stream is closed. Never waits.
 * @return the descriptor; -EBUSY: a task waits for the stream, or received bytes are kept
 *         (il_stream_buffered()); -ENOTSUP: a layered stream, or another transport of its own.
 */
IL_MUST_CHECK IL_API int il_stream_take_fd(il_stream *stream);

/**
 * @brief Closes: tasks that read or write get -EBADF at once. Idempotent; never waits, so it works
 * in a cancelled scope too. The system still delivers what il_stream_write_all() has accepted.
 * @return 0, or a general error.
 */
IL_API int il_stream_close(il_stream *stream);

/** @brief As il_stream_close(), then frees the stream. Allowed while other tasks read or write, and
 * after the loop was closed (which closes its streams). NULL is allowed. In another thread than the
 * loop's it stops the program with a sentence. */
IL_API void il_stream_destroy(il_stream *stream);

/* ---- listeners ---- */

/** Options of il_listener_open_tcp() and il_listener_open_unix(); zero means the default
 * everywhere. */
typedef struct il_listen_options {
	/** Most connections that wait to be accepted. Default: the system's maximum. */
	int backlog;
	bool reuse_port;  /**< Share the port with other listeners (SO_REUSEPORT). */
	bool delay_small; /**< TCP: accepted streams have Nagle's algorithm on. */
	/** Unix: permissions of the path, such as 0660. Default: 0, by the umask. */
	unsigned mode;
	/** TCP, all interfaces: one IPv6 socket that serves IPv4 too; its IPv4 peers have IPv4
	 * addresses. Where there is no IPv6 it is an IPv4 socket. Default: a socket per family. */
	bool dual_stack __attribute__((aligned(sizeof(void *))));
	void *reserved[7]; /**< Zero. */
} il_listen_options;

/**
 * @brief Listens on all addresses of a host: on every one of them, or not at all (a family that the
 * system does not have, not even its loopback address, is left out while another works). IPv6
 * sockets serve IPv6 only, so all interfaces means one socket per family, unless
 * il_listen_options.dual_stack is set. May wait for the lookup; a cancellation point.
 * @param host     NULL: all interfaces.
 * @param port     "0": a free port, the same for every address.
 * @param options  NULL: the defaults.
 * @return 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES: from the system; errors of il_resolve().
 */
IL_MUST_CHECK IL_API int il_listener_open_tcp(il_listener **listener, const char *host,
					      const char *port, const il_listen_options *options);

/**
 * @brief Listens on a Unix socket. A socket file that nobody has bound is replaced; any other file
 * is kept. Of several that open one path at the same time one gets it; meanwhile there is a file
 * PATH.lock. The file has its permissions before anybody can connect. Closing removes it if it is
 * still this socket, also when a relative path means another place by then; if it cannot be
 * removed, that is logged once as a warning. In the loop's thread; never waits.
 * @param path  "@name": an abstract socket of Linux, which has no file and no permissions.
 * @return 0; -EADDRINUSE: somebody listens there, or is about to; -EEXIST: the path is no socket;
 *         -ENAMETOOLONG; -EACCES, -ENOENT: from the system; -EINVAL; -ENOTSUP: "@name" on another
 *         system than Linux; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_listener_open_unix(il_listener **listener, const char *path,
					       const il_listen_options *options);

/**
 * @brief Adopts a socket that listens: from a service manager (il_listen_fds()), or from the
 * process before this one. In the loop's thread; never waits.
 *
 * It becomes close-on-exec (descriptors 0 to 2 do not), TCP_NODELAY is set, and the open file,
 * which is shared with every copy of the descriptor, becomes non-blocking and stays so: another
 * process that accepts on it must be ready for that. Closing the listener closes this descriptor
 * and nothing else: a copy of it goes on listening, and the path of a Unix socket is left to
 * whoever has made it.
 * @param fd  on success the listener's; after a failure still the caller's and unchanged.
 * @return 0; -EBADF: not an open descriptor; -ENOTSUP: not a TCP or Unix socket that listens;
 *         -EBUSY: another listener has it, or a task waits for it; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_listener_open_fd(il_listener **listener, int fd);

/**
 * @brief Finds the listening sockets that a service manager has handed to this process, as
 * sd_listen_fds of systemd does: LISTEN_PID and LISTEN_FDS. They become close-on-exec. Any thread,
 * but see unset; never waits.
 * @param fds       receives up to capacity descriptors, from 3 on; the caller's.
 * @param capacity  0: only counts.
 * @param unset     takes the variables out of the environment, so that no child takes them for its
 *                  own. Only before there are other threads.
 * @return how many there are, also those beyond capacity; 0: none, or they are for another process.
 */
IL_MUST_CHECK IL_API int il_listen_fds(int *fds, size_t capacity, bool unset);

/**
 * @brief Accepts a connection. Waits; a cancellation point. When the system is out of descriptors
 * or memory it logs that and tries again every 0.1 s; connections that died before they were
 * accepted are skipped (as in Trio's serve_listeners).
 * @param stream  receives the stream; the caller's. On the listener's loop.
 * @return 0; -EBUSY: another task accepts; -EBADF: closed, also while this task waits; -ECANCELED.
 */
IL_MUST_CHECK IL_API int il_listener_accept(il_listener *listener, il_stream **stream);

/** @brief Returns the TCP port, the same for every address; 0 for a Unix socket or a closed
 * listener. */
IL_API uint16_t il_listener_port(const il_listener *listener);

/** @brief Gives the address of socket number index, from 0 on. 0; -ENOENT: there is none with that
 * index. */
IL_API int il_listener_address(const il_listener *listener, size_t index, il_address *address);

/** @brief Returns the descriptor of socket number index, from 0 on, to hand it to another process;
 * it remains the listener's. -ENOENT: there is none with that index; -ENOTSUP: it has no descriptor,
 * as in a simulated network. */
IL_API int il_listener_fd(const il_listener *listener, size_t index);

/** @brief Closes every socket: a task that accepts gets -EBADF at once. Idempotent; never waits. */
IL_API int il_listener_close(il_listener *listener);

/** @brief As il_listener_close(), then frees the listener, as il_stream_destroy() does. NULL is
 * allowed. */
IL_API void il_listener_destroy(il_listener *listener);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
