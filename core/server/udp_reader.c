/*
 * udp_reader.c: the task that receives for all peers of a UDP server. It hands each datagram to its peer's queue and
 * never waits for a handler; what there is no room for is dropped and counted: the newest of a peer, and the first of
 * a peer for which there is no place. Invariant: queues, peers and batch are bounded, whatever comes. Loop's thread
 * only, in the reader's task.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "server.h"
#include "udp.h"

#include <sys/uio.h>

enum {
	BATCH = 32,
	LARGEST = 65536,       /* no datagram has more bytes */
	QUEUED_MOST = 64 << 20 /* bytes of all peers' queues, while each is bounded */
};

#define BURST_ENDS IL_SEC(10)

struct il__udp_batch {
	struct il__os_message messages[BATCH];
	struct iovec pieces[BATCH];
	struct il__os_destination_room room[BATCH];
	struct sockaddr_storage from[BATCH];
	size_t size;          /* of each datagram's bytes */
	unsigned char data[]; /* touched as far as datagrams are long */
};

struct il__udp_batch *il__udp_batch_make(const struct il__udp *u)
{
	const size_t room = u->server->rules.room - 1; /* the zero's byte is the copy's */
	const size_t size = room < LARGEST ? room : LARGEST;
	struct il__udp_batch *b = il__malloc(sizeof *b + BATCH * size);

	if (b)
		b->size = size;
	return b;
}

void il__udp_batch_free(struct il__udp_batch *b)
{
	il__free(b);
}

static void udp_batch_prepare(struct il__udp_batch *b, bool everywhere)
{
	for (size_t i = 0; i < BATCH; i++) {
		b->pieces[i] = (struct iovec){b->data + i * b->size, b->size};
		b->messages[i].header = (struct msghdr){.msg_name = &b->from[i],
							.msg_namelen = sizeof b->from[i],
							.msg_iov = &b->pieces[i],
							.msg_iovlen = 1};
		if (everywhere) {
			b->messages[i].header.msg_control = &b->room[i];
			b->messages[i].header.msg_controllen = sizeof b->room[i];
		}
	}
}

/* ---- what there is no room for ---- */

/* One line for a burst of them, however long. */
static void udp_drop(struct il__udp *u, const char *why)
{
	const il_time now = il__loop_now(u->server->loop);

	if (!u->dropped || now - u->dropped_last > BURST_ENDS)
		il__log(IL_LOG_WARNING,
			"the UDP server on port %u drops datagrams: %s; il_server_get_statistics "
			"counts them",
			(unsigned)u->bound, why);
	u->dropped_last = now;
	u->dropped++;
}

/* ---- handing them out ---- */

static struct il__udp_peer *udp_peer_make(struct il__udp *u, const struct il__udp_key *key,
					  const struct msghdr *header)
{
	struct il__udp_peer *p = il__calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->udp = u;
	p->key = *key;
	p->address_length =
	    header->msg_namelen < sizeof p->address ? header->msg_namelen : sizeof p->address;
	memcpy(&p->address, header->msg_name, p->address_length);
	il__list_init(&p->queue);
	il__list_init(&p->idle);
	il__udp_insert(u, p);
	return p;
}

/* A copy of its own size. */
static struct il__udp_datagram *udp_keep(struct il__udp *u, struct il__os_message *m)
{
	const bool cut = m->header.msg_flags & MSG_TRUNC;
	const size_t size = cut ? 0 : m->size;
	struct il__udp_datagram *d = il__malloc(sizeof *d + size + 1);

	if (!d)
		return NULL;
	d->size = size;
	d->cut = cut;
	memcpy(d->data, m->header.msg_iov->iov_base, size);
	d->to.family = AF_UNSPEC;
	if (u->everywhere)
		il__os_destination_get(&m->header, &d->to);
	return d;
}

/* NULL: there is room for it; else why not. p NULL: a new peer. */
static const char *udp_is_full(const struct il__udp *u, const struct il__udp_peer *p, size_t size)
{
	const size_t most = u->server->options.peer_queue;

	if (!p && !il__udp_has_place(u))
		return "there are max_clients peers, and all are at work";
	if (p && p->count >= most)
		return "a peer sends more than its handler takes, and peer_queue of them wait";
	if (most != SIZE_MAX && u->queued + size > QUEUED_MOST)
		return "64 MiB of them wait for handlers";
	return NULL;
}

/* A peer that is not known yet. Nobody is ended for one that is dropped. */
static void udp_welcome(struct il__udp *u, const struct il__udp_key *key, struct il__os_message *m)
{
	const char *full = udp_is_full(u, NULL, m->size);
	struct il__udp_datagram *d = full ? NULL : udp_keep(u, m);
	struct il__udp_peer *p = d ? udp_peer_make(u, key, &m->header) : NULL;

	if (!p) {
		il__free(d);
		udp_drop(u, full ? full : "there is no memory for a new peer");
		return;
	}
	il__udp_make_place(u);
	il__udp_peer_give(p, d);
	il__udp_peer_queue(p);
	if (u->waits) /* who was ended for it may leave at once */
		il__task_yield(il__self.loop->current);
}

static void udp_deliver(struct il__udp *u, struct il__os_message *m)
{
	const il_server *s = u->server;
	struct il__udp_datagram *d;
	struct il__udp_peer *p;
	struct il__udp_key key;
	const char *full;

	il__udp_key_of(&key, m->header.msg_name);
	p = il__udp_find(u, &key);
	if (!p) {
		if (!s->stopping && !s->closed)
			udp_welcome(u, &key, m);
		return;
	}
	full = udp_is_full(u, p, m->size);
	d = full ? NULL : udp_keep(u, m);
	if (d)
		il__udp_peer_give(p, d);
	else
		udp_drop(u, full ? full : "out of memory");
}

/* ---- the task ---- */

/* 0: try again. */
static int udp_read_failed(int rc)
{
	return rc == -ENOMEM || rc == -ENOBUFS ? il__server_pause() : rc;
}

int il__udp_read(void *udp)
{
	struct il__udp *u = udp;
	struct il__udp_batch *b = u->batch;
	int rc = 0;

	il_task_set_name("receive_datagrams");
	while (rc >= 0 && u->socket) {
		udp_batch_prepare(b, u->everywhere);
		rc = il__datagram_receive(u->socket, b->messages, BATCH, NULL, "il_server_serve");
		for (int i = 0; i < rc; i++)
			udp_deliver(u, &b->messages[i]);
		if (rc < 0)
			rc = udp_read_failed(rc);
	}
	return rc < 0 ? rc : -EBADF;
}
