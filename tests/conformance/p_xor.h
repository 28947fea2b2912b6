/*
 * p_xor.h: a layer that changes every byte, with a handshake of one line each way, for the tests of layers on
 * servers and clients. It counts what happens to it, and fails, hangs or goes on as it is told.
 */
#ifndef IL_TESTS_P_XOR_H
#define IL_TESTS_P_XOR_H

#include "o_clients.h"

enum { XOR = 0x55 };

struct xor_layer {
	int accepted, connected; /* calls that began */
	int streams, references; /* that live */
	int opened, closed;
	int fail;      /* what the next handshakes return instead */
	bool hang;     /* or they wait forever */
	char host[64]; /* that connect was given */
	struct il_layer layer;
};

struct xor_stream {
	struct xor_layer *layer;
	il_stream *under;
};

/* ---- the transport ---- */

static inline void xor_bytes(unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] ^= XOR;
}

static inline int xor_receive(void *self, void *data, size_t max)
{
	const struct xor_stream *x = self;
	int n = il_stream_read_now(x->under, data, max);

	if (n > 0)
		xor_bytes(data, (size_t)n);
	return n;
}

static inline int xor_send(void *self, const struct iovec *pieces, int count)
{
	const struct xor_stream *x = self;
	unsigned char changed[1024];
	struct iovec piece = {.iov_base = changed};

	if (!count)
		return il_stream_write_now(x->under, NULL, 0);
	piece.iov_len = pieces->iov_len < sizeof changed ? pieces->iov_len : sizeof changed;
	memcpy(changed, pieces->iov_base, piece.iov_len);
	xor_bytes(changed, piece.iov_len);
	return il_stream_write_now(x->under, &piece, 1);
}

static inline int xor_shutdown_write(void *self)
{
	const struct xor_stream *x = self;

	return il_stream_shutdown_write(x->under);
}

static inline void xor_close(void *self)
{
	const struct xor_stream *x = self;

	x->layer->closed++;
	il_stream_close(x->under);
}

static inline void xor_destroy(void *self)
{
	struct xor_stream *x = self;

	x->layer->streams--;
	il_stream_destroy(x->under);
	free(x);
}

static inline il_stream *xor_under(void *self)
{
	const struct xor_stream *x = self;

	return x->under;
}

static const struct il_transport xor_transport = {
    .name = "xor",
    .receive = xor_receive,
    .send = xor_send,
    .shutdown_write = xor_shutdown_write,
    .close = xor_close,
    .destroy = xor_destroy,
    .under = xor_under,
};

/* ---- the layer ---- */

static inline int xor_open(il_stream **s, il_stream *under, struct xor_layer *layer)
{
	struct xor_stream *x = malloc(sizeof *x);
	int rc;

	*x = (struct xor_stream){.layer = layer, .under = under};
	rc = il_stream_open_transport(s, &xor_transport, x);
	if (rc < 0)
		free(x);
	else
		layer->streams++;
	layer->opened += rc == 0;
	return rc;
}

static inline int xor_hear(il_stream *under, const char *expected)
{
	char line[16];
	int rc = il_stream_receive_until(under, line, sizeof line, "\n", 1);

	if (rc < 0)
		return rc;
	return (size_t)rc == strlen(expected) && memcmp(line, expected, (size_t)rc) == 0
		   ? 0
		   : il_fail(-EPROTO, "the other end speaks no xor");
}

/* The client speaks first: after an agreement in the clear nothing else would be safe. */
static inline int xor_shake(il_stream *under, bool first)
{
	int rc = first ? il_stream_write_all(under, "client\n", 7) : xor_hear(under, "client");

	if (rc == 0)
		rc = first ? xor_hear(under, "server") : il_stream_write_all(under, "server\n", 7);
	return rc;
}

static inline int xor_begin(il_stream **s, il_stream *under, struct xor_layer *layer, bool first)
{
	int rc = layer->hang ? il_sleep_forever() : layer->fail;

	if (rc == 0)
		rc = xor_shake(under, first);
	if (rc == 0)
		rc = xor_open(s, under, layer);
	if (rc < 0)
		il_stream_close(under);
	return rc;
}

static inline int xor_accept(il_stream **s, il_stream *under, void *self)
{
	struct xor_layer *layer = self;

	layer->accepted++;
	return xor_begin(s, under, layer, false);
}

static inline int xor_connect(il_stream **s, il_stream *under, const char *host, void *self)
{
	struct xor_layer *layer = self;

	layer->connected++;
	snprintf(layer->host, sizeof layer->host, "%s", host ? host : "(none)");
	return xor_begin(s, under, layer, true);
}

static inline void xor_ref(void *self)
{
	((struct xor_layer *)self)->references++;
}

static inline void xor_unref(void *self)
{
	((struct xor_layer *)self)->references--;
}

static inline void xor_init(struct xor_layer *x)
{
	*x = (struct xor_layer){.layer = {.accept = xor_accept,
					  .connect = xor_connect,
					  .self = x,
					  .ref = xor_ref,
					  .unref = xor_unref}};
}

/* Nothing is left of it. */
static inline void xor_check_gone(const struct xor_layer *x)
{
	CHECK_EQ(x->streams, 0);
	CHECK_EQ(x->references, 0);
	CHECK_EQ(x->closed, x->opened);
}

#endif
