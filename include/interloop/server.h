/**
 * @file server.h
 * @brief Request handlers: a server that accepts clients and runs your four functions for each.
 *
 *     static int handle(il_client *client, void *data)
 *     {
 *             il_packet request;
 *             int rc = il_client_receive(client, &request, IL_FOREVER);
 *
 *             return rc <= 0 ? rc : il_client_send(client, request.data, request.size);
 *     }
 *
 * Each client has a task of its own, so handlers are straight-line code, wait where they like, and
 * task-local values (il_local) are a client's own. A failing handler costs its client only. Servers
 * and clients belong to the thread of their loop; from other threads go through a portal. Unless
 * stated otherwise a function that returns int returns -EINVAL for NULL, -EPERM in another thread
 * (waiting ones: outside a task) and -ESHUTDOWN in a forked child; only other codes are listed
 * below. The semantics are those of
 * EasyNetwork's AsyncTCPNetworkServer and AsyncStreamRequestHandler.
 */
#ifndef INTERLOOP_SERVER_H
#define INTERLOOP_SERVER_H

#include <interloop/base.h>
#include <interloop/client.h>
#include <interloop/exit_stack.h>
#include <interloop/group.h>
#include <interloop/layer.h>
#include <interloop/portal.h>
#include <interloop/protocol.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup server Servers
 * @{
 */

/** The functions of a server. All but handle may be NULL. */
typedef struct il_handler {
	/**
	 * Prepares what the handlers share, in the task of il_server_serve(), before the first
	 * client. It registers what it takes on the stack, which is undone when the server ends,
	 * also when service_init fails half-way: il_server_serve() then returns its error.
	 */
	int (*service_init)(il_exit_stack *stack, il_server *server, void *data);
	/**
	 * A client came. It may already receive and send (a dialogue); what it does not receive
	 * goes to handle. If it fails the client is closed and on_disconnection is not called; if
	 * it closes the client handle is not called.
	 */
	int (*on_connection)(il_client *client, void *data);
	/**
	 * Serves a request, or as many as it likes: it is called again after it returned, while the
	 * client stays. Returning 0 or more without having called il_client_receive() closes the
	 * client. A handler that met -ETIMEDOUT and returns 0 is called again, unless it
	 * has called il_client_close(). A negative result (-ETIMEDOUT, too) is logged as an error
	 * with the client's address and closes the client; nothing is logged if it only means that
	 * the client is gone (-ECONNRESET, too), or that the server ends. At most 100 such lines
	 * are logged in a second; of the others only the number.
	 */
	int (*handle)(il_client *client, void *data);
	/** Once after each on_connection that did not fail; the client is closed by then. When the
	 * server has cancelled its handlers it runs in a cancelled scope; not for a client that
	 * leaves within the grace period. */
	void (*on_disconnection)(il_client *client, void *data);
	void *reserved[8]; /**< Zero. */
} il_handler;

/**
 * Values for the options that are 0. Without limits an unknown client can keep its place among
 * max_clients forever, by sending a byte now and then or by not reading what it is sent;
 * max_clients such clients stop the server.
 */
enum il_limits {
	IL_LIMITS_DEFAULT = 0, /**< No times are limited; max_packet is 64 KiB. */
	/**
	 * For servers that strangers reach: first_request_timeout 10 s, request_timeout 20 s,
	 * idle_timeout 60 s, send_timeout 20 s, max_clients 1,000, max_packet 64 KiB,
	 * receive_buffer 4 KiB, send_buffer 64 KiB. So clients hold at most some 70 MB of the
	 * program's buffers, and twice as much of the system's.
	 */
	IL_LIMITS_PUBLIC = 1
};

/** Options of a server; zero means the default everywhere. Defaults are those of IL_LIMITS_DEFAULT;
 * `limits` chooses others. An option that is not 0 wins over `limits`: IL_FOREVER or SIZE_MAX takes
 * a limit away. */
typedef struct il_server_options {
	/** Most bytes of a received packet: more is -EMSGSIZE. Default: 64 KiB. */
	size_t max_packet;
	/** Most clients at once; more wait to be accepted. Default: 0, no limit. */
	size_t max_clients;
	/** Most connections that wait to be accepted. Default: the system's maximum. */
	int backlog;
	bool reuse_port; /**< Share the port with other servers (SO_REUSEPORT). */
	/** Log connects, disconnects and clients whose time is up as IL_LOG_DEBUG, not IL_LOG_INFO. */
	bool quiet;
	/** Permissions of Unix sockets, such as 0660. Default: 0, by the umask. */
	unsigned unix_mode;
	/** Bytes of buffer that a client begins with; it grows up to max_packet and its framing.
	 * Default: 4 KiB. While a server has more than 16 MiB of buffers, clients wait for their
	 * next packet without one. */
	size_t receive_buffer;
	/** A client that sends no whole packet for this long, while its handler waits for one, is
	 * dropped: il_client_receive() returns 0. The time adds up over all receives that wait for
	 * the same packet. Default: no limit. */
	il_time idle_timeout;
	/** The same for the first packet, counted from the connect. Default: no limit. */
	il_time first_request_timeout;
	/** A client that has not taken a whole packet for this long is closed, and sending returns
	 * -EPIPE. Default: no limit. */
	il_time send_timeout;
	/** How long il_server_shutdown() lets handlers finish. Default: 0, they are cancelled at
	 * once. */
	il_time grace_period;
	/** Set when the server is up: service_init is done, clients are served. The caller's. */
	il_event *is_up;
	/**
	 * How long one request may take to arrive, counted from the moment when the first byte of
	 * it is there and a receive waits for the rest; then the client is given up: its receive
	 * returns 0. A request is a packet. Exception: with il_protocol_bytes(), where packets have
	 * no end, it is all that one call of `handle` (or of on_connection) receives; so a handler
	 * that serves a whole connection in one call sets this to IL_FOREVER. Its bytes that are
	 * there when the time is up are still received, for as long again. Default: no limit.
	 */
	il_time request_timeout;
	/** Where the defaults of the options above come from. Anything else than a value of
	 * enum il_limits: -EINVAL. */
	enum il_limits limits;
	/** Bytes that the system keeps of what was sent and a client has not taken (SO_SNDBUF;
	 * Linux doubles it for its own use). Only when they are full does send_timeout begin.
	 * Default: the system's choice, which may be several MiB for each client. */
	size_t send_buffer;
	/**
	 * SIGTERM and SIGINT begin il_server_shutdown() of every server of the process that serves
	 * with this option, on whatever loop. A second one of them ends the grace period: the
	 * handlers are cancelled. Later ones have no effect. One that comes first while the exit
	 * stack is closed cancels the portals and groups on it. From before service_init until the
	 * exit stack is closed the two signals are unblocked in the server's thread (one that was
	 * pending counts), and the handlers that were there before are called on (see signal.h); at
	 * the end of the last such server they are as before. -EBUSY from il_server_serve(): an
	 * il_signal_receiver has one of them.
	 */
	bool stop_at_signals;
	/** UDP: how many datagrams of a peer may wait for its handler; more are dropped and counted,
	 * the newest first, and so are all while 64 MiB of all peers' wait. Only the datagrams' own
	 * bytes count. Default: 64. SIZE_MAX: no limit, of these 64 MiB neither. */
	size_t peer_queue;
	/**
	 * Put on each client's connection, such as TLS; copied. It begins in the client's task,
	 * before on_connection: the client takes one of the max_clients places, and
	 * first_request_timeout bounds it. A layer that fails costs that client only: none of the
	 * handler's functions is called, and a line is logged as IL_LOG_DEBUG.
	 * il_client_address() is taken afterwards. What it holds back when the handler has ended is
	 * sent before the connection is closed, within send_timeout. Without `accept`, and for UDP:
	 * -EINVAL. Default: none.
	 */
	const struct il_layer *layer;
	void *reserved[2]; /**< Zero. */
} il_server_options;

/* ---- servers ---- */

/**
 * @brief Creates a server that listens on a TCP address. It listens at once; clients are accepted
 * once il_server_serve() runs. May wait for the lookup of a name.
 * @param server    receives the server; the caller destroys it with il_server_destroy().
 * @param host      a name or a number; NULL: all interfaces.
 * @param port      a number or a service name; "0": a free port, see il_server_port().
 * @param protocol  copied, and so is handler.
 * @param data      passed to the handler's functions.
 * @param options   NULL: the defaults.
 * @return 0; -EINVAL: no protocol, no handle, or an option out of range; -EADDRINUSE, -EACCES and
 *         the like from the system; errors of il_resolve; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_tcp_server_open(il_server **server, const char *host, const char *port,
					    const il_protocol *protocol, const il_handler *handler,
					    void *data, const il_server_options *options);

/** @brief As il_tcp_server_open(), on a Unix socket; errors of il_listener_open_unix(). */
IL_MUST_CHECK IL_API int il_unix_server_open(il_server **server, const char *path,
					     const il_protocol *protocol, const il_handler *handler,
					     void *data, const il_server_options *options);

/**
 * @brief Creates a server without an address: for il_server_add_fd() and its siblings. In the
 * loop's thread; never waits.
 * @return as il_tcp_server_open(), but no errors of an address.
 */
IL_MUST_CHECK IL_API int il_server_open(il_server **server, const il_protocol *protocol,
					const il_handler *handler, void *data,
					const il_server_options *options);

/**
 * @brief Creates a server whose clients are the peers of a UDP socket: one il_client for each
 * address from which datagrams come, with the handler's source unchanged. The socket is bound at
 * once; datagrams are taken once il_server_serve() runs. May wait for the lookup of a name.
 *
 * A datagram is a packet: il_client_receive() gives the peer's next one, il_client_send() sends
 * one, from the address of this machine that the peer has sent to. A peer's first datagram begins
 * on_connection and handle; the client stays until it has been silent for idle_timeout, is closed,
 * or the server ends. What comes while a handler works waits in the peer's queue (peer_queue). A
 * handler that returns without having received drops that datagram, and its peer is forgotten: the
 * next datagram from there is a new client's.
 *
 * Whoever sends may claim any address, so there are bounds: idle_timeout is 60 s, max_clients
 * 10,000 and peer_queue 64 where these options are 0 (IL_FOREVER or SIZE_MAX: no limit). When all
 * places are taken, the peer whose handler has waited longest in its first receive is ended, that
 * is, its receive returns 0; only if there is none the new peer's datagram is dropped. Each burst
 * of drops is one warning in the log; il_server_get_statistics() counts them.
 *
 * Differences from connections: il_client_finish() is il_client_close(), il_client_shutdown_write()
 * is -ENOTSUP, il_client_stream() is NULL, send_timeout, request_timeout, send_buffer and
 * receive_buffer have no meaning, a protocol's state is 0 at the begin of each datagram, and
 * clients that come and go are logged for debugging only. il_server_close() ends the peers whose
 * handlers are idle; the others are served until they are.
 * @param host      NULL: all interfaces, IPv4 and IPv6 by one socket.
 * @param protocol  NULL: the whole datagram is the packet, and so it is with il_protocol_bytes().
 *                  Else the protocol has to find exactly one packet in each datagram: another one
 *                  is -EBADMSG of that receive, and one that is larger than max_packet -EMSGSIZE.
 * @return as il_tcp_server_open(); errors of il_datagram_open_udp().
 */
IL_MUST_CHECK IL_API int il_udp_server_open(il_server **server, const char *host, const char *port,
					    const il_protocol *protocol, const il_handler *handler,
					    void *data, const il_server_options *options);

/**
 * @brief Makes the server listen on one more address. -EINVAL: it is a UDP server.
 * @return 0; -EBUSY: it serves; -EBADF: it is closed, or was closed or destroyed meanwhile; errors
 *         of il_tcp_server_open().
 */
IL_MUST_CHECK IL_API int il_server_add_tcp(il_server *server, const char *host, const char *port);

/** @brief Makes the server listen on one more Unix socket. */
IL_MUST_CHECK IL_API int il_server_add_unix(il_server *server, const char *path);

/**
 * @brief Makes the server accept on a socket that listens already, as il_listener_open_fd(). It
 * stays open between two il_server_serve(), and connects meanwhile wait in it.
 * @param fd  on success the server's: il_server_close() and il_server_destroy() close it; after a
 *            failure still the caller's.
 * @return 0; -EBUSY: it serves, or another listener has fd; -EBADF: it is closed, or fd is not an
 *         open descriptor; errors of il_listener_open_fd().
 */
IL_MUST_CHECK IL_API int il_server_add_fd(il_server *server, int fd);

/**
 * @brief Returns the descriptor of a listening socket, to hand it to another process, such as the
 * one that takes over at a hot restart. It remains the server's. Never waits.
 * @param index  from 0 on, over all addresses in the order in which they were added; an address of
 *               il_tcp_server_open() may have several, and has none before it serves again.
 * @return the descriptor; -ENOENT: there is none with that index now; -ENOTSUP: it has no
 *         descriptor, as in a simulated network; -EBADF: the server is closed.
 */
IL_API int il_server_fd(const il_server *server, size_t index);

/**
 * @brief Serves until il_server_shutdown(), or until il_server_close() and the last client has
 * left, or until the surrounding scope is cancelled; then everything that belongs to the server has
 * ended. May be called again, then it listens on the same addresses and ports. A server without any
 * address serves nobody, and waits for its end all the same. Waits; a cancellation point.
 *
 * In the end it stops accepting, waits for the clients or cancels them, cancels and joins the tasks
 * of il_server_start_soon(), then closes the exit stack. Only il_server_shutdown() grants the grace
 * period: a cancelled scope (Ctrl-C under il_run(), il_loop_shutdown()) cancels the handlers at
 * once.
 * @return 0; -EBUSY: it serves already, or stop_at_signals finds a receiver of these signals;
 *         -EBADF: it is closed, or was while it was being set up; -ECANCELED; service_init's
 *         error; the first error of the exit stack; why an address could not be listened on again,
 *         or why the last listener failed.
 */
IL_API int il_server_serve(il_server *server);

/**
 * @brief Ends il_server_serve(): no more clients are accepted, handlers have the grace period (idle
 * clients are closed at once, others when they come to be idle), then their scope is cancelled. A
 * client is idle while it waits in the first receive of a call of handle or on_connection, or before
 * that in an il_select() with il_case_client(), and nothing of a packet has come; in a second receive,
 * in il_sleep() or anywhere else its handler is at work. A handler that was at work is not called
 * again when it returns: what else its client has sent is not served.
 *
 * Returns when il_server_serve() has ended. Exception: at once if it is not running, in a handler
 * or another task of the server, and outside a task. Any number of times, by any task of the loop.
 * @return 0; -ECANCELED: this wait was cancelled, the shutdown goes on.
 */
IL_API int il_server_shutdown(il_server *server);

/**
 * @brief Stops accepting permanently; clients are still served, and il_server_serve() returns when
 * the last one has left. Idempotent; never waits.
 * @return 0; -ECANCELED: done, but the calling task is inside a cancelled scope.
 */
IL_API int il_server_close(il_server *server);

/**
 * @brief Closes the server and frees it. NULL is allowed. Stops the program with a sentence while
 * il_server_serve() runs. In a forked child it only frees, and closes the child's descriptors.
 */
IL_API void il_server_destroy(il_server *server);

/** @brief Returns the port, in host order, of the first TCP address, or of a UDP server, also while
 * it does not serve. 0: the server has none. */
IL_API uint16_t il_server_port(const il_server *server);

/** @brief Returns the server's loop. */
IL_API il_loop *il_server_loop(const il_server *server);

/** @brief Whether it is up: service_init is done and clients are accepted. */
IL_API bool il_server_is_serving(const il_server *server);

/**
 * @brief Returns an event that is set when the server begins to end: by il_server_shutdown(),
 * il_server_close(), a signal (stop_at_signals), or because il_server_serve() was cancelled or lost
 * its last listener. For handlers and tasks that stay with what they do, such as a stream of
 * events: in il_select() beside what they wait for, so that they say goodbye and return within the
 * grace period.
 * @return the event, to be waited for only: the server's, valid until il_server_destroy(). It is
 *         unset again when il_server_serve() begins. NULL for NULL.
 */
IL_API il_event *il_server_stopping(const il_server *server);

/** @brief Returns how many clients it has now. */
IL_API size_t il_server_clients(const il_server *server);

/** What a server has done and does. All but `clients` count since it was made. */
typedef struct il_server_statistics {
	size_t clients;             /**< Now. */
	uint64_t clients_total;     /**< That have come. */
	uint64_t dropped_datagrams; /**< UDP: for which there was no room. */
	uint64_t dropped_peers;     /**< UDP: idle ones, which were ended for new ones. */
	uint64_t
	    failed_layers; /**< Clients whose handshake failed, unless the server's end cut it. */
	uint64_t packets_received; /**< That il_client_receive() has returned. */
	uint64_t packets_sent;     /**< That the system has taken whole. */
	/** Out of its clients' streams, what frames the packets included; of a UDP server: of datagrams. */
	uint64_t bytes_received;
	uint64_t bytes_sent; /**< Likewise, into them. */
	void *reserved[8];   /**< Zero. */
} il_server_statistics;

/** @brief Writes the figures of the server (il_server_statistics). The loop's thread, or through a
 * portal; never waits. Also while it does not serve. 0, or a general error. */
IL_API int il_server_get_statistics(il_server *server, il_server_statistics *statistics);

/**
 * @brief Starts a task that outlives the handler that starts it, but not the server: it is
 * cancelled and joined after the last client has left. Exception: a cancelled scope around
 * il_server_serve(), and il_server_shutdown() during service_init, cancel it at once. From
 * service_init, a handler or any task.
 * @param f  receives a reference to the task's future; NULL: a failure is logged as an error.
 * @return 0; -ESHUTDOWN: the server does not serve, or is about to end; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_server_start_soon(il_server *server, il_future **f, il_fn *fn,
					      void *arg);

/* ---- a server with a thread of its own ---- */

/** A server, its loop and their thread. */
typedef struct il_server_thread il_server_thread;

/**
 * @brief Starts a thread with a loop of its own, where open creates a server, which is then served;
 * returns when it is up. For programs whose main thread has other work. In a task it parks.
 * @param options  of the loop and its thread; NULL: the defaults.
 * @param open  runs as a task of that loop: il_tcp_server_open() and what else is to be done first.
 *              The server that it stores is the thread's, which destroys it in the end, also if
 *              open fails.
 * @return 0; open's or il_server_serve()'s error, -EPROTO if it ended before it was up, -EINVAL if
 *         open has stored no server; errors of il_blocking_portal_start. No thread is left then.
 */
IL_MUST_CHECK IL_API int il_server_thread_start(il_server_thread **thread,
						const il_backend *backend,
						const il_blocking_portal_options *options,
						int (*open)(il_server **server, void *arg),
						void *arg);

/** @brief Returns the port of its server, as il_server_port(). Any thread. */
IL_API uint16_t il_server_thread_port(const il_server_thread *thread);

/** @brief Returns a portal into its loop, borrowed: valid until il_server_thread_stop(). Any
 * thread. */
IL_API il_portal *il_server_thread_portal(const il_server_thread *thread);

/** @brief Waits until the server has ended; others may call il_server_thread_stop() meanwhile.
 * @return what il_server_serve() returned; -ETIMEDOUT; errors of il_future_wait(). */
IL_API int il_server_thread_wait(il_server_thread *thread, il_time timeout);

/**
 * @brief Once: shuts the server down, joins the thread, frees everything. In a task it parks,
 * shielded.
 * @return what il_server_serve() returned; -EDEADLK: from its own thread; -EPERM: a place that may
 *         not wait: after these two nothing has changed; -ESHUTDOWN: inherited across fork: it is
 *         freed and nothing else.
 */
IL_API int il_server_thread_stop(il_server_thread *thread);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
