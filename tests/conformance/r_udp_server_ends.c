/*
 * r_udp_server_ends.c: how a UDP server ends, and where its replies come from.
 */
#include "r_server.h"

/* ---- 356: shutdown and close ---- */

struct ending {
	struct visits v;
	il_client *kept;
	int sleeping;
	int sent; /* what the exit stack's send returned */
};

static int send_at_the_end(void *data)
{
	struct ending *e = data;

	e->sent = il_client_send(e->kept, "x", 1);
	il_client_unref(e->kept);
	return 0;
}

static int keep_exit(il_exit_stack *stack, il_server *server, void *data)
{
	(void)server;
	return il_exit_stack_push(stack, send_at_the_end, data);
}

static int sleep_or_wait(il_client *client, void *data)
{
	struct ending *e = data;
	il_packet p;
	int rc = visit_receive(client, &e->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (packet_is(&p, "sleep")) {
		if (!e->kept)
			e->kept = il_client_ref(client);
		e->sleeping++;
		return il_sleep(IL_SEC(3600));
	}
	return il_client_send(client, p.data, p.size);
}

static int begin_ending(il_client *client, void *data)
{
	return visit_begin(client, &((struct ending *)data)->v);
}

static void end_ending(il_client *client, void *data)
{
	visit_end(client, &((struct ending *)data)->v);
}

static const il_handler ending = {.service_init = keep_exit,
				  .on_connection = begin_ending,
				  .handle = sleep_or_wait,
				  .on_disconnection = end_ending};

/* Nobody is there any more. */
static void check_nobody(uint16_t port)
{
	il_datagram *d = NULL;
	char text[8], byte;

	CHECK_RC(il_datagram_connect_udp(&d, "127.0.0.1", port_text(port, text), NULL), 0);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), -ECONNREFUSED);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n356_a_shutdown_ends_all_peers_and_closes_the_socket)
{
	struct ending e = {.sent = 1};
	struct service s;
	il_datagram *p[3];
	uint16_t port;

	udp_start(&s, &ending, &e, NULL, NULL);
	port = il_server_port(s.server);
	for (int i = 0; i < 3; i++)
		p[i] = udp_peer(&s);
	udp_say(p[0], "sleep");
	UDP_ASK(p[1], "receive", "receive");
	udp_say(p[2], "sleep");
	UNTIL(e.sleeping == 2);
	udp_say(p[2], "queued");
	udp_slip(p[2], "just come");
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_EQ(e.v.connected, 3);
	CHECK_EQ(e.v.disconnected, 3);
	CHECK_RC(e.sent, -EBADF);
	check_nobody(port);
	for (int i = 0; i < 3; i++)
		il_datagram_destroy(p[i]);
	il_server_destroy(s.server);
}

IL_TEST_REAL(R, n356_it_serves_again_on_the_same_port)
{
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &echo_handler, &v, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		UDP_ASK(a, "hello", "hello");
		CHECK_RC(il_server_shutdown(s.server), 0);
		CHECK_RC(service_result(&s), 0);
		service_run(&s);
	}
	CHECK_EQ(v.connected, 3);
	udp_end_with_peer(&s, a);
}

static void check_graceful(int (*end)(il_server *server))
{
	const il_server_options o = {.grace_period = IL_SEC(60)};
	struct work w;
	struct service s;
	il_datagram *busy, *idle, *late;
	char byte;

	work_serve(&s, &w, &o);
	idle = udp_peer(&s);
	late = udp_peer(&s);
	UDP_ASK(idle, "quick", "at once");
	busy = work_give(&s, &w, "work");
	CHECK_RC(end(s.server), 0);
	UNTIL(il_server_clients(s.server) == 1);
	udp_say(late, "new");
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK_EQ(il_server_clients(s.server), 1);
	CHECK(!il_future_done(s.serving));
	CHECK_RC(il_event_set(w.wake), 0);
	udp_hear(busy, "work");
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(il_datagram_send(busy, "x", 1, NULL), 0);
	CHECK_RC(il_datagram_receive(busy, &byte, 1, NULL), -ECONNREFUSED);
	il_datagram_destroy(busy);
	il_datagram_destroy(idle);
	il_datagram_destroy(late);
	il_server_destroy(s.server);
	il_event_destroy(w.wake);
}

