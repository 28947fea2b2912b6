/*
 * memory_network.h: a second network for a loop, in memory: what network.h asks for, done without a descriptor. One
 * host, "server" or 10.0.0.1; connections are there once they are accepted; datagrams arrive at once, or are lost.
 */
#ifndef IL_TESTS_MEMORY_NETWORK_H
#define IL_TESTS_MEMORY_NETWORK_H

#include "../../core/base/error.h"
#include "../../core/base/memory.h"
#include "../../core/io/address.h"
#include "../../core/io/network.h"
#include "../../core/io/transport.h"
#include "check.h"

#include <arpa/inet.h>
#include <string.h>

enum { PORTS = 16, BACKLOG = 4, QUEUE = 8, BYTES = 256, FIRST_FREE_PORT = 40000 };

struct pipe_end {
	struct pipe_end *peer;
	il_stream *stream;
	char bytes[BYTES]; /* on their way to this end */
	size_t size;
	bool ended, closed;
};

/* Something that was opened: it listens, connects, or sends and receives datagrams. */
struct memory_end {
	struct il__fd fd;
	struct memory_end *peer, *waiting[BACKLOG]; /* who connects, and to whom */
	int waits;
	struct pipe_end *pipe; /* it has connected */
	bool listens, refused;
	il_address local, remote;
	struct {
		char bytes[BYTES];
		size_t size;
		il_address from;
	} queue[QUEUE];
	int queued;
};

static struct memory_end *bound[PORTS]; /* listeners and datagram sockets alike */
static unsigned opened, next_port = FIRST_FREE_PORT, asked; /* whether an end is ready */

static const struct il__network memory_network;

/* ---- ends ---- */

static int memory_ask(struct il__fd *fd, unsigned directions)
{
	(void)fd;
	(void)directions;
	return 0;
}

static const struct il__fd_asks memory_asks = {.ask = memory_ask};

static struct memory_end *memory_end(const struct il__fd *fd)
{
	return il__container_of((struct il__fd *)(uintptr_t)fd, struct memory_end, fd);
}

static struct memory_end *memory_open(il_loop *loop, const il_address *local, struct il__fd **end)
{
	struct memory_end *e = calloc(1, sizeof *e);

	CHECK(e);
	e->fd.number = -1;
	e->fd.owned = true;
	e->fd.ready = IL_READABLE | IL_WRITABLE;
	e->fd.asks = &memory_asks;
	e->fd.source.watch.loop = loop;
	e->local = *local;
	if (!il_address_port(&e->local))
		il__address_set_port(&e->local, (uint16_t)next_port++);
	*end = &e->fd;
	opened++;
	return e;
}

static struct memory_end *memory_find(uint16_t port, bool listens)
{
	for (int i = 0; i < PORTS; i++)
		if (bound[i] && bound[i]->listens == listens &&
		    il_address_port(&bound[i]->local) == port)
			return bound[i];
	return NULL;
}

static int memory_bind(struct memory_end *e)
{
	if (memory_find(il_address_port(&e->local), e->listens))
		return -EADDRINUSE;
	for (int i = 0; i < PORTS; i++)
		if (!bound[i]) {
			bound[i] = e;
			return 0;
		}
	return -ENOBUFS;
}

static void memory_close(struct il__fd *fd, bool inherited)
{
	struct memory_end *e = memory_end(fd);

	for (int i = 0; i < PORTS; i++)
		if (bound[i] == e)
			bound[i] = NULL;
	for (int i = 0; i < e->waits; i++) {
		e->waiting[i]->refused = true;
		e->waiting[i]->peer = NULL;
		il__fd_fire(&e->waiting[i]->fd, IL_WRITABLE);
	}
	for (int i = 0; e->peer && i < e->peer->waits; i++)
		if (e->peer->waiting[i] == e)
			e->peer->waiting[i] = e->peer->waiting[--e->peer->waits];
	if (!inherited)
		il__fd_wake(fd, -EBADF);
	opened--;
	free(e);
}

static int memory_address(const struct il__fd *fd, bool peer, il_address *address)
{
	*address = peer ? memory_end(fd)->remote : memory_end(fd)->local;
	return address->length ? 0 : -ENOTCONN;
}

static bool memory_dual(const struct il__fd *fd)
{
	(void)fd;
	return false;
}

