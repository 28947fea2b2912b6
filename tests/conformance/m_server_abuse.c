/*
 * m_server_abuse.c: limits that a peer cannot talk its way around: the server's patience with who sends and
 * who does not take, lines in the log, buffers of the idle; and places that may not wait. What needs many
 * peers or another process is in tests/abuse.
 */
#include "m_server.h"

/* ---- patience ---- */

static int echo_impatiently(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_MSEC(5));

	if (rc == -ETIMEDOUT)
		return 0;
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

static int dribble(void *stream)
{
	int rc = 0;

	while (rc == 0) {
		rc = il_stream_write_all(stream, "x", 1);
		if (rc == 0)
			rc = il_sleep(IL_MSEC(3));
	}
	return 0;
}

IL_TEST_REAL(M, idle_time_is_no_longer_for_a_handler_that_asks_again_or_a_peer_that_dribbles)
{
	const il_handler h = handler_with(echo_impatiently);
	struct visits v = {0};
	struct service s;
	il_stream *c;
	il_group g;
	il_time start;
	char byte;
	int n;

	service_start(&s, &h, &v, il_protocol_lines(),
		      &(il_server_options){.idle_timeout = IL_MSEC(60)});
	c = dial(&s);
	say(c, "hello\n");
	CHECK_HEARS(c, "hello");
	start = il_now();
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, dribble, c), 0);
	n = il_stream_read(c, &byte, 1);
	CHECK(n == 0 || n == -ECONNRESET);
	CHECK(il_now() - start >= IL_MSEC(50)); /* the wait began before we heard */
	CHECK_RC(il_stream_close(c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_stream_destroy(c);
	UNTIL(v.disconnected == 1);
	CHECK_LOGGED(IL_LOG_INFO, "in time", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

struct sending {
	struct visits v;
	int rc[2]; /* of the handler's send, and of another task's behind it */
};

static struct sending *sending_of(il_client *client)
{
	return il_client_data(client);
}

static int send_huge(il_client *client, int *rc)
{
	enum { HUGE = 32 << 20 };
	char *bytes = calloc(1, HUGE);

	CHECK(bytes != NULL);
	*rc = il_client_send(client, bytes, HUGE);
	free(bytes);
	return *rc;
}

static int send_behind(void *client)
{
	return send_huge(client, &sending_of(client)->rc[1]);
}

static int send_from_two_tasks(il_client *client, void *data)
{
	struct sending *x = data;
	il_group g;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	il_client_set_data(client, x);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, send_behind, client), 0);
	return il_group_close(&g, send_huge(client, &x->rc[0]));
}

IL_TEST_REAL(M, a_peer_that_takes_nothing_is_given_up_after_send_timeout)
{
	const il_handler h = handler_with(send_from_two_tasks);
	struct sending x = {.rc = {1, 1}};
	struct service s;
	il_stream *c;
	il_time start;

	service_start(&s, &h, &x, il_protocol_lines(),
		      &(il_server_options){.send_timeout = IL_MSEC(40)});
	c = dial(&s);
	start = il_now();
	say(c, "go\n");
	UNTIL(x.v.disconnected == 1);
	CHECK(il_now() - start >= IL_MSEC(40));
	CHECK_RC(x.rc[0], -EPIPE);
	CHECK(x.rc[1] < 0);
	CHECK_LOGGED(IL_LOG_INFO, "in time", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	il_stream_destroy(c);
	service_end(&s);
}

/* ---- the log ---- */

static int fail(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	return rc <= 0 ? rc : -ERANGE;
}

/* The harness does not keep so many. */
struct lines {
	int failures;
	bool told; /* that some were left out */
};

static void count_line(int level, const char *message, void *arg)
{
	struct lines *lines = arg;

	lines->failures += level == IL_LOG_ERROR && strstr(message, "ERANGE") != NULL;
	lines->told |= level == IL_LOG_WARNING && strstr(message, "left out") != NULL;
}

IL_TEST_REAL(M, peers_that_make_handlers_fail_do_not_fill_the_log)
{
	enum { PEERS = 150 };
	const il_handler h = handler_with(fail);
	struct visits v = {0};
	struct service s;
	struct lines lines = {.failures = 0};
	il_time start = il_now();

	il_set_log(count_line, &lines);
	service_start(&s, &h, &v, il_protocol_lines(), NULL);
	for (int i = 0; i < PEERS; i++) {
		il_stream *c = dial(&s);
		say(c, "fail\n");
		check_gone(c);
	}
	service_end(&s);
	il_set_log(NULL, NULL);
	CHECK(lines.failures >= 100);
	CHECK(lines.failures <= 100 * ((il_now() - start) / IL_SEC(1) + 2));
	CHECK(lines.failures == PEERS || lines.told);
}

/* ---- buffers ---- */

static void ask_large(il_stream *c, const char *packet, char *got, size_t size)
{
	CHECK_RC(il_stream_write_all(c, packet, size), 0);
	CHECK_RC(il_stream_receive_exactly(c, got, size), 0);
	CHECK(memcmp(packet, got, size) == 0);
}

IL_TEST_REAL(M, who_waits_without_a_buffer_is_served_as_others_are)
{
	enum { PEERS = 4, LARGE = 8 << 20 };
	struct visits v = {0};
	struct service s;
	char *packet = malloc(LARGE), *got = malloc(LARGE);
	il_stream *c[PEERS];

	CHECK(packet && got);
	memset(packet, 'x', LARGE);
	packet[LARGE - 1] = '\n';
	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.max_packet = LARGE, .idle_timeout = IL_SEC(60)});
	for (int i = 0; i < PEERS; i++)
		ask_large(c[i] = dial(&s), packet, got, LARGE);
	for (int i = 0; i < PEERS; i++) {
		CHECK_ASK(c[i], "hello", "hello");
		say(c[i], "in two ");
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		CHECK_ASK(c[i], "parts", "in two parts");
	}
	ask_large(c[PEERS - 1], packet, got, LARGE);
	CHECK_RC(il_stream_shutdown_write(c[PEERS - 1]), 0);
	check_gone(c[PEERS - 1]);
	reset(c[PEERS - 2]);
	UNTIL(v.disconnected == 2);
	for (int i = 0; i < PEERS - 2; i++)
		CHECK_ASK(c[i], "hello", "hello");
	service_end(&s);
	for (int i = 0; i < PEERS - 2; i++)
		check_gone(c[i]);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	free(packet);
	free(got);
}

/* ---- places that may not wait ---- */

static int shut_down_in_callback(il_future *f, void *arg)
{
	struct service *s = arg;

	(void)f;
	CHECK_RC(il_server_shutdown(s->server), 0);
	CHECK(!il_future_done(s->serving)); /* it did not wait */
	CHECK_RC(il_server_close(s->server), 0);
	return 0;
}

IL_TEST_REAL(M, in_a_callback_of_a_task_shutdown_and_close_do_not_wait)
{
	struct service s = {0};
	il_future *f;
	il_scope scope = IL_SCOPE_INIT;

	service_lines(&s, &echo_handler, &s.visits);
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_on_done(f, shut_down_in_callback, &s), 0);
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&scope), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_scope_exit(&scope, 0), 0);
	CHECK_RC(service_result(&s), 0);
	il_server_destroy(s.server);
	il_future_unref(f);
}
