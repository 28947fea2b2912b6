/*
 * ends.c: ports and addresses of ends, what can be asked of any of them, and their end. Loop's thread only.
 */
#include "ends.h"
#include "../../../core/base/memory.h"
#include "tcp.h"

#include <netinet/in.h>
#include <string.h>

/* ---- addresses ---- */

bool il__sim_place_of(const il_address *address, struct il__sim_place *place)
{
	struct sockaddr_in in;

	if (address->length < sizeof in || address->storage.ss_family != AF_INET)
		return false;
	memcpy(&in, &address->storage, sizeof in);
	*place = (struct il__sim_place){ntohl(in.sin_addr.s_addr), ntohs(in.sin_port)};
	return true;
}

void il__sim_address(struct il__sim_place place, il_address *address)
{
	const struct sockaddr_in in = {.sin_family = AF_INET,
				       .sin_port = htons(place.port),
				       .sin_addr.s_addr = htonl(place.ip)};

	memset(address, 0, sizeof *address);
	memcpy(&address->storage, &in, sizeof in);
	address->length = sizeof in;
}

bool il__sim_is_own(const struct il__sim_host *host, uint32_t ip)
{
	return ip == INADDR_ANY || ip >> 24 == IN_LOOPBACKNET || ip == host->ip;
}

/* ---- ports ---- */

struct il__sim_end *il__sim_bound(const struct il__sim_host *host, enum il__sim_use use,
				  struct il__sim_place target, struct il__sim_place source)
{
	struct il__sim_end *found = NULL;

	il__list_each (node, &host->ends) {
		struct il__sim_end *e = il__container_of(node, struct il__sim_end, link);
		if (e->use != use || e->local.port != target.port ||
		    (e->local.ip != INADDR_ANY && e->local.ip != target.ip))
			continue;
		if (!e->connected)
			found = found ? found : e;
		else if (e->remote.ip == source.ip && e->remote.port == source.port)
			return e;
	}
	return found;
}

static bool port_is_taken(const struct il__sim_host *host, const struct il__sim_end *end,
			  struct il__sim_place local)
{
	il__list_each (node, &host->ends) {
		const struct il__sim_end *e = il__container_of(node, struct il__sim_end, link);
		const bool same =
		    e->local.ip == local.ip || e->local.ip == INADDR_ANY || local.ip == INADDR_ANY;
		if (e->use == end->use && e->local.port == local.port && same &&
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
	if (!il__sim_is_own(end->host, local.ip))
		return -EADDRNOTAVAIL;
	if (local.port && port_is_taken(end->host, end, local))
		return -EADDRINUSE;
	if (!local.port)
		local.port = il__sim_free_port(end->host, end->use);
	if (!local.port)
		return -EADDRINUSE;
	end->local = local;
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

int il__sim_end_make(il_loop *loop, enum il__sim_use use, void (*empty)(struct il__sim_end *e),
		     struct il__sim_end **end)
{
	struct il__sim_host *host = il__sim_here(il__sim_of(loop));
	struct il__sim_end *e;

	if (host->down)
		return -ENETDOWN;
	e = il__calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	e->fd.number = -1;
	e->fd.owned = true;
	e->fd.ready = IL_READABLE | IL_WRITABLE;
	e->fd.ask = end_ask;
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
