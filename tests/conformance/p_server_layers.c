/*
 * p_server_layers.c: a layer in il_server_options and in a client's connection: the handler's source stays as it
 * is, and a layer that fails or hangs costs its own client only.
 */
#include "p_rings.h"
#include "p_xor.h"

static il_server_options layered(const struct xor_layer *x)
{
	return (il_server_options){.layer = &x->layer};
}

static il_client_options connecting(const struct xor_layer *x)
{
	return (il_client_options){.connect = {.layer = &x->layer}};
}

static int enter_layered(il_client **c, const struct service *s, const il_client_options *o)
{
	char port[8];

	return il_client_connect_tcp(c, "127.0.0.1", port_text(il_server_port(s->server), port),
				     il_protocol_lines(), o);
}

/* ---- 281: on both sides ---- */

IL_TEST_REAL(P, n281_a_layer_on_both_sides_leaves_the_handler_as_it_is)
{
	struct xor_layer x;
	struct visits v = {0};
	struct service s;
	il_server_options so;
	il_client_options co;

	xor_init(&x);
	so = layered(&x);
	co = connecting(&x);
	service_start(&s, &echo_handler, &v, il_protocol_lines(), &so);
	for (int i = 0; i < 2; i++) {
		il_client *c = NULL;
		CHECK_RC(enter_layered(&c, &s, &co), 0);
		CHECK_EQ(x.connected, i + 1);
		CHECK_STR(x.host, "127.0.0.1");
		CHECK_RC(il_client_printf(c, "hello"), 0);
		CHECK_RECEIVES(c, "hello");
		CHECK_EQ(x.accepted, i + 1);
		CHECK_RC(il_stream_fd(il_client_stream(c)), -ENOTSUP);
		CHECK_RC(il_stream_fd(il_client_stream(v.client)), -ENOTSUP);
		CHECK_EQ(strncmp(il_client_address(v.client), "127.0.0.1:", 10), 0);
		il_client_destroy(c);
		UNTIL(v.disconnected == i + 1);
	}
	CHECK_EQ(v.connected, 2);
	CHECK_EQ(v.handled, 2);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_INFO, "connected", 4); /* twice disconnected */
	xor_check_gone(&x);
}

IL_TEST_REAL(P, n281_a_megabyte_goes_through_a_layer_each_way)
{
	const il_protocol *p = il_protocol_length_prefixed();
	static char much[1 << 20];
	struct xor_layer x;
	struct visits v = {0};
	struct service s;
	il_server_options so;
	il_client_options co;
	struct side sender = {.bytes = much, .size = sizeof much};
	il_client *c = NULL;
	il_packet got;
	char port[8];

	xor_init(&x);
	so = layered(&x);
	so.max_packet = sizeof much;
	co = connecting(&x);
	co.max_packet = sizeof much;
	service_start(&s, &echo_handler, &v, p, &so);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port_text(il_server_port(s.server), port),
				       p, &co),
		 0);
	for (size_t i = 0; i < sizeof much; i++)
		much[i] = (char)(i * 7 + i / 999);
	side_start(&sender, side_send, c);
	CHECK_RC(il_client_receive(c, &got, il_test_patience()), 1);
	CHECK_EQ(got.size, sizeof much);
	CHECK(memcmp(got.data, much, sizeof much) == 0);
	CHECK_RC(side_join(&sender), 0);
	il_client_destroy(c);
	UNTIL(v.disconnected == 1);
	service_end(&s);
	xor_check_gone(&x);
}

/* ---- 283: layers that fail ---- */

IL_TEST_REAL(P, n283_a_servers_layer_that_fails_costs_its_client_only)
{
	struct xor_layer x;
	struct visits v = {0};
	struct service s;
	il_server_options so;
	il_client_options co;
	il_stream *stranger;
	il_client *good = NULL;

	xor_init(&x);
	so = layered(&x);
	co = connecting(&x);
	service_start(&s, &echo_handler, &v, il_protocol_lines(), &so);
	CHECK_RC(enter_layered(&good, &s, &co), 0);
	UNTIL(v.connected == 1);
	stranger = dial(&s);
	say(stranger, "GET / HTTP/1.0\n");
	check_gone(stranger);
	UNTIL(il_server_clients(s.server) == 1);
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.disconnected, 0);
	CHECK_LOGGED(IL_LOG_DEBUG, "speaks no xor", 1);
	CHECK_LOGGED(IL_LOG_INFO, "", 1);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_RC(il_client_printf(good, "still served"), 0);
	CHECK_RECEIVES(good, "still served");
	il_client_destroy(good);
	service_end(&s);
	xor_check_gone(&x);
}

