/*
 * q_tls_server.c: servers and connects with a TLS layer: a plain server's handler over TLS, and
 * clients that spoil their handshakes or their ends.
 */
#include "m_server.h"
#include "q_tls.h"

/* ---- a server ---- */

struct secure_service {
	struct service service;
	struct il_layer layer;
	il_tls *tls, *client;
};

static void secure_start(struct secure_service *s, const il_handler *handler, il_tls_options tls,
			 il_server_options options)
{
	tls.certificate = certificate_of(SERVER);
	tls.key = key_of(SERVER);
	*s = (struct secure_service){.client = client_of(CA)};
	s->tls = context_of(&tls);
	options.layer = il_tls_layer(s->tls);
	service_start(&s->service, handler, &s->service.visits, il_protocol_lines(), &options);
}

static void secure_end(struct secure_service *s)
{
	service_end(&s->service);
	il_tls_unref(s->tls);
	il_tls_unref(s->client);
}

static il_stream *secure_dial_host(const struct secure_service *s, const char *host)
{
	il_stream *stream = NULL;
	char port[8];

	port_text(il_server_port(s->service.server), port);
	CHECK_RC(il_stream_connect_tcp(&stream, host, port,
				       &(il_connect_options){.layer = il_tls_layer(s->client)}),
		 0);
	return stream;
}

static il_stream *secure_dial(const struct secure_service *s)
{
	return secure_dial_host(s, "localhost");
}

static const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT};
static const il_server_options plain = {.quiet = true};

/* ---- 326: the plain server's handler ---- */

static int know_at_once(il_client *client, void *data)
{
	CHECK_STR(information(il_client_stream(client)).version, "TLSv1.3");
	return visit_begin(client, data);
}

IL_TEST_REAL(Q, n326_the_handler_of_a_plain_server_serves_tls)
{
	il_handler handler = echo_handler;
	struct secure_service s;
	il_stream *a, *b;

	handler.on_connection = know_at_once; /* 304: from on_connection on */
	secure_start(&s, &handler, defaults, plain);
	a = secure_dial(&s);
	b = secure_dial_host(&s, "127.0.0.1"); /* 301: a number */
	CHECK_ASK(a, "hello", "hello");
	CHECK_ASK(b, "other", "other");
	CHECK_ASK(a, "again", "again");
	CHECK_STR(information(a).sni, "localhost");
	CHECK(information(b).sni == NULL);
	il_stream_destroy(a);
	il_stream_destroy(b);
	UNTIL(s.service.visits.disconnected == 2);
	CHECK_EQ(s.service.visits.handled, 3);
	secure_end(&s);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

static int receive_twice(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;

	v->connected++;
	CHECK_RC(visit_receive(client, v, &p, IL_FOREVER), 1);
	CHECK_RC(il_client_send(client, p.data, p.size), 0);
	return visit_receive(client, v, &p, IL_FOREVER) < 0 ? v->last : 0;
}

/* As a peer that is killed: the descriptor goes, and nothing is said. */
static void check_killed(bool lenient, bool in_connection)
{
	il_handler handler = echo_handler;
	struct secure_service s;
	il_stream *under, *over;

	if (in_connection)
		handler.on_connection = receive_twice;
	secure_start(&s, &handler, (il_tls_options){.allow_truncation = lenient}, plain);
	under = dial(&s.service);
	CHECK_RC(il_tls_connect(&over, under, s.client, "localhost"), 0);
	CHECK_ASK(over, "hello", "hello");
	CHECK_RC(il_stream_close(under), 0);
	UNTIL(il_server_clients(s.service.server) == 0);
	CHECK_EQ(s.service.visits.connected, 1);
	il_stream_destroy(over);
	secure_end(&s);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* Its handshakes would all fail, and be logged for debugging only. */
IL_TEST_REAL(Q, n326_a_context_without_a_certificate_opens_no_server)
{
	il_tls *tls = client_of(CA);
	il_server_options options = {.layer = il_tls_layer(tls)};
	il_server *server;

	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    NULL, &options),
		 -EINVAL);
	CHECK(strstr(il_error_detail(), "TLS without a certificate") != NULL);
	il_tls_unref(tls);
}

IL_TEST_REAL(Q, n326_a_client_that_goes_without_goodbye_is_not_worth_a_line)
{
	for (int lenient = 0; lenient < 2; lenient++)
		for (int in_connection = 0; in_connection < 2; in_connection++)
			check_killed(lenient, in_connection);
}

IL_TEST_REAL(Q, n326_a_shutdown_says_goodbye_and_ends_handshakes_under_way)
{
	struct secure_service s;
	il_stream *idle, *silent;
	char byte;

	secure_start(&s, &echo_handler, defaults, plain);
	idle = secure_dial(&s);
	CHECK_ASK(idle, "hello", "hello");
	silent = dial(&s.service);
	UNTIL(il_server_clients(s.service.server) == 2);
	secure_end(&s);
	CHECK_RC(il_stream_read(idle, &byte, 1), 0); /* with close_notify */
	il_stream_destroy(idle);
	check_gone(silent);
}

/* ---- 327: whom the server ends ---- */

static int fail_at_once(il_client *client, void *data)
{
	il_packet p;

	CHECK_RC(visit_receive(client, data, &p, IL_FOREVER), 1);
	CHECK_RC(il_client_send(client, "last", 4), 0);
	return -ECANCELED;
}

