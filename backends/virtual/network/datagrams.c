/*
 * datagrams.c: UDP: whole datagrams into a bounded queue, or nowhere. Whoever has connected a socket learns once that
 * nobody has the port; nobody else does. Loop's thread only.
 */
#include "../../../core/base/error.h"
#include "../../../core/base/os_datagram.h"
#include "../../../core/base/os_destination.h"
#include "ends.h"
#include "packets.h"

#include <string.h>
#include <sys/uio.h>

/* docs/simulation.md lists them. */
enum { LARGEST_IPV4 = 65507, LARGEST_IPV6 = 65527, QUEUE_BYTES = 212992 };

/* ---- opening, and the end ---- */

static void datagram_empty(struct il__sim_end *e)
{
	while (!il__list_empty(&e->queue))
		il__sim_packet_free(NULL,
				    il__container_of(e->queue.next, struct il__sim_packet, link));
	il__sim_groups_leave(e);
}

static int datagram_connect(struct il__sim_end *e, struct il__sim_place to)
{
	const bool ipv4 = il__sim_is_ipv4(to.ip);
	struct il__sim_place local = {.port = 0};
	int rc;

	if (il__sim_is_any(to.ip))
		to.ip = il__sim_loopback(ipv4);
	local.ip =
	    il__sim_is_loopback(to.ip) ? il__sim_loopback(ipv4) : il__sim_host_ip(e->host, ipv4);
	rc = il__sim_bind(e, local);
	e->connected = rc == 0;
	e->remote = to;
	return rc;
}

/* With words. */
static int datagram_refuse(int rc, const il_address *address, const char *function)
{
	char text[IL_ADDRESS_TEXT_MAX];

	il_address_text(address, text, sizeof text);
	return il__refuse(rc, "%s: %s: %s", function, text, il__system_words(rc));
}

static int datagram_open(struct il__sim_end *e, const il_address *address, bool connects,
			 const il_datagram_options *options, const char *function)
{
	struct il__sim_place place;
	int rc;

	if (!il__sim_place_of(e->host->network, address, &place))
		return datagram_refuse(connects ? -ENETUNREACH : -EAFNOSUPPORT, address, function);
	e->shared = options && options->reuse_port;
	e->dual = !il__sim_is_ipv4(place.ip) && !(options && options->ipv6_only);
	e->broadcast = options && options->broadcast;
	e->most_bytes =
	    options && options->receive_buffer ? (size_t)options->receive_buffer : QUEUE_BYTES;
	rc = il__sim_groups_join(e, il__sim_is_ipv4(place.ip), options, function);
	if (rc < 0)
		return rc;
	rc = connects ? datagram_connect(e, place) : il__sim_bind(e, place);
	return rc < 0 ? datagram_refuse(rc, address, function) : 0;
}

int il__sim_datagram_open(il_loop *loop, const il_address *address, bool connects,
			  const il_datagram_options *options, const char *function,
			  struct il__fd **end)
{
	struct il__sim_end *e = NULL;
	int rc = il__sim_end_make(loop, IL__SIM_DATAGRAMS, datagram_empty, &e);

	if (rc < 0)
		return datagram_refuse(rc, address, function);
	rc = datagram_open(e, address, connects, options, function);
	if (rc < 0)
		il__sim_end_close(&e->fd, false);
	else
		*end = &e->fd;
	return rc;
}

bool il__sim_datagram_dual(const struct il__fd *fd)
{
	return il__sim_end_of(fd)->dual;
}

/* ---- arriving ---- */

/* ICMP, to whoever has sent it. */
static void datagram_return(struct il__sim_packet *p)
{
	struct il__sim_packet *word =
	    il__sim_packet_make(p->to->network, p->ops, IL__SIM_UNREACHABLE, 0);

	if (!word)
		return;
	word->source = p->target;
	word->target = p->source;
	il__sim_packet_send(word, p->to, p->from);
}

static void datagram_refused(const struct il__sim_packet *p)
{
	struct il__sim_end *e = il__sim_bound(p->to, IL__SIM_DATAGRAMS, p->target, p->source);

	if (!e || !e->connected)
		return;
	e->error = -ECONNREFUSED;
	il__fd_fire(&e->fd, IL_READABLE);
}