static int begin_shutdown(il_server *server)
{
	return il_loop_spawn(il_loop_current(), NULL, shut_down, server);
}

IL_TEST_REAL(R, n356_a_handler_at_work_may_finish_within_the_grace_period)
{
	check_graceful(begin_shutdown);
}

/* It works before its second receive, in a call of its own. */
static int receive_late(il_client *client, void *data)
{
	struct work *w = data;
	int rc = 0;

	if (w->v.handled && !w->inside++)
		rc = il_event_wait(w->wake);
	return rc < 0 ? rc : visit_echo(client, &w->v);
}

IL_TEST_REAL(R, n356_who_comes_to_be_idle_within_the_grace_period_is_ended)
{
	const il_server_options o = {.grace_period = IL_SEC(3600), .idle_timeout = IL_FOREVER};
	const il_handler h = {.handle = receive_late};
	struct work w = {.wake = NULL};
	struct service s;
	il_datagram *a;

	CHECK_RC(il_event_create(&w.wake), 0);
	a = udp_start_with_peer(&s, &h, &w, NULL, &o);
	UDP_ASK(a, "hello", "hello");
	UNTIL(w.inside == 1);
	CHECK_RC(begin_shutdown(s.server), 0);
	UNTIL(!il_server_is_serving(s.server));
	CHECK_RC(il_event_set(w.wake), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(w.v.last, 0);
	il_datagram_destroy(a);
	il_server_destroy(s.server);
	il_event_destroy(w.wake);
}

IL_TEST_REAL(R, n356_a_close_ends_peers_that_are_not_at_work)
{
	check_graceful(il_server_close);
}

static int select_and_close(il_client *client, void *data)
{
	struct visits *v = data;
	il_case c = il_case_client(client);
	il_packet p;
	int rc = il_select(&c, 1, IL_FOREVER);

	if (rc < 0 || visit_receive(client, v, &p, 0) <= 0)
		return rc < 0 ? rc : v->last;
	return il_server_close(il_client_server(client));
}

IL_TEST_REAL(R, n356_a_select_on_a_closed_server_finds_the_peers_end)
{
	const il_handler h = {.handle = select_and_close};
	struct visits v = {.last = -1};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &v, NULL, &(il_server_options){.idle_timeout = IL_FOREVER});
	udp_say(a, "hello");
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(v.last, 0);
	CHECK_EQ(v.handled, 1);
	il_datagram_destroy(a);
	il_server_destroy(s.server);
}

static int frame_and_close(const il_protocol *p, il_frame *frame)
{
	const char *text = frame->data;

	return *text == '!' ? il_client_close(*(il_client **)p->state.pointer) : 0;
}

static int answer_marked(il_client *client, void *current)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	*(il_client **)current = client;
	if (rc > 0 && *(const char *)p.data == '!') {
		CHECK_RC(il_client_send(client, p.data, p.size), -EBADF);
		return 0;
	}
	return rc > 0 ? il_client_send(client, p.data, p.size) : rc;
}

IL_TEST_REAL(R, n356_a_peer_that_its_protocol_closes_in_a_send_gets_nothing_of_it)
{
	const il_handler h = {.handle = answer_marked};
	il_protocol closer = *il_protocol_bytes();
	il_client *current = NULL;
	struct service s;
	il_datagram *a;

	closer.frame = frame_and_close;
	closer.state.pointer = &current;
	a = udp_start_with_peer(&s, &h, &current, &closer, NULL);
	udp_say(a, "! first");
	UNTIL(current && !il_server_clients(s.server));
	UDP_ASK(a, "second", "second");
	udp_end_with_peer(&s, a);
}