static int memory_ready(struct il__fd *fd, unsigned mask)
{
	const struct memory_end *e = memory_end(fd);

	asked++;
	return (int)((e->waits || e->queued ? mask & IL_READABLE : 0) | (mask & IL_WRITABLE));
}

/* ---- names ---- */

static int memory_resolve(il_address **list, const char *host, const char *port, unsigned flags,
			  il_time deadline, const char *function)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	il_address *a = il__calloc(1, sizeof *a);
	int rc = il_sleep(IL_MSEC(5)); /* it may wait */

	CHECK(a);
	(void)deadline;
	if (rc == 0 && host && strcmp(host, "server") != 0 && strcmp(host, "10.0.0.1") != 0)
		rc = il__refuse(-ENOENT, "%s: host %s is not in this network", function, host);
	if (rc < 0) {
		il__free(a);
		return rc;
	}
	if (host || !(flags & IL_RESOLVE_PASSIVE))
		inet_pton(AF_INET, "10.0.0.1", &in.sin_addr);
	memcpy(&a->storage, &in, sizeof in);
	a->length = sizeof in;
	*list = a;
	return 1;
}

/* ---- streams ---- */

static int pipe_receive(void *self, void *data, size_t max)
{
	struct pipe_end *e = self;
	const size_t n = e->size < max ? e->size : max;

	if (!n)
		return e->ended ? 0 : -EAGAIN;
	memcpy(data, e->bytes, n);
	memmove(e->bytes, e->bytes + n, e->size -= n);
	if (e->peer)
		il_transport_ready(e->peer->stream, IL_WRITABLE);
	return (int)n;
}

static int pipe_send(void *self, const struct iovec *pieces, int count)
{
	const struct pipe_end *e = self;
	struct pipe_end *to = e->peer;
	size_t taken = 0;

	if (!to || to->closed)
		return -EPIPE;
	for (int i = 0; i < count; i++) {
		const size_t room = BYTES - to->size;
		const size_t n = pieces[i].iov_len < room ? pieces[i].iov_len : room;
		memcpy(to->bytes + to->size, pieces[i].iov_base, n);
		to->size += n;
		taken += n;
	}
	il_transport_ready(to->stream, IL_READABLE);
	return taken || !count ? (int)taken : -EAGAIN;
}

static int pipe_shutdown_write(void *self)
{
	const struct pipe_end *e = self;

	if (e->peer) {
		e->peer->ended = true;
		il_transport_ready(e->peer->stream, IL_READABLE);
	}
	return 0;
}

static void pipe_close(void *self)
{
	struct pipe_end *e = self;

	e->closed = true;
	pipe_shutdown_write(e);
	if (e->peer)
		il_transport_ready(e->peer->stream, IL_WRITABLE);
}

static void pipe_destroy(void *self)
{
	struct pipe_end *e = self;

	if (e->peer)
		e->peer->peer = NULL;
	opened--;
	free(e);
}

static const struct il_transport pipe_transport = {
    .name = "memory",
    .receive = pipe_receive,
    .send = pipe_send,
    .shutdown_write = pipe_shutdown_write,
    .close = pipe_close,
    .destroy = pipe_destroy,
};

static int pipe_stream(struct pipe_end *e, const il_address *local, const il_address *peer,
		       il_stream **stream)
{
	int rc = il_stream_open_transport(stream, &pipe_transport, e);

	if (rc < 0)
		return rc;
	e->stream = *stream;
	il__transport_set_network(*stream, &memory_network, local);
	return il_stream_set_peer_address(*stream, peer);
}

/* ---- connecting and accepting ---- */

static int memory_connect(il_loop *loop, const il_address *to, const il_address *local,
			  const il_connect_options *options, struct il__fd **end)
{
	const il_address any = {.storage.ss_family = AF_INET, .length = sizeof(struct sockaddr_in)};
	struct memory_end *listener = memory_find(il_address_port(to), true), *e;

	(void)options;
	if (!listener || listener->waits == BACKLOG)
		return -ECONNREFUSED;
	e = memory_open(loop, local ? local : &any, end);
	e->remote = *to;
	e->peer = listener;
	listener->waiting[listener->waits++] = e;
	il__fd_fire(&listener->fd, IL_READABLE);
	return 0;
}

static int memory_connected(struct il__fd *fd)
{
	return memory_end(fd)->refused ? -ECONNREFUSED : 1;
}

