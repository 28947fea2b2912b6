/*
 * m_server_handlers.c: a client's life in its handlers: what they receive, what their results and the
 * peer's manners lead to, and that all of it costs this client only.
 */
#include "workers.h"

#include "m_server.h"

/* ---- 232: connection, packets, disconnection ---- */

static int trace_connection(il_client *client, void *data)
{
	TRACE("connection");
	return visit_begin(client, data);
}

static int trace_packet(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	TRACE(p.data);
	return il_client_send(client, p.data, p.size);
}

static void trace_disconnection(il_client *client, void *data)
{
	visit_end(client, data);
	TRACE("disconnection");
}

static void check_one_client(bool quiet, int told, int silent)
{
	const il_handler h = {.on_connection = trace_connection,
			      .handle = trace_packet,
			      .on_disconnection = trace_disconnection};
	struct visits v = {0};
	struct service s;
	char name[IL_ADDRESS_TEXT_MAX], line[IL_ADDRESS_TEXT_MAX + 32];
	il_stream *c;

	service_start(&s, &h, &v, il_protocol_lines(), &(il_server_options){.quiet = quiet});
	c = dial(&s);
	name_of(c, name);
	say(c, "hel");
	UNTIL(v.connected == 1 && unread(v.client) == 0);
	CHECK_STR(il_client_address(v.client), name);
	say(c, "lo\r\nwor");
	CHECK_HEARS(c, "hello");
	say(c, "ld\n");
	CHECK_HEARS(c, "world");
	CHECK_EQ(v.disconnected, 0);
	il_stream_destroy(c);
	UNTIL(v.disconnected > 0);
	service_end(&s);
	CHECK_TRACE("connection hello world disconnection");
	snprintf(line, sizeof line, "client %s connected", name);
	CHECK_LOGGED(told, line, 1);
	snprintf(line, sizeof line, "client %s disconnected", name);
	CHECK_LOGGED(told, line, 1);
	CHECK_LOGGED(silent, "connected", 0);
}

IL_TEST_REAL(M, n232_a_client_connects_talks_and_disconnects)
{
	check_one_client(false, IL_LOG_INFO, IL_LOG_DEBUG);
}

IL_TEST_REAL(M, n232_a_quiet_server_logs_clients_for_debugging_only)
{
	check_one_client(true, IL_LOG_DEBUG, IL_LOG_INFO);
}

IL_TEST_REAL(M, n232_after_the_peers_half_close_everything_is_answered)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &echo_handler, &v);
	c = dial(&s);
	say(c, "one\ntwo\nthree\n");
	CHECK_RC(il_stream_shutdown_write(c), 0);
	CHECK_HEARS(c, "one");
	CHECK_HEARS(c, "two");
	CHECK_HEARS(c, "three");
	check_gone(c);
	CHECK_EQ(v.last, 0);
	UNTIL(v.disconnected == 1);
	service_end(&s);
}

/* Each client has its own pointer, its own task-locals and its own name. */
static il_local a_local = IL_LOCAL_INIT;

static int introduce(il_client *client, void *data)
{
	struct visits *v = data;

	v->connected++;
	CHECK(il_client_data(client) == NULL);
	il_client_set_data(client, v);
	CHECK(il_local_get(&a_local) == data);
	CHECK_RC(il_local_set(&a_local, client), 0);
	CHECK_STR(il_task_name(), il_client_address(client));
	return 0;
}

static int check_own(il_client *client, void *data)
{
	CHECK(il_local_get(&a_local) == client);
	CHECK(il_client_data(client) == data);
	CHECK(il_client_loop(client) == il_loop_current());
	CHECK(!il_client_is_closing(client));
	return visit_echo(client, data);
}

