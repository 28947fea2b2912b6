/*
 * groups.c: datagrams to many hosts: to a multicast group, or to all. As on Linux a host takes what is for a group while any
 * socket of it has joined that; then each of its sockets that is bound to the port and to the group, or to any address,
 * gets a datagram of its own. The sender's host is one of them. Loop's thread only.
 */
#include "../../../core/base/error.h"
#include "../../../core/base/memory.h"
#include "ends.h"
#include "packets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* ---- membership ---- */

static bool groups_has(const struct il__sim_end *e, struct il__sim_ip group)
{
	for (size_t i = 0; i < e->group_count; i++)
		if (il__sim_is_same(e->groups[i], group))
			return true;
	return false;
}

/* Whether the host takes it. */
static bool groups_host_takes(const struct il__sim_host *host, struct il__sim_ip many)
{
	if (il__sim_is_broadcast(many))
		return true;
	il__list_each (node, &host->ends)
		if (groups_has(il__container_of(node, struct il__sim_end, link), many))
			return true;
	return false;
}

/* A number of a family that the socket serves. */
static int groups_read(const struct il__sim_end *e, bool ipv4, const char *text,
		       struct il__sim_ip *group)
{
	il_address address = {.length = 0};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct il__sim_place place;

	if (text && strchr(text, '%'))
		return -ENODEV; /* hosts have no interface with a name */
	if (text && inet_pton(AF_INET, text, &in.sin_addr) == 1 && (ipv4 || e->dual)) {
		memcpy(&address.storage, &in, sizeof in);
		address.length = sizeof in;
	} else if (text && inet_pton(AF_INET6, text, &in6.sin6_addr) == 1 && !ipv4) {
		memcpy(&address.storage, &in6, sizeof in6);
		address.length = sizeof in6;
	}
	if (!address.length || !il__sim_place_of(e->host->network, &address, &place) ||
	    !il__sim_is_group(place.ip))
		return -EINVAL;
	*group = place.ip;
	return groups_has(e, *group) ? -EADDRINUSE : 0;
}

int il__sim_groups_join(struct il__sim_end *e, bool ipv4, const il_datagram_options *options,
			const char *function)
{
	const size_t count = options ? options->join_count : 0;

	if (!count)
		return 0;
	e->groups = il__calloc(count, sizeof *e->groups);
	if (!e->groups)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	for (; e->group_count < count; e->group_count++) {
		const char *text = options->join[e->group_count];
		int rc = groups_read(e, ipv4, text, &e->groups[e->group_count]);
		if (rc < 0)
			return il__refuse(rc, "%s: joining group %s: %s", function,
					  text ? text : "NULL", il__system_words(rc));
	}
	return 0;
}

void il__sim_groups_leave(struct il__sim_end *e)
{
	il__free(e->groups);
	e->groups = NULL;
	e->group_count = 0;
}

/* ---- datagrams ---- */

static struct il__sim_packet *groups_copy(const struct il__sim_packet *p,
					  struct il_virtual_network *n)
{
	struct il__sim_packet *copy = il__sim_packet_make(n, p->ops, p->kind, p->size);

	if (!copy)
		return NULL;
	memcpy(copy->data, p->data, p->size);
	copy->source = p->source;
	copy->target = p->target;
	copy->shuffled = p->shuffled;
	return copy;
}

int il__sim_groups_send(struct il__sim_packet *p, struct il__sim_host *from)
{
	struct il_virtual_network *n = from->network;
	int rc = 0;

	for (size_t i = 0; i < n->count; i++) {
		struct il__sim_packet *copy;
		if (!groups_host_takes(n->hosts[i], p->target.ip))
			continue;
		copy = groups_copy(p, n);
		if (copy)
			il__sim_packet_send(copy, from, n->hosts[i]);
		else
			rc = -ENOBUFS;
	}
	il__sim_packet_free(n, p);
	return rc;
}

void il__sim_groups_arrive(struct il__sim_packet *p)
{
	struct il__sim_host *host = p->to;
	const bool takes = groups_host_takes(host, p->target.ip);

	il__list_each_safe (node, &host->ends) {
		struct il__sim_end *e = il__container_of(node, struct il__sim_end, link);
		struct il__sim_packet *copy;
		if (!takes || e->use != IL__SIM_DATAGRAMS ||
		    !il__sim_end_takes(e, p->target, p->source))
			continue;
		copy = groups_copy(p, host->network);
		if (copy)
			il__sim_datagram_deliver(e, copy);
	}
	il__sim_packet_free(host->network, p);
}
