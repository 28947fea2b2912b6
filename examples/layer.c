/*
 * layer.c: a layer of one's own: each byte is masked on its way. The stream over the connection is a stream as any
 * other; who reads and writes it does not know of the layer.
 */
#include "example.h"

#include <stdio.h>
#include <stdlib.h>

/* [transport] */
/* What is behind a masked stream: the stream below, which belongs to it. Nothing here waits. */
struct masked {
	il_stream *under;
};

static int masked_receive(void *self, void *data, size_t max)
{
	struct masked *m = self;
	unsigned char *bytes = data;
	int n = il_stream_read_now(m->under, data, max);
	for (int i = 0; i < n; i++)
		bytes[i] ^= 0x5a;
	return n; /* bytes, 0: the end, or an error; -EAGAIN: nothing is there now */
}

static int masked_send(void *self, const struct iovec *pieces, int count)
{
	struct masked *m = self;
	unsigned char bytes[1024];
	struct iovec piece = {bytes, 0};
	if (count == 0) /* flush: this layer holds nothing back, perhaps the one below does */
		return il_stream_write_now(m->under, pieces, 0);
	for (; piece.iov_len < sizeof bytes && piece.iov_len < pieces->iov_len; piece.iov_len++)
		bytes[piece.iov_len] = ((unsigned char *)pieces->iov_base)[piece.iov_len] ^ 0x5a;
	return il_stream_write_now(m->under, &piece, 1); /* fewer than offered is fine */
}

static int masked_shutdown_write(void *self)
{
	struct masked *m = self;
	return il_stream_shutdown_write(m->under);
}

static void masked_close(void *self)
{
	struct masked *m = self;
	il_stream_close(m->under);
}

static void masked_destroy(void *self)
{
	struct masked *m = self;
	il_stream_destroy(m->under);
	free(m);
}

static il_stream *masked_under(void *self)
{
	struct masked *m = self;
	return m->under;
}

static const struct il_transport masked_transport = {.name = "masked",
						     .receive = masked_receive,
						     .send = masked_send,
						     .shutdown_write = masked_shutdown_write,
						     .close = masked_close,
						     .destroy = masked_destroy,
						     .under = masked_under};
/* [transport] */

/* [layer] */
/* On success `under` belongs to *s; after a failure it is closed and still the caller's. */
static int masked_open(il_stream **s, il_stream *under)
{
	struct masked *m = malloc(sizeof *m);
	int rc = -ENOMEM;
	if (m) {
		m->under = under;
		rc = il_stream_open_transport(s, &masked_transport, m);
	}
	if (rc < 0) {
		free(m);
		il_stream_close(under);
	}
	return rc;
}

/* Both sides begin alike, without a handshake. */
static int masked_accept(il_stream **s, il_stream *under, void *self)
{
	(void)self;
	return masked_open(s, under);
}

static int masked_connect(il_stream **s, il_stream *under, const char *host, void *self)
{
	(void)host;
	(void)self;
	return masked_open(s, under);
}

static const struct il_layer masked = {.accept = masked_accept, .connect = masked_connect};
/* [layer] */

/* [use] */
static int visit(void *arg)
{
	il_listener *listener = arg;
	const il_connect_options options = {.timeout = IL_SEC(10), .layer = &masked};
	il_stream *stream;
	char port[8], word[16];
	snprintf(port, sizeof port, "%u", il_listener_port(listener));
	int rc = il_stream_connect_tcp(&stream, "127.0.0.1", port, &options);
	if (rc < 0)
		return rc;
	rc = il_stream_write_all(stream, "hello\n", 6);
	if (rc == 0)
		rc = il_stream_receive_until(stream, word, sizeof word, "\n", 1);
	if (rc >= 0)
		printf("the guest hears: %.*s\n", rc, word);
	il_stream_destroy(stream);
	return rc;
}
/* [use] */

/* The other side; a server has il_server_options.layer for it. */
static int greet(il_stream *plain)
{
	il_stream *stream;
	char word[16];
	int rc = masked.accept(&stream, plain, masked.self);
	if (rc < 0) {
		il_stream_destroy(plain);
		return rc;
	}
	rc = il_stream_receive_until(stream, word, sizeof word, "\n", 1);
	if (rc >= 0) {
		printf("the host hears: %.*s\n", rc, word);
		rc = il_stream_write_all(stream, "welcome\n", 8);
	}
	il_stream_destroy(stream);
	return rc;
}

static int both(void *arg)
{
	il_listener *listener;
	il_stream *plain;
	il_group group;
	(void)arg;
	int rc = il_listener_open_tcp(&listener, "127.0.0.1", "0", NULL);
	if (rc < 0)
		return rc;
	rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, visit, listener);
		if (rc == 0)
			rc = il_listener_accept(listener, &plain);
		if (rc == 0)
			rc = greet(plain);
		rc = il_group_close(&group, rc);
	}
	il_listener_destroy(listener);
	return rc;
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, both, NULL);
}