IL_TEST_REAL(M, n232_clients_have_attributes_and_task_locals_of_their_own)
{
	const il_handler h = {.on_connection = introduce, .handle = check_own};
	struct visits v = {0};
	struct service s;
	il_stream *a, *b;

	CHECK_RC(il_local_set(&a_local, &v), 0);
	service_lines(&s, &h, &v);
	a = dial(&s);
	b = dial(&s);
	CHECK_ASK(a, "a", "a");
	CHECK_ASK(b, "b", "b");
	CHECK_EQ(il_server_clients(s.server), 2);
	CHECK(il_local_get(&a_local) == &v);
	il_stream_destroy(a);
	il_stream_destroy(b);
	service_end(&s);
	CHECK_RC(il_local_set(&a_local, NULL), 0);
}

/* ---- 234, 235: what a handler leaves and keeps ---- */

static int answer_and_close(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_client_send(client, p.data, p.size), 0);
	CHECK_RC(il_client_close(client), 0);
	CHECK_RC(il_client_close(client), 0);
	CHECK(il_client_is_closing(client));
	CHECK_RC(il_client_receive(client, &p, 0), -EBADF);
	CHECK_RC(il_client_receive(client, &p, IL_FOREVER), -EBADF);
	CHECK_RC(il_client_send(client, "more", 4), -EBADF);
	return 0;
}

