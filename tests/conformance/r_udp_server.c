/*
 * r_udp_server.c: a UDP server: each peer is a client of its own, whose datagrams are handled in order and one at a
 * time, and what goes wrong with one costs that one only.
 */
#include "r_server.h"

/* ---- 347: one client per peer ---- */

struct faces {
	struct visits v;
	il_client *seen[8];
	char address[IL_ADDRESS_TEXT_MAX];
};

static int meet(il_client *client, void *data)
{
	struct faces *f = data;

	CHECK(il_client_stream(client) == NULL);
	CHECK(il_client_loop(client) == il_loop_current());
	CHECK_STR(il_task_name(), il_client_address(client));
	f->seen[f->v.connected++] = client;
	snprintf(f->address, sizeof f->address, "%s", il_client_address(client));
	return 0;
}

static int echo_with_face(il_client *client, void *data)
{
	struct faces *f = data;
	char text[64];
	il_packet p;
	int rc = visit_receive(client, &f->v, &p, IL_FOREVER), who = 0;

	if (rc <= 0)
		return rc;
	CHECK_EQ(((const char *)p.data)[p.size], 0);
	while (f->seen[who] != client)
		who++;
	snprintf(text, sizeof text, "%d %s", who, (const char *)p.data);
	return reply(client, text);
}

static void leave_face(il_client *client, void *data)
{
	visit_end(client, &((struct faces *)data)->v);
}

IL_TEST_REAL(R, n347_each_peer_is_a_client_of_its_own)
{
	const il_handler h = {
	    .on_connection = meet, .handle = echo_with_face, .on_disconnection = leave_face};
	struct faces f = {.v = {0}};
	struct service s;
	il_datagram *p[3];
	char name[IL_ADDRESS_TEXT_MAX], text[24];
	il_address at;

	udp_start(&s, &h, &f, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		p[i] = udp_peer(&s);
		snprintf(text, sizeof text, "%d hello", i);
		UDP_ASK(p[i], "hello", text);
		CHECK_RC(il_datagram_local_address(p[i], &at), 0);
		il_address_text(&at, name, sizeof name);
		CHECK_STR(f.address, name);
	}
	UDP_ASK(p[1], "again", "1 again");
	UDP_ASK(p[0], "", "0 ");
	CHECK_EQ(f.v.connected, 3);
	CHECK_EQ(il_server_clients(s.server), 3);
	CHECK_EQ(udp_statistics(&s).clients_total, 3);
	for (int i = 0; i < 3; i++)
		il_datagram_destroy(p[i]);
	service_end(&s);
	CHECK_EQ(f.v.disconnected, 3);
}

IL_TEST_REAL(R, n347_a_udp_server_is_opened_with_good_arguments)
{
	const il_server_options bad = {.idle_timeout = -1};
	const il_handler none = {.handle = NULL};
	il_server *s = NULL, *again = NULL;
	char port[8];

	CHECK_RC(il_udp_server_open(&s, "127.0.0.1", "0", NULL, &echo_handler, NULL, &bad),
		 -EINVAL);
	CHECK_RC(il_udp_server_open(&s, "127.0.0.1", "0", NULL, &none, NULL, NULL), -EINVAL);
	CHECK_RC(il_udp_server_open(NULL, "127.0.0.1", "0", NULL, &echo_handler, NULL, NULL),
		 -EINVAL);
	CHECK_RC(il_udp_server_open(&s, "192.0.2.1", "0", NULL, &echo_handler, NULL, NULL),
		 -EADDRNOTAVAIL);
	CHECK(s == NULL);
	CHECK_RC(il_udp_server_open(&s, "127.0.0.1", "0", NULL, &echo_handler, NULL, NULL), 0);
	port_text(il_server_port(s), port);
	CHECK_RC(il_udp_server_open(&again, "127.0.0.1", port, NULL, &echo_handler, NULL, NULL),
		 -EADDRINUSE);
	CHECK_RC(il_server_add_tcp(s, "127.0.0.1", "0"), -EINVAL);
	CHECK_RC(il_server_get_statistics(s, NULL), -EINVAL);
	il_server_destroy(s);
}

/* ---- 348, 349: activations ---- */

static int join_two(il_client *client, void *data)
{
	struct visits *v = data;
	char text[64];
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	snprintf(text, sizeof text, "%.20s", (const char *)p.data);
	rc = il_client_receive(client, &p, IL_FOREVER);
	if (rc <= 0)
		return rc;
	v->handled++;
	snprintf(text + strlen(text), 32, "+%.20s", (const char *)p.data);
	return reply(client, text);
}

