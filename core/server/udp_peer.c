/*
 * udp_peer.c: a peer of a UDP server as a client: its packets are datagrams, which wait in its queue. The peer lives
 * while a client's task serves it, and is idle while that waits in its first receive with nothing queued. What has
 * come when the task ends is for the peer's next client. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "client.h"
#include "client_receive.h"
#include "protocol.h"
#include "server.h"
#include "udp.h"

#include <sys/uio.h>

/* ---- the queue ---- */

static struct il__udp_datagram *udp_peer_take(struct il__udp_peer *p)
{
	struct il__list *node = il__list_pop(&p->queue);
	struct il__udp_datagram *d;

	if (!node)
		return NULL;
	d = il__container_of(node, struct il__udp_datagram, link);
	p->count--;
	p->udp->queued -= d->size;
	return d;
}

static void udp_peer_drop_all(struct il__udp_peer *p)
{
	while (p->count)
		il__free(udp_peer_take(p));
}

/* Whoever waits for the next one has a result. */
static void udp_peer_wake(struct il__udp_peer *p, int rc)
{
	struct il__waiter *receiver = p->receiver;

	if (!receiver)
		return;
	il__list_remove(&p->idle);
	p->receiver = NULL;
	il__waiter_wake(receiver, rc);
}

void il__udp_peer_give(struct il__udp_peer *p, struct il__udp_datagram *d)
{
	il__list_push(&p->queue, &d->link);
	p->count++;
	p->udp->queued += d->size;
	udp_peer_wake(p, 0);
}

void il__udp_peer_end(struct il__udp_peer *p)
{
	p->ended = true;
	p->udp->leaves++;
	udp_peer_wake(p, 0);
}

/* Nobody serves it: forgets it, and what it has sent. */
static void udp_peer_free(struct il__udp_peer *p)
{
	udp_peer_drop_all(p);
	il__udp_remove(p->udp, p);
	il__free(p);
}

/* ---- receiving ---- */

/* The zero byte behind the packet is where its framing was, or behind the datagram. */
static int udp_peer_parse(il_client *c, struct il__udp_datagram *d, il_packet *packet)
{
	il_parse *parse = &c->parse;
	unsigned char *end;
	int rc;

	*parse = (il_parse){.data = d->data, .size = d->size, .limit = c->rules->max_packet};
	rc = d->size ? il__protocol_find(&c->rules->protocol, parse) : 0;
	if (rc < 0)
		return il__client_refuse_packet(c->rules, rc);
	if (rc == 0 || parse->consumed != d->size)
		return il__refuse(-EBADMSG,
				  "il_client_receive: a datagram of %zu bytes is not exactly one "
				  "packet",
				  d->size);
	*packet = parse->packet;
	end = (unsigned char *)(uintptr_t)packet->data + packet->size;
	if (end >= d->data && end <= d->data + d->size)
		*end = 0;
	return 1;
}

/* The datagram is the client's buffer from here on. */
static int udp_peer_hand_out(il_client *c, struct il__udp_peer *p, struct il__udp_datagram *d,
			     il_packet *packet)
{
	c->buffer = (unsigned char *)d;
	c->rules->received.bytes += d->size;
	p->here = d->to;
	if (d->cut || (c->rules->endless && d->size > c->rules->max_packet))
		return il__refuse(-EMSGSIZE,
				  "il_client_receive: a datagram was larger than a packet, whose "
				  "limit is %zu",
				  c->rules->max_packet);
	if (!c->rules->endless)
		return udp_peer_parse(c, d, packet);
	d->data[d->size] = 0;
	*packet = (il_packet){.data = d->data, .size = d->size};
	return 1;
}

/* Nothing more comes for its client: it was ended, or is idle and its server ends. */
static bool udp_peer_is_over(const il_client *c, const struct il__udp_peer *p)
{
	return p->ended || (c->rules->ending && (c->idle || !c->received));
}

