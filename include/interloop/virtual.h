/**
 * @file virtual.h
 * @brief Virtual time: a backend whose clock jumps to the next deadline when every task waits.
 *
 * For testing handlers: an hour of timeouts passes in microseconds, and il_loop_options.seed
 * permutes the order in which ready tasks run. Descriptors, worker threads and portals work; the
 * clock stands while a task waits for a worker's result. The network can be simulated, too, with hosts that
 * crash and messages that get lost.
 */
#ifndef INTERLOOP_VIRTUAL_H
#define INTERLOOP_VIRTUAL_H

#include <interloop/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup virtual Virtual time
 * @{
 */

/** @brief The backend; the same object that il_backend_find("virtual") gives. */
IL_API const il_backend *il_virtual(void);

/** @} */

/**
 * @defgroup virtual_network A simulated network in virtual time
 *
 * From il_virtual_network_open() on, TCP, UDP and the resolver of a loop of the virtual backend are
 * simulated. Handlers, servers, clients, TLS and layers run on it unchanged: they cannot tell. A
 * test starts hosts, each with a main function of its own, and then does to them what happens to
 * machines: power cuts, partitions, latency, loss. The seed decides the order of tasks, every
 * latency and every loss; the same seed gives the same run, and the same trace byte for byte, in
 * any process. Unix sockets, pipes, descriptors, threads and child processes stay real.
 *
 * Whatever a task of a host begins is that host's: child tasks, root tasks (il_loop_spawn()),
 * portals, sockets; and so is what is begun in a callback of its timers and watches, or by a call
 * through its portals. Tasks of no host, such as the loop's main task, are on a host of their own,
 * "". A host has an IPv4 address and, with il_virtual_network_options.ipv6, an IPv6 address; a name
 * resolves to those, IPv6 first, "localhost" to 127.0.0.1 and ::1, which are the host itself, and
 * "db" to all of "1.db", "2.db" and so on, if no host is called db. Sockets of both families,
 * multicast groups (il_datagram_options.join; a close leaves them) and broadcasts work as on Linux:
 * each host that is in the group gets a datagram of its own, which can be late or lost by itself.
 * There are no interfaces with names, no limits of hops, and nothing of the machine's resolver.
 *
 * The fixed numbers (resends, buffers, queues) are those of Linux where it has some, and are listed
 * in docs/simulation.md.
 *
 * All functions are for the loop's thread, and those that may wait for a task; else -EPERM. Where a
 * pair of hosts is named, NULL means every host. Unless stated otherwise a function returns
 * -EINVAL for a NULL network and for names that are the same, -ENOENT for a host that was not
 * started, and -ESHUTDOWN while the network is closed by another task. The semantics are those of
 * turmoil and madsim, except where they differ from a real network: a connect over a partition
 * times out, a lost segment is sent again, and nobody is told of a power cut.
 * @{
 */

/** A simulated network; one per loop. */
typedef struct il_virtual_network il_virtual_network;

/** Options of il_virtual_network_open(); zero means the default everywhere. */
typedef struct il_virtual_network_options {
	uint64_t seed;       /**< Of latencies and losses. Default: 0, the loop's. */
	il_time latency_min; /**< One way, between two hosts; at most a day. Default: 0. */
	/** Each packet takes a time between the two; at most a day. Default: latency_min. */
	il_time latency_max;
	double loss; /**< Of each packet: 0 to 1. Default: 0. */
	/** Bytes that a connection keeps at each end, in each direction: 1 KiB to 1 GiB. Default:
	 * 64 KiB. */
	size_t buffer;
	/** Hosts have an IPv6 address, too. Default: false, IPv4 only. */
	bool ipv6;
	void *reserved[7]; /**< Zero. */
} il_virtual_network_options;

/** Options of il_virtual_link(); as those of the network. */
typedef struct il_virtual_link_options {
	il_time latency_min; /**< One way. */
	il_time latency_max; /**< Default: latency_min. */
	double loss;         /**< Of each packet: 0 to 1. */
	/** Datagrams that arrive at the same time arrive in any order. Those with different
	 * latencies overtake one another anyway; bytes of a stream never do. */
	bool reorder;
	double loss_ipv4;  /**< Of each IPv4 packet, besides: 0 to 1. 1: only IPv6 works. */
	double loss_ipv6;  /**< Likewise, of each IPv6 packet. */
	void *reserved[6]; /**< Zero. */
} il_virtual_link_options;

/**
 * @brief Gives the calling thread's loop a simulated network. Never waits.
 * @param network  receives the network; the caller closes it with il_virtual_network_close(), or
 *                 the loop's end does.
 * @param options  NULL: the defaults.
 * @return 0; -ENOTSUP: the loop is not of virtual time; -EBUSY: it has a network already; -EINVAL;
 *         -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_virtual_network_open(il_virtual_network **network,
						 const il_virtual_network_options *options);

/**
 * @brief Crashes every host, waits until their tasks have ended, and frees the network. Streams,
 * listeners and datagram sockets that are still open return -ENETDOWN from then on (accepting:
 * -EINVAL); they are their owners' to destroy. Waits also in a cancelled scope; no cancellation point.
 * @return 0; -EDEADLK: called by a task of one of the hosts.
 */
IL_API int il_virtual_network_close(il_virtual_network *network);

/**
 * @brief Starts a host: main runs as its first task, called "main". Never waits.
 * @param name  1 to 63 characters, copied; without blanks, ':', '>' and a final dot. Case does not
 *              matter.
 * @param main  called again by il_virtual_host_restart(); what it returns is for
 *              il_virtual_host_wait(). When it has returned the host stays up.
 * @return 0; -EALREADY: a host of that name was started; -EINVAL; -ENOBUFS: there are 65,535 hosts;
 *         -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_virtual_host_start(il_virtual_network *network, const char *name,
					       il_fn *main, void *arg);

/**
 * @brief Cuts a host's power: its tasks are cancelled, its portals are stopped, and this call waits
 * until all of them have ended, also in a cancelled scope. Its timers and watches end with the last of
 * them. From the first moment on nothing that they do leaves the host: their sockets return -ENETDOWN,
 * and peers get nothing, neither an end nor a reset. What had left the host before still arrives. Its
 * ports are free, and connects to it time out. It does not wait if a task of that host calls it, and
 * waits no longer once the caller's own host has crashed.
 * @return 0, also if it is down already; -ECANCELED: the caller's own host is down.
 */
IL_API int il_virtual_host_crash(il_virtual_network *network, const char *name);

/**
 * @brief Starts a host again, with the same main and arg and the same address; one that is up is
 * crashed first. Peers of its former connections get a reset when they send. Waits as
 * il_virtual_host_crash().
 * @return 0; -EALREADY: another task was faster; -EDEADLK: called by a task of that host; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_virtual_host_restart(il_virtual_network *network, const char *name);

/**
 * @brief Waits for the end of a host's main function, as it was started last. A cancellation point.
 * @param timeout  IL_FOREVER: no limit.
 * @return what main returned (-ECANCELED, as a rule, after a crash); -ETIMEDOUT: not yet;
 *         -ECANCELED: the caller was cancelled; -EDEADLK: called by a task of that host.
 */
IL_MUST_CHECK IL_API int il_virtual_host_wait(il_virtual_network *network, const char *name,
					      il_time timeout);

/**
 * @brief Sets latency and loss between two hosts, in both directions, for what is sent from now on.
 * With NULL for both also for hosts that are started later. Never waits.
 * @param options  NULL: those of the network, as it was opened.
 */
IL_API int il_virtual_link(il_virtual_network *network, const char *a, const char *b,
			   const il_virtual_link_options *options);

/**
 * @brief Cuts the connection between two hosts: what is under way and what is sent is lost, and
 * nobody is told. TCP sends again, until its time is up. With NULL for both also for hosts that are
 * started later. Never waits.
 */
IL_API int il_virtual_partition(il_virtual_network *network, const char *a, const char *b);

/** @brief Likewise, in one direction only. */
IL_API int il_virtual_partition_oneway(il_virtual_network *network, const char *from,
				       const char *to);

/** @brief Ends partitions between two hosts, in both directions. Never waits. */
IL_API int il_virtual_repair(il_virtual_network *network, const char *a, const char *b);

/** @brief Likewise, in one direction only. */
IL_API int il_virtual_repair_oneway(il_virtual_network *network, const char *from, const char *to);

/**
 * @brief Holds what arrives between two hosts, in both directions: it is late, not lost, however
 * long; only time limits that a program has set (keepalive, a timeout) may end connections. With
 * NULL for both also for hosts that are started later. Never waits.
 */
IL_API int il_virtual_hold(il_virtual_network *network, const char *a, const char *b);

/** @brief Lets go what il_virtual_hold() has kept: it arrives now, in order. Never waits. */
IL_API int il_virtual_release(il_virtual_network *network, const char *a, const char *b);

/**
 * @brief Resets the connections between two hosts, as a middlebox does: both ends get -ECONNRESET.
 * Never waits.
 */
IL_API int il_virtual_reset(il_virtual_network *network, const char *a, const char *b);

/**
 * @brief Writes a line to fd for each thing that happens from now on: its time, places and sizes,
 * never what was sent. Never waits.
 * @param fd  remains the caller's; it must stay open until the network is closed, or another
 *            descriptor is set. -1: no trace.
 * @return 0; -EBADF: not an open descriptor.
 */
IL_API int il_virtual_network_trace(il_virtual_network *network, int fd);

/**
 * @brief Returns the next number of the network's chance, for faults that a test draws: when to cut
 * what. The same seed gives the same numbers, as long as the program asks in the same order. Never
 * waits; 0 for a NULL network.
 */
IL_API uint64_t il_virtual_random(il_virtual_network *network);

/**
 * @brief Runs main as the main task of a loop of virtual time under each of the seeds first_seed,
 * first_seed + 1 and so on, until it fails. In a plain thread, which it blocks; prints nothing.
 * @param main          opens the network that it wants, or none.
 * @param failing_seed  receives the seed of the failure; NULL: not wanted.
 * @return 0: none of count runs has failed; the first negative result, with il_error_detail():
 *         il_loop_options.seed gives this run again. -EPERM: a loop runs in this thread; -EINVAL.
 */
IL_MUST_CHECK IL_API int il_virtual_explore(uint64_t first_seed, uint64_t count, il_fn *main,
					    void *arg, uint64_t *failing_seed);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
