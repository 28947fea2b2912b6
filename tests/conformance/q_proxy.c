/*
 * q_proxy.c: a PROXY header below TLS (296): header and ClientHello in one segment, and in pieces; who the peer is from
 * then on; and headers that are wrong, which cost their client only.
 */
#include "q_proxy.h"
#include "m_server.h"

struct proxy_service {
	struct service service;
	struct il_layer layer;
	il_tls *tls, *client;
};

static const il_handler tells_peer = {.handle = tell_address};

static void proxy_start(struct proxy_service *s)
{
	*s = (struct proxy_service){.tls = server_of(SERVER), .client = client_of(CA)};
	s->layer = (struct il_layer){.accept = proxy_accept, .self = s->tls};
	service_start(&s->service, &tells_peer, NULL, il_protocol_lines(),
		      &(il_server_options){.layer = &s->layer, .quiet = true});
}

static void proxy_end(struct proxy_service *s)
{
	service_end(&s->service);
	il_tls_unref(s->tls);
	il_tls_unref(s->client);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* Shakes hands over a stream that has said its header, or says it with its first bytes. */
static void check_peer(const struct proxy_service *s, il_stream *under, const char *expected)
{
	il_stream *over = NULL;
	char line[256];

	CHECK_RC(il_tls_connect(&over, under, s->client, "localhost"), 0);
	say(over, "who?\n");
	CHECK_STR(hear(over, line), expected);
	il_stream_destroy(over);
}

/* Version 2: the signature, command, family and length, and then this block. */
struct block {
	unsigned char bytes[64];
	size_t size;
};

static struct block block_of(unsigned char command, unsigned char family, const void *addresses,
			     size_t size)
{
	struct block b = {.size = 16 + size};

	memcpy(b.bytes, proxy_signature, 12);
	b.bytes[12] = command;
	b.bytes[13] = family;
	b.bytes[15] = (unsigned char)size;
	memcpy(b.bytes + 16, addresses, size);
	return b;
}

static const unsigned char ipv4[12] = {192, 0, 2,         7,          198, 51,
				       100, 1, 4711 >> 8, 4711 & 255, 1,   187};
static const unsigned char ipv6[36] = {
    0x20, 0x01, 0x0d, 0xb8, [15] = 7, [16] = 0x20, 0x01, [32] = 4711 >> 8, 4711 & 255};

static const struct {
	const char *header, *peer;
} lines[] = {
    {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", "192.0.2.7:4711"},
    {"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "[2001:db8::7]:4711"},
};

IL_TEST_REAL(Q, n296_a_proxy_header_and_the_hello_come_in_one_segment)
{
	const struct block v4 = block_of(0x21, 0x11, ipv4, sizeof ipv4);
	const struct block v6 = block_of(0x21, 0x21, ipv6, sizeof ipv6);
	struct proxy_service s;

	proxy_start(&s);
	for (int i = 0; i < 2; i++)
		check_peer(&s, proxied(dial(&s.service), lines[i].header, strlen(lines[i].header)),
			   lines[i].peer);
	check_peer(&s, proxied(dial(&s.service), v4.bytes, v4.size), "192.0.2.7:4711");
	check_peer(&s, proxied(dial(&s.service), v6.bytes, v6.size), "[2001:db8::7]:4711");
	proxy_end(&s);
}

/* As a slow link gives them. */
static void drip(il_stream *stream, const void *bytes, size_t size)
{
	CHECK_RC(il_stream_set_nodelay(stream, true), 0);
	for (size_t i = 0; i < size; i++) {
		CHECK_RC(il_stream_write_all(stream, (const char *)bytes + i, 1), 0);
		il_yield();
	}
}

IL_TEST_REAL(Q, n296_a_proxy_header_may_come_byte_by_byte_before_the_hello)
{
	const struct block v4 = block_of(0x21, 0x11, ipv4, sizeof ipv4);
	struct proxy_service s;
	il_stream *stream;

	proxy_start(&s);
	stream = dial(&s.service);
	drip(stream, lines[0].header, strlen(lines[0].header));
	check_peer(&s, stream, lines[0].peer);
	stream = dial(&s.service);
	drip(stream, v4.bytes, v4.size);
	check_peer(&s, stream, "192.0.2.7:4711");
	proxy_end(&s);
}

IL_TEST_REAL(Q, n296_a_header_that_names_nobody_leaves_the_address_of_the_connection)
{
	const struct block local = block_of(0x20, 0x00, "", 0);
	const char *const unknown = "PROXY UNKNOWN\r\n";
	struct proxy_service s;
	il_stream *stream;
	char name[IL_ADDRESS_TEXT_MAX];

	proxy_start(&s);
	stream = dial(&s.service);
	name_of(stream, name);
	check_peer(&s, proxied(stream, unknown, strlen(unknown)), name);
	stream = dial(&s.service);
	name_of(stream, name);
	check_peer(&s, proxied(stream, local.bytes, local.size), name);
	proxy_end(&s);
}

#define NINES "999999999999999999999999999999999999999" /* 39 */

IL_TEST_REAL(Q, n296_a_wrong_proxy_header_costs_its_client_only)
{
	static const char *const wrong[] = {
	    "GET / HTTP/1.1\r\n\r\n",
	    "PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n",
	    "PROXY TCP4 192.0.2.7 198.51.100.1 47x1 443\r\n",
	    "PROXY TCP4 elsewhere 198.51.100.1 4711 443\r\n",
	    "PROXY TCP4 192.0.2.7\r\n",
	    "PROXY "
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	};
	const struct block blocks[] = {block_of(0x31, 0x11, ipv4, sizeof ipv4),
				       block_of(0x21, 0x11, ipv4, 4),
				       block_of(0x21, 0x77, ipv4, 12)};
	struct proxy_service s;

	proxy_start(&s);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		il_stream *stream = dial(&s.service);
		say(stream, wrong[i]);
		check_gone(stream);
	}
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		il_stream *stream = dial(&s.service);
		CHECK_RC(il_stream_write_all(stream, blocks[i].bytes, blocks[i].size), 0);
		check_gone(stream);
	}
	check_peer(&s, proxied(dial(&s.service), lines[0].header, strlen(lines[0].header)),
		   lines[0].peer);
	UNTIL(il_server_clients(s.service.server) == 0);
	proxy_end(&s);
	CHECK_LOGGED(IL_LOG_DEBUG, "PROXY", 9);
}
