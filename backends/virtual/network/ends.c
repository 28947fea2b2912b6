/*
 * ends.c: ports and addresses of ends, what can be asked of any of them, and their end. Loop's thread only.
 */
#include "ends.h"
#include "../../../core/base/memory.h"
#include "tcp.h"

#include <netinet/in.h>
#include <string.h>

/* ---- addresses ---- */

static uint64_t ends_word(const unsigned char *bytes)
{
	uint64_t word = 0;

	for (int i = 0; i < 8; i++)
		word = word << 8 | bytes[i];
	return word;
}

bool il__sim_place_of(const struct il_virtual_network *n, const il_address *address,
		      struct il__sim_place *place)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->length >= sizeof in && address->storage.ss_family == AF_INET) {
		memcpy(&in, &address->storage, sizeof in);
		*place = (struct il__sim_place){il__sim_ipv4(ntohl(in.sin_addr.s_addr)),
						ntohs(in.sin_port)};
		return true;
	}
	if (!n->ipv6 || address->length < sizeof in6 || address->storage.ss_family != AF_INET6)
		return false;
	memcpy(&in6, &address->storage, sizeof in6);
	place->ip = (struct il__sim_ip){ends_word(&in6.sin6_addr.s6_addr[0]),
					ends_word(&in6.sin6_addr.s6_addr[8])};
	place->port = ntohs(in6.sin6_port);
	return true;
}

void il__sim_address(struct il__sim_place place, il_address *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(place.port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(place.port)};
	const bool ipv4 = il__sim_is_ipv4(place.ip);

	in.sin_addr.s_addr = htonl((uint32_t)place.ip.low);
	for (int i = 0; i < 8; i++) {
		in6.sin6_addr.s6_addr[i] = (unsigned char)(place.ip.high >> (56 - 8 * i));
		in6.sin6_addr.s6_addr[8 + i] = (unsigned char)(place.ip.low >> (56 - 8 * i));
	}
	memset(address, 0, sizeof *address);
	address->length = ipv4 ? sizeof in : sizeof in6;
	memcpy(&address->storage, ipv4 ? (const void *)&in : &in6, address->length);
}

bool il__sim_is_own(const struct il__sim_host *host, struct il__sim_ip ip)
{
	return il__sim_is_any(ip) || il__sim_is_loopback(ip) ||
	       il__sim_is_same(ip, il__sim_host_ip(host, il__sim_is_ipv4(ip)));
}

/* ---- ports ---- */

/* Of its family, or of both. */
static bool end_covers(const struct il__sim_end *e, struct il__sim_ip ip)
{
	const struct il__sim_ip own = e->local.ip;

	if (!il__sim_is_any(own))
		return il__sim_is_same(own, ip);
	return il__sim_is_ipv4(ip) ? e->dual || il__sim_is_ipv4(own) : !il__sim_is_ipv4(own);
}

static bool end_is_connected_to(const struct il__sim_end *e, struct il__sim_place place)
{
	return il__sim_is_same(e->remote.ip, place.ip) && e->remote.port == place.port;
}

bool il__sim_end_takes(const struct il__sim_end *e, struct il__sim_place target,
		       struct il__sim_place source)
{
	return e->local.port == target.port && end_covers(e, target.ip) &&
	       (!e->connected || end_is_connected_to(e, source));
}

struct il__sim_end *il__sim_bound(const struct il__sim_host *host, enum il__sim_use use,
				  struct il__sim_place target, struct il__sim_place source)
{
	struct il__sim_end *found = NULL;

	il__list_each (node, &host->ends) {
		struct il__sim_end *e = il__container_of(node, struct il__sim_end, link);
		if (e->use != use || !il__sim_end_takes(e, target, source))
			continue;
		if (e->connected)
			return e;
		found = found ? found : e;
	}
	return found;
}

/* By an end that is not bound yet to its local place. */
static bool port_is_taken(const struct il__sim_end *end)
{
	il__list_each (node, &end->host->ends) {
		const struct il__sim_end *e = il__container_of(node, struct il__sim_end, link);
		const bool same = end_covers(e, end->local.ip) || end_covers(end, e->local.ip);
		if (e->use == end->use && e->local.port == end->local.port && same &&
		    !(e->shared && end->shared))
			return true;
	}
	return false;
}