IL_TEST_REAL(R, n348_a_second_receive_gives_that_peers_next_datagram)
{
	const il_handler h = handler_with(join_two);
	struct visits v = {0};
	struct service s;
	il_datagram *a, *b;

	a = udp_start_with_peer(&s, &h, &v, NULL, NULL);
	b = udp_peer(&s);
	udp_say(a, "a1");
	udp_say(b, "b1");
	udp_say(a, "a2");
	udp_hear(a, "a1+a2");
	udp_say(a, "a3");
	udp_say(b, "b2");
	udp_hear(b, "b1+b2");
	udp_say(a, "a4");
	udp_hear(a, "a3+a4");
	CHECK_EQ(v.handled, 3);
	CHECK_EQ(v.connected, 2);
	il_datagram_destroy(a);
	udp_end_with_peer(&s, b);
}

IL_TEST_REAL(R, n349_what_comes_while_a_handler_works_waits_and_others_are_served)
{
	static const char *const texts[] = {"1", "2", "3", "4", "5"};
	struct work w;
	struct service s;
	il_datagram *a, *b;

	work_serve(&s, &w, NULL);
	a = work_give(&s, &w, texts[0]);
	b = udp_peer(&s);
	for (int i = 1; i < 5; i++)
		udp_say(a, texts[i]);
	UDP_ASK(b, "quick", "at once");
	CHECK_EQ(w.v.handled, 2); /* what b said, and the first of a's */
	CHECK_RC(il_event_set(w.wake), 0);
	for (int i = 0; i < 5; i++)
		udp_hear(a, texts[i]);
	CHECK_EQ(w.v.handled, 6);
	CHECK_EQ(w.most, 1);
	il_datagram_destroy(b);
	udp_end_with_peer(&s, a);
	il_event_destroy(w.wake);
}

/* ---- 354: handlers that do not receive, or fail ---- */

struct refusal {
	struct visits v;
	int calls;
};

static int maybe_receive(il_client *client, void *data)
{
	struct refusal *r = data;
	il_packet p;
	int rc;

	switch (r->calls++) {
	case 0:
	case 1:
		return 0;
	case 2:
		return -EIO;
	default:
		rc = visit_receive(client, &r->v, &p, IL_FOREVER);
		if (rc <= 0)
			return rc;
		return packet_is(&p, "fail") ? -EDOM : il_client_send(client, p.data, p.size);
	}
}

static int count_connection(il_client *client, void *data)
{
	(void)client;
	((struct refusal *)data)->v.connected++;
	return 0;
}

IL_TEST_REAL(R, n354_a_datagram_that_is_not_received_is_dropped_and_its_peer_forgotten)
{
	const il_handler h = {.on_connection = count_connection, .handle = maybe_receive};
	struct refusal r = {.calls = 0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &r, NULL, NULL);
	udp_slip(a, "dropped");
	udp_slip(a, "dropped, too");
	udp_slip(a, "one error");
	udp_slip(a, "fail");
	udp_slip(a, "works");
	udp_hear(a, "works");
	CHECK_EQ(r.v.connected, 5);
	CHECK_LOGGED(IL_LOG_ERROR, "handle failed", 2);
	CHECK_LOGGED(IL_LOG_ERROR, "EIO", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "EDOM", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "127.0.0.1:", 2);
	CHECK_LOGGED(IL_LOG_ERROR, "", 2);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	UDP_ASK(a, "still works", "still works");
	CHECK_EQ(r.v.connected, 5);
	CHECK_EQ(r.calls, 3 + 1 + 3);
	udp_end_with_peer(&s, a);
}

static int refuse_connection(il_client *client, void *data)
{
	(void)client;
	return ++*(int *)data < 3 ? -EIO : 0;
}

static int echo_plainly(il_client *client, void *data)
{
	(void)data;
	return plain_echo(client, NULL);
}

IL_TEST_REAL(R, n354_a_peer_that_on_connection_refuses_is_asked_anew)
{
	const il_handler h = {.on_connection = refuse_connection, .handle = echo_plainly};
	struct service s;
	il_datagram *a;
	int calls = 0;

	a = udp_start_with_peer(&s, &h, &calls, NULL, NULL);
	udp_slip(a, "1");
	udp_slip(a, "2");
	udp_slip(a, "3");
	udp_hear(a, "3");
	CHECK_EQ(calls, 3);
	CHECK_LOGGED(IL_LOG_ERROR, "on_connection failed", 2);
	udp_end_with_peer(&s, a);
}