static int refuse(il_client *client, void *data)
{
	visit_begin(client, data);
	return -ECONNREFUSED;
}

/* With a good end: the default is strict. */
static void check_goodbye(const il_handler *handler, il_server_options options, bool asks)
{
	struct secure_service s;
	il_stream *client;
	char byte;

	secure_start(&s, handler, defaults, options);
	client = secure_dial(&s);
	if (asks)
		CHECK_ASK(client, "hello", "last");
	CHECK_RC(il_stream_read(client, &byte, 1), 0);
	il_stream_destroy(client);
	secure_end(&s);
}

IL_TEST_REAL(Q, n327_a_client_that_the_server_ends_gets_a_goodbye)
{
	const il_handler fails = handler_with(fail_at_once);
	il_handler refuses = echo_handler;
	il_server_options idle = plain;

	refuses.on_connection = refuse;
	idle.idle_timeout = IL_MSEC(20);
	check_goodbye(&fails, plain, true);
	check_goodbye(&refuses, plain, false);
	check_goodbye(&echo_handler, idle, false);
}

IL_TEST_REAL(Q, n327_a_handshake_counts_in_first_request_timeout_and_max_clients)
{
	il_server_options options = plain;
	struct secure_service s;
	il_stream *silent, *good;
	char byte;

	options.max_clients = 1;
	options.first_request_timeout = IL_MSEC(200);
	secure_start(&s, &echo_handler, defaults, options);
	silent = dial(&s.service);
	UNTIL(il_server_clients(s.service.server) == 1);
	good = secure_dial(&s); /* once the other's time is up */
	CHECK_ASK(good, "hello", "hello");
	CHECK_RC(il_stream_read(silent, &byte, 1), 0);
	il_stream_destroy(silent);
	il_stream_destroy(good);
	UNTIL(il_server_clients(s.service.server) == 0);
	CHECK_EQ(s.service.visits.connected, 1);
	secure_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* ---- 301: a connect ---- */

IL_TEST_REAL(Q, n301_a_connect_with_a_layer_verifies_the_host_that_it_was_given)
{
	struct secure_service s;
	il_stream *stream = NULL;
	il_tls *other = client_of(OTHER_CA);
	char port[8];

	secure_start(&s, &echo_handler, defaults, plain);
	port_text(il_server_port(s.service.server), port);
	CHECK_RC(il_stream_connect_tcp(&stream, "127.0.0.1", port,
				       &(il_connect_options){.layer = il_tls_layer(other)}),
		 -EACCES);
	CHECK(stream == NULL);
	CHECK_DETAIL("another CA");
	CHECK_DETAIL("127.0.0.1");
	UNTIL(il_server_clients(s.service.server) == 0);
	CHECK_EQ(s.service.visits.connected, 0);
	secure_end(&s);
	il_tls_unref(other);
}

/* ---- 308, 309: clients that spoil it ---- */

IL_TEST_REAL(Q, n308_clients_that_speak_no_tls_cost_themselves_only)
{
	static const struct {
		const char *bytes;
		size_t size;
	} garbage[] = {
	    {"GET / HTTP/1.0\r\n\r\n", 18},      {"\x8f\x02\xd1\x33\x71\x90", 6}, {"x", 1}, {"", 0},
	    {"\x15\x03\x03\x00\x02\x02\x28", 7}, /* an alert */
	};
	struct secure_service s;
	il_server_statistics counts;
	il_stream *good;
	size_t rounds = il_test_rounds(1000);

	secure_start(&s, &echo_handler, defaults, plain);
	good = secure_dial(&s);
	for (size_t i = 0; i < rounds; i++) {
		il_stream *bad = dial(&s.service);
		CHECK_RC(il_stream_write_all(bad, garbage[i % 5].bytes, garbage[i % 5].size), 0);
		il_stream_destroy(bad);
		if (i % 100 == 0)
			CHECK_ASK(good, "still", "still");
	}
	CHECK_ASK(good, "there", "there");
	do { /* the last of them may not be accepted yet */
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		CHECK_RC(il_server_get_statistics(s.service.server, &counts), 0);
	} while (counts.failed_layers < rounds);
	CHECK_EQ(counts.failed_layers, rounds);
	CHECK_EQ(il_server_clients(s.service.server), 1);
	CHECK_EQ(s.service.visits.connected, 1);
	il_stream_destroy(good);
	secure_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_INFO, "", 0);
	CHECK(il_test_logged(IL_LOG_DEBUG, "") >= rounds);
}

IL_TEST_REAL(Q, n309_a_silent_client_is_dropped_at_its_time_and_others_are_served)
{
	/* Long enough for a handshake, with a tool that makes everything slow, too. */
	const il_time limit = il_test_patience() > IL_SEC(5) ? IL_SEC(5) : IL_SEC(1);
	struct secure_service s;
	il_stream *silent, *good;
	il_time begin = il_now();
	char byte;

	secure_start(&s, &echo_handler, (il_tls_options){.handshake_timeout = limit}, plain);
	silent = dial(&s.service);
	good = secure_dial(&s);
	CHECK_ASK(good, "hello", "hello");
	CHECK_RC(il_stream_read(silent, &byte, 1), 0);
	CHECK(il_now() - begin >= limit);
	CHECK_ASK(good, "hello", "hello");
	il_stream_destroy(silent);
	il_stream_destroy(good);
	secure_end(&s);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}
