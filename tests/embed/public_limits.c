/*
 * public_limits.c: the values of IL_LIMITS_PUBLIC, in virtual time: how long a client that nobody
 * knows may hold its place by saying nothing, by trickling and by not reading; and that an option
 * which the user sets wins.
 */
#include "../core/check.h"

#include <interloop.h>
#include <interloop/virtual.h>

#include <stdio.h>
#include <stdlib.h>

struct test {
	il_handler handler;
	const il_protocol *(*protocol)(void);
	il_server_options options;
	il_fn *behave;    /* what the client does with its stream */
	il_time expected; /* from its connect to its end */
	il_event *gone;
};

/* ---- handlers ---- */

static int echo(il_client *client, void *data)
{
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, line.data, line.size);
}

static int receive_on_and_on(il_client *client, void *data)
{
	il_packet bytes;
	int rc;

	(void)data;
	do
		rc = il_client_receive(client, &bytes, IL_FOREVER);
	while (rc == 1);
	return rc;
}

static int send_much(il_client *client, void *data)
{
	enum { MUCH = 64 << 20 };
	char *bytes = calloc(1, MUCH);
	int rc;

	(void)data;
	CHECK(bytes);
	rc = il_client_send(client, bytes, MUCH);
	CHECK(rc == -EPIPE);
	free(bytes);
	return rc;
}

/* The system keeps little for a client that does not read. */
static int send_on_and_on(il_client *client, void *data)
{
	static const char bytes[4096];
	size_t sent = 0;
	int rc;

	(void)data;
	while ((rc = il_client_send(client, bytes, sizeof bytes)) == 0)
		sent += sizeof bytes;
	CHECK(rc == -EPIPE);
	CHECK(sent < 1 << 20);
	return rc;
}

static void tell_that_it_is_gone(il_client *client, void *data)
{
	const struct test *test = data;

	(void)client;
	il_event_set(test->gone);
}

/* ---- clients ---- */

static int say_nothing(void *c)
{
	(void)c;
	return 0;
}

static int ask(void *c)
{
	char line[8];

	CHECK(il_stream_write_all(c, "hello\n", 6) == 0);
	CHECK(il_stream_receive_until(c, line, sizeof line, "\n", 1) == 5);
	return 0;
}

static int trickle(void *c)
{
	int rc = 0;

	while (rc == 0) {
		rc = il_stream_write_all(c, "x", 1);
		if (rc == 0)
			rc = il_sleep(IL_MSEC(1500));
	}
	return 0;
}

static int ask_and_trickle(void *c)
{
	ask(c);
	return trickle(c);
}

/* ---- running them ---- */

static int serve(void *server)
{
	return il_server_serve(server);
}

static int behave(void *arg)
{
	struct test *test = arg;
	il_server *server;
	il_future *serving;
	il_stream *c;
	il_group g;
	il_time start;
	char port[8];

	test->handler.on_disconnection = tell_that_it_is_gone;
	test->options.quiet = true;
	CHECK(il_event_create(&test->gone) == 0);
	CHECK(il_tcp_server_open(&server, "127.0.0.1", "0", test->protocol(), &test->handler, test,
				 &test->options) == 0);
	CHECK(il_loop_spawn(il_loop_current(), &serving, serve, server) == 0);
	snprintf(port, sizeof port, "%u", il_server_port(server));
	CHECK(il_stream_connect_tcp(&c, "127.0.0.1", port, NULL) == 0);
	start = il_now();
	CHECK(il_group_open(&g) == 0);
	CHECK(il_group_start_soon(&g, NULL, test->behave, c) == 0);
	CHECK(il_event_wait(test->gone) == 0);
	CHECK(il_now() - start == test->expected);
	CHECK(il_stream_close(c) == 0); /* ends who still trickles */
	CHECK(il_group_close(&g, 0) == 0);
	il_stream_destroy(c);
	CHECK(il_server_shutdown(server) == 0);
	CHECK(il_future_join(serving) == 0);
	il_server_destroy(server);
	il_event_destroy(test->gone);
	return 0;
}

int main(void)
{
	enum { FIRST = 10, REQUEST = 20, IDLE = 60, SEND = 20 }; /* seconds */
	const il_server_options public = {.limits = IL_LIMITS_PUBLIC},
				own = {.limits = IL_LIMITS_PUBLIC,
				       .idle_timeout = IL_SEC(7),
				       .first_request_timeout = IL_FOREVER};
	struct test tests[] = {
	    {{.handle = echo}, il_protocol_lines, public, say_nothing, IL_SEC(FIRST), NULL},
	    {{.handle = echo}, il_protocol_lines, public, trickle, IL_SEC(FIRST), NULL},
	    {{.handle = echo}, il_protocol_lines, public, ask, IL_SEC(IDLE), NULL},
	    {{.handle = echo}, il_protocol_lines, public, ask_and_trickle, IL_SEC(REQUEST), NULL},
	    {{.handle = receive_on_and_on},
	     il_protocol_bytes,
	     public,
	     trickle,
	     IL_SEC(REQUEST),
	     NULL},
	    {{.handle = send_much}, il_protocol_lines, public, say_nothing, IL_SEC(SEND), NULL},
	    {{.handle = send_on_and_on},
	     il_protocol_lines,
	     public,
	     say_nothing,
	     IL_SEC(SEND),
	     NULL},
	    {{.handle = echo}, il_protocol_lines, own, say_nothing, IL_SEC(7), NULL},
	};

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		il_loop *loop;
		CHECK(il_loop_open(&loop, il_virtual(), NULL) == 0);
		CHECK(il_loop_run(loop, behave, &tests[i]) == 0);
		il_loop_destroy(loop);
	}
	puts("public limits: ok");
	return 0;
}
