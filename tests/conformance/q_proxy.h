/*
 * q_proxy.h: the PROXY protocol (HAProxy's, versions 1 and 2) as layers for tests: a server's, which takes the header
 * and then shakes hands over what has come with it; and a client's, which sends its header with the first bytes of
 * the layer above, in one segment.
 */
#ifndef IL_TESTS_Q_PROXY_H
#define IL_TESTS_Q_PROXY_H

#include "q_tls.h"

/* ---- taking a header ---- */

static const char proxy_signature[] = "\r\n\r\n\0\r\nQUIT\n"; /* of version 2, 12 bytes */

enum { PROXY_LINE = 107, PROXY_BLOCK = 512 };

/* "TCP4 192.0.2.7 198.51.100.1 4711 443" or "UNKNOWN ..." */
static inline int proxy_from_text(const char *text, il_address *peer)
{
	char from[46], to[46], port[6], to_port[6], end;
	int n;

	if (strncmp(text, "UNKNOWN", 7) == 0)
		return 0;
	if (strncmp(text, "TCP4 ", 5) != 0 && strncmp(text, "TCP6 ", 5) != 0)
		return il_fail(-EPROTO, "PROXY: \"%.20s\" is no protocol of version 1", text);
	n = sscanf(text + 5, "%45s %45s %5[0-9] %5[0-9]%c", from, to, port, to_port, &end);
	if (n != 4 || il_resolve(from, port, IL_RESOLVE_NUMERIC, peer, 1) != 1)
		return il_fail(-EPROTO, "PROXY: \"%.100s\" has no addresses", text);
	return 1;
}

/* The first 12 bytes are in line. */
static inline int proxy_take_text(il_stream *under, char line[PROXY_LINE + 1], il_address *peer)
{
	int n = il_stream_receive_until(under, line + 12, PROXY_LINE - 12, "\r\n", 2);

	if (n < 0)
		return n == -EMSGSIZE ? il_fail(-EPROTO, "PROXY: no line in 107 bytes") : n;
	line[12 + n] = '\0';
	return proxy_from_text(line + 6, peer);
}

static inline int proxy_from_block(const unsigned char *head, const unsigned char *block,
				   size_t size, il_address *peer)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (head[0] == 0x20) /* LOCAL: the proxy itself */
		return 0;
	if (head[1] == 0x11 && size >= 12) {
		memcpy(&in.sin_addr, block, 4);
		memcpy(&in.sin_port, block + 8, 2);
		memcpy(&peer->storage, &in, sizeof in);
		peer->length = sizeof in;
	} else if (head[1] == 0x21 && size >= 36) {
		memcpy(&in6.sin6_addr, block, 16);
		memcpy(&in6.sin6_port, block + 32, 2);
		memcpy(&peer->storage, &in6, sizeof in6);
		peer->length = sizeof in6;
	} else {
		return il_fail(-EPROTO, "PROXY: family %#x with %zu bytes", head[1], size);
	}
	return 1;
}

static inline int proxy_take_block(il_stream *under, il_address *peer)
{
	unsigned char head[4], block[PROXY_BLOCK];
	int rc = il_stream_receive_exactly(under, head, sizeof head);
	size_t size = (size_t)head[2] << 8 | head[3];

	if (rc < 0)
		return rc;
	if ((head[0] != 0x20 && head[0] != 0x21) || size > sizeof block)
		return il_fail(-EPROTO, "PROXY: command %#x with %zu bytes", head[0], size);
	rc = size ? il_stream_receive_exactly(under, block, size) : 0;
	return rc < 0 ? rc : proxy_from_block(head, block, size, peer);
}

/* 1: who the peer is; 0: the header does not say. */
static inline int proxy_take(il_stream *under, il_address *peer)
{
	char line[PROXY_LINE + 1];
	int rc = il_stream_receive_exactly(under, line, 12);

	if (rc < 0)
		return rc;
	if (memcmp(line, proxy_signature, 12) == 0)
		return proxy_take_block(under, peer);
	if (memcmp(line, "PROXY ", 6) == 0)
		return proxy_take_text(under, line, peer);
	return il_fail(-EPROTO, "PROXY: no header");
}

/* self: the TLS context that is above; NULL: nothing is. */
static inline int proxy_accept(il_stream **s, il_stream *under, void *self)
{
	il_address peer;
	int rc = proxy_take(under, &peer);

	if (rc > 0)
		rc = il_stream_set_peer_address(under, &peer);
	if (rc == 0 && self)
		return il_tls_accept(s, under, self);
	*s = under;
	if (rc < 0)
		il_stream_close(under);
	return rc;
}

/* ---- sending one ---- */

/* Over a stream: what is sent first has the header in front. */
struct proxied {
	il_stream *under;
	const void *header;
	size_t size; /* 0: it is gone */
};

static inline int proxied_receive(void *self, void *data, size_t max)
{
	return il_stream_read_now(((const struct proxied *)self)->under, data, max);
}

static inline int proxied_send(void *self, const struct iovec *pieces, int count)
{
	struct proxied *p = self;
	const size_t size = p->size;
	struct iovec first[2] = {{(void *)(uintptr_t)p->header, size}};
	int n;

	if (!size || !count)
		return il_stream_write_now(p->under, pieces, count);
	first[1] = pieces[0];
	n = il_stream_write_now(p->under, first, 2);
	CHECK(n < 0 || (size_t)n > size);
	p->size = n < 0 ? size : 0;
	return n < 0 ? n : n - (int)size;
}

static inline void proxied_close(void *self)
{
	il_stream_close(((const struct proxied *)self)->under);
}

static inline void proxied_destroy(void *self)
{
	il_stream_destroy(((const struct proxied *)self)->under);
	free(self);
}

static inline il_stream *proxied_under(void *self)
{
	return ((const struct proxied *)self)->under;
}

static const struct il_transport proxied_transport = {
    .name = "PROXY header",
    .receive = proxied_receive,
    .send = proxied_send,
    .close = proxied_close,
    .destroy = proxied_destroy,
    .under = proxied_under,
};

/* The stream is the result's. */
static inline il_stream *proxied(il_stream *under, const void *header, size_t size)
{
	struct proxied *p = calloc(1, sizeof *p);
	il_stream *over = NULL;

	CHECK(p != NULL);
	*p = (struct proxied){.under = under, .header = header, .size = size};
	CHECK_RC(il_stream_open_transport(&over, &proxied_transport, p), 0);
	return over;
}

#endif