IL_TEST_REAL(M, n234_a_request_behind_the_close_is_not_handled)
{
	const il_handler h = handler_with(answer_and_close);
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	say(c, "one\ntwo\n");
	CHECK_HEARS(c, "one");
	check_gone(c);
	UNTIL(v.disconnected == 1);
	CHECK_EQ(v.handled, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

/* More than the receive buffer, so that the system still holds some when the server closes: closing
 * over it would be a reset, which may overtake the answer. */
IL_TEST_REAL(M, n234_the_last_answer_arrives_though_more_was_sent)
{
	const il_handler h = handler_with(answer_and_close);
	struct visits v = {0};
	struct service s;
	il_stream *c;
	char much[20000], byte;

	memset(much, 'x', sizeof much);
	memcpy(much, "one\n", 4);
	service_lines(&s, &h, &v);
	c = dial(&s);
	CHECK_RC(il_stream_write_all(c, much, sizeof much), 0);
	UNTIL(v.disconnected == 1);
	CHECK_HEARS(c, "one");
	CHECK_RC(il_stream_read(c, &byte, 1), 0);
	il_stream_destroy(c);
	service_end(&s);
}

static int join_two(il_client *client, void *data)
{
	char both[64];
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	int n = snprintf(both, sizeof both, "%s+", (const char *)p.data);
	CHECK_RC(reply(client, "more?"), 0);
	rc = visit_receive(client, data, &p, IL_FOREVER);
	if (rc <= 0)
		return rc;
	snprintf(both + n, sizeof both - (size_t)n, "%s", (const char *)p.data);
	return reply(client, both);
}

IL_TEST_REAL(M, n235_a_second_receive_gets_the_next_packet)
{
	const il_handler h = handler_with(join_two);
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	CHECK_ASK(c, "one", "more?");
	CHECK_ASK(c, "two", "one+two");
	say(c, "three\nfour\nfive\n");
	CHECK_HEARS(c, "more?");
	CHECK_HEARS(c, "three+four");
	CHECK_HEARS(c, "more?");
	CHECK_ASK(c, "six", "five+six");
	il_stream_destroy(c);
	service_end(&s);
}

/* ---- 236: bad packets ---- */

/* Lines of digits; anything else in a line is no packet. */
static int find_number(const il_protocol *p, il_parse *parse)
{
	const il_protocol *lines = p->state.pointer;
	int rc = lines->find(lines, parse);
	const char *data = parse->packet.data;

	for (size_t i = 0; rc == 1 && i < parse->packet.size; i++)
		if (data[i] < '0' || data[i] > '9')
			rc = -EBADMSG;
	return rc;
}

/* Answers errors by their names and goes on. */
static int answer_errors(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc == -EBADMSG || rc == -EMSGSIZE)
		return reply(client, il_error_name(rc));
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

static void open_numbers(struct service *s, struct visits *v, int (*handle)(il_client *, void *))
{
	const il_handler h = handler_with(handle);
	il_protocol p = *il_protocol_lines();

	p.name = "numbers";
	p.find = find_number;
	p.state.pointer = (void *)(uintptr_t)il_protocol_lines();
	service_start(s, &h, v, &p, &(il_server_options){.max_packet = 300});
}

IL_TEST_REAL(M, n236_after_a_bad_packet_the_handler_may_go_on)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;
	char big[1000];

	open_numbers(&s, &v, answer_errors);
	c = dial(&s);
	CHECK_ASK(c, "12", "12");
	CHECK_ASK(c, "x", "EBADMSG");
	CHECK_ASK(c, "13", "13");
	say(c, "y\n14\nz\n");
	CHECK_HEARS(c, "EBADMSG");
	CHECK_HEARS(c, "14");
	CHECK_HEARS(c, "EBADMSG");
	memset(big, '1', sizeof big);
	CHECK_RC(il_stream_write_all(c, big, sizeof big), 0);
	CHECK_HEARS(c, "EMSGSIZE");
	CHECK_RC(il_stream_write_all(c, big, sizeof big), 0);
	CHECK_ASK(c, "\n15", "15");
	CHECK_EQ(v.disconnected, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	il_stream_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(M, n236_a_bad_packet_that_the_handler_returns_costs_that_client_only)
{
	struct visits v = {0};
	struct service s;
	il_stream *a, *b;

	open_numbers(&s, &v, visit_echo);
	a = dial(&s);
	b = dial(&s);
	CHECK_ASK(b, "1", "1");
	say(a, "x\n");
	check_gone(a);
	UNTIL(v.disconnected == 1);
	CHECK_LOGGED(IL_LOG_ERROR, "EBADMSG", 1);
	CHECK_ASK(b, "2", "2");
	il_stream_destroy(b);
	service_end(&s);
}

/* ---- 237, 239: timeouts ---- */

static int time_out_twice(il_client *client, void *data)
{
	il_time start = il_now();
	il_packet p;
	int rc;

	CHECK_RC(il_client_receive(client, &p, -1), -EINVAL);
	CHECK_RC(il_client_receive(client, NULL, 0), -EINVAL);
	CHECK_RC(il_client_receive(client, &p, 0), -ETIMEDOUT);
	CHECK_RC(il_client_receive(client, &p, IL_MSEC(20)), -ETIMEDOUT);
	CHECK(il_now() - start >= IL_MSEC(20));
	CHECK(!il_client_is_closing(client));
	CHECK_RC(reply(client, "first?"), 0);
	rc = visit_receive(client, data, &p, IL_FOREVER);
	if (rc <= 0)
		return rc;
	CHECK_RC(il_client_send(client, p.data, p.size), 0);
	CHECK_RC(il_client_receive(client, &p, 0), -ETIMEDOUT);
	CHECK_RC(il_client_receive(client, &p, IL_MSEC(20)), -ETIMEDOUT);
	CHECK_RC(reply(client, "second?"), 0);
	rc = visit_receive(client, data, &p, IL_SEC(3600));
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(M, n237_a_receive_times_out_and_the_client_stays)
{
	const il_handler h = handler_with(time_out_twice);
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	CHECK_HEARS(c, "first?");
	CHECK_ASK(c, "one", "one");
	CHECK_HEARS(c, "second?");
	CHECK_ASK(c, "two", "two");
	CHECK_HEARS(c, "first?");
	il_stream_destroy(c);
	UNTIL(v.disconnected == 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

static int receive_in_bits(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;
	int rc;

	do {
		rc = visit_receive(client, v, &p, IL_MSEC(1));
		v->connected++;
	} while (rc == -ETIMEDOUT);
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(M, n237_a_timeout_keeps_the_bytes_that_came)
{
	const il_handler h = {.handle = receive_in_bits};
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	for (const char *bit = "hello"; *bit; bit++) {
		CHECK_RC(il_stream_write_all(c, bit, 1), 0);
		int before = v.connected;
		UNTIL(v.connected > before + 1); /* a timeout that began after the byte came */
	}
	CHECK_ASK(c, "", "hello");
	il_stream_destroy(c);
	service_end(&s);
}

static int count_what_is_there(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;
	char text[16];
	int n = 1, rc = visit_receive(client, v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	while (visit_receive(client, v, &p, 0) == 1)
		n++;
	snprintf(text, sizeof text, "%d", n);
	return reply(client, text);
}

IL_TEST_REAL(M, n237_without_time_a_packet_that_is_there_is_received)
{
	const il_handler h = handler_with(count_what_is_there);
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	CHECK_ASK(c, "one\ntwo\nthree", "3");
	il_stream_destroy(c);
	service_end(&s);
}

/* The first client has little time. */
static int run_out_of_time(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;
	int rc = visit_receive(client, v, &p, v->connected == 1 ? IL_MSEC(20) : IL_FOREVER);

	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(M, n239_a_timeout_that_is_not_handled_drops_that_client)
{
	const il_handler h = handler_with(run_out_of_time);
	struct visits v = {0};
	struct service s;
	char name[IL_ADDRESS_TEXT_MAX];
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	name_of(c, name);
	check_gone(c);
	UNTIL(v.disconnected == 1);
	CHECK_LOGGED(IL_LOG_ERROR, name, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "ETIMEDOUT", 1);
	c = dial(&s);
	CHECK_ASK(c, "next", "next");
	il_stream_destroy(c);
	service_end(&s);
}

/* ---- 240, 241: results ---- */

struct scripted {
	struct visits v;
	int calls, requests; /* how often handle was called; packets to answer before `rc` */
	int rc;
	int (*fail)(void);
};

static int follow_script(il_client *client, void *data)
{
	struct scripted *x = data;

	x->calls++;
	if (x->v.handled < x->requests)
		return visit_echo(client, &x->v);
	return x->fail ? x->fail() : x->rc;
}

static int begin_script(il_client *client, void *data)
{
	struct scripted *x = data;

	x->calls = x->v.handled = 0;
	return visit_begin(client, &x->v);
}

static void end_script(il_client *client, void *data)
{
	struct scripted *x = data;

	visit_end(client, &x->v);
}

static const il_handler script = {
    .on_connection = begin_script, .handle = follow_script, .on_disconnection = end_script};

/* A client that is served n requests, and then meets the script's result. */
static void check_script(struct scripted *x, const struct service *s, int n, size_t errors)
{
	int before = x->v.disconnected;
	char name[IL_ADDRESS_TEXT_MAX];
	il_stream *c;

	x->requests = n;
	c = dial(s);
	name_of(c, name);
	for (int i = 0; i < n; i++)
		CHECK_ASK(c, "request", "request");
	check_gone(c);
	UNTIL(x->v.disconnected == before + 1);
	CHECK_EQ(x->calls, n + 1);
	CHECK_LOGGED(IL_LOG_ERROR, name, errors);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
}

IL_TEST_REAL(M, n240_a_handler_that_returns_before_it_receives_closes_its_client)
{
	struct scripted x = {.rc = 0};
	struct service s;

	service_lines(&s, &script, &x);
	check_script(&x, &s, 0, 0);
	check_script(&x, &s, 5, 0);
	x.rc = 3;
	check_script(&x, &s, 1, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n240_a_handler_that_fails_before_it_receives_is_logged_and_not_called_again)
{
	struct scripted x = {.rc = -EINVAL};
	struct service s;

	service_lines(&s, &script, &x);
	check_script(&x, &s, 0, 1);
	check_script(&x, &s, 5, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "EINVAL", 2);
	service_end(&s);
}

static int fail_own(void)
{
	return -EIO;
}

static int fail_in_child(void *rc)
{
	return *(int *)rc;
}

static int fail_by_children(void)
{
	il_group g;
	int rcs[2] = {-ENOSPC, -EIO};

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fail_in_child, &rcs[0]), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fail_in_child, &rcs[1]), 0);
	return il_group_close(&g, 0);
}

static int fail_to_connect(void)
{
	il_stream *s;

	return il_stream_connect_unix(&s, "/nonexistent/socket");
}

/* An error of a connection, but of another one. */
static int fail_elsewhere(void)
{
	return -ECONNRESET;
}

/* Cancelled, but by nobody above. */
static int fail_by_a_cancelled_future(void)
{
	il_future *f = NULL;

	CHECK_RC(il_future_create(&f), 0);
	CHECK(il_future_cancel(f));
	int rc = il_future_result(f, IL_FOREVER);
	il_future_unref(f);
	return rc;
}

IL_TEST_REAL(M, n241_a_failing_handler_is_reported_once_and_others_go_on)
{
	static int (*const failures[])(void) = {fail_own, fail_by_children, fail_to_connect,
						fail_elsewhere, fail_by_a_cancelled_future};
	static const char *const names[] = {"EIO", "ENOSPC", "ENOENT", "ECONNRESET", "ECANCELED"};
	struct scripted x = {.rc = 0};
	struct service s, other;
	struct visits v = {0};
	il_stream *c;

	service_lines(&s, &script, &x);
	service_lines(&other, &echo_handler, &v);
	c = dial(&other);
	for (size_t i = 0; i < 5; i++) {
		x.fail = failures[i];
		check_script(&x, &s, 1, 1);
		CHECK_LOGGED(IL_LOG_ERROR, names[i], 1);
		CHECK_ASK(c, "still", "still");
	}
	il_stream_destroy(c);
	service_end(&other);
	service_end(&s);
}

static int fail_on_request(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	return packet_is(&p, "fail") ? -EIO : il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(M, n241_other_clients_of_the_same_server_go_on)
{
	const il_handler h = handler_with(fail_on_request);
	struct visits v = {0};
	struct service s;
	il_stream *a, *b;

	service_lines(&s, &h, &v);
	a = dial(&s);
	b = dial(&s);
	CHECK_ASK(b, "before", "before");
	say(a, "fail\n");
	check_gone(a);
	UNTIL(v.disconnected == 1);
	CHECK_ASK(b, "after", "after");
	CHECK_LOGGED(IL_LOG_ERROR, "EIO", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 1);
	il_stream_destroy(b);
	service_end(&s);
}

/* ---- 242: peers that are gone ---- */

IL_TEST_REAL(M, n242_a_reset_while_receiving_is_no_error)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &echo_handler, &v);
	c = dial(&s);
	UNTIL(v.connected == 1);
	reset(c);
	UNTIL(v.disconnected == 1);
	CHECK_EQ(v.last, 0);
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	reset(c);
	UNTIL(v.disconnected == 2);
	CHECK_EQ(v.last, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n242_a_peer_gone_in_mid_packet_is_told_and_no_error)
{
	struct visits v = {0};
	struct service s;

	service_lines(&s, &echo_handler, &v);
	for (int i = 0; i < 2; i++) {
		il_stream *c = dial(&s);
		say(c, "part of a");
		UNTIL(v.connected == i + 1 && unread(v.client) == 0);
		if (i == 0)
			il_stream_destroy(c);
		else
			reset(c);
		UNTIL(v.disconnected == i + 1);
		CHECK_RC(v.last, -ENODATA);
	}
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

static int greet(il_client *client, void *data)
{
	struct visits *v = data;

	v->connected++;
	v->last = reply(client, "welcome");
	if (v->last < 0)
		CHECK(il_client_is_closing(client));
	return v->last;
}

/* The thread connects and resets without letting the loop accept in between. */
static void connect_and_reset(const struct service *s)
{
	int fd = plain_connect(il_server_port(s->server));

	linger_none(fd);
	close(fd);
}

IL_TEST_REAL(M, n242_a_reset_right_after_the_accept_is_no_error)
{
	struct visits v = {0};
	struct service s;

	service_lines(&s, &echo_handler, &v);
	connect_and_reset(&s);
	UNTIL(v.disconnected == 1);
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.last, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n242_on_connection_that_meets_a_reset_is_no_error_and_has_no_disconnection)
{
	il_handler h = echo_handler;
	struct visits v = {0};
	struct service s;
	il_stream *c;

	h.on_connection = greet;
	service_lines(&s, &h, &v);
	connect_and_reset(&s);
	UNTIL(v.connected == 1 && il_server_clients(s.server) == 0);
	CHECK_RC(v.last, -EPIPE);
	CHECK_EQ(v.disconnected, 0);
	c = dial(&s);
	CHECK_HEARS(c, "welcome");
	CHECK_ASK(c, "hello", "hello");
	il_stream_destroy(c);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

struct late_answer {
	struct visits v; /* first: the other functions see it alone */
	il_event *gone;
};

static int answer_too_late(il_client *client, void *data)
{
	struct late_answer *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_event_wait(x->gone), 0);
	do
		rc = reply(client, "too late");
	while (rc == 0);
	x->v.last = rc;
	CHECK(il_client_is_closing(client));
	return rc;
}

IL_TEST_REAL(M, n242_sending_to_a_peer_that_is_gone_is_EPIPE_and_not_logged)
{
	const il_handler h = {
	    .on_connection = visit_begin, .handle = answer_too_late, .on_disconnection = visit_end};
	struct late_answer x = {.gone = NULL};
	struct service s;
	il_stream *c;

	CHECK_RC(il_event_create(&x.gone), 0);
	service_lines(&s, &h, &x);
	c = dial(&s);
	say(c, "question\n");
	UNTIL(x.v.handled == 1);
	reset(c);
	CHECK_RC(il_event_set(x.gone), 0);
	UNTIL(x.v.disconnected == 1);
	CHECK_RC(x.v.last, -EPIPE);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
	il_event_destroy(x.gone);
}

static int close_and_fail(il_client *client, void *data)
{
	struct scripted *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_client_close(client), 0);
	return x->rc;
}

IL_TEST_REAL(M, n242_a_connection_error_after_closing_is_not_logged)
{
	static const int rcs[] = {-EBADF, -EPIPE, -ECONNRESET, -ECONNABORTED, -ENOTCONN};
	il_handler h = script;
	struct scripted x = {.rc = 0};
	struct service s;
	il_stream *c;

	h.handle = close_and_fail;
	service_lines(&s, &h, &x);
	for (int i = 0; i < 5; i++) {
		x.rc = rcs[i];
		c = dial(&s);
		say(c, "go\n");
		check_gone(c);
		UNTIL(x.v.disconnected == i + 1);
	}
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	x.rc = -EIO; /* another error is one */
	c = dial(&s);
	say(c, "go\n");
	check_gone(c);
	UNTIL(x.v.disconnected == 6);
	CHECK_LOGGED(IL_LOG_ERROR, "EIO", 1);
	service_end(&s);
}

/* ---- 244: on_connection as a dialogue ---- */

struct dialogue {
	struct visits v;  /* first: the other functions see it alone */
	il_time patience; /* with the second answer */
};

static int ask_secrets(il_client *client, void *data)
{
	static const char *const questions[] = {"password?", "code?"};
	static const char *const right[] = {"swordfish", "42"};
	struct dialogue *d = data;
	il_packet p;

	d->v.connected++;
	for (int i = 0; i < 2; i++) {
		CHECK_RC(reply(client, questions[i]), 0);
		int rc = il_client_receive(client, &p, i == 0 ? IL_FOREVER : d->patience);
		d->v.last = rc;
		if (rc == -ETIMEDOUT)
			CHECK_RC(reply(client, "too late"), 0);
		else if (rc <= 0)
			return rc;
		else if (!packet_is(&p, right[i]))
			CHECK_RC(reply(client, "wrong"), 0);
		else
			continue;
		return il_client_close(client);
	}
	return reply(client, "welcome");
}

static void dialogue_start(struct service *s, struct dialogue *d)
{
	il_handler h = echo_handler;

	h.on_connection = ask_secrets;
	service_lines(s, &h, d);
}

IL_TEST_REAL(M, n244_the_right_answers_lead_to_handle)
{
	struct dialogue d = {.patience = IL_FOREVER};
	struct service s;
	il_stream *c;

	dialogue_start(&s, &d);
	c = dial(&s);
	CHECK_HEARS(c, "password?");
	say(c, "swordfish\n42\nhello\n");
	CHECK_HEARS(c, "code?");
	CHECK_HEARS(c, "welcome");
	CHECK_HEARS(c, "hello");
	CHECK_EQ(d.v.handled, 1);
	il_stream_destroy(c);
	UNTIL(d.v.disconnected == 1);
	service_end(&s);
}

IL_TEST_REAL(M, n244_a_wrong_answer_closes)
{
	struct dialogue d = {.patience = IL_FOREVER};
	struct service s;
	il_stream *c;

	dialogue_start(&s, &d);
	c = dial(&s);
	CHECK_HEARS(c, "password?");
	CHECK_ASK(c, "swordfish", "code?");
	say(c, "41\nhello\n");
	CHECK_HEARS(c, "wrong");
	check_gone(c);
	UNTIL(d.v.disconnected == 1);
	CHECK_EQ(d.v.handled, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n244_no_answer_in_time_is_told_and_closes)
{
	struct dialogue d = {.patience = IL_MSEC(40)};
	struct service s;
	il_stream *c;
	il_time start;

	dialogue_start(&s, &d);
	c = dial(&s);
	CHECK_HEARS(c, "password?");
	start = il_now();
	CHECK_ASK(c, "swordfish", "code?");
	CHECK_HEARS(c, "too late");
	CHECK(il_now() - start >= IL_MSEC(40));
	check_gone(c);
	UNTIL(d.v.disconnected == 1);
	CHECK_EQ(d.v.handled, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n244_a_client_that_leaves_the_dialogue_disconnects_once)
{
	struct dialogue d = {.patience = IL_FOREVER};
	struct service s;
	il_stream *c;

	dialogue_start(&s, &d);
	c = dial(&s);
	CHECK_HEARS(c, "password?");
	il_stream_destroy(c);
	UNTIL(d.v.disconnected == 1);
	CHECK_EQ(d.v.last, 0);
	CHECK_EQ(d.v.handled, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n244_what_on_connection_does_not_receive_goes_to_handle)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &echo_handler, &v);
	c = dial(&s);
	CHECK_ASK(c, "first", "first");
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.handled, 1);
	il_stream_destroy(c);
	service_end(&s);
}

static int close_on_connection(il_client *client, void *data)
{
	visit_begin(client, data);
	return il_client_close(client);
}

IL_TEST_REAL(M, n244_on_connection_that_closes_has_a_disconnection_and_no_handle)
{
	il_handler h = echo_handler;
	struct visits v = {0};
	struct service s;

	h.on_connection = close_on_connection;
	service_lines(&s, &h, &v);
	check_gone(dial(&s));
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.disconnected, 1);
	CHECK_EQ(v.last, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

static int fail_on_connection(il_client *client, void *data)
{
	visit_begin(client, data);
	return -EACCES;
}

IL_TEST_REAL(M, n244_on_connection_that_fails_has_no_disconnection)
{
	il_handler h = echo_handler;
	struct visits v = {.last = 1};
	struct service s;
	char name[IL_ADDRESS_TEXT_MAX];
	il_stream *c;

	h.on_connection = fail_on_connection;
	service_lines(&s, &h, &v);
	c = dial(&s);
	name_of(c, name);
	check_gone(c);
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.disconnected, 0);
	CHECK_EQ(v.last, 1);
	CHECK_LOGGED(IL_LOG_ERROR, name, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "EACCES", 1);
	service_end(&s);
}

/* ---- 251: the flow of the how-to ---- */

struct howto {
	il_executor *pool;
	il_portal *portal;
	il_event *other, *told;
};

static int init_howto(il_exit_stack *stack, il_server *server, void *data)
{
	struct howto *x = data;

	x->pool = new_pool(3);
	CHECK_RC(il_exit_stack_executor(stack, x->pool), 0);
	CHECK_RC(il_loop_create_threads_portal(il_server_loop(server), &x->portal), 0);
	return il_exit_stack_portal(stack, x->portal);
}

static int wait_for_the_other(void *arg)
{
	struct howto *x = arg;
	int rc = il_event_wait(x->other);

	return rc < 0 ? rc : il_sleep(IL_MSEC(1));
}

static int set_told(void *arg)
{
	struct howto *x = arg;

	return il_event_set(x->told);
}

/* A background task of the job: the larger the sooner. */
static int square(void *arg)
{
	int n = (int)(intptr_t)arg, rc = il_sleep(IL_MSEC(1) * (5 - n));

	return rc < 0 ? rc : n * n;
}

/* In a worker thread: async code, a plain call, and several tasks at once. */
static int job(void *arg)
{
	enum { TASKS = 4 };
	struct howto *x = arg;
	il_future *f[TASKS], *done;
	il_as_completed *it;
	int sum = 0;

	CHECK(il_loop_current() == NULL);
	CHECK_RC(il_portal_run_coroutine(x->portal, wait_for_the_other, x), 0);
	CHECK_RC(il_portal_run_sync(x->portal, set_told, x), 0);
	for (intptr_t i = 0; i < TASKS; i++)
		CHECK_RC(il_portal_run_coroutine_soon(x->portal, &f[i], square, (void *)i), 0);
	CHECK_RC(il_as_completed_open(&it, f, TASKS, IL_FOREVER), 0);
	while (il_as_completed_next(it, &done) == 1)
		sum += il_future_result(done, 0);
	il_as_completed_close(it);
	for (int i = 0; i < TASKS; i++)
		il_future_unref(f[i]);
	return sum;
}

static int handle_howto(il_client *client, void *data)
{
	struct howto *x = data;
	il_packet p;
	char text[16];
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (!packet_is(&p, "job")) {
		CHECK_RC(il_event_set(x->other), 0);
		return il_client_send(client, p.data, p.size);
	}
	rc = il_executor_run(x->pool, job, x, 0);
	if (rc < 0)
		return rc;
	CHECK(il_event_is_set(x->told));
	snprintf(text, sizeof text, "%d", rc);
	return reply(client, text);
}

/* The job ends only because another client is answered meanwhile. */
IL_TEST_REAL(M, n251_handler_job_portal_and_back)
{
	const il_handler h = {.service_init = init_howto, .handle = handle_howto};
	struct howto x = {.pool = NULL};
	struct service s;
	il_stream *a, *b;

	CHECK_RC(il_event_create(&x.other), 0);
	CHECK_RC(il_event_create(&x.told), 0);
	service_lines(&s, &h, &x);
	a = dial(&s);
	b = dial(&s);
	say(a, "job\n");
	CHECK_ASK(b, "meanwhile", "meanwhile");
	CHECK_HEARS(a, "14");
	CHECK_ASK(a, "and on", "and on");
	il_stream_destroy(a);
	il_stream_destroy(b);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	il_event_destroy(x.other);
	il_event_destroy(x.told);
}
