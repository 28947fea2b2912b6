/*
 * q_tls_rules.c: who may use TLS, where, and for how long: threads, places that may not wait, forked children, contexts
 * whose owner has let them go; and that nothing is kept of connections that came and went.
 */
#include "aside.h"
#include "in_child.h"
#include "m_server.h"
#include "q_tls.h"

#include <malloc.h>

/* ---- threads and places ---- */

struct theirs {
	struct secure s;
	struct ends e;
	il_tls *tls, *server;
};

static int call_from_elsewhere(void *arg)
{
	struct theirs *t = arg;
	il_stream *s = NULL;
	il_tls_info info;
	char byte;

	CHECK_RC(il_tls_information(t->s.client, &info), -EPERM);
	CHECK_RC(il_tls_connect(&s, t->e.a, t->tls, "localhost"), -EPERM);
	CHECK_DETAIL("il_tls_connect: the stream below belongs to another thread");
	CHECK_RC(il_tls_accept(&s, t->e.b, t->server), -EPERM);
	CHECK_DETAIL("il_tls_accept: the stream below belongs to another thread");
	CHECK_RC(il_stream_read(t->s.client, &byte, 1), -EPERM);
	CHECK_RC(il_stream_write_all(t->s.client, "x", 1), -EPERM);
	CHECK_RC(il_stream_close(t->s.client), -EPERM);
	CHECK(s == NULL);
	return 0;
}

IL_TEST_REAL(Q, n304_another_thread_is_refused_and_has_changed_nothing)
{
	struct theirs t = {.e = ends_of(PAIR), .tls = client_of(CA), .server = server_of(SERVER)};

	secure_open(&t.s, PAIR);
	CHECK_RC(il_test_aside(call_from_elsewhere, &t), 0);
	say(t.e.a, "untouched");
	check_hears(t.e.b, "untouched");
	say(t.s.client, "hello");
	check_hears(t.s.server, "hello");
	secure_drop(&t.s);
	drop(&t.e);
	il_tls_unref(t.tls);
	il_tls_unref(t.server);
}

static int call_outside_a_task(void *arg)
{
	struct theirs *t = arg;
	il_stream *s = NULL;
	il_tls_info info;
	char byte;

	CHECK_RC(il_tls_information(t->s.client, &info), 0);
	CHECK_RC(il_tls_connect(&s, t->e.a, t->tls, "localhost"), -EPERM);
	CHECK_RC(il_stream_read(t->s.client, &byte, 1), -EPERM);
	CHECK_RC(il_stream_read_now(t->s.client, &byte, 1), -EAGAIN);
	CHECK(s == NULL);
	return 0;
}

IL_TEST_REAL(Q, n311_outside_a_task_there_is_no_handshake)
{
	struct theirs t = {.e = ends_of(PAIR), .tls = client_of(CA)};
	il_portal *p = il_test_portal();
	il_future *f = NULL;

	secure_open(&t.s, PAIR);
	CHECK_RC(il_portal_run_sync_soon(p, &f, call_outside_a_task, &t), 0);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(il_portal_close(p), 0);
	secure_drop(&t.s);
	drop(&t.e);
	il_tls_unref(t.tls);
}

/* ---- a forked child ---- */

static int drop_inherited(void *arg)
{
	struct secure *s = arg;
	il_stream *made = NULL;
	il_tls_info info;
	char byte;

	CHILD_CHECK(il_tls_information(s->client, &info) == -ESHUTDOWN);
	CHILD_CHECK(il_stream_read(s->client, &byte, 1) == -ESHUTDOWN);
	CHILD_CHECK(il_stream_write_all(s->client, "x", 1) == -ESHUTDOWN);
	CHILD_CHECK(il_stream_shutdown_write(s->client) == -ESHUTDOWN);
	CHILD_CHECK(il_stream_close(s->client) == -ESHUTDOWN);
	CHILD_CHECK(il_tls_accept(&made, s->client, NULL) == -ESHUTDOWN);
	CHILD_CHECK(strstr(il_error_detail(), "il_tls_accept") != NULL);
	secure_drop(s);
	return 0;
}