static void datagram_arrive(struct il__sim_packet *p)
{
	struct il_virtual_network *n = p->to->network;
	struct il__sim_end *e;

	if (p->kind == IL__SIM_UNREACHABLE) {
		datagram_refused(p);
		il__sim_packet_free(n, p);
		return;
	}
	if (il__sim_is_many(p->target.ip)) {
		il__sim_groups_arrive(p);
		return;
	}
	e = il__sim_bound(p->to, IL__SIM_DATAGRAMS, p->target, p->source);
	if (e) {
		il__sim_datagram_deliver(e, p);
	} else {
		datagram_return(p);
		il__sim_packet_free(n, p);
	}
}

static const struct il__sim_packet_ops datagram_packets = {.arrive = datagram_arrive};

/* ---- receiving ---- */

/* Which address of the host it was sent to, as the system says it to whoever has room for that. */
static void datagram_tell_target(const struct il__sim_packet *p, struct msghdr *header)
{
	struct il__os_destination d = {.family = AF_UNSPEC};
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
	const bool room =
	    header->msg_control && header->msg_controllen >= sizeof(struct il__os_destination_room);
	il_address target;

	header->msg_controllen = 0;
	if (!room || il__sim_is_many(p->target.ip))
		return;
	il__sim_address(p->target, &target);
	d.family = target.storage.ss_family;
	memcpy(&ipv4, &target.storage, sizeof ipv4);
	memcpy(&ipv6, &target.storage, sizeof ipv6);
	if (d.family == AF_INET)
		d.address.ipv4 = ipv4.sin_addr;
	else
		d.address.ipv6 = ipv6.sin6_addr;
	il__os_destination_set(header, header->msg_control, &d);
}

/* Of each packet as much as there is room for. */
static void datagram_give(const struct il__sim_packet *p, struct il__os_message *m)
{
	il_address from;
	size_t given = 0;

	for (size_t i = 0; i < (size_t)m->header.msg_iovlen && given < p->size; i++) {
		const struct iovec *piece = &m->header.msg_iov[i];
		const size_t left = p->size - given,
			     n = piece->iov_len < left ? piece->iov_len : left;
		memcpy(piece->iov_base, p->data + given, n);
		given += n;
	}
	il__sim_address(p->source, &from);
	if (m->header.msg_name && m->header.msg_namelen >= from.length) {
		memcpy(m->header.msg_name, &from.storage, from.length);
		m->header.msg_namelen = from.length;
	}
	datagram_tell_target(p, &m->header);
	m->header.msg_flags = given < p->size ? MSG_TRUNC : 0;
	m->size = (unsigned)given;
}

static int datagram_error(struct il__sim_end *e)
{
	const int error = e->error;

	e->error = 0;
	return error;
}

int il__sim_datagram_receive(struct il__fd *fd, struct il__os_message *messages, int count)
{
	struct il__sim_end *e = il__sim_end_of(fd);
	int n = 0;

	if (!e->host)
		return -ENETDOWN;
	if (e->error)
		return datagram_error(e);
	for (; n < count && !il__list_empty(&e->queue); n++) {
		struct il__sim_packet *p =
		    il__container_of(e->queue.next, struct il__sim_packet, link);
		datagram_give(p, &messages[n]);
		e->waiting--;
		e->bytes -= p->size;
		il__sim_packet_free(e->host->network, p);
	}
	return n ? n : -EAGAIN;
}

/* ---- sending ---- */

static int datagram_target(const struct il__sim_end *e, const struct msghdr *header,
			   struct il__sim_place *to)
{
	il_address address = {.length = header->msg_namelen};
	bool ipv4;

	*to = e->remote;
	if (header->msg_name) {
		memcpy(&address.storage, header->msg_name, header->msg_namelen);
		if (!il__sim_place_of(e->host->network, &address, to))
			return -EAFNOSUPPORT;
	}
	ipv4 = il__sim_is_ipv4(to->ip);
	if (il__sim_is_any(to->ip))
		to->ip = il__sim_loopback(ipv4);
	if (!to->port)
		return -EINVAL;
	if (il__sim_is_broadcast(to->ip) && !e->broadcast)
		return -EACCES;
	if (il__sim_is_ipv4(e->local.ip) != ipv4 && !(e->dual && il__sim_is_any(e->local.ip)))
		return -ENETUNREACH;
	return il__sim_is_loopback(e->local.ip) && !il__sim_is_own(e->host, to->ip) ? -EINVAL : 0;
}

