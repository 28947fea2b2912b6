/*
 * p_rings.h: a transport that moves bytes between two ends in memory: what tests use where nothing of the system is to
 * take part. Each end counts the calls of its operations that its stream makes.
 */
#ifndef IL_TESTS_P_RINGS_H
#define IL_TESTS_P_RINGS_H

#include "harness.h"

enum { RING = 4096 };

struct ring_end {
	struct ring_end *peer; /* NULL: destroyed */
	il_stream *stream;
	char bytes[RING]; /* on their way to this end */
	size_t begin, size, capacity;
	size_t most; /* a call; 0: any number */
	bool shut;   /* the peer sends no more */
	bool closed;
	int inside, closes, idles[2];
	int send_rc;       /* not 0: what send returns, from now on */
	int receive_rc;    /* likewise */
	const char *words; /* for either; NULL: none */
};

static inline int ring_fail(const struct ring_end *e, int rc)
{
	return e->words ? il_fail(rc, "%s", e->words) : rc;
}

static inline int ring_receive(void *self, void *data, size_t max)
{
	struct ring_end *e = self;
	char *to = data;
	size_t n = 0;

	CHECK(!e->closes && max > 0);
	if (e->receive_rc)
		return ring_fail(e, e->receive_rc);
	max = e->most && e->most < max ? e->most : max;
	while (n < max && e->size) {
		to[n++] = e->bytes[e->begin];
		e->begin = (e->begin + 1) % RING;
		e->size--;
	}
	if (!n)
		return e->shut ? 0 : -EAGAIN;
	if (e->peer)
		il_transport_ready(e->peer->stream, IL_WRITABLE);
	return (int)n;
}

static inline int ring_send(void *self, const struct iovec *pieces, int count)
{
	struct ring_end *e = self, *to = e->peer;
	size_t n = 0, most = e->most ? e->most : RING;

	CHECK(!e->closes);
	if (e->send_rc)
		return ring_fail(e, e->send_rc);
	if (!to || to->closed)
		return -EPIPE;
	if (!count)
		return to->size < to->capacity ? 0 : -EAGAIN;
	for (int i = 0; i < count; i++)
		for (size_t k = 0; k < pieces[i].iov_len && n < most && to->size < to->capacity;
		     k++, n++, to->size++)
			to->bytes[(to->begin + to->size) % RING] =
			    ((const char *)pieces[i].iov_base)[k];
	if (!n)
		return -EAGAIN;
	il_transport_ready(to->stream, IL_READABLE);
	return (int)n;
}

static inline int ring_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	struct ring_end *e = self;

	CHECK(!e->closes);
	CHECK(direction == IL_READABLE || direction == IL_WRITABLE);
	CHECK_EQ(*mask, direction);
	(void)fd;
	return -ENOENT;
}

static inline void ring_idle(void *self, unsigned direction)
{
	struct ring_end *e = self;

	CHECK(!e->closes);
	e->idles[direction == IL_WRITABLE]++;
}

static inline int ring_shutdown_write(void *self)
{
	struct ring_end *e = self;

	CHECK(!e->closes);
	if (e->peer) {
		e->peer->shut = true;
		il_transport_ready(e->peer->stream, IL_READABLE);
	}
	return 0;
}

static inline size_t ring_pending(void *self)
{
	return ((struct ring_end *)self)->size;
}

static inline void ring_close(void *self)
{
	struct ring_end *e = self;

	CHECK_EQ(e->closes++, 0);
	e->closed = true;
	if (e->peer) {
		e->peer->shut = true;
		il_transport_ready(e->peer->stream, IL_READABLE | IL_WRITABLE);
	}
}

static inline void ring_destroy(void *self)
{
	struct ring_end *e = self;

	CHECK_EQ(e->closes, 1);
	if (e->peer)
		e->peer->peer = NULL;
	free(e);
}

static const struct il_transport ring_transport = {
    .name = "ring",
    .receive = ring_receive,
    .send = ring_send,
    .want = ring_want,
    .idle = ring_idle,
    .shutdown_write = ring_shutdown_write,
    .pending = ring_pending,
    .close = ring_close,
    .destroy = ring_destroy,
};

/* Two ends, and a stream of each, which frees it. */
static inline void make_rings(struct ring_end *ends[2], il_stream *streams[2])
{
	for (int i = 0; i < 2; i++) {
		ends[i] = calloc(1, sizeof *ends[i]);
		CHECK(ends[i] != NULL);
		ends[i]->capacity = RING;
		CHECK_RC(il_stream_open_transport(&streams[i], &ring_transport, ends[i]), 0);
		ends[i]->stream = streams[i];
	}
	ends[0]->peer = ends[1];
	ends[1]->peer = ends[0];
}

#endif
