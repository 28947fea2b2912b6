/*
 * ends.h: what the loop's network has opened beside connections: listeners, connects that are under way, and datagram
 * sockets. An end without a host was cut off by a power cut. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_ENDS_H
#define IL_VIRTUAL_NETWORK_ENDS_H

#include "../../../core/base/os_datagram.h"
#include "../../../core/io/fd.h"
#include "hosts.h"

#include <interloop/datagram.h>

enum il__sim_use { IL__SIM_LISTENS, IL__SIM_CONNECTS, IL__SIM_DATAGRAMS };

struct il__sim_packet;
struct il__sim_tcp;

struct il__sim_end {
	struct il__fd fd; /* first */
	enum il__sim_use use;
	void (*empty)(struct il__sim_end *e); /* gives back what it has for its user */
	struct il__sim_host *host;            /* NULL: cut off */
	struct il__list link;                 /* host->ends */
	struct il__sim_place local, remote;
	bool shared; /* reuse_port */
	bool dual;   /* of IPv6, and serves IPv4, too */
	/* LISTENS: connections that nobody has accepted yet; and with those that are not there yet. */
	struct il__list queue; /* DATAGRAMS: packets */
	size_t waiting, backlog;
	struct il__sim_tcp *tcp; /* CONNECTS */
	/* DATAGRAMS */
	bool connected, broadcast;
	int error; /* to be said once */
	size_t bytes, most_bytes;
	struct il__sim_ip *groups; /* that it has joined */
	size_t group_count;
};

static inline struct il__sim_end *il__sim_end_of(const struct il__fd *fd)
{
	return il__container_of((struct il__fd *)(uintptr_t)fd, struct il__sim_end, fd);
}

/* On the calling task's host; -ENOMEM, -ENETDOWN, also where the network was closed while its user waited, for a
 * name or another address. It is bound to nothing yet. */
int il__sim_end_make(il_loop *loop, enum il__sim_use use, void (*empty)(struct il__sim_end *e),
		     struct il__sim_end **end);
/* Binds it, to a free port if that is 0. -EADDRINUSE; -EADDRNOTAVAIL: not an address of its host. */
int il__sim_bind(struct il__sim_end *end, struct il__sim_place local);
/* Whether the address means this host, seen from itself; any address does. */
bool il__sim_is_own(const struct il__sim_host *host, struct il__sim_ip ip);
/* A port that nothing on the host has; 0: there is none. */
uint16_t il__sim_free_port(struct il__sim_host *host, enum il__sim_use use);
/* Who gets what arrives at that place of the host; `source` finds a socket that is connected to it. */
struct il__sim_end *il__sim_bound(const struct il__sim_host *host, enum il__sim_use use,
				  struct il__sim_place target, struct il__sim_place source);
/* Whether what goes from one place to the other would be the end's. */
bool il__sim_end_takes(const struct il__sim_end *end, struct il__sim_place target,
		       struct il__sim_place source);
/* Wakes whoever waits; it is cut off. */
void il__sim_end_cut(struct il__sim_end *end);

/* From and to addresses. false: the network has no such family. */
bool il__sim_place_of(const struct il_virtual_network *n, const il_address *address,
		      struct il__sim_place *place);
void il__sim_address(struct il__sim_place place, il_address *address);

/* The operations of all ends. */
int il__sim_end_address(const struct il__fd *fd, bool peer, il_address *address);
int il__sim_end_ready(struct il__fd *fd, unsigned mask);
void il__sim_end_close(struct il__fd *fd, bool inherited);

/* datagrams.c */
int il__sim_datagram_open(il_loop *loop, const il_address *address, bool connects,
			  const il_datagram_options *options, const char *function,
			  struct il__fd **end);
int il__sim_datagram_receive(struct il__fd *fd, struct il__os_message *messages, int count);
int il__sim_datagram_send(struct il__fd *fd, struct il__os_message *messages, int count);
bool il__sim_datagram_dual(const struct il__fd *fd);

/* datagram_queue.c: what has arrived at the end: into its queue, if that has room. */
void il__sim_datagram_deliver(struct il__sim_end *e, struct il__sim_packet *p);

/* groups.c: datagrams to many. */
/* The groups of an end that is not bound yet; with words. */
int il__sim_groups_join(struct il__sim_end *e, bool ipv4, const il_datagram_options *options,
			const char *function);
void il__sim_groups_leave(struct il__sim_end *e);
/* Sends the packet to every host that is meant by its target. */
int il__sim_groups_send(struct il__sim_packet *p, struct il__sim_host *from);
/* One that has arrived at a host: to each of its ends that takes it. */
void il__sim_groups_arrive(struct il__sim_packet *p);

#endif
