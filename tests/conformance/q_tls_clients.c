/*
 * q_tls_clients.c: packet clients over TLS: a dialogue that goes over to it, the ends of a
 * connection as a receive returns them, a polite close, and the name that is verified over a Unix
 * socket.
 */
#include "m_server.h"
#include "q_tls.h"

static void check_receives(il_client *c, const char *text)
{
	il_packet p;

	CHECK_RC(il_client_receive(c, &p, il_test_patience()), 1);
	CHECK(packet_is(&p, text));
}

static void check_ask(il_client *c, const char *question, const char *answer)
{
	CHECK_RC(reply(c, question), 0);
	check_receives(c, answer);
}

/* Once, then the end. */
static void check_fails(il_client *c, int code)
{
	il_packet p;

	CHECK_RC(il_client_receive(c, &p, il_test_patience()), code);
	CHECK_RC(il_client_receive(c, &p, il_test_patience()), 0);
	CHECK(il_client_is_closing(c));
}

/* ---- 293: in the middle of a dialogue ---- */

static int go_over(il_client *client, void *tls)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (!packet_is(&p, "STARTTLS"))
		return il_client_send(client, p.data, p.size);
	rc = reply(client, "go");
	return rc < 0 ? rc : il_client_start_layer(client, il_tls_layer(tls));
}

static const il_handler goes_over = {.handle = go_over};

static il_client *enter(const struct service *s, const il_client_options *o)
{
	il_client *c = NULL;
	char port[8];

	port_text(il_server_port(s->server), port);
	CHECK_RC(il_client_connect_tcp(&c, "localhost", port, il_protocol_lines(), o), 0);
	return c;
}

IL_TEST_REAL(Q, n293_a_dialogue_goes_over_to_tls_at_both_ends)
{
	il_tls *server = server_of(SERVER), *client = client_of(CA);
	struct service s;
	il_tls_info info;
	il_client *c;

	service_lines(&s, &goes_over, server);
	c = enter(&s, NULL);
	check_ask(c, "clear", "clear");
	CHECK_RC(il_tls_information(il_client_stream(c), &info), -ENOTSUP);
	check_ask(c, "STARTTLS", "go");
	CHECK_RC(il_client_start_layer(c, il_tls_layer(client)), 0);
	CHECK_STR(information(il_client_stream(c)).sni, "localhost");
	check_ask(c, "secret", "secret");
	check_ask(c, "more", "more");
	CHECK_RC(il_client_finish(c, il_test_patience()), 0);
	il_client_destroy(c);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	il_tls_unref(server);
	il_tls_unref(client);
}

IL_TEST_REAL(Q, n297_a_certificate_that_is_refused_in_a_dialogue_closes_the_client)
{
	il_tls *server = server_of(SERVER), *client = client_of(OTHER_CA);
	struct service s;
	il_client *c;
	il_packet p;

	service_lines(&s, &goes_over, server);
	c = enter(&s, NULL);
	check_ask(c, "STARTTLS", "go");
	CHECK_RC(il_client_start_layer(c, il_tls_layer(client)), -EACCES);
	CHECK_DETAIL("another CA");
	CHECK(il_client_is_closing(c));
	CHECK_RC(il_client_receive(c, &p, 0), -EBADF);
	CHECK_RC(reply(c, "secret"), -EBADF);
	il_client_destroy(c);
	UNTIL(il_server_clients(s.server) == 0);
	service_end(&s);
	il_tls_unref(server);
	il_tls_unref(client);
}

static int begin_tls(void *arg)
{
	struct side *s = arg;

	return il_client_start_layer(s->object, s->bytes);
}

IL_TEST_REAL(Q, n297_closing_a_client_ends_the_handshake_that_begins)
{
	il_tls *tls = client_of(CA);
	struct side starter = {.bytes = il_tls_layer(tls)};
	il_listener *listener = listen_here();
	il_client *c = NULL;
	il_stream *peer = NULL;
	char port[8], byte;

	CHECK_RC(il_client_connect_tcp(&c, "localhost", port_text(il_listener_port(listener), port),
				       il_protocol_lines(), NULL),
		 0);
	CHECK_RC(il_listener_accept(listener, &peer), 0);
	side_start(&starter, begin_tls, c);
	CHECK_RC(il_stream_read(peer, &byte, 1), 1); /* its first record has come */
	CHECK_RC(il_client_close(c), 0);
	CHECK_RC(side_join(&starter), -EBADF);
	il_client_destroy(c);
	il_stream_destroy(peer);
	il_listener_destroy(listener);
	il_tls_unref(tls);
}

