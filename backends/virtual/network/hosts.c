/*
 * hosts.c: the table of hosts. Addresses are 10.0.0.1 and 2001:db8::1 for "" and from 10.0.0.2 and 2001:db8::2 on
 * in the order in which hosts were started first; a host keeps its own. Loop's thread only.
 */
#include "hosts.h"
#include "../../../core/base/error.h"
#include "../../../core/base/memory.h"
#include "../../../core/runtime/thread_state.h"

#include <interloop/future.h>

#include <string.h>
#include <strings.h>

/* Of "": the others' follow by their index. */
static const struct il__sim_ip first_ipv4 = {0, IL__SIM_IPV4_MAPPED | 0x0a000001},
			       first_ipv6 = {UINT64_C(0x20010db800000000), 1};

enum { ROOM = 8 };

/* ---- finding one ---- */

struct il__sim_host *il__sim_here(const struct il_virtual_network *n)
{
	struct il__host *tasks = il__host_here(n->loop);

	return tasks ? il__container_of(tasks, struct il__sim_host, tasks) : n->hosts[0];
}

struct il__sim_host *il__sim_named(const struct il_virtual_network *n, const char *name)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcasecmp(n->hosts[i]->name, name) == 0)
			return n->hosts[i];
	return NULL;
}

struct il__sim_host *il__sim_at(const struct il_virtual_network *n, struct il__sim_ip ip)
{
	const struct il__sim_ip first = il__sim_is_ipv4(ip) ? first_ipv4 : first_ipv6;
	const uint64_t index = ip.low - first.low;

	return ip.high == first.high && index < n->count ? n->hosts[index] : NULL;
}

struct il__sim_ip il__sim_host_ip(const struct il__sim_host *host, bool ipv4)
{
	struct il__sim_ip ip = ipv4 ? first_ipv4 : first_ipv6;

	ip.low += host->index;
	return ip;
}

int il__sim_check(const struct il_virtual_network *n, const char *function)
{
	int rc;

	if (!n)
		return il__refuse(-EINVAL, "%s: the network is NULL", function);
	rc = il__loop_check_thread(n->loop, function);
	if (rc == 0 && n->closing)
		return il__refuse(-ESHUTDOWN, "%s: the network is about to be closed", function);
	return rc;
}

int il__sim_find(const struct il_virtual_network *n, const char *name, struct il__sim_host **host,
		 const char *function)
{
	int rc = il__sim_check(n, function);

	if (rc < 0)
		return rc;
	if (!name)
		return il__refuse(-EINVAL, "%s: the host's name is NULL", function);
	*host = il__sim_named(n, name);
	if (!*host)
		return il__refuse(-ENOENT, "%s: no host was started that is called %s", function,
				  name);
	return 0;
}

/* ---- making one ---- */

void il__sim_host_free(struct il__sim_host *host)
{
	if (host->main)
		il__scope_fini_root(&host->tasks.scope);
	il_future_unref(host->result);
	il__free(host->links);
	il__free(host->name);
	il__free(host);
}

/* Room for so many links. */
static int host_reserve(const struct il_virtual_network *n, struct il__sim_host *host, size_t room)
{
	struct il__sim_link *links = il__malloc(room * sizeof *links);

	if (!links)
		return -ENOMEM;
	for (size_t i = 0; host->links && i < n->count; i++) {
		links[i] = host->links[i];
		il__list_init(&links[i].held);
		il__list_splice(&links[i].held, &host->links[i].held);
	}
	il__free(host->links);
	host->links = links;
	return 0;
}

/* Room for one more host, and for its links and those to it: twice as much, so that it is seldom copied. */
static int hosts_reserve(struct il_virtual_network *n)
{
	const size_t room = n->room ? 2 * n->room : ROOM;
	struct il__sim_host **hosts;
	int rc = 0;

	if (n->count < n->room)
		return 0;
	hosts = il__realloc(n->hosts, room * sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	n->hosts = hosts;
	for (size_t i = 0; rc == 0 && i < n->count; i++)
		rc = host_reserve(n, hosts[i], room);
	if (rc == 0)
		n->room = room;
	return rc;
}

int il__sim_host_add(struct il_virtual_network *n, const char *name, struct il__sim_host **added)
{
	struct il__sim_host *host = il__calloc(1, sizeof *host);

	if (!host || !(host->name = il__strdup(name)) || hosts_reserve(n) < 0 ||
	    host_reserve(n, host, n->room) < 0)
		goto no_memory;
	host->network = n;
	host->index = n->count;
	host->next_port = (uint16_t)(IL__SIM_FIRST_PORT + il__sim_random(n) % IL__SIM_PORTS);
	il__list_init(&host->joiners);
	il__list_init(&host->ends);
	il__list_init(&host->connections);
	n->hosts[n->count++] = host;
	for (size_t i = 0; i < n->count; i++) { /* every host has a link to every other */
		il__sim_link_init(&host->links[i], n);
		il__sim_link_init(&n->hosts[i]->links[host->index], n);
	}
	*added = host;
	return 0;
no_memory:
	if (host)
		il__free(host->name);
	il__free(host);
	return -ENOMEM;
}