IL_TEST_REAL(P, n283_a_connections_layer_that_fails_is_the_calls_failure)
{
	struct xor_layer x;
	il_listener *listener = listen_here();
	il_client_options co;
	il_client *c = (il_client *)(uintptr_t)16;
	char port[8];

	xor_init(&x);
	co = connecting(&x);
	x.fail = -EACCES;
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port_text(il_listener_port(listener), port),
				       il_protocol_lines(), &co),
		 -EACCES);
	CHECK(c == NULL);
	x.fail = 0;
	x.hang = true;
	co.connect.timeout = IL_MSEC(20);
	co.host = "another.test";
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_lines(), &co),
		 -ETIMEDOUT);
	CHECK(c == NULL);
	CHECK_STR(x.host, "another.test");
	il_listener_destroy(listener);
	xor_check_gone(&x);
}

IL_TEST_REAL(P, n283_a_layer_without_the_function_for_its_side_is_refused)
{
	const struct il_layer nothing = {.self = NULL};
	const il_server_options so = {.layer = &nothing};
	const il_client_options co = {.connect = {.layer = &nothing}};
	struct xor_layer x;
	il_server *server;
	il_client *c;

	xor_init(&x);
	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    NULL, &so),
		 -EINVAL);
	CHECK_RC(il_udp_server_open(&server, "127.0.0.1", "0", NULL, &echo_handler, NULL,
				    &(il_server_options){.layer = &x.layer}),
		 -EINVAL);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", "1", il_protocol_lines(), &co), -EINVAL);
}

/* ---- 284: layers that hang ---- */

IL_TEST_REAL(P, n284_a_layer_that_hangs_holds_nobody_up)
{
	struct xor_layer x;
	struct visits v = {0};
	struct service s;
	il_server_options so;
	il_client_options co;
	il_stream *silent;
	il_client *c = NULL;

	xor_init(&x);
	so = layered(&x);
	co = connecting(&x);
	service_start(&s, &echo_handler, &v, il_protocol_lines(), &so);
	silent = dial(&s);
	UNTIL(x.accepted == 1);
	CHECK_RC(enter_layered(&c, &s, &co), 0);
	CHECK_RC(il_client_printf(c, "served"), 0);
	CHECK_RECEIVES(c, "served");
	CHECK_EQ(il_server_clients(s.server), 2);
	CHECK_EQ(v.connected, 1);
	service_end(&s); /* which cancels the layer */
	il_client_destroy(c);
	check_gone(silent);
	xor_check_gone(&x);
}

IL_TEST_REAL(P, n284_first_request_timeout_ends_a_layer)
{
	struct xor_layer x;
	struct visits v = {0};
	struct service s;
	il_server_options so;
	il_stream *silent;
	il_time start = il_now();

	xor_init(&x);
	so = layered(&x);
	so.first_request_timeout = IL_MSEC(20);
	service_start(&s, &echo_handler, &v, il_protocol_lines(), &so);
	silent = dial(&s);
	check_gone(silent);
	CHECK(il_now() - start >= IL_MSEC(20));
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(v.connected, 0);
	CHECK_LOGGED(IL_LOG_DEBUG, "ETIMEDOUT", 1);
	CHECK_LOGGED(IL_LOG_INFO, "", 0);
	service_end(&s);
	xor_check_gone(&x);
}

IL_TEST_REAL(P, n284_a_layer_takes_a_place_and_a_shutdown_does_not_wait_for_it)
{
	struct xor_layer x;
	struct visits v = {0};
	struct service s;
	il_server_options so;
	il_stream *silent, *waiting;

	xor_init(&x);
	so = layered(&x);
	so.max_clients = 1;
	so.grace_period = IL_SEC(3600);
	service_start(&s, &echo_handler, &v, il_protocol_lines(), &so);
	silent = dial(&s);
	UNTIL(x.accepted == 1);
	waiting = dial(&s);
	il_sleep(IL_MSEC(5));
	CHECK_EQ(x.accepted, 1);
	il_stream_destroy(silent);
	UNTIL(x.accepted == 2);
	service_end(&s);
	CHECK_EQ(v.connected, 0);
	check_gone(waiting);
	xor_check_gone(&x);
}

/* ---- 292: clients over a transport ---- */