/* The address that its sender wants it to come from. */
static bool datagram_asked_source(const struct il__sim_end *e, const struct msghdr *header,
				  struct il__sim_ip *ip)
{
	struct msghdr copy = *header;
	struct il__os_destination d;
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
	struct il__sim_place place;
	il_address address = {.length = 0};

	il__os_destination_get(&copy, &d);
	if (d.family == AF_UNSPEC)
		return false;
	ipv4.sin_addr = d.address.ipv4;
	ipv6.sin6_addr = d.address.ipv6;
	address.length = d.family == AF_INET ? sizeof ipv4 : sizeof ipv6;
	memcpy(&address.storage, d.family == AF_INET ? (void *)&ipv4 : (void *)&ipv6,
	       address.length);
	if (!il__sim_place_of(e->host->network, &address, &place))
		return false;
	*ip = place.ip;
	return !il__sim_is_any(*ip) && il__sim_is_own(e->host, *ip);
}

/* Where it seems to come from. */
static struct il__sim_place datagram_source(const struct il__sim_end *e,
					    const struct msghdr *header, struct il__sim_ip to)
{
	const bool ipv4 = il__sim_is_ipv4(to);
	struct il__sim_place source = e->local;
	struct il__sim_ip asked;

	if (il__sim_is_any(source.ip) && datagram_asked_source(e, header, &asked) &&
	    il__sim_is_ipv4(asked) == ipv4)
		source.ip = asked;
	else if (il__sim_is_any(source.ip) || il__sim_is_many(source.ip))
		source.ip = il__sim_is_loopback(to) ? il__sim_loopback(ipv4)
						    : il__sim_host_ip(e->host, ipv4);
	return source;
}

static void datagram_copy(char *to, const struct msghdr *header)
{
	for (size_t i = 0; i < (size_t)header->msg_iovlen; i++) {
		const struct iovec *piece = &header->msg_iov[i];
		if (piece->iov_len)
			memcpy(to, piece->iov_base, piece->iov_len);
		to += piece->iov_len;
	}
}

/* To a host, or to many; 0, also where nobody has that address: it is lost. */
static int datagram_leave(struct il__sim_packet *p, struct il__sim_host *from)
{
	const struct il__sim_ip to = p->target.ip;
	struct il__sim_host *whom;

	if (il__sim_is_many(to))
		return il__sim_groups_send(p, from);
	whom = il__sim_is_own(from, to) ? from : il__sim_at(from->network, to);
	if (whom)
		il__sim_packet_send(p, from, whom);
	else
		il__sim_packet_free(from->network, p);
	return 0;
}

static int datagram_send_one(struct il__sim_end *e, const struct msghdr *header)
{
	struct il__sim_place to;
	struct il__sim_packet *p;
	size_t size = 0;
	int rc = datagram_target(e, header, &to);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < (size_t)header->msg_iovlen; i++)
		size += header->msg_iov[i].iov_len;
	if (size > (il__sim_is_ipv4(to.ip) ? LARGEST_IPV4 : LARGEST_IPV6))
		return -EMSGSIZE;
	p = il__sim_packet_make(e->host->network, &datagram_packets, IL__SIM_DATAGRAM, size);
	if (!p)
		return -ENOBUFS;
	datagram_copy(p->data, header);
	p->source = datagram_source(e, header, to.ip);
	p->target = to;
	rc = datagram_leave(p, e->host);
	return rc < 0 ? rc : (int)size;
}

int il__sim_datagram_send(struct il__fd *fd, struct il__os_message *messages, int count)
{
	struct il__sim_end *e = il__sim_end_of(fd);

	if (!e->host)
		return -ENETDOWN;
	if (e->error)
		return datagram_error(e);
	for (int i = 0; i < count; i++) {
		int rc = datagram_send_one(e, &messages[i].header);
		if (rc < 0)
			return i ? i : rc;
		messages[i].size = (unsigned)rc;
	}
	return count;
}