static bool port_is_used(const struct il__sim_host *host, enum il__sim_use use, uint16_t port)
{
	il__list_each (node, &host->ends) {
		const struct il__sim_end *e = il__container_of(node, struct il__sim_end, link);
		if ((e->use == IL__SIM_DATAGRAMS) == (use == IL__SIM_DATAGRAMS) &&
		    e->local.port == port)
			return true;
	}
	if (use != IL__SIM_DATAGRAMS)
		il__list_each (node, &host->connections)
			if (il__container_of(node, struct il__sim_tcp, link)->local.port == port)
				return true;
	return false;
}

uint16_t il__sim_free_port(struct il__sim_host *host, enum il__sim_use use)
{
	for (int i = 0; i < IL__SIM_PORTS; i++) {
		const uint16_t port = host->next_port;
		host->next_port = port < IL__SIM_FIRST_PORT + IL__SIM_PORTS - 1
				      ? (uint16_t)(port + 1)
				      : IL__SIM_FIRST_PORT;
		if (!port_is_used(host, use, port))
			return port;
	}
	return 0;
}

int il__sim_bind(struct il__sim_end *end, struct il__sim_place local)
{
	if (!il__sim_is_own(end->host, local.ip) &&
	    !(end->use == IL__SIM_DATAGRAMS && il__sim_is_many(local.ip)))
		return -EADDRNOTAVAIL;
	end->local = local;
	if (local.port && port_is_taken(end))
		return -EADDRINUSE;
	if (!local.port)
		end->local.port = il__sim_free_port(end->host, end->use);
	if (!end->local.port)
		return -EADDRINUSE;
	il__list_push(&end->host->ends, &end->link);
	return 0;
}

/* ---- making one ---- */

/* What it waits for it is told: il__sim_... fire it. */
static int end_ask(struct il__fd *fd, unsigned directions)
{
	(void)directions;
	return il__sim_end_of(fd)->host ? 0 : 1;
}

static const struct il__fd_asks end_asks = {.ask = end_ask};

int il__sim_end_make(il_loop *loop, enum il__sim_use use, void (*empty)(struct il__sim_end *e),
		     struct il__sim_end **end)
{
	const struct il_virtual_network *n = il__sim_of(loop);
	struct il__sim_host *host = n ? il__sim_here(n) : NULL;
	struct il__sim_end *e;

	if (!host || host->down)
		return -ENETDOWN;
	e = il__calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	e->fd.number = -1;
	e->fd.owned = e->fd.stays = true;
	e->fd.ready = IL_READABLE | IL_WRITABLE;
	e->fd.asks = &end_asks;
	e->fd.source.watch.loop = loop;
	e->use = use;
	e->empty = empty;
	e->host = host;
	il__list_init(&e->link);
	il__list_init(&e->queue);
	*end = e;
	return 0;
}

/* ---- the end of one ---- */

void il__sim_end_cut(struct il__sim_end *end)
{
	il__list_remove(&end->link);
	end->empty(end);
	end->host = NULL;
	il__fd_fire(&end->fd, IL_READABLE | IL_WRITABLE);
}

void il__sim_end_close(struct il__fd *fd, bool inherited)
{
	struct il__sim_end *e = il__sim_end_of(fd);

	if (!inherited) {
		il__list_remove(&e->link);
		e->empty(e);
		il__fd_wake(fd, -EBADF);
	}
	/* `empty` has, except in a forked child, whose network is the parent's. */
	il__free(e->groups);
	il__free(e);
}

/* ---- what can be asked ---- */

int il__sim_end_address(const struct il__fd *fd, bool peer, il_address *address)
{
	const struct il__sim_end *e = il__sim_end_of(fd);

	if (peer && !e->connected) {
		address->length = 0;
		return -ENOTCONN;
	}
	il__sim_address(peer ? e->remote : e->local, address);
	return 0;
}

int il__sim_end_ready(struct il__fd *fd, unsigned mask)
{
	const struct il__sim_end *e = il__sim_end_of(fd);
	unsigned ready = IL_WRITABLE;

	if (!il__list_empty(&e->queue) || e->error || !e->host)
		ready |= IL_READABLE;
	return (int)(mask & ready);
}