static bool udp_peer_ready(const il_client *c)
{
	const struct il__udp_peer *p = c->peer;

	return !p || p->count || udp_peer_is_over(c, p);
}

static void udp_peer_watch(il_client *c, struct il__waiter *waiter)
{
	struct il__udp_peer *p = c->peer;

	if (!p)
		return;
	p->receiver = waiter;
	il__list_remove(&p->idle);
	if (waiter && c->idle)
		il__list_push(&p->udp->idle, &p->idle);
}

static bool udp_peer_leave(il_task *task, void *peer)
{
	struct il__udp_peer *p = peer;

	(void)task;
	il__list_remove(&p->idle);
	p->receiver = NULL;
	return true;
}

static void udp_peer_tell(struct il__report *r, const il_task *task)
{
	const struct il__udp_peer *p = task->waiter.arg;
	char text[IL_ADDRESS_TEXT_MAX] = "";
	il_address address = {.length = p->address_length};

	memcpy(&address.storage, &p->address, p->address_length);
	il_address_text(&address, text, sizeof text);
	il__report(r, "a datagram of %s", text);
}

static const struct il__wait receive_wait = {"il_client_receive", udp_peer_tell};

static int udp_peer_wait(il_client *c, struct il__udp_peer *p, il_task *task, il_time until)
{
	udp_peer_watch(c, &task->waiter);
	return il__task_park_until(task, udp_peer_leave, p, &receive_wait, until);
}

static int udp_peer_receive(il_client *c, il_packet *packet, il_task *task, il_time until)
{
	int rc = 0;

	il__free(c->buffer);
	c->buffer = NULL;
	while (rc == 0) {
		struct il__udp_peer *p = c->peer;
		if (il__client_is_closed(c) || !p)
			return il__refuse(-EBADF, "il_client_receive: the client is closed");
		if (p->count)
			return udp_peer_hand_out(c, p, udp_peer_take(p), packet);
		if (udp_peer_is_over(c, p))
			return 0;
		if (!task)
			return -ETIMEDOUT;
		rc = udp_peer_wait(c, p, task, until);
	}
	/* It may have been closed between the wake-up and now. */
	if (rc == -EBADF || il__client_is_closed(c))
		return il__refuse(-EBADF, "il_client_receive: the client was closed meanwhile");
	return rc;
}

/* ---- sending ---- */

/* What the system says of this peer, or of the way to it: that may be another with the next datagram. */
static int udp_peer_send_failed(il_client *c, int rc)
{
	switch (rc) {
	case -EBADF:
		return il__refuse(-EBADF, "il_client_send: the client was closed meanwhile");
	case -ECANCELED:
	case -EMSGSIZE:
	case -ENOMEM:
		return rc;
	default:
		c->broken = true;
		return il__refuse(-EPIPE, "il_client_send: client %s cannot be reached: %s",
				  c->address, il__system_words(rc));
	}
}

/* A datagram waits for no peer, so there is no time to limit; but for room in the system, until another task closes the
 * client: with it the peer may be gone. */
static int udp_peer_send(il_client *c, const il_frame *frame, il_time until)
{
	struct il__datagram_call call = {.function = "il_client_send"};
	struct il__udp_peer *p = c->peer;
	struct iovec pieces[3] = {
	    {(void *)(uintptr_t)frame->head, frame->head_size},
	    {(void *)(uintptr_t)frame->data, frame->size},
	    {(void *)(uintptr_t)frame->tail, frame->tail_size},
	};
	struct il__os_destination_room room;
	struct il__os_message m;
	int rc;

	(void)until;
	if (!il__task_current(call.function, &rc))
		return rc;
	if (!p || !p->udp->socket)
		return il__refuse(-EBADF, "il_client_send: the client is closed");
	m.header = (struct msghdr){.msg_name = &p->address,
				   .msg_namelen = p->address_length,
				   .msg_iov = pieces,
				   .msg_iovlen = 3};
	il__os_destination_set(&m.header, &room, &p->here);
	p->sending = &call;
	rc = il__datagram_send(p->udp->socket, &call, &m, 1, il__client_is_unfair(c));
	if (!c->closed)
		p->sending = NULL;
	if (rc < 0)
		return udp_peer_send_failed(c, rc);
	c->broken = false;
	return 0;
}

