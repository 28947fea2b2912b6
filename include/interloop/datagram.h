/**
 * @file datagram.h
 * @brief Datagrams: UDP sockets and Unix datagram sockets that park the task, not the loop.
 *
 * A socket is bound (il_datagram_open_*: it receives from anybody and sends to anybody) or
 * connected (il_datagram_connect_*: one peer). It belongs to the loop in whose thread it was made.
 * One task receives at a time, a second one is refused with -EBUSY; any number of tasks may send.
 * A datagram is received and sent as a whole or not at all. Every call that may wait is a
 * cancellation point on entry and while it waits, and one that completes at once yields all the
 * same. A cancelled receive loses no datagram; a cancelled send has sent nothing. Descriptors are
 * close-on-exec and non-blocking from birth, and no SIGPIPE is raised.
 *
 * UDP itself promises little: datagrams may be lost, repeated or overtaken, and whoever sends one
 * may lie about its address. For request handlers over UDP see il_udp_server_open().
 *
 * Unless stated otherwise a function that returns int returns -EINVAL for a NULL object, and for
 * data that is NULL or has a size that was a negative number before the call, -EBADF once the
 * socket is closed, -EPERM outside the loop's thread (waiting calls: outside a task) and
 * -ESHUTDOWN in a forked child; only other codes are listed below. Errors of the system come
 * unchanged.
 */
#ifndef INTERLOOP_DATAGRAM_H
#define INTERLOOP_DATAGRAM_H