/* ---- 355: packets in datagrams ---- */

static int tell_result(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc == 0 || rc == -ECANCELED)
		return rc;
	return rc < 0 ? reply(client, il_error_name(rc)) : il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(R, n355_a_datagram_is_exactly_one_packet)
{
	const il_server_options o = {.max_packet = 8};
	const il_handler h = handler_with(tell_result);
	struct visits v = {0};
	struct service s;
	il_datagram *a;
	char large[300];

	a = udp_start_with_peer(&s, &h, &v, il_protocol_lines(), &o);
	UDP_ASK(a, "hello\n", "hello\n");
	UDP_ASK(a, "no end", "EBADMSG\n");
	UDP_ASK(a, "two\nlines\n", "EBADMSG\n");
	UDP_ASK(a, "", "EBADMSG\n");
	UDP_ASK(a, "too large for it\n", "EMSGSIZE\n");
	memset(large, 'x', sizeof large);
	CHECK_RC(il_datagram_send(a, large, sizeof large, NULL), 0);
	udp_hear(a, "EMSGSIZE\n");
	UDP_ASK(a, "works\r\n", "works\n");
	CHECK_EQ(v.connected, 1);
	udp_end_with_peer(&s, a);
}

static void check_whole(const il_protocol *protocol)
{
	const il_server_options o = {.max_packet = 8};
	const il_handler h = handler_with(tell_result);
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &v, protocol, &o);
	UDP_ASK(a, "two\nls\n", "two\nls\n");
	UDP_ASK(a, "12345678", "12345678");
	UDP_ASK(a, "123456789", "EMSGSIZE");
	UDP_ASK(a, "", "");
	udp_end_with_peer(&s, a);
}

IL_TEST_REAL(R, n355_of_bytes_the_whole_datagram_is_the_packet)
{
	check_whole(NULL);
	check_whole(il_protocol_bytes());
}

/* ---- 360: one handler for both ---- */

static int speak(il_client *client, void *data)
{
	char text[64];
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	if (rc <= 0)
		return rc;
	if (packet_is(&p, "count")) {
		for (int i = 1; i <= 3 && rc >= 0; i++)
			rc = il_client_printf(client, "%d", i);
		return rc;
	}
	if (packet_is(&p, "dialogue")) {
		rc = reply(client, "your name?");
		if (rc == 0)
			rc = il_client_receive(client, &p, IL_FOREVER);
		if (rc <= 0)
			return rc;
		snprintf(text, sizeof text, "hello %.*s", (int)(p.size < 32 ? p.size : 32),
			 (const char *)p.data);
		return reply(client, text);
	}
	if (packet_is(&p, "bye")) {
		rc = reply(client, "bye");
		return rc < 0 ? rc : il_client_close(client);
	}
	return il_client_send(client, p.data, p.size);
}

static void trace_packet(const char *data, size_t size)
{
	char text[64];

	snprintf(text, sizeof text, "%.*s", (int)(size < 60 ? size : 60), data);
	for (char *c = text; *c; c++)
		*c = *c == ' ' ? '_' : *c;
	TRACE(text);
}

static const char *const asked[] = {"hello", "count", "dialogue", "Ada", "bye"};
static const int heard[] = {1, 3, 1, 1, 1};

#define SPOKEN "hello 1 2 3 your_name? hello_Ada bye"

IL_TEST_REAL(R, n360_one_handler_speaks_the_same_over_udp)
{
	const il_handler h = {.handle = speak};
	struct service s;
	il_datagram *a;
	char data[64];

	a = udp_start_with_peer(&s, &h, NULL, il_protocol_bytes(), NULL);
	for (int i = 0; i < 5; i++) {
		udp_say(a, asked[i]);
		for (int k = 0; k < heard[i]; k++) {
			int n = il_datagram_receive(a, data, sizeof data, NULL);
			CHECK(n > 0);
			trace_packet(data, (size_t)n);
		}
	}
	udp_end_with_peer(&s, a);
	CHECK_TRACE(SPOKEN);
}

