/*
 * hosts.h: the hosts of a simulated network. A host that is down has no ends and no connections: a power cut leaves those
 * of its tasks behind without a host, and nothing that is done with them goes anywhere. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_HOSTS_H
#define IL_VIRTUAL_NETWORK_HOSTS_H

#include "../../../core/runtime/host.h"
#include "links.h"
#include "simulation.h"

struct il__sim_host {
	struct il__host tasks;
	struct il_virtual_network *network;
	char *name;
	size_t index;
	bool down;
	il_fn *main; /* NULL: "" */
	void *arg;
	il_future *result;           /* of main, the last time that it was started */
	struct il__list joiners;     /* tasks that wait until none of it is left */
	struct il__list ends;        /* that are bound: listeners and datagram sockets */
	struct il__list connections; /* that live */
	uint16_t next_port;          /* to be tried for whoever wants any */
	struct il__sim_link *links;  /* of what it sends, by the index of the other host; n->room */
};

enum { IL__SIM_FIRST_PORT = 32768, IL__SIM_PORTS = 28232 };
enum { IL__SIM_NAME = 63 }; /* characters that a host's name has at most */

/* The calling task's; a task of no host is on the first. */
struct il__sim_host *il__sim_here(const struct il_virtual_network *n);
/* NULL: there is none of that name, or with that address. */
struct il__sim_host *il__sim_named(const struct il_virtual_network *n, const char *name);
struct il__sim_host *il__sim_at(const struct il_virtual_network *n, struct il__sim_ip ip);
/* What others call it. */
struct il__sim_ip il__sim_host_ip(const struct il__sim_host *host, bool ipv4);
/* One more, which is up and has no tasks; -ENOMEM. */
int il__sim_host_add(struct il_virtual_network *n, const char *name, struct il__sim_host **host);
/* With -EINVAL or -ENOENT in words, for `function`; n may be NULL. */
int il__sim_find(const struct il_virtual_network *n, const char *name, struct il__sim_host **host,
		 const char *function);
/* 0 in the loop's thread; or why not, with words; n may be NULL. */
int il__sim_check(const struct il_virtual_network *n, const char *function);
void il__sim_host_free(struct il__sim_host *host);

#endif
