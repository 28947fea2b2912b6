/*
 * p_layers.h: layers for tests. One passes bytes through, one changes each (XOR), one changes lengths (two bytes for one, and
 * holds back what the stream below has no room for), and one is as awkward as may be: it takes and gives a byte at a time,
 * each second call does nothing, and receiving waits for writability and sending for readability besides.
 */
#ifndef IL_TESTS_P_LAYERS_H
#define IL_TESTS_P_LAYERS_H

#include "harness.h"

enum layer_kind { LAYER_PASS, LAYER_XOR, LAYER_DOUBLE, LAYER_AWKWARD, LAYER_KINDS };

/* What is behind an il_layer, and what its streams did. */
struct layer_maker {
	enum layer_kind kind;
	int fail;  /* what accept and connect return; 0: they work */
	bool hang; /* they never return */
	int accepts, connects, closes, destroys, idles, refs;
	const char *host; /* of the last connect */
};

enum { HELD = 8192 };

struct layer_end {
	struct layer_maker *maker;
	il_stream *under;
	char out[HELD], in[HELD]; /* encoded and held back; decoded and not taken */
	size_t out_begin, out_end, in_size;
	char half; /* of a byte */
	bool has_half, turn[2];
};

static inline int layer_flush(struct layer_end *e)
{
	while (e->out_begin < e->out_end) {
		struct iovec piece = {e->out + e->out_begin, e->out_end - e->out_begin};
		int n = il_stream_write_now(e->under, &piece, 1);
		if (n < 0)
			return n;
		e->out_begin += (size_t)n;
	}
	e->out_begin = e->out_end = 0;
	return il_stream_write_now(e->under, NULL, 0);
}

/* ---- the kinds ---- */

static inline int xor_receive(struct layer_end *e, char *data, size_t max)
{
	int n = il_stream_read_now(e->under, data, max);

	for (int i = 0; i < n; i++)
		data[i] ^= 0x5a;
	return n;
}

static inline int xor_send(struct layer_end *e, const struct iovec *piece)
{
	char data[1024];
	size_t n = piece->iov_len < sizeof data ? piece->iov_len : sizeof data;

	for (size_t i = 0; i < n; i++)
		data[i] = ((const char *)piece->iov_base)[i] ^ 0x5a;
	return il_stream_write_now(e->under, &(struct iovec){data, n}, 1);
}

static inline int double_receive(struct layer_end *e, char *data, size_t max)
{
	char coded[512];
	size_t n = 0;
	int got = 0;

	if (!e->in_size) {
		got = il_stream_read_now(e->under, coded, sizeof coded);
		if (got <= 0)
			return got;
		for (int i = 0; i < got; i++, e->has_half = !e->has_half) {
			if (e->has_half)
				e->in[e->in_size++] = (char)(e->half << 4 | (coded[i] & 15));
			else
				e->half = (char)(coded[i] & 15);
		}
		if (!e->in_size)
			return double_receive(e, data, max);
	}
	n = e->in_size < max ? e->in_size : max;
	memcpy(data, e->in, n);
	memmove(e->in, e->in + n, e->in_size -= n);
	return (int)n;
}

static inline int double_send(struct layer_end *e, const struct iovec *piece)
{
	size_t n = 0;
	int rc = e->out_end ? layer_flush(e) : 0;

	if (rc < 0)
		return rc;
	for (; n < piece->iov_len && e->out_end + 2 <= HELD; n++) {
		unsigned char byte = ((const unsigned char *)piece->iov_base)[n];
		e->out[e->out_end++] = (char)(byte >> 4 | 64);
		e->out[e->out_end++] = (char)((byte & 15) | 64);
	}
	return (int)n;
}

/* ---- as a transport ---- */