/* No goodbye of the child's, and no record that the parent has not sent. */
IL_TEST_REAL(Q, n313_a_forked_child_sends_nothing_into_its_parents_connection)
{
	struct secure s;

	for (int kind = 0; kind < KINDS; kind++) {
		secure_open(&s, kind);
		say(s.client, "before");
		check_hears(s.server, "before");
		CHECK_IN_CHILD(drop_inherited, &s);
		say(s.client, "after");
		check_hears(s.server, "after");
		say(s.server, "back");
		check_hears(s.client, "back");
		secure_drop(&s);
	}
}

/* ---- contexts ---- */

IL_TEST_REAL(Q, n322_a_context_lives_as_long_as_who_uses_it)
{
	il_tls *client = client_of(CA), *server = server_of(SERVER);
	il_client_options co = {.host = "localhost"};
	il_server_options so = {.layer = il_tls_layer(server)};
	struct service s;
	il_client *c = NULL;
	il_packet p;
	char port[8];

	service_start(&s, &echo_handler, &s.visits, il_protocol_lines(), &so);
	CHECK(il_tls_ref(server) == server);
	il_tls_unref(server);
	il_tls_unref(server); /* the server has its own */
	co.connect.layer = il_tls_layer(client);
	port_text(il_server_port(s.server), port);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_lines(), &co), 0);
	il_tls_unref(client); /* and so has the stream */
	CHECK_RC(il_client_send(c, "hello", 5), 0);
	CHECK_RC(il_client_receive(c, &p, IL_FOREVER), 1);
	CHECK(packet_is(&p, "hello"));
	il_client_destroy(c);
	service_end(&s);
}

/* ---- nothing is kept ---- */

static void come_and_go(il_tls *client, il_tls *server, int way)
{
	struct shake k;

	shake_try(&k, PAIR, client, server, way == 1 ? "elsewhere.test" : "localhost");
	CHECK_RC(k.rc[0], way == 1 ? -EACCES : 0);
	if (way == 0) {
		say(k.over[1], "hello");
		check_hears(k.over[0], "hello");
	}
	shake_drop(&k);
}

/* Good ones, and such as are refused; by what the C library has handed out, where no tool counts it another way. */
IL_TEST_REAL(Q, hundreds_of_connections_leave_nothing_behind)
{
	il_tls *client = client_of(CA), *server = server_of(SERVER);
	const size_t rounds = il_test_rounds(60);
	size_t before = 0;

	for (size_t i = 0; i < 5 * rounds; i++) {
		if (i == 2 * rounds)
			before = mallinfo2().uordblks;
		come_and_go(client, server, (int)(i % 2));
	}
	if (!IL_TEST_ASAN && !IL_TEST_TSAN && !il_test_valgrind())
		CHECK(mallinfo2().uordblks < before + ((size_t)64 << 10));
	il_tls_unref(client);
	il_tls_unref(server);
}

/* ---- the loop's end ---- */

struct last {
	il_stream *stream;
	int rc;
};

static int shake_to_the_end(void *arg)
{
	struct last *l = arg;
	struct ends e = ends_of(PAIR);
	il_tls *tls = client_of(CA);

	l->rc = il_tls_connect(&l->stream, e.a, tls, "localhost"); /* nobody answers */
	drop(&e);
	il_tls_unref(tls);
	return 0;
}

static int leave_it_shaking(void *arg)
{
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, shake_to_the_end, arg), 0);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_yield(), 0);
	return 0;
}

IL_TEST_OWN_REAL(Q, n311_a_loop_that_ends_cancels_a_handshake)
{
	struct last l = {.rc = 0};

	CHECK_RC(il_run(il_test_backend(), leave_it_shaking, &l), 0);
	CHECK_RC(l.rc, -ECANCELED);
	CHECK(l.stream == NULL);
}