static int memory_stream(struct il__fd *fd, const il_address *peer, il_stream **stream)
{
	struct memory_end *e = memory_end(fd);
	int rc = pipe_stream(e->pipe, &e->local, peer, stream);

	memory_close(fd, false);
	return rc;
}

static int memory_accept(struct il__fd *fd, il_stream **stream)
{
	struct memory_end *l = memory_end(fd), *e;
	struct pipe_end *near, *far;

	if (!l->waits)
		return -EAGAIN;
	e = l->waiting[0];
	l->waiting[0] = l->waiting[--l->waits];
	near = calloc(1, sizeof *near);
	far = calloc(1, sizeof *far);
	CHECK(near && far);
	near->peer = far;
	far->peer = near;
	opened += 2;
	e->peer = NULL;
	e->pipe = far;
	il__fd_fire(&e->fd, IL_WRITABLE);
	return pipe_stream(near, &l->local, &e->local, stream);
}

static int memory_listen(il_loop *loop, const il_address *address, const il_listen_options *o,
			 struct il__fd **end)
{
	struct memory_end *e = memory_open(loop, address, end);
	int rc;

	(void)o;
	e->listens = true;
	rc = memory_bind(e);
	if (rc < 0)
		memory_close(&e->fd, false);
	return rc;
}

static bool memory_lacks(int rc, const il_address *address)
{
	(void)rc;
	(void)address;
	return false;
}

/* ---- datagrams ---- */

static int memory_datagram(il_loop *loop, const il_address *address, bool connects,
			   const il_datagram_options *options, const char *function,
			   struct il__fd **end)
{
	const il_address any = {.storage.ss_family = AF_INET, .length = sizeof(struct sockaddr_in)};
	struct memory_end *e = memory_open(loop, connects ? &any : address, end);
	int rc = memory_bind(e);

	(void)options;
	if (connects)
		e->remote = *address;
	if (rc < 0) {
		memory_close(&e->fd, false);
		return il__refuse(rc, "%s: the port is taken", function);
	}
	return 0;
}

static int memory_receive(struct il__fd *fd, struct il__os_message *messages, int count)
{
	struct memory_end *e = memory_end(fd);
	int n = 0;

	for (; n < count && n < e->queued; n++) {
		struct msghdr *m = &messages[n].header;
		const size_t room = m->msg_iov->iov_len, size = e->queue[n].size;
		memcpy(m->msg_iov->iov_base, e->queue[n].bytes, size < room ? size : room);
		memcpy(m->msg_name, &e->queue[n].from.storage, e->queue[n].from.length);
		m->msg_namelen = e->queue[n].from.length;
		m->msg_flags = size > room ? MSG_TRUNC : 0;
		messages[n].size = (unsigned)(size < room ? size : room);
	}
	memmove(e->queue, e->queue + n, (size_t)(e->queued -= n) * sizeof e->queue[0]);
	return n ? n : -EAGAIN;
}

static void memory_post(const struct memory_end *from, const struct msghdr *m)
{
	il_address to = from->remote;
	struct memory_end *e;
	size_t size = 0;

	if (m->msg_name)
		memcpy(&to.storage, m->msg_name, to.length = m->msg_namelen);
	e = memory_find(il_address_port(&to), false);
	if (!e || e->queued == QUEUE)
		return; /* lost */
	for (size_t i = 0; i < (size_t)m->msg_iovlen; i++) {
		memcpy(e->queue[e->queued].bytes + size, m->msg_iov[i].iov_base,
		       m->msg_iov[i].iov_len);
		size += m->msg_iov[i].iov_len;
	}
	e->queue[e->queued].size = size;
	e->queue[e->queued++].from = from->local;
	il__fd_fire(&e->fd, IL_READABLE);
}

static int memory_send(struct il__fd *fd, struct il__os_message *messages, int count)
{
	for (int i = 0; i < count; i++)
		memory_post(memory_end(fd), &messages[i].header);
	return count;
}

static const struct il__network memory_network = {
    .resolve = memory_resolve,
    .connect = memory_connect,
    .connected = memory_connected,
    .stream = memory_stream,
    .listen = memory_listen,
    .lacks = memory_lacks,
    .accept = memory_accept,
    .datagram = memory_datagram,
    .dual = memory_dual,
    .receive = memory_receive,
    .send = memory_send,
    .address = memory_address,
    .ready = memory_ready,
    .close = memory_close,
};

#endif