IL_TEST_REAL(R, n356_a_server_that_does_not_serve_is_closed_at_once)
{
	il_server *s = NULL;
	uint16_t port;

	CHECK_RC(il_udp_server_open(&s, "127.0.0.1", "0", NULL, &echo_handler, NULL, NULL), 0);
	port = il_server_port(s);
	CHECK_RC(il_server_close(s), 0);
	check_nobody(port);
	CHECK_RC(il_server_serve(s), -EBADF);
	il_server_destroy(s);
}

struct keeper {
	il_client *kept;
	il_packet packet;
};

static int keep_client(il_client *client, void *data)
{
	struct keeper *k = data;
	int rc;

	if (k->kept)
		return il_client_receive(client, &k->packet, IL_FOREVER);
	rc = il_client_receive(client, &k->packet, IL_FOREVER);
	if (rc > 0)
		k->kept = il_client_ref(client);
	return rc <= 0 ? rc : reply(client, "kept");
}

IL_TEST_REAL(R, n356_a_client_that_is_kept_is_closed_and_its_packet_stays)
{
	const il_handler h = {.handle = keep_client};
	struct keeper k = {.kept = NULL};
	struct service s;
	il_datagram *a;
	il_packet p;
	char name[IL_ADDRESS_TEXT_MAX];

	a = udp_start_with_peer(&s, &h, &k, NULL, NULL);
	UDP_ASK(a, "keep me", "kept");
	snprintf(name, sizeof name, "%s", il_client_address(k.kept));
	service_end(&s);
	CHECK(il_client_is_closing(k.kept));
	CHECK(il_client_server(k.kept) == NULL);
	CHECK_STR(il_client_address(k.kept), name);
	CHECK_RC(il_client_receive(k.kept, &p, 0), -EBADF);
	CHECK_RC(il_client_send(k.kept, "x", 1), -EBADF);
	CHECK_RC(il_client_close(k.kept), 0);
	il_client_unref(k.kept);
	il_datagram_destroy(a);
}

/* ---- 358: where replies come from ---- */

IL_TEST_REAL(R, n358_a_reply_leaves_from_the_address_that_was_asked)
{
#ifdef __linux__ /* where all of 127.0.0.0/8 is the loopback's */
	static const char *const hosts[] = {NULL, "0.0.0.0"};

	for (int i = 0; i < 2; i++) {
		struct visits v = {0};
		struct service s;
		il_datagram *a, *b;
		CHECK_RC(
		    il_udp_server_open(&s.server, hosts[i], "0", NULL, &echo_handler, &v, NULL), 0);
		service_run(&s);
		a = udp_peer_at(&s, "127.0.0.2");
		b = udp_peer_at(&s, "127.0.0.1");
		UDP_ASK(a, "second", "second");
		UDP_ASK(b, "first", "first");
		CHECK(strncmp(il_client_address(v.client), "127.0.0.1:", 10) == 0);
		il_datagram_destroy(a);
		il_datagram_destroy(b);
		service_end(&s);
	}
#endif
}

IL_TEST_REAL(R, n358_so_do_replies_to_ipv6_peers)
{
	struct visits v = {0};
	struct service s;
	il_datagram *a = NULL;
	char text[8];
	int rc;

	CHECK_RC(il_udp_server_open(&s.server, NULL, "0", NULL, &echo_handler, &v, NULL), 0);
	service_run(&s);
	port_text(il_server_port(s.server), text);
	rc = il_datagram_connect_udp(&a, "::1", text, NULL);
	if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL) {
		SKIP("IPv6");
	} else {
		CHECK_RC(rc, 0);
		UDP_ASK(a, "six", "six");
		CHECK(strncmp(il_client_address(v.client), "[::1]:", 6) == 0);
		il_datagram_destroy(a);
	}
	service_end(&s);
}

