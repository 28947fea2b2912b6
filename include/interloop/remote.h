/**
 * @file remote.h
 * @brief Executors whose calls run on other machines, by way of Gearman job servers.
 *
 * A library of its own: interloop-remote (pkg-config interloop-remote, CMake component `remote`).
 * In a program that uses executors, il_remote_pool_create() stands in place of
 * il_process_pool_create(); the worker programs run il_remote_worker_serve(). A function is known by
 * the name it was registered under (function.h), in both programs.
 *
 * **Whoever can reach a job server can call every served function with bytes of his own**: there is no
 * authentication. Loopback and Unix sockets only, or a layer (tls.h), unless `insecure` says otherwise.
 */
#ifndef INTERLOOP_REMOTE_H
#define INTERLOOP_REMOTE_H

#include <interloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup remote Calls on other machines
 * @{
 */

/** Options of il_remote_pool_create(); zero means the default. */
typedef struct il_remote_pool_options {
	const char *const *servers; /**< "host:port" or "unix:/path", all alike. */
	size_t server_count;        /**< 1 to 64. */
	/** Before each name on the servers, at most 128 bytes; NULL: none. Programs that share servers
	 * take different ones. Neither it nor a name may contain a tab or the end of a line: -EINVAL. */
	const char *prefix;
	/** How often a call is sent again after its server or its worker was lost: it may then run more
	 * than once. Default: 0: never, the caller gets -EOWNERDEAD. Up to 65,535. */
	int resubmits;
	/** Period of the signs of life. A server that replies to nothing for three periods counts as
	 * lost. Default: 5 s; at most a day. A worker program is judged by its own period, which it
	 * sends with each status. */
	il_time heartbeat;
	/** No server for so long: calls that wait get -EHOSTUNREACH. Default: 30 s. */
	il_time connect_timeout;
	/** No worker has the name for so long: -ENOENT. IL_FOREVER: wait. Default: 10 s. */
	il_time unserved_timeout;
	/** Most calls that are out, sent or not. Default: 65,536; SIZE_MAX: no limit. */
	size_t queue_limit;
	size_t max_size; /**< Most bytes each way. Default: 64 MiB; at most 2 GiB less a byte. */
	/** Over each connection, those to Unix sockets with the host "localhost"; copied. NULL: none;
	 * one without `connect`: -EINVAL. */
	const struct il_layer *layer;
	bool insecure;             /**< Beyond loopback without a layer. Default: -EACCES. */
	const il_backend *backend; /**< Of the thread with the connections. Default: any. */
	/** Bytes as they are, for workers that are not ours; calls of the form IL_BYTES only. What the
	 * worker completes is 0, an exception -EREMOTEIO with its text as detail. No beats are
	 * expected of it. */
	bool raw;
	void *reserved[8]; /**< Zero. */
} il_remote_pool_options;

/**
 * @brief Creates an executor whose calls run in worker programs. Starts a thread. In a task it waits.
 *
 * Besides the codes of executor.h its calls return: -ENOENT: the function has no name, or no worker
 * has it; -EINVAL: an argument without its size; -ENOTSUP: IL_SHARED, or with `raw` another form than
 * IL_BYTES; -EMSGSIZE: the argument or the result is larger than max_size; -EHOSTUNREACH: no server;
 * -EOWNERDEAD: the worker or the server was lost with the call; -EPROTO: a struct came back with
 * another size. docs/remote.md has the table of what happens when.
 * @return 0; -EINVAL: options; -EACCES: a server beyond loopback without a layer; -ENOENT: no
 *         backend; -ENOMEM; as il_blocking_portal_start().
 */
IL_MUST_CHECK IL_API int il_remote_pool_create(il_executor **ex,
					       const il_remote_pool_options *options);

/** What a pool tells of one of its servers. */
typedef struct il_remote_server_statistics {
	bool connected;  /**< It is there. */
	size_t calls;    /**< Given to it and without an answer. */
	uint64_t sent;   /**< Calls sent, each time counted. */
	uint64_t resent; /**< Those of them that were sent once more. */
	uint64_t late;   /**< Answers to calls that had been given up, or were answered already. */
	uint64_t lost;   /**< Calls lost with the server, with its connection, or with a worker. */
	int last_error;  /**< Of its connection, negative; 0: none, or connected since. */
} il_remote_server_statistics;

/** What il_remote_pool_get_statistics() tells. */
typedef struct il_remote_statistics {
	size_t calls;                            /**< Without an answer, sent or not. */
	size_t server_count;                     /**< As in the options. */
	il_remote_server_statistics servers[64]; /**< In the order of the options. */
	void *reserved[4];                       /**< Zero. */
} il_remote_statistics;

/**
 * @brief Fills in *s. Any thread; never waits.
 * @return 0; -EINVAL: NULL, or an executor that il_remote_pool_create() has not made; -ESHUTDOWN: it
 *         was inherited across fork.
 */
IL_API int il_remote_pool_get_statistics(il_executor *ex, il_remote_statistics *s);

/** Options of il_remote_worker_serve(); zero means the default. */
typedef struct il_remote_worker_options {
	const char *const *servers; /**< As of the pool. */
	size_t server_count;        /**< 1 to 64. */
	const char *prefix;         /**< As of the pool. */
	const char *const *names;   /**< Which registered functions are served; NULL: all. */
	size_t name_count;          /**< How many names lists: 1 or more; 0 without names. */
	il_executor *executor;      /**< Where they run. Default: a process pool of its own. */
	/** Calls at once, over all servers, at most 100,000. Default: il_processor_count(). */
	int slots;
	/** Calls taken beyond, at most 100,000, which wait here: more calls a second, but they are lost
	 * with the worker too. While calls of less than 0.2 ms wait, several results are sent together,
	 * each at most 1 ms later. Default: 0. */
	int prefetch;
	/** How often it gives a sign of itself and of each call that it has. Default: 5 s; at most a
	 * day. */
	il_time heartbeat;
	const struct il_layer *layer; /**< Over each connection; not copied. NULL: none. */
	bool insecure;                /**< As of the pool. */
	/** After a cancellation: how long calls that were taken may still run; then they are cancelled,
	 * and in a process pool of its own killed. Default: no limit. */
	il_time drain_timeout;
	void *reserved[8]; /**< Zero. */
} il_remote_worker_options;

/**
 * @brief Serves the functions until the task is cancelled; then takes no more calls, and finishes
 * those that run, and returns. In a task.
 * @return -ECANCELED: drained; -EINVAL: options, or a name that is not registered; -EACCES: a server
 *         beyond loopback without a layer; -ENOMEM.
 */
IL_API int il_remote_worker_serve(const il_remote_worker_options *options);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