static inline int layer_receive(void *self, void *data, size_t max)
{
	struct layer_end *e = self;

	switch (e->maker->kind) {
	case LAYER_XOR:
		return xor_receive(e, data, max);
	case LAYER_DOUBLE:
		return double_receive(e, data, max);
	case LAYER_AWKWARD:
		return (e->turn[0] = !e->turn[0]) ? -EAGAIN : il_stream_read_now(e->under, data, 1);
	default:
		return il_stream_read_now(e->under, data, max);
	}
}

static inline int layer_send(void *self, const struct iovec *pieces, int count)
{
	struct layer_end *e = self;

	if (!count)
		return layer_flush(e);
	while (count > 1 && !pieces->iov_len)
		pieces++, count--;
	switch (e->maker->kind) {
	case LAYER_XOR:
		return xor_send(e, pieces);
	case LAYER_DOUBLE:
		return double_send(e, pieces);
	case LAYER_AWKWARD:
		if ((e->turn[1] = !e->turn[1]))
			return -EAGAIN;
		return il_stream_write_now(e->under, &(struct iovec){pieces->iov_base, 1}, 1);
	default:
		return il_stream_write_now(e->under, pieces, count);
	}
}

static inline int layer_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	struct layer_end *e = self;

	(void)fd;
	CHECK_EQ(*mask, direction);
	if (e->maker->kind == LAYER_AWKWARD && e->turn[direction == IL_WRITABLE])
		*mask = IL_READABLE | IL_WRITABLE;
	return -EAGAIN;
}

static inline void layer_idle(void *self, unsigned direction)
{
	(void)direction;
	((struct layer_end *)self)->maker->idles++;
}

static inline int layer_shutdown_write(void *self)
{
	struct layer_end *e = self;
	int rc = e->out_end ? layer_flush(e) : 0;

	return rc < 0 ? rc : il_stream_shutdown_write(e->under);
}

static inline size_t layer_pending(void *self)
{
	return ((struct layer_end *)self)->in_size;
}

static inline void layer_close(void *self)
{
	struct layer_end *e = self;

	e->maker->closes++;
	if (e->out_end)
		(void)layer_flush(e);
	il_stream_close(e->under);
}

static inline void layer_destroy(void *self)
{
	struct layer_end *e = self;

	e->maker->destroys++;
	il_stream_destroy(e->under);
	free(e);
}

static inline il_stream *layer_under(void *self)
{
	return ((struct layer_end *)self)->under;
}

static const struct il_transport layer_transport = {
    .name = "test layer",
    .receive = layer_receive,
    .send = layer_send,
    .want = layer_want,
    .idle = layer_idle,
    .shutdown_write = layer_shutdown_write,
    .pending = layer_pending,
    .close = layer_close,
    .destroy = layer_destroy,
    .under = layer_under,
};

/* ---- as a layer ---- */

/* `under` belongs to *s from here on. */
static inline int layer_open(il_stream **s, il_stream *under, struct layer_maker *maker)
{
	struct layer_end *e;
	int rc = maker->hang ? il_sleep_forever() : maker->fail;

	if (rc < 0)
		return rc;
	e = calloc(1, sizeof *e);
	CHECK(e != NULL);
	e->maker = maker;
	e->under = under;
	rc = il_stream_open_transport(s, &layer_transport, e);
	if (rc < 0)
		free(e);
	return rc;
}

static inline int layer_accept(il_stream **s, il_stream *under, void *self)
{
	struct layer_maker *maker = self;

	maker->accepts++;
	return layer_open(s, under, maker);
}

static inline int layer_connect(il_stream **s, il_stream *under, const char *host, void *self)
{
	struct layer_maker *maker = self;

	maker->connects++;
	maker->host = host;
	return layer_open(s, under, maker);
}

static inline void layer_ref(void *self)
{
	((struct layer_maker *)self)->refs++;
}

static inline void layer_unref(void *self)
{
	((struct layer_maker *)self)->refs--;
}

static inline struct il_layer layer_of(struct layer_maker *maker)
{
	return (struct il_layer){.accept = layer_accept,
				 .connect = layer_connect,
				 .self = maker,
				 .ref = layer_ref,
				 .unref = layer_unref};
}

#endif