/* ---- 337: peers that are gone ---- */

struct late {
	struct visits v;
	il_event *wake;
	int sent[3];
};

static int answer_late(il_client *client, void *data)
{
	struct late *l = data;
	il_packet p;
	int rc = visit_receive(client, &l->v, &p, IL_FOREVER);

	if (rc <= 0 || !packet_is(&p, "late"))
		return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
	rc = il_event_wait(l->wake);
	for (int i = 0; i < 3 && rc == 0; i++)
		l->sent[i] = reply(client, "is anybody there?");
	return rc;
}

IL_TEST_REAL(R, n337_a_server_never_hears_that_a_peer_is_gone)
{
	const il_handler h = {.handle = answer_late};
	struct late l = {.sent = {1, 1, 1}};
	struct service s;
	il_datagram *gone, *other;

	CHECK_RC(il_event_create(&l.wake), 0);
	gone = udp_start_with_peer(&s, &h, &l, NULL, NULL);
	other = udp_peer(&s);
	udp_say(gone, "late");
	UNTIL(l.v.handled == 1);
	il_datagram_destroy(gone);
	CHECK_RC(il_event_set(l.wake), 0);
	UNTIL(l.sent[2] != 1);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(l.sent[i], 0);
		UDP_ASK(other, "served", "served");
	}
	udp_end_with_peer(&s, other);
	il_event_destroy(l.wake);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* ---- 359: replies that are too large, and packets sent from elsewhere ---- */

static int reply_too_large(il_client *client, void *data)
{
	static const char large[65508];
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_client_send(client, large, sizeof large), -EMSGSIZE);
	CHECK(!il_client_is_closing(client));
	return il_client_printf(client, "%.*s after all", (int)p.size, (const char *)p.data);
}

IL_TEST_REAL(R, n359_a_reply_that_is_too_large_costs_itself)
{
	const il_handler h = handler_with(reply_too_large);
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &v, NULL, NULL);
	UDP_ASK(a, "hello", "hello after all");
	UDP_ASK(a, "again", "again after all");
	CHECK_EQ(v.connected, 1);
	udp_end_with_peer(&s, a);
}

IL_TEST_REAL(R, n359_another_task_may_send_to_a_peer_while_its_handler_waits)
{
	struct visits v = {0};
	struct service s;
	il_datagram *a;
	il_client *c;

	a = udp_start_with_peer(&s, &echo_handler, &v, NULL, NULL);
	UDP_ASK(a, "hello", "hello");
	c = il_client_ref(v.client);
	CHECK_RC(reply(c, "news"), 0);
	udp_hear(a, "news");
	CHECK_RC(il_client_close(c), 0);
	UNTIL(v.disconnected == 1);
	CHECK_RC(reply(c, "more"), -EBADF);
	UDP_ASK(a, "new again", "new again"); /* 353: a peer that was closed is a new one */
	CHECK_EQ(v.connected, 2);
	CHECK(v.client != c);
	il_client_unref(c);
	udp_end_with_peer(&s, a);
}

/* ---- 353: on_connection receives ---- */

static int greet(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;

	v->connected++;
	if (visit_receive(client, v, &p, IL_FOREVER) <= 0)
		return v->last;
	return il_client_printf(client, "welcome, %.*s", (int)p.size, (const char *)p.data);
}

IL_TEST_REAL(R, n353_on_connection_may_receive_the_first_datagram)
{
	const il_handler h = {
	    .on_connection = greet, .handle = visit_echo, .on_disconnection = visit_end};
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &v, NULL, NULL);
	UDP_ASK(a, "Ada", "welcome, Ada");
	UDP_ASK(a, "echo", "echo");
	UDP_ASK(a, "more", "more");
	CHECK_EQ(v.connected, 1);
	udp_end_with_peer(&s, a);
	CHECK_EQ(v.disconnected, 1);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}