IL_TEST_REAL(P, n292_a_client_over_a_transport_of_ones_own)
{
	struct ring_end *ends[2];
	il_stream *streams[2];
	il_client *c[2];
	struct side s = {.call = NULL};

	make_rings(ends, streams);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_client_open(&c[i], streams[i], il_protocol_lines(), NULL), 0);
	side_start(&s, side_receive, c[1]);
	CHECK_RC(il_client_printf(c[0], "question"), 0);
	CHECK_RC(side_join(&s), 1);
	CHECK_STR(s.text, "question");
	CHECK_RC(il_client_printf(c[1], "answer"), 0);
	CHECK_RECEIVES_IN(c[0], 0, "answer");
	CHECK_RECEIVES_IN(c[0], 0, "ETIMEDOUT");
	CHECK_RC(il_client_shutdown_write(c[1]), 0);
	CHECK_RECEIVES(c[0], "0");
	CHECK_STR(il_client_address(c[0]), "unnamed");
	for (int i = 0; i < 2; i++)
		il_client_destroy(c[i]);
}

/* Layers do not wait for what is decoded already, and closing drops what was not received. */
IL_TEST_REAL(P, n292_a_client_opened_on_the_servers_side_of_a_layer)
{
	struct xor_layer x, y;
	il_client_options so, co;
	il_stream *mine, *peer;
	il_client *c[2];
	struct side s = {.call = NULL};

	xor_init(&x);
	xor_init(&y);
	so = connecting(&x);
	so.side = IL_SIDE_SERVER;
	co = connecting(&y);
	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_stream_write_all(peer, "client\n", 7), 0);
	CHECK_RC(il_client_open(&c[0], mine, il_protocol_lines(), &so), 0);
	CHECK_EQ(x.accepted, 1);
	y.fail = -EACCES;
	CHECK_RC(il_client_open(&c[1], peer, il_protocol_lines(), &co), -EACCES);
	CHECK(c[1] == NULL);
	CHECK_RC(il_stream_fd(peer), -EBADF); /* closed, and still the caller's */
	il_stream_destroy(peer);
	side_start(&s, side_receive, c[0]);
	CHECK(side_join(&s) <= 0);
	il_client_destroy(c[0]);
	xor_check_gone(&x);
	xor_check_gone(&y);
}

/* ---- 296: a header below a layer ---- */

/* "PROXY 192.0.2.7 4711\n", then the other layer on the same stream. */
static int proxied_accept(il_stream **s, il_stream *under, void *self)
{
	struct xor_layer *x = self;
	il_address address;
	char line[64], *port;
	int rc = il_stream_receive_until(under, line, sizeof line - 1, "\n", 1);

	if (rc >= 0) {
		line[rc] = '\0';
		port = strrchr(line, ' ');
		*port++ = '\0';
		rc = il_resolve(line + strlen("PROXY "), port, IL_RESOLVE_NUMERIC, &address, 1);
	}
	if (rc >= 0)
		rc = il_stream_set_peer_address(under, &address);
	if (rc == 0)
		return xor_accept(s, under, x);
	il_stream_close(under);
	return rc;
}

IL_TEST_REAL(P, n296_a_header_and_the_layers_first_bytes_may_come_in_one_segment)
{
	const il_handler h = {.handle = tell_address};
	struct xor_layer x;
	struct service s;
	il_server_options so;
	il_stream *c;
	unsigned char question[] = "who?\n", answer[64];
	static const char expected[] = "192.0.2.7:4711\n";

	xor_init(&x);
	x.layer.accept = proxied_accept;
	so = layered(&x);
	service_start(&s, &h, NULL, il_protocol_lines(), &so);
	c = dial(&s);
	say(c, "PROXY 192.0.2.7 4711\nclient\n");
	CHECK_HEARS(c, "server");
	xor_bytes(question, 5);
	CHECK_RC(il_stream_write_all(c, question, 5), 0);
	CHECK_RC(il_stream_receive_exactly(c, answer, sizeof expected - 1), 0);
	xor_bytes(answer, sizeof expected - 1);
	CHECK(memcmp(answer, expected, sizeof expected - 1) == 0);
	il_stream_destroy(c);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_INFO, "192.0.2.7:4711 connected", 1);
	xor_check_gone(&x);
}

static int header_accept(il_stream **s, il_stream *under, void *self)
{
	char line[64];
	int rc = il_stream_receive_until(under, line, sizeof line, "\n", 1);

	(void)self;
	*s = under;
	return rc < 0 ? rc : 0;
}

IL_TEST_REAL(P, n296_a_layer_may_leave_the_stream_as_it_is)
{
	const struct il_layer header = {.accept = header_accept};
	const il_server_options so = {.layer = &header};
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_start(&s, &echo_handler, &v, il_protocol_lines(), &so);
	c = dial(&s);
	say(c, "a header\nhello\n");
	CHECK_HEARS(c, "hello");
	CHECK_ASK(c, "more", "more");
	il_stream_destroy(c);
	service_end(&s);
}