/* ---- the client's end ---- */

/* Closed by whoever: what has come is dropped, also that for which the handler was called. At its task's end it is for
 * the next client. */
static void udp_peer_close(il_client *c)
{
	struct il__udp_peer *p = c->peer;

	if (!p)
		return;
	udp_peer_wake(p, -EBADF);
	if (p->sending)
		il__datagram_withdraw(p->sending);
	p->sending = NULL;
	if (!c->task)
		return;
	udp_peer_drop_all(p);
	c->received = true;
}

static void udp_peer_left(il_client *c);

static const struct il__client_ops udp_peer_ops = {
    .receive = udp_peer_receive,
    .send = udp_peer_send,
    .close = udp_peer_close,
    .left = udp_peer_left,
    .ready = udp_peer_ready,
    .watch = udp_peer_watch,
};

/* Makes a client of it and starts its task. After a failure it has none. */
static int udp_peer_start(struct il__udp_peer *p)
{
	il_server *s = p->udp->server;
	char text[IL_ADDRESS_TEXT_MAX];
	il_address address = {.length = p->address_length};
	il_client *c;

	memcpy(&address.storage, &p->address, p->address_length);
	il__datagram_unmap(p->udp->socket, &address);
	il_address_text(&address, text, sizeof text);
	c = il__client_create(s->loop, &s->rules, NULL, text, NULL);
	if (!c)
		return -ENOMEM;
	c->ops = &udp_peer_ops;
	c->peer = p;
	if (p->count)
		p->here = il__container_of(p->queue.next, struct il__udp_datagram, link)->to;
	return il__client_start(s, c);
}

/* ---- places ---- */

static bool udp_ends(const struct il__udp *u)
{
	return u->server->stopping || u->server->closed;
}

static bool udp_has_free_place(const struct il__udp *u)
{
	const il_server *s = u->server;

	return s->client_count + u->waits - u->leaves < s->options.max_clients;
}

bool il__udp_has_place(const struct il__udp *u)
{
	return udp_has_free_place(u) || !il__list_empty(&u->idle);
}

void il__udp_make_place(struct il__udp *u)
{
	if (udp_has_free_place(u))
		return;
	il__udp_peer_end(il__container_of(u->idle.next, struct il__udp_peer, idle));
	u->evicted++;
}

/* On a server that ends nobody gets one. */
static void udp_give_places(struct il__udp *u)
{
	const il_server *s = u->server;

	while (u->waits && (udp_ends(u) || s->client_count < s->options.max_clients)) {
		struct il__udp_peer *p =
		    il__container_of(il__list_pop(&u->waiting), struct il__udp_peer, idle);
		u->waits--;
		if (udp_ends(u) || udp_peer_start(p) < 0) {
			u->dropped += !udp_ends(u); /* that was logged */
			udp_peer_free(p);
		}
	}
}

void il__udp_peer_queue(struct il__udp_peer *p)
{
	il__list_push(&p->udp->waiting, &p->idle);
	p->udp->waits++;
	udp_give_places(p->udp);
}

/* Its task has ended. A datagram for which the handler was called, and which it did not receive, is dropped. What else
 * has come is for the next client, behind those who wait already. */
static void udp_peer_left(il_client *c)
{
	struct il__udp_peer *p = c->peer;
	struct il__udp *u = p->udp;

	c->peer = NULL;
	u->leaves -= p->ended;
	p->ended = false;
	if (!c->received)
		il__free(udp_peer_take(p));
	udp_give_places(u);
	if (p->count && !udp_ends(u) && il__udp_has_place(u)) {
		il__udp_make_place(u);
		il__udp_peer_queue(p);
	} else {
		u->dropped += udp_ends(u) ? 0 : p->count;
		udp_peer_free(p);
	}
}
