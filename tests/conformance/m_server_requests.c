/*
 * m_server_requests.c: the time that one request may take to arrive. A peer cannot stretch it by
 * sending a byte now and then; silence between two requests is not part of it.
 */
#include "m_server.h"

#include <interloop/select.h>
#include <limits.h>
#include <sys/uio.h>

enum { REQUEST_MS = 60 };

static const il_server_options impatient = {.request_timeout = IL_MSEC(REQUEST_MS)};

/* Sends `text` again and again, a few times within the limit, until the server is through with
 * it. */
struct trickle {
	il_stream *stream;
	const char *text;
};

static int trickle(void *arg)
{
	const struct trickle *t = arg;
	int rc = 0;

	while (rc == 0) {
		rc = il_stream_write_all(t->stream, t->text, strlen(t->text));
		if (rc == 0)
			rc = il_sleep(IL_MSEC(3));
	}
	return 0;
}

/* The server gives this client up while it trickles, and not before a request's time is over. */
static void check_given_up(il_stream *c, const char *text)
{
	struct trickle t = {c, text};
	il_time start = il_now();
	il_group g;
	char byte;
	int n;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trickle, &t), 0);
	n = il_stream_read(c, &byte, 1);
	CHECK(n == 0 || n == -ECONNRESET);
	CHECK(il_now() - start >= IL_MSEC(REQUEST_MS));
	CHECK_RC(il_stream_close(c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_stream_destroy(c);
	CHECK_LOGGED(IL_LOG_INFO, "in time", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

static int echo_in_short_waits(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_MSEC(5));

	if (rc == -ETIMEDOUT)
		return 0; /* and is called again */
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(M, a_request_that_trickles_in_is_given_up)
{
	struct service s = {0};
	il_stream *c;

	service_start(&s, &echo_handler, &s.visits, il_protocol_lines(), &impatient);
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	check_given_up(c, "x");
	UNTIL(s.visits.disconnected == 1);
	CHECK_EQ(s.visits.last, 0);
	service_end(&s);
}

IL_TEST_REAL(M, a_request_has_no_more_time_for_a_handler_that_asks_again)
{
	const il_handler h = handler_with(echo_in_short_waits);
	struct service s = {0};

	service_start(&s, &h, &s.visits, il_protocol_lines(), &impatient);
	check_given_up(dial(&s), "x");
	UNTIL(s.visits.disconnected == 1);
	service_end(&s);
}

/* A request of bytes is complete when the handler says so: at a full stop. */
static int receive_sentence(il_client *client, void *data)
{
	il_packet p;

	for (;;) {
		int rc = visit_receive(client, data, &p, IL_FOREVER);
		if (rc <= 0)
			return rc;
		if (memchr(p.data, '.', p.size))
			return reply(client, "read\n");
	}
}

IL_TEST_REAL(M, a_request_of_bytes_is_what_one_call_of_the_handler_receives)
{
	const il_handler h = handler_with(receive_sentence);
	struct service s = {0};
	il_stream *c;

	service_start(&s, &h, &s.visits, il_protocol_bytes(), &impatient);
	c = dial(&s);
	CHECK_ASK(c, "One sentence.", "read");
	CHECK_RC(il_sleep(IL_MSEC(REQUEST_MS + 20)), 0); /* nothing has begun */
	CHECK_ASK(c, "Another one.", "read");
	check_given_up(c, "\n"); /* empty lines */
	UNTIL(s.visits.disconnected == 1);
	service_end(&s);
}

/* A peer that is always ahead: it sends faster than anybody receives. */
static int flood_receive(void *self, void *data, size_t max)
{
	(void)self;
	memset(data, '\n', max);
	return max < INT_MAX ? (int)max : INT_MAX;
}

static int flood_send(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	(void)pieces;
	return count ? -EAGAIN : 0;
}

static void flood_destroy(void *under)
{
	il_stream_destroy(under);
}

static int flood_accept(il_stream **s, il_stream *under, void *self)
{
	static const struct il_transport flood = {.name = "flood",
						  .receive = flood_receive,
						  .send = flood_send,
						  .destroy = flood_destroy};

	(void)self;
	return il_stream_open_transport(s, &flood, under);
}

/* As receive_sentence. */
static int select_sentence(il_client *client, void *data)
{
	il_case one = il_case_client(client);
	il_packet p;
	int rc;

	do {
		rc = il_select(&one, 1, IL_FOREVER);
		if (rc == 0)
			rc = visit_receive(client, data, &p, IL_FOREVER);
	} while (rc > 0 && !memchr(p.data, '.', p.size));
	return rc;
}

static void check_flood_is_given_up(int (*handle)(il_client *client, void *data))
{
	const struct il_layer layer = {.accept = flood_accept};
	const il_handler h = handler_with(handle);
	il_server_options options = impatient;
	struct service s = {0};
	il_time start;
	il_stream *c;

	options.layer = &layer;
	service_start(&s, &h, &s.visits, il_protocol_bytes(), &options);
	start = il_now();
	c = dial(&s);
	UNTIL(s.visits.disconnected == 1);
	CHECK(il_now() - start >= IL_MSEC(REQUEST_MS));
	CHECK_EQ(s.visits.last, 0);
	il_stream_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(M, a_request_of_bytes_that_come_without_end_is_given_up)
{
	check_flood_is_given_up(receive_sentence);
	check_flood_is_given_up(select_sentence);
}

static int tell_send_buffer(il_client *client, void *data)
{
	int *size = data;
	socklen_t length = sizeof *size;
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_EQ(getsockopt(il_stream_fd(il_client_stream(client)), SOL_SOCKET, SO_SNDBUF, size,
			    &length),
		 0);
	return reply(client, "read");
}

IL_TEST_REAL(M, the_systems_buffer_for_a_client_has_the_size_that_was_asked_for)
{
	const il_handler h = {.handle = tell_send_buffer};
	struct service s = {0};
	int size = 0;
	il_stream *c;

	service_start(&s, &h, &size, il_protocol_lines(),
		      &(il_server_options){.send_buffer = 20000});
	c = dial(&s);
	CHECK_ASK(c, "how large?", "read");
	CHECK(size >= 20000 && size <= 2 * 20000); /* Linux doubles it */
	il_stream_destroy(c);
	service_end(&s);
}

/* A whole conversation in one call: each line is a request of its own. */
static int echo_all(il_client *client, void *data)
{
	int rc;

	do
		rc = visit_echo(client, data);
	while (rc == 0 && !il_client_is_closing(client));
	return rc;
}

IL_TEST_REAL(M, silence_between_requests_is_not_a_requests_time)
{
	const il_handler h = handler_with(echo_all);
	struct service s = {0};
	il_stream *c;

	service_start(&s, &h, &s.visits, il_protocol_lines(), &impatient);
	c = dial(&s);
	for (int i = 0; i < 3; i++) {
		CHECK_ASK(c, "a line", "a line");
		CHECK_RC(il_sleep(IL_MSEC(REQUEST_MS)), 0);
	}
	CHECK_ASK(c, "the last", "the last");
	il_stream_destroy(c);
	UNTIL(s.visits.disconnected == 1);
	CHECK_LOGGED(IL_LOG_INFO, "in time", 0);
	service_end(&s);
}