#include <interloop/base.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup datagram Datagrams
 * @{
 */

/** A datagram socket. */
typedef struct il_datagram il_datagram;

/** Options of the functions that make a socket; zero means the default everywhere. On Unix sockets
 * only the buffers may be set: others are -ENOTSUP. */
typedef struct il_datagram_options {
	bool reuse_port; /**< Share the port with other sockets (SO_REUSEPORT). */
	bool broadcast;  /**< Allow sending to broadcast addresses. */
	bool ipv6_only;  /**< An IPv6 socket that serves no IPv4 peers; an
			 * IPv4 address as the host is -ENOENT then. */
	/** How many routers may pass on what is sent, to groups too: 1 to 255. Default: 0, the
	 * system's (1 for groups). */
	int ttl;
	int send_buffer;    /**< Bytes (SO_SNDBUF). Default: 0, the system's. */
	int receive_buffer; /**< Bytes (SO_RCVBUF). Default: 0, the system's. */
	/** Multicast groups to join: numbers, such as "239.255.0.1" or "ff02::1%eth0"; after the %
	 * comes an interface, else the system chooses it. */
	const char *const *join;
	size_t join_count; /**< How many groups. */
	void *reserved[8]; /**< Zero. */
} il_datagram_options;

/**
 * @brief Opens a UDP socket that is bound to an address. May wait for the lookup of a name; a
 * cancellation point. Of several addresses of a name the first that can be bound is taken.
 * @param d        receives the socket; the caller destroys it with il_datagram_destroy().
 * @param host     a name or a number; NULL: all interfaces, by one IPv6 socket that serves IPv4 too
 *                 (its IPv4 peers appear as AF_INET), or an IPv4 socket where there is no IPv6.
 * @param port     a number or the name of a UDP service; "0": a free port, see il_datagram_port().
 * @param options  NULL: the defaults.
 * @return 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES: from the system; -EINVAL: an option out of
 *         range, or a group to join that is no number of this socket's family; -ENODEV: no such
 *         interface; -ENOTSUP; errors of il_resolve(); -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_datagram_open_udp(il_datagram **d, const char *host, const char *port,
					      const il_datagram_options *options);

/**
 * @brief Opens a UDP socket that is connected: it sends to this peer only and receives nothing from
 * others. May wait for the lookup of a name; a cancellation point. Nothing is sent, so a peer that
 * is not there shows later: as -ECONNREFUSED of one send or receive, after which the socket works
 * on. Of several addresses of a name the first that there is a route to is taken.
 * @param host     NULL: this machine (loopback).
 * @return as il_datagram_open_udp(); -ENETUNREACH and the like.
 */
IL_MUST_CHECK IL_API int il_datagram_connect_udp(il_datagram **d, const char *host,
						 const char *port,
						 const il_datagram_options *options);

/**
 * @brief Opens a Unix datagram socket. A socket file that nobody has bound is replaced; any other
 * file is kept. Closing removes the file if it is still this socket (see il_listener_open_unix(),
 * whose rules these are). In the loop's thread; never waits.
 * @param path  "@name" is an abstract socket (Linux), which has no file; NULL: a nameless socket,
 *              which can send, but which nobody can reply to.
 * @return 0; -EADDRINUSE: somebody has bound it, or is about to; -EEXIST: the path is no socket;
 *         -ENAMETOOLONG; -EACCES, -ENOENT: from the system; -EINVAL; -ENOTSUP; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_datagram_open_unix(il_datagram **d, const char *path,
					       const il_datagram_options *options);

/**
 * @brief Opens a Unix datagram socket that is connected to the one at a path. In the loop's thread;
 * never waits.
 * @param path        or "@name".
 * @param local_path  the path of this socket, as in il_datagram_open_unix(), for replies; NULL:
 *                    none.
 * @return 0; -ENOENT: there is no such path; -ECONNREFUSED: nobody has bound it; -EPROTOTYPE: a
 *         stream socket; else as il_datagram_open_unix().
 */
IL_MUST_CHECK IL_API int il_datagram_connect_unix(il_datagram **d, const char *path,
						  const char *local_path,
						  const il_datagram_options *options);

/**
 * @brief Adopts a datagram socket, connected if it is. What others share stays as it is: it is not
 * made non-blocking. It becomes close-on-exec, except 0 to 2. In the loop's thread; never waits.
 * @param fd  on success the socket's, which closes it; after a failure still the caller's.
 * @return 0; -EBADF: not an open descriptor; -ENOTSUP: no datagram socket of IPv4, IPv6 or Unix;
 *         -EBUSY: a task waits for it, or it has an owner already; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_datagram_open_fd(il_datagram **d, int fd);

/**
 * @brief Receives one datagram; waits for it. A cancellation point.
 * @param data  room for max bytes, at least 1.
 * @param from  receives the sender's address, length 0 if it has none; NULL: not wanted.
 * @return its size; 0 is a datagram, too, and not an end. -EMSGSIZE: it was larger than max and is
 *         gone; *from is set. -EINVAL: max is 0; -EBUSY: another task receives; -ECONNREFUSED: a
 *         connected peer is not there, told once for what was sent before; -EBADF: closed, also
 *         while this task waits; -ECANCELED.
 */
IL_MUST_CHECK IL_API int il_datagram_receive(il_datagram *d, void *data, size_t max,
					     il_address *from);

/**
 * @brief Sends one datagram; waits while the system has no room for it, behind other tasks that
 * send. A cancellation point. A Unix peer whose queue is full is waited for; where the system
 * cannot tell when there is room again it is tried from time to time, at most every 64 ms.
 * @param size  0 or more; data may be NULL if it is 0.
 * @param to    whom to; NULL: the connected peer.
 * @return 0: the system has taken it. -EISCONN: an address, and the socket is connected;
 *         -EDESTADDRREQ: none, and it is not; -EINVAL: an address of length 0, such as that of a
 *         nameless sender; -EAFNOSUPPORT: an address of another family; -EMSGSIZE: larger than the
 *         system sends, nothing was sent; -ECONNREFUSED: as il_datagram_receive(), or nobody has
 *         that Unix path; -EBADF: closed, also while this task waits; -ECANCELED.
 */
IL_MUST_CHECK IL_API int il_datagram_send(il_datagram *d, const void *data, size_t size,
					  const il_address *to);

/** One datagram of several. */
typedef struct il_datagram_message {
	void *data;         /**< Its bytes; the caller's. */
	size_t size;        /**< How many bytes it has. */
	size_t max;         /**< Receiving: how many bytes fit into data, at least 1. */
	il_address address; /**< Whom from, or whom to; length 0: none. */
	int rc;             /**< 0; -EMSGSIZE: it was larger than max and is gone (size is 0). */
	void *reserved[4];  /**< Zero. */
} il_datagram_message;

/**
 * @brief Receives all datagrams that are there, at most count and at most 64; waits for the first.
 * A cancellation point. One system call where there is one (recvmmsg).
 * @param messages  count messages, 1 or more, with data and max; receives size, address and rc.
 * @return how many, 1 or more; else as il_datagram_receive(). If some are too large the result
 *         is still how many: their rc is -EMSGSIZE.
 */
IL_MUST_CHECK IL_API int il_datagram_receive_many(il_datagram *d, il_datagram_message *messages,
						  size_t count);

/**
 * @brief Sends as many of the messages as the system takes, in order, at most 64; waits while it
 * does not take the first. A cancellation point. One system call where there is one (sendmmsg); a
 * connected UDP socket takes one each, or a refusal of its peer among them would be lost.
 * @param messages  count messages, 1 or more, with data, size and address (length 0: the connected
 *                  peer); receives rc of those that were sent.
 * @return how many were sent, 1 or more: go on with the next. Else nothing was sent, and it is
 *         why the first was not, as il_datagram_send().
 */
IL_MUST_CHECK IL_API int il_datagram_send_many(il_datagram *d, il_datagram_message *messages,
					       size_t count);

/** @brief Gives the address of this socket; length 0: nameless. Never waits. */
IL_API int il_datagram_local_address(const il_datagram *d, il_address *address);

/** @brief Gives the address of the connected peer. 0; -ENOTCONN: it is not connected. Never waits.
 */
IL_API int il_datagram_peer_address(const il_datagram *d, il_address *address);

/** @brief Returns the UDP port in host order; 0: a Unix socket, or a closed one. */
IL_API uint16_t il_datagram_port(const il_datagram *d);

/** @brief Returns the descriptor, for options of your own; it remains the socket's. -EBADF: closed;
 * -ENOTSUP: there is none, as in a simulated network. Not refused in another thread or a forked
 * child. */
IL_API int il_datagram_fd(const il_datagram *d);

/** @brief Closes: tasks that receive or send get -EBADF at once. The port is free at once.
 * Idempotent; never waits, so it works in a cancelled scope too. */
IL_API int il_datagram_close(il_datagram *d);

/** @brief As il_datagram_close(), then frees the socket, as il_stream_destroy() does. NULL is
 * allowed. */
IL_API void il_datagram_destroy(il_datagram *d);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