IL_TEST_REAL(R, n360_as_over_tcp)
{
	const il_handler h = {.handle = speak};
	struct service s;
	il_client *c = NULL;
	il_packet p;
	char port[8];

	service_start(&s, &h, NULL, il_protocol_length_prefixed(), NULL);
	port_text(il_server_port(s.server), port);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_length_prefixed(), NULL),
		 0);
	for (int i = 0; i < 5; i++) {
		CHECK_RC(il_client_send(c, asked[i], strlen(asked[i])), 0);
		for (int k = 0; k < heard[i]; k++) {
			CHECK_RC(il_client_receive(c, &p, IL_FOREVER), 1);
			trace_packet(p.data, p.size);
		}
	}
	il_client_destroy(c);
	service_end(&s);
	CHECK_TRACE(SPOKEN);
}

/* ---- what a peer has not ---- */

static int never_begins(il_stream **s, il_stream *under, void *self)
{
	(void)s, (void)under, (void)self;
	return -EPROTO;
}

static int check_lacks(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;
	int rc = visit_receive(client, v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_client_shutdown_write(client), -ENOTSUP);
	CHECK_RC(il_client_start_layer(client, &(struct il_layer){.accept = never_begins}),
		 -EINVAL);
	CHECK(!il_client_is_closing(client));
	CHECK_RC(reply(client, "last"), 0);
	CHECK_RC(il_client_finish(client, IL_SEC(3600)), 0);
	CHECK(il_client_is_closing(client));
	CHECK(packet_is(&p, "finish"));
	CHECK_RC(il_client_send(client, "x", 1), -EBADF);
	CHECK_RC(il_client_receive(client, &p, 0), -EBADF);
	return 0;
}

IL_TEST_REAL(R, n347_a_finish_is_a_close_and_the_peer_is_new_afterwards)
{
	const il_handler h = handler_with(check_lacks);
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &v, NULL, NULL);
	UDP_ASK(a, "finish", "last");
	UDP_ASK(a, "finish", "last");
	CHECK_EQ(v.connected, 2);
	udp_end_with_peer(&s, a);
	CHECK_EQ(v.disconnected, 2);
}

/* ---- 347: a handler that selects ---- */

struct chooser {
	struct visits v;
	il_event *stop;
	int chosen[2];
};

static int choose_packet(il_client *client, void *data)
{
	struct chooser *x = data;
	il_case cases[] = {il_case_client(client), il_case_event(x->stop)};
	il_case twice[] = {cases[0], cases[0]};
	il_packet p;
	int rc;

	CHECK_RC(il_select(twice, 2, 0), -EBUSY);
	rc = il_select(cases, 2, IL_FOREVER);
	if (rc < 0)
		return rc;
	x->chosen[rc]++;
	if (rc == 1)
		return 0;
	rc = visit_receive(client, &x->v, &p, 0);
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(R, n347_a_handler_may_wait_for_a_packet_in_a_select)
{
	const il_handler h = {.handle = choose_packet};
	const il_server_options o = {.max_clients = 2, .idle_timeout = IL_SEC(3600)};
	struct chooser x = {.v = {0}};
	struct service s;
	il_datagram *p[3];

	CHECK_RC(il_event_create(&x.stop), 0);
	udp_start(&s, &h, &x, NULL, &o);
	for (int i = 0; i < 3; i++) { /* the third one ends the first, in its select */
		p[i] = udp_peer(&s);
		UDP_ASK(p[i], "one", "one");
		UDP_ASK(p[i], "two", "two");
	}
	CHECK_EQ(udp_statistics(&s).dropped_peers, 1);
	CHECK_EQ(il_server_clients(s.server), 2);
	CHECK_RC(il_event_set(x.stop), 0);
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(x.chosen[1], 2);
	CHECK_EQ(x.v.handled, 6);
	for (int i = 0; i < 3; i++)
		il_datagram_destroy(p[i]);
	service_end(&s);
	il_event_destroy(x.stop);
}

IL_TEST_REAL(R, n352_a_silent_peer_is_ended_in_a_select_too)
{
	const il_handler h = {.handle = choose_packet};
	const il_server_options o = {.idle_timeout = IL_MSEC(20)};
	struct chooser x = {.v = {.last = -1}};
	struct service s;
	il_datagram *a;

	CHECK_RC(il_event_create(&x.stop), 0);
	a = udp_start_with_peer(&s, &h, &x, NULL, &o);
	UDP_ASK(a, "one", "one");
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_RC(x.v.last, 0);
	UDP_ASK(a, "two", "two");
	udp_end_with_peer(&s, a);
	il_event_destroy(x.stop);
}
