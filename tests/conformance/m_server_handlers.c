/*
 * m_server_handlers.c: what handlers receive, packets good and bad or none in time, and what their results
 * lead to: all of it costs this client only.
 */
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

static char logging[64]; /* the task */

static void note_task(int level, const char *message, void *arg)
{
	const char *name = il_task_name();

	(void)level;
	(void)arg;
	if (name && strstr(message, " connected"))
		snprintf(logging, sizeof logging, "%s", name);
}

static int compare_task(il_client *client, void *data)
{
	CHECK_STR(logging, il_task_name());
	return visit_begin(client, data);
}

IL_TEST_REAL(M, n232_the_clients_task_has_its_name_when_its_log_begins)
{
	const il_handler h = {
	    .on_connection = compare_task, .handle = trace_packet, .on_disconnection = visit_end};
	struct visits v = {0};
	struct service s;
	il_stream *c;

	logging[0] = '\0';
	il_set_log(note_task, NULL);
	service_start(&s, &h, &v, il_protocol_lines(), NULL);
	c = dial(&s);
	UNTIL(v.connected == 1);
	il_stream_destroy(c);
	UNTIL(v.disconnected > 0);
	service_end(&s);
	il_set_log(NULL, NULL);
	CHECK(logging[0] != '\0');
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

static int fail_in_own_words(void)
{
	return il_fail(-EPROTO, "the server wants no layer");
}

IL_TEST_REAL(M, n241_the_log_has_a_handlers_own_words_for_its_failure)
{
	struct scripted x = {.fail = fail_in_own_words};
	struct service s;

	service_lines(&s, &script, &x);
	check_script(&x, &s, 0, 1);
	check_script(&x, &s, 1, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "EPROTO (the server wants no layer)", 2);
	service_end(&s);
}

/* "lost" fails and is got over; "fail" has nothing to say. */
static int get_over(il_client *client, void *data)
{
	il_file *f;
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (packet_is(&p, "fail"))
		return -ENOENT;
	CHECK_RC(il_file_open(&f, "/nowhere/lost", O_RDONLY, 0), -ENOENT);
	return 0;
}

IL_TEST_REAL(M, the_log_has_no_words_of_a_failure_that_an_earlier_request_got_over)
{
	const il_handler h = handler_with(get_over);
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	say(c, "lost\nfail\n");
	check_gone(c);
	UNTIL(v.disconnected == 1);
	CHECK_LOGGED(IL_LOG_ERROR, "/nowhere/lost", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "ENOENT", 1);
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
