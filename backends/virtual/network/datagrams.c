/*
 * datagrams.c: UDP: whole datagrams into a bounded queue, or nowhere. Whoever has connected a socket learns once that
 * nobody has the port; nobody else does. Loop's thread only.
 */
#include "../../../core/base/error.h"
#include "../../../core/base/os_datagram.h"
#include "ends.h"
#include "packets.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>

/* Of a queue; docs/simulation.md lists them. */
enum { LARGEST = 65507, QUEUE_BYTES = 212992, QUEUE_MOST = 1024 };

/* ---- opening, and the end ---- */

static void datagram_empty(struct il__sim_end *e)
{
	while (!il__list_empty(&e->queue))
		il__sim_packet_free(NULL,
				    il__container_of(e->queue.next, struct il__sim_packet, link));
}

static int datagram_connect(struct il__sim_end *e, struct il__sim_place to)
{
	struct il__sim_place local = {0};
	int rc;

	if (to.ip == INADDR_ANY)
		to.ip = IL__SIM_LOOPBACK;
	local.ip = to.ip >> 24 == IN_LOOPBACKNET ? IL__SIM_LOOPBACK : e->host->ip;
	rc = il__sim_bind(e, local);
	e->connected = rc == 0;
	e->remote = to;
	return rc;
}

static int datagram_open(struct il__sim_end *e, const il_address *address, bool connects,
			 const il_datagram_options *options)
{
	struct il__sim_place place;

	if (options && options->join_count)
		return -ENODEV; /* no host has an interface for groups */
	if (!il__sim_place_of(address, &place))
		return connects ? -ENETUNREACH : -EAFNOSUPPORT;
	e->shared = options && options->reuse_port;
	e->broadcast = options && options->broadcast;
	e->most_bytes =
	    options && options->receive_buffer ? (size_t)options->receive_buffer : QUEUE_BYTES;
	return connects ? datagram_connect(e, place) : il__sim_bind(e, place);
}

int il__sim_datagram_open(il_loop *loop, const il_address *address, bool connects,
			  const il_datagram_options *options, const char *function,
			  struct il__fd **end)
{
	char text[IL_ADDRESS_TEXT_MAX];
	struct il__sim_end *e = NULL;
	int rc = il__sim_end_make(loop, IL__SIM_DATAGRAMS, datagram_empty, &e);

	if (rc == 0) {
		rc = datagram_open(e, address, connects, options);
		if (rc < 0)
			il__sim_end_close(&e->fd, false);
		else
			*end = &e->fd;
	}
	if (rc < 0) {
		il_address_text(address, text, sizeof text);
		il__refuse(rc, "%s: %s: %s", function, text, il__system_words(rc));
	}
	return rc;
}

/* ---- arriving ---- */

/* Behind those that came before; a shuffled one anywhere among those that came with it. */
static void datagram_enqueue(struct il__sim_end *e, struct il__sim_packet *p)
{
	struct il__sim_host *host = e->host;
	struct il__list *at = &e->queue;
	uint64_t together = 0;

	p->arrived = il__sim_now(host->network);
	for (struct il__list *node = at->prev; p->shuffled && node != &e->queue;
	     node = node->prev) {
		const struct il__sim_packet *other =
		    il__container_of(node, struct il__sim_packet, link);
		if (!other->shuffled || other->arrived != p->arrived)
			break;
		together++;
	}
	for (uint64_t back = together ? il__sim_random(host->network) % (together + 1) : 0;
	     back > 0; back--)
		at = at->prev;
	il__list_push(at, &p->link);
	e->bytes += p->size;
	e->waiting++;
	il__fd_fire(&e->fd, IL_READABLE);
}

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
	e = il__sim_bound(p->to, IL__SIM_DATAGRAMS, p->target, p->source);
	if (e && e->waiting < QUEUE_MOST && e->bytes + p->size <= e->most_bytes) {
		datagram_enqueue(e, p);
		return;
	}
	if (e)
		il__sim_trace(n, "%s:%u queue is full", p->to->name, (unsigned)p->target.port);
	else
		datagram_return(p);
	il__sim_packet_free(n, p);
}

static const struct il__sim_packet_ops datagram_packets = {.arrive = datagram_arrive};

/* ---- receiving ---- */

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
	m->header.msg_controllen = 0;
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

	*to = e->remote;
	if (header->msg_name) {
		memcpy(&address.storage, header->msg_name, header->msg_namelen);
		if (!il__sim_place_of(&address, to))
			return -EAFNOSUPPORT;
	}
	if (to->ip == INADDR_ANY)
		to->ip = IL__SIM_LOOPBACK;
	if (!to->port)
		return -EINVAL;
	if (to->ip == INADDR_BROADCAST && !e->broadcast)
		return -EACCES;
	return e->local.ip >> 24 == IN_LOOPBACKNET && !il__sim_is_own(e->host, to->ip) ? -EINVAL
										       : 0;
}

/* Where it seems to come from. */
static struct il__sim_place datagram_source(const struct il__sim_end *e, uint32_t to)
{
	struct il__sim_place source = e->local;

	if (source.ip == INADDR_ANY)
		source.ip = to >> 24 == IN_LOOPBACKNET ? IL__SIM_LOOPBACK : e->host->ip;
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

static int datagram_send_one(struct il__sim_end *e, const struct msghdr *header)
{
	struct il__sim_host *whom;
	struct il__sim_place to;
	struct il__sim_packet *p;
	size_t size = 0;
	int rc = datagram_target(e, header, &to);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < (size_t)header->msg_iovlen; i++)
		size += header->msg_iov[i].iov_len;
	if (size > LARGEST)
		return -EMSGSIZE;
	whom = il__sim_is_own(e->host, to.ip) ? e->host : il__sim_at(e->host->network, to.ip);
	if (!whom)
		return (int)size; /* nobody has that address: it is lost */
	p = il__sim_packet_make(e->host->network, &datagram_packets, IL__SIM_DATAGRAM, size);
	if (!p)
		return -ENOBUFS;
	datagram_copy(p->data, header);
	p->source = datagram_source(e, to.ip);
	p->target = to;
	il__sim_packet_send(p, e->host, whom);
	return (int)size;
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
