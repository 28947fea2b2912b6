/*
 * tcp_open.c: connecting and listening, as the loop's network does it. Loop's thread only.
 */
#include "../../../core/base/error.h"
#include "tcp.h"

/* ---- connecting ---- */

/* The address that the peer sees: one that it can reach. */
static int connect_local(const struct il__sim_host *host, const il_address *local,
			 struct il__sim_ip to, struct il__sim_place *place)
{
	const bool ipv4 = il__sim_is_ipv4(to), loops = il__sim_is_loopback(to);
	const struct il__sim_ip own = il__sim_host_ip(host, ipv4);

	*place = (struct il__sim_place){il__sim_any(ipv4), 0};
	if (local &&
	    (!il__sim_place_of(host->network, local, place) || il__sim_is_ipv4(place->ip) != ipv4))
		return -EAFNOSUPPORT;
	if (!il__sim_is_own(host, place->ip))
		return -EADDRNOTAVAIL;
	if (il__sim_is_any(place->ip))
		place->ip = loops ? il__sim_loopback(ipv4) : own;
	return !loops && il__sim_is_loopback(place->ip) && !il__sim_is_same(to, own) ? -EINVAL : 0;
}

/* Whom the address means, seen from the host; NULL: nobody. */
static struct il__sim_host *connect_whom(struct il__sim_host *host, struct il__sim_ip ip)
{
	return il__sim_is_loopback(ip) || il__sim_is_any(ip) ? host : il__sim_at(host->network, ip);
}

static int connect_port(struct il__sim_host *host, struct il__sim_place *local,
			struct il__sim_place remote)
{
	if (!local->port) {
		local->port = il__sim_free_port(host, IL__SIM_CONNECTS);
		return local->port ? 0 : -EADDRNOTAVAIL;
	}
	if (il__sim_bound(host, IL__SIM_LISTENS, *local, remote))
		return -EADDRINUSE;
	il__list_each (node, &host->connections) {
		const struct il__sim_tcp *t = il__container_of(node, struct il__sim_tcp, link);
		if (t->local.port == local->port && il__sim_is_same(t->local.ip, local->ip) &&
		    t->remote.port == remote.port && il__sim_is_same(t->remote.ip, remote.ip))
			return -EADDRNOTAVAIL;
	}
	return 0;
}

static int connect_start(struct il__sim_end *e, struct il__sim_host *to, const il_address *local)
{
	struct il__sim_place remote = e->remote;
	int rc;

	if (il__sim_is_any(remote.ip))
		remote.ip = il__sim_loopback(il__sim_is_ipv4(remote.ip));
	rc = connect_local(e->host, local, remote.ip, &e->local);
	if (rc == 0)
		rc = connect_port(e->host, &e->local, remote);
	if (rc < 0)
		return rc;
	e->tcp = il__sim_tcp_make(e->host, to, e->local, remote);
	if (!e->tcp)
		return -ENOMEM;
	e->tcp->end = e;
	il__sim_tcp_send(e->tcp, IL__SIM_CONNECT);
	il__sim_tcp_arm(e->tcp);
	return 0;
}

static void connect_empty(struct il__sim_end *e)
{
	struct il__sim_tcp *t = e->tcp;

	e->tcp = NULL;
	if (!t)
		return;
	t->end = NULL;
	il__sim_tcp_close(t);
}

int il__sim_connect(il_loop *loop, const il_address *to, const il_address *local,
		    const il_connect_options *options, struct il__fd **end)
{
	struct il__sim_end *e = NULL;
	struct il__sim_host *whom;
	int rc = il__sim_end_make(loop, IL__SIM_CONNECTS, connect_empty, &e);

	(void)options;
	if (rc < 0)
		return rc;
	whom = NULL;
	if (!il__sim_place_of(e->host->network, to, &e->remote) || il__sim_is_many(e->remote.ip))
		rc = -ENETUNREACH;
	else if (!(whom = connect_whom(e->host, e->remote.ip)))
		rc = -EHOSTUNREACH;
	else
		rc = connect_start(e, whom, local);
	if (rc < 0) {
		il__sim_end_close(&e->fd, false);
		return rc;
	}
	e->connected = true;
	*end = &e->fd;
	return 0;
}

int il__sim_connected(struct il__fd *fd)
{
	struct il__sim_end *e = il__sim_end_of(fd);

	if (!e->tcp)
		return -ENETDOWN;
	return e->tcp->host ? 1 : il__sim_tcp_error(e->tcp);
}

int il__sim_stream(struct il__fd *fd, const il_address *peer, il_stream **stream)
{
	struct il__sim_end *e = il__sim_end_of(fd);
	struct il__sim_tcp *t = e->tcp;

	(void)peer;
	if (!t)
		return il__refuse(-ENETDOWN, "il_stream_connect_tcp: the host is down");
	e->tcp = NULL;
	il__sim_end_close(fd, false);
	return il__sim_tcp_stream(t, stream);
}

/* ---- listening ---- */

static void listen_empty(struct il__sim_end *e)
{
	struct il__list *node;

	while ((node = il__list_pop(&e->queue))) {
		struct il__sim_tcp *t = il__container_of(node, struct il__sim_tcp, queued);
		t->resets = true;
		t->end = NULL;
		il__sim_tcp_close(t);
	}
	/* Those whose handshake goes on, too. */
	if (e->host)
		il__list_each_safe (other, &e->host->connections) {
			struct il__sim_tcp *t = il__container_of(other, struct il__sim_tcp, link);
			if (t->end != e)
				continue;
			t->end = NULL;
			t->resets = true;
			il__sim_tcp_close(t);
		}
}

int il__sim_listen(il_loop *loop, const il_address *address, const il_listen_options *options,
		   struct il__fd **end)
{
	struct il__sim_place local;
	struct il__sim_end *e = NULL;
	int rc = il__sim_end_make(loop, IL__SIM_LISTENS, listen_empty, &e);

	if (rc < 0)
		return rc;
	if (!il__sim_place_of(e->host->network, address, &local)) {
		il__sim_end_close(&e->fd, false);
		return -EAFNOSUPPORT;
	}
	e->shared = options->reuse_port;
	e->dual = options->dual_stack && !il__sim_is_ipv4(local.ip);
	e->backlog = options->backlog > 0 && options->backlog < IL__SIM_BACKLOG
			 ? (size_t)options->backlog
			 : IL__SIM_BACKLOG;
	rc = il__sim_bind(e, local);
	if (rc < 0)
		il__sim_end_close(&e->fd, false);
	else
		*end = &e->fd;
	return rc;
}

int il__sim_accept(struct il__fd *fd, il_stream **stream)
{
	struct il__sim_end *e = il__sim_end_of(fd);
	struct il__list *node = il__list_pop(&e->queue);

	if (!e->host)
		return -EINVAL; /* it listens no more */
	if (!node)
		return -EAGAIN;
	e->waiting--;
	return il__sim_tcp_stream(il__container_of(node, struct il__sim_tcp, queued), stream);
}