/* ---- 305: a client without a certificate ---- */

IL_TEST_REAL(Q, n305_a_client_that_is_refused_hears_of_it_at_its_first_receive)
{
	il_tls_options o = serving(SERVER);
	il_tls *server, *client = client_of(CA);
	struct visits v = {0};
	struct service s;
	il_client *c;

	o.verify = IL_TLS_VERIFY_REQUIRED;
	server = trusting(CA, o);
	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.layer = il_tls_layer(server)});
	c = enter(&s, &(il_client_options){.connect = {.layer = il_tls_layer(client)}});
	check_fails(c, -EPROTO);
	il_client_destroy(c);
	UNTIL(il_server_clients(s.server) == 0);
	service_end(&s);
	CHECK_EQ(v.connected, 0);
	CHECK_LOGGED(IL_LOG_DEBUG, "EACCES", 1);
	CHECK_LOGGED(IL_LOG_INFO, "", 0);
	il_tls_unref(server);
	il_tls_unref(client);
}

/* ---- 312, 320: ends and changed bytes ---- */

/* A client over TLS; what the server's end sends below TLS is the test's. */
static il_client *client_over(struct secure *s, il_tls_options options)
{
	il_client *c = NULL;

	secure_open_with(s, PAIR, options, (il_tls_options){.verify = IL_TLS_VERIFY_DEFAULT});
	CHECK_RC(il_client_open(&c, s->client, il_protocol_lines(), NULL), 0);
	s->shake.over[0] = NULL; /* the client's */
	return c;
}

static void client_drop(struct secure *s, il_client *c)
{
	il_client_destroy(c);
	secure_drop(s);
}

IL_TEST_REAL(Q, n312_a_receive_tells_an_end_without_close_notify_from_an_end)
{
	for (int lenient = 0; lenient < 2; lenient++) {
		struct secure s;
		il_client *c = client_over(&s, (il_tls_options){.allow_truncation = lenient});

		say(s.server, "whole\n");
		CHECK_RC(il_stream_shutdown_write(s.shake.under[1]), 0);
		check_receives(c, "whole");
		check_fails(c, lenient ? 0 : -EPIPE);
		client_drop(&s, c);
	}
}

IL_TEST_REAL(Q, n320_a_changed_record_fails_a_receive_as_an_error_of_the_connection)
{
	static char changed[] = "\x17\x03\x03\x00\x20"
				"0123456789abcdef0123456789abcde\n";
	const struct iovec piece = {changed, sizeof changed - 1};
	struct secure s;
	il_client *c = client_over(&s, (il_tls_options){.verify = IL_TLS_VERIFY_DEFAULT});

	say(s.server, "whole\nhalf");
	CHECK_RC(il_stream_write_now(s.shake.under[1], &piece, 1), (int)piece.iov_len);
	check_receives(c, "whole");
	check_fails(c, -EPROTO);
	CHECK(reply(c, "x") < 0);
	client_drop(&s, c);
}

/* ---- 276: a polite close ---- */

static int finish(void *arg)
{
	struct side *s = arg;

	return il_client_finish(s->object, IL_FOREVER);
}

IL_TEST_REAL(Q, n276_a_polite_close_over_tls_waits_for_the_peers_end)
{
	for (int notifies = 0; notifies < 2; notifies++) {
		struct secure s;
		struct side side;
		il_client *c = client_over(&s, (il_tls_options){.verify = IL_TLS_VERIFY_DEFAULT});
		char byte;

		CHECK_RC(reply(c, "last"), 0);
		side_start(&side, finish, c);
		CHECK_HEARS(s.server, "last");
		CHECK_RC(il_stream_read(s.server, &byte, 1), 0);
		say(s.server, "late\n");
		CHECK_RC(il_yield(), 0);
		CHECK(!side.ended);
		CHECK_RC(il_stream_close(notifies ? s.server : s.shake.under[1]), 0);
		CHECK_RC(side_join(&side), 0);
		CHECK(il_client_is_closing(c));
		client_drop(&s, c);
	}
}

