/*
 * p_server_layer_limits.c: layers that take their time, on either side, or fail without closing
 * what they were given.
 */
#include "p_xor.h"
#include "waits.h"

/* ---- 284: the time counts from the connect ---- */

struct slow {
	struct il_layer layer;
	il_time takes;
};

/* Nothing cuts it, so it ends when the client's time for a first packet is over. */
static int slow_accept(il_stream **s, il_stream *under, void *self)
{
	const struct slow *slow = self;
	il_scope shield = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_scope_exit(&shield, il_sleep(slow->takes)), 0);
	*s = under;
	return 0;
}

static int receive_in_no_time(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;

	v->last = il_client_receive(client, &p, IL_USEC(1));
	v->handled++;
	return v->last;
}

IL_TEST_REAL(P, n284_the_time_that_a_layer_takes_is_gone_for_the_first_packet)
{
	const il_handler h = handler_with(receive_in_no_time);
	struct slow slow = {.takes = IL_MSEC(25)};
	struct visits v = {.last = 1};
	struct service s;
	il_stream *silent;

	slow.layer = (struct il_layer){.accept = slow_accept, .self = &slow};
	service_start(
	    &s, &h, &v, il_protocol_lines(),
	    &(il_server_options){.layer = &slow.layer, .first_request_timeout = IL_MSEC(20)});
	silent = dial(&s);
	check_gone(silent);
	UNTIL(il_server_clients(s.server) == 0);
	CHECK(v.handled <= 1);
	CHECK(v.last != -ETIMEDOUT);
	service_end(&s);
}

/* ---- 283: a failure that leaves its stream open ---- */

static int refuse(il_stream **s, il_stream *under, void *self)
{
	int *calls = self;

	(void)s, (void)under;
	return ++*calls % 2 ? il_fail(-EACCES, "not today") : -ENOMEM;
}

IL_TEST_REAL(P, n283_the_server_closes_what_a_layer_that_fails_has_left_open)
{
	int calls = 0;
	const struct il_layer layer = {.accept = refuse, .self = &calls};
	struct visits v = {0};
	struct service s;

	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.layer = &layer});
	for (int i = 0; i < 4; i++)
		check_gone(dial(&s));
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(calls, 4);
	CHECK_EQ(v.connected + v.disconnected, 0);
	CHECK_LOGGED(IL_LOG_DEBUG, "not today", 2);
	CHECK_LOGGED(IL_LOG_DEBUG, "ENOMEM", 2);
	CHECK_LOGGED(IL_LOG_INFO, "", 0);
	service_end(&s);
}

/* ---- 285: the other side's time ---- */

static int wait_and_answer(il_client *client, void *data)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : reply(client, "answer");
}

IL_TEST_REAL(P, n285_a_connect_waits_for_its_layer_within_its_own_time_and_is_cancelled_with_it)
{
	const il_handler h = {.handle = wait_and_answer};
	struct xor_layer theirs, mine;
	struct service s;
	il_client *c = NULL;
	il_scope scope = IL_SCOPE_INIT;
	il_client_options o;
	char port[8];

	xor_init(&theirs);
	xor_init(&mine);
	o = (il_client_options){.connect = {.layer = &mine.layer}};
	service_start(&s, &h, NULL, il_protocol_lines(),
		      &(il_server_options){.layer = &theirs.layer});
	port_text(il_server_port(s.server), port);
	mine.hang = true;
	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(10)), 0), 0);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_lines(), &o), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, 0), 0);
	CHECK(c == NULL);
	mine.hang = false;
	o.connect.timeout = IL_SEC(60);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_lines(), &o), 0);
	CHECK_RC(il_client_printf(c, "question"), 0);
	CHECK_RECEIVES(c, "answer");
	il_client_destroy(c);
	UNTIL(il_server_clients(s.server) == 0);
	service_end(&s);
	xor_check_gone(&theirs);
	xor_check_gone(&mine);
}

/* ---- 297: closing ends it, whatever it waits for ---- */

static int shielded_connect(il_stream **s, il_stream *under, const char *host, void *event)
{
	(void)s, (void)under, (void)host;
	return shielded_wait(event);
}

static int side_layer(void *arg)
{
	struct side *s = arg;

	return il_client_start_layer(s->object, s->bytes);
}

static int side_shutdown_write(void *arg)
{
	struct side *s = arg;

	return il_client_shutdown_write(s->object);
}

IL_TEST_REAL(P, n297_closing_ends_a_layer_that_waits_for_something_else)
{
	struct line l = line_of(OVER_PAIR);
	struct side starter = {.call = NULL};
	struct xor_layer x;

	xor_init(&x);
	x.hang = true;
	starter.bytes = &x.layer;
	side_start(&starter, side_layer, l.client);
	CHECK_RC(il_client_close(l.client), 0);
	CHECK_RC(side_join(&starter), -EBADF);
	drop(&l);
	xor_check_gone(&x);
}

/* What is shielded ends later. */
IL_TEST_REAL(P, n297_who_waits_for_a_layer_of_a_closed_client_ends_at_once)
{
	struct line l = line_of(OVER_PAIR);
	struct side starter = {.call = NULL}, sender = {.bytes = "secret", .size = 6}, ender;
	struct il_layer layer = {.connect = shielded_connect};
	il_event *go = NULL;

	CHECK_RC(il_event_create(&go), 0);
	layer.self = go;
	starter.bytes = &layer;
	side_start(&starter, side_layer, l.client);
	side_start(&sender, side_send, l.client);
	side_start(&ender, side_shutdown_write, l.client);
	CHECK_RC(il_client_close(l.client), 0);
	CHECK_RC(side_join(&sender), -EBADF);
	CHECK_RC(side_join(&ender), 0);
	CHECK(!starter.ended);
	CHECK_RC(il_event_set(go), 0);
	CHECK_RC(side_join(&starter), -EBADF);
	il_event_destroy(go);
	drop(&l);
}

IL_TEST_REAL(P, n284_a_shutdown_does_not_wait_for_a_layer_that_waits_for_something_else)
{
	struct xor_layer x;
	struct visits v = {0};
	struct service s;
	il_stream *c;

	xor_init(&x);
	x.hang = true;
	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.layer = &x.layer, .grace_period = IL_SEC(3600)});
	c = dial(&s);
	UNTIL(x.accepted == 1);
	service_end(&s);
	CHECK_EQ(v.connected, 0);
	check_gone(c);
	xor_check_gone(&x);
}