IL_TEST_REAL(Q, n276_a_polite_close_over_tls_ends_with_its_time)
{
	struct secure s;
	il_client *c = client_over(&s, (il_tls_options){.verify = IL_TLS_VERIFY_DEFAULT});
	il_time begin = il_now();

	CHECK_RC(il_client_finish(c, IL_MSEC(20)), 0);
	CHECK(il_now() - begin >= IL_MSEC(20));
	CHECK(il_client_is_closing(c));
	client_drop(&s, c);
}

/* ---- 301: a path is no name ---- */

IL_TEST_REAL(Q, n301_over_a_unix_socket_the_name_is_the_options)
{
	il_tls *server = server_of(SERVER), *client = client_of(CA);
	il_client_options o = {.connect = {.layer = il_tls_layer(client)}};
	struct visits v = {0};
	struct service s;
	il_client *c = NULL;
	char path[40];

	snprintf(path, sizeof path, "/tmp/il-q-%d", (int)getpid());
	CHECK_RC(il_unix_server_open(&s.server, path, il_protocol_lines(), &echo_handler, &v,
				     &(il_server_options){.layer = il_tls_layer(server)}),
		 0);
	service_run(&s);
	CHECK_RC(il_client_connect_unix(&c, path, il_protocol_lines(), &o), -EINVAL);
	CHECK(c == NULL);
	o.host = "elsewhere.test";
	CHECK_RC(il_client_connect_unix(&c, path, il_protocol_lines(), &o), -EACCES);
	CHECK(c == NULL);
	o.host = "localhost";
	CHECK_RC(il_client_connect_unix(&c, path, il_protocol_lines(), &o), 0);
	CHECK_STR(information(il_client_stream(c)).peer_name, "localhost");
	check_ask(c, "hello", "hello");
	il_client_destroy(c);
	service_end(&s);
	il_tls_unref(server);
	il_tls_unref(client);
}

/* Over TCP the options' host is taken for the one that was connected to. */
IL_TEST_REAL(Q, n301_the_options_host_is_the_name_that_is_asked_for)
{
	const il_tls_certificate more[] = {
	    {.certificate = certificate_of(ELSEWHERE), .key = key_of(ELSEWHERE)}};
	static const char *const names[] = {"localhost", "elsewhere.test"};
	il_tls_options theirs = serving(SERVER);
	il_tls *server, *client = client_of(CA);
	il_client_options o = {.connect = {.layer = il_tls_layer(client)}};
	struct visits v = {0};
	struct service s;

	theirs.certificates = more;
	theirs.certificate_count = 1;
	server = context_of(&theirs);
	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.layer = il_tls_layer(server)});
	for (int i = 0; i < 2; i++) {
		il_client *c;
		o.host = names[i];
		c = enter(&s, &o);
		CHECK_STR(information(il_client_stream(c)).sni, names[i]);
		CHECK_STR(information(il_client_stream(c)).peer_name, names[i]);
		check_ask(c, "hello", "hello");
		il_client_destroy(c);
	}
	service_end(&s);
	il_tls_unref(server);
	il_tls_unref(client);
}

/* ---- 309: the client's side of a silent server ---- */

IL_TEST_REAL(Q, n309_a_silent_server_is_given_up_at_the_handshakes_time)
{
	il_tls *client = trusting(CA, (il_tls_options){.handshake_timeout = IL_MSEC(20)});
	const il_client_options o = {.connect = {.layer = il_tls_layer(client)}};
	il_listener *silent = listen_here();
	il_time begin = il_now();
	il_client *c = NULL;
	char port[8];

	port_text(il_listener_port(silent), port);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_lines(), &o), -ETIMEDOUT);
	CHECK(il_now() - begin >= IL_MSEC(20));
	CHECK(c == NULL);
	il_listener_destroy(silent);
	il_tls_unref(client);
}
