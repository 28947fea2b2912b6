/*
 * p_start_layer.c: a layer in the middle of a dialogue: STARTTLS. Both ends agree in the clear, then go on over the
 * layer; whatever fails, nothing goes on in the clear.
 */
#include "p_xor.h"

/* ---- 293: the dialogue ---- */

struct upgrade {
	struct xor_layer x;
	struct visits v;
	il_stream *before; /* the server's client's stream */
	int rc;            /* what il_client_start_layer returned there */
	bool over;
};

static int upgrade_handle(il_client *client, void *data)
{
	struct upgrade *u = data;
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	u->v.handled++;
	if (!packet_is(&p, "STARTTLS"))
		return il_client_printf(client, "%s: %.*s", u->over ? "layer" : "clear",
					(int)p.size, (const char *)p.data);
	rc = reply(client, "go");
	if (rc < 0)
		return rc;
	u->before = il_client_stream(client);
	u->rc = il_client_start_layer(client, &u->x.layer);
	u->over = u->rc == 0;
	CHECK_EQ(il_client_is_closing(client), u->rc < 0);
	return u->rc;
}

static int upgrade_begin(il_client *client, void *data)
{
	struct upgrade *u = data;

	u->v.connected++;
	u->v.client = client;
	return 0;
}

static void upgrade_end(il_client *client, void *data)
{
	struct upgrade *u = data;

	(void)client;
	u->v.disconnected++;
}

static const il_handler upgrade_handler = {
    .on_connection = upgrade_begin, .handle = upgrade_handle, .on_disconnection = upgrade_end};

static void upgrade_start(struct service *s, struct upgrade *u)
{
	*u = (struct upgrade){.rc = 1};
	xor_init(&u->x);
	service_lines(s, &upgrade_handler, u);
}

static void upgrade_stop(struct service *s, struct upgrade *u)
{
	UNTIL(u->v.disconnected == u->v.connected);
	service_end(s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	xor_check_gone(&u->x);
}

IL_TEST_REAL(P, n293_both_sides_go_on_over_the_layer)
{
	struct upgrade u;
	struct service s;
	struct xor_layer mine;
	il_stream *before;
	il_client *c;

	xor_init(&mine);
	upgrade_start(&s, &u);
	c = enter(&s);
	CHECK_RC(il_client_printf(c, "one"), 0);
	CHECK_RECEIVES(c, "clear: one");
	CHECK_RC(il_client_printf(c, "STARTTLS"), 0);
	CHECK_RECEIVES(c, "go");
	before = il_client_stream(c);
	CHECK_RC(il_client_start_layer(c, &mine.layer), 0);
	CHECK(il_client_stream(c) != before);
	CHECK_STR(mine.host, "127.0.0.1");
	CHECK_RC(il_client_printf(c, "two"), 0);
	CHECK_RECEIVES(c, "layer: two");
	CHECK_RC(u.rc, 0);
	CHECK(il_client_stream(u.v.client) != u.before);
	CHECK_EQ(u.v.connected, 1);
	il_client_destroy(c);
	upgrade_stop(&s, &u);
	xor_check_gone(&mine);
}

/* What the parser remembers of the clear is forgotten: here that it skips a line that is too long. */
IL_TEST_REAL(P, n293_the_parser_begins_anew)
{
	const il_client_options o = {.max_packet = 8, .side = IL_SIDE_SERVER, .host = "unused"};
	struct line l = line_with(OVER_PAIR, il_protocol_lines(), &o);
	struct xor_layer x;
	char hello[] = "ok\n";

	xor_init(&x);
	say(l.peer, "much too long for it");
	CHECK_RECEIVES(l.client, "EMSGSIZE");
	UNTIL(unread(l.client) == 0);
	say(l.peer, "client\n");
	CHECK_RC(il_client_start_layer(l.client, &x.layer), 0);
	CHECK_EQ(x.accepted, 1);
	CHECK_HEARS(l.peer, "server");
	xor_bytes((unsigned char *)hello, 3);
	CHECK_RC(il_stream_write_all(l.peer, hello, 3), 0);
	CHECK_RECEIVES(l.client, "ok");
	drop(&l);
	xor_check_gone(&x);
}

IL_TEST_REAL(P, n293_a_connected_client_over_a_pair_takes_the_host_that_it_was_given)
{
	const il_client_options o = {.host = "host.test"};
	struct line l = line_with(OVER_PAIR, il_protocol_lines(), &o);
	struct xor_layer x;

	xor_init(&x);
	say(l.peer, "server\n");
	CHECK_RC(il_client_start_layer(l.client, &x.layer), 0);
	CHECK_STR(x.host, "host.test");
	drop(&l);
	xor_check_gone(&x);
}

/* ---- 294: bytes that came too early ---- */

IL_TEST_REAL(P, n294_bytes_beyond_the_last_packet_end_the_client)
{
	struct upgrade u;
	struct service s;
	il_stream *c;
	char line[256];

	upgrade_start(&s, &u);
	c = dial(&s);
	say(c, "STARTTLS\nINJECTED\n");
	CHECK_STR(hear(c, line), "go");
	check_gone(c); /* not a byte more, neither in the clear nor of the handshake */
	UNTIL(u.v.disconnected == 1);
	CHECK_RC(u.rc, -EPROTO);
	CHECK_EQ(u.v.handled, 1);
	CHECK_EQ(u.x.accepted, 0);
	upgrade_stop(&s, &u);
}

IL_TEST_REAL(P, n294_bytes_that_the_stream_kept_count_too)
{
	il_stream *mine, *peer;
	il_client *c;
	struct xor_layer x;
	char line[256];

	xor_init(&x);
	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	say(peer, "hello\nSTARTTLS\nINJECTED\n");
	CHECK_STR(hear(mine, line), "hello");
	CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), NULL), 0);
	CHECK_RECEIVES(c, "STARTTLS");
	CHECK_RC(il_client_start_layer(c, &x.layer), -EPROTO);
	CHECK_RECEIVES(c, "EBADF");
	il_client_destroy(c);
	il_stream_destroy(peer);
	xor_check_gone(&x);
}

/* ---- 297: in the way, and failures ---- */

static int side_layer(void *arg)
{
	struct side *s = arg;
	const struct xor_layer *x = s->bytes;

	return il_client_start_layer(s->object, &x->layer);
}

static void side_start_layer(struct side *s, il_client *client, struct xor_layer *x)
{
	xor_init(x);
	s->bytes = x;
	side_start(s, side_layer, client);
}

IL_TEST_REAL(P, n297_who_receives_or_sends_must_end_first)
{
	struct line l = line_of(OVER_TCP);
	struct side receiver = {.call = NULL}, sender = {.call = NULL};
	struct xor_layer x;
	il_stream *before = il_client_stream(l.client);

	xor_init(&x);
	side_start(&receiver, side_receive, l.client);
	CHECK_RC(il_client_start_layer(l.client, &x.layer), -EBUSY);
	say(l.peer, "clear\n");
	CHECK_RC(side_join(&receiver), 1);
	CHECK_STR(receiver.text, "clear");
	side_send_in_vain(&sender, l.client);
	CHECK_RC(il_client_start_layer(l.client, &x.layer), -EBUSY);
	CHECK(il_client_stream(l.client) == before);
	CHECK(!il_client_is_closing(l.client));
	CHECK_EQ(x.connected, 0);
	CHECK_RC(il_client_start_layer(l.client, NULL), -EINVAL);
	CHECK_RC(il_client_start_layer(l.client, &(struct il_layer){.accept = xor_accept}),
		 -EINVAL);
	CHECK_RC(il_client_close(l.client), 0);
	CHECK_RC(side_join(&sender), -EBADF);
	CHECK_RC(il_client_start_layer(l.client, &x.layer), -EBADF);
	drop(&l);
}

IL_TEST_REAL(P, n297_others_wait_for_the_layer_and_go_over_it)
{
	struct line l = line_of(OVER_TCP);
	struct side starter = {.call = NULL}, sender = {.bytes = "hello", .size = 5};
	struct xor_layer x;
	char changed[6];

	side_start_layer(&starter, l.client, &x);
	side_start(&sender, side_send, l.client);
	CHECK(!sender.ended);
	CHECK_RECEIVES(l.client, "EBUSY");
	CHECK_RC(il_client_finish(l.client, IL_FOREVER), -EBUSY);
	CHECK_RC(il_client_start_layer(l.client, &x.layer), -EBUSY);
	CHECK_HEARS(l.peer, "client");
	CHECK(!sender.ended);
	say(l.peer, "server\n");
	CHECK_RC(side_join(&starter), 0);
	CHECK_RC(side_join(&sender), 0);
	CHECK_RC(il_stream_receive_exactly(l.peer, changed, 6), 0);
	xor_bytes((unsigned char *)changed, 6);
	CHECK(memcmp(changed, "hello\n", 6) == 0);
	drop(&l);
	xor_check_gone(&x);
}

static int end_sending(void *arg)
{
	struct side *s = arg;

	return il_client_shutdown_write(s->object);
}

IL_TEST_REAL(P, n297_the_end_of_sending_waits_for_the_layer_too)
{
	struct line l = line_of(OVER_TCP);
	struct side starter = {.call = NULL}, ender = {.call = NULL};
	struct xor_layer x;
	char byte;

	side_start_layer(&starter, l.client, &x);
	side_start(&ender, end_sending, l.client);
	CHECK(!ender.ended);
	CHECK_HEARS(l.peer, "client");
	say(l.peer, "server\n");
	CHECK_RC(side_join(&starter), 0);
	CHECK_RC(side_join(&ender), 0);
	CHECK_EQ(il_stream_read(l.peer, &byte, 1), 0);
	drop(&l);
	xor_check_gone(&x);
}

/* The client is closed: its peer reads the end, or a reset, after what was said before. */
static void check_closed(struct line *l, struct xor_layer *x)
{
	char byte;
	int n;

	CHECK(il_client_is_closing(l->client));
	CHECK_RECEIVES(l->client, "EBADF");
	CHECK_RC(il_client_printf(l->client, "secret"), -EBADF);
	do
		n = il_stream_read(l->peer, &byte, 1);
	while (n == 1 && strchr("client\n", byte));
	CHECK(n == 0 || n == -ECONNRESET);
	drop(l);
	xor_check_gone(x);
}

IL_TEST_REAL(P, n297_a_layer_that_fails_closes_the_client)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		struct xor_layer x;

		xor_init(&x);
		say(l.peer, "nonsense\n");
		CHECK_RC(il_client_start_layer(l.client, &x.layer), -EPROTO);
		CHECK_DETAIL("speaks no xor");
		check_closed(&l, &x);
	}
}

IL_TEST_REAL(P, n297_a_layer_that_is_cancelled_or_out_of_time_closes_the_client)
{
	struct line l = line_of(OVER_TCP);
	struct side s = {.call = NULL};
	struct xor_layer x;
	il_scope scope = IL_SCOPE_INIT;

	side_start_layer(&s, l.client, &x);
	CHECK_HEARS(l.peer, "client");
	il_scope_cancel(&s.scope);
	CHECK_RC(side_join(&s), -ECANCELED);
	check_closed(&l, &x);
	l = line_of(OVER_TCP);
	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(20)), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_exit(&scope, il_client_start_layer(l.client, &x.layer)), -ETIMEDOUT);
	check_closed(&l, &x);
}

static int xor_at_once(il_stream **s, il_stream *under, const char *host, void *self)
{
	(void)host;
	return xor_open(s, under, self);
}

/* Also where the layer would not wait. */
IL_TEST_REAL(P, n297_in_a_cancelled_scope_no_layer_begins)
{
	struct line l = line_of(OVER_TCP);
	il_scope scope = IL_SCOPE_INIT;
	il_client_options options = {.max_packet = 0};
	struct xor_layer x;
	il_client *client = NULL;
	il_stream *a, *b;

	xor_init(&x);
	x.layer.connect = xor_at_once;
	CHECK_RC(il_stream_pair(&a, &b), 0);
	options.connect.layer = &x.layer;
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	il_scope_cancel(&scope);
	CHECK_RC(il_client_start_layer(l.client, &x.layer), -ECANCELED);
	CHECK_RC(il_client_open(&client, a, il_protocol_lines(), &options), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK(!client);
	CHECK_EQ(x.opened, 0);
	check_closed(&l, &x);
	il_stream_destroy(a);
	il_stream_destroy(b);
}

IL_TEST_REAL(P, n297_closing_ends_the_layer_that_begins)
{
	struct line l = line_of(OVER_TCP);
	struct side starter = {.call = NULL}, sender = {.bytes = "secret", .size = 6};
	struct side ender = {.call = NULL};
	struct xor_layer x;

	side_start_layer(&starter, l.client, &x);
	side_start(&sender, side_send, l.client);
	side_start(&ender, end_sending, l.client);
	CHECK_RC(il_client_close(l.client), 0);
	CHECK_RC(side_join(&starter), -EBADF);
	CHECK_RC(side_join(&sender), -EBADF);
	CHECK_RC(side_join(&ender), 0);
	check_closed(&l, &x);
}

/* ---- 276: a polite close over it ---- */

static int finish(void *arg)
{
	struct side *s = arg;

	return il_client_finish(s->object, IL_FOREVER);
}

IL_TEST_REAL(P, n276_a_polite_close_waits_for_the_peer_also_where_sending_has_ended)
{
	struct line l = line_of(OVER_TCP);
	struct side finisher = {.call = NULL};
	struct xor_layer x;
	char byte;

	xor_init(&x);
	say(l.peer, "server\n");
	CHECK_RC(il_client_start_layer(l.client, &x.layer), 0);
	CHECK_HEARS(l.peer, "client");
	CHECK_RC(il_client_shutdown_write(l.client), 0);
	say(l.peer, "late");
	side_start(&finisher, finish, l.client);
	CHECK_EQ(il_stream_read(l.peer, &byte, 1), 0);
	CHECK_RC(il_yield(), 0);
	CHECK(!finisher.ended);
	CHECK_RC(il_stream_close(l.peer), 0);
	CHECK_RC(side_join(&finisher), 0);
	drop(&l);
	xor_check_gone(&x);
}

/* ---- 298: once more ---- */

/* Over the first layer the second one shakes hands; what passes both is as in the clear. */
IL_TEST_REAL(P, n298_a_second_layer_goes_over_the_first)
{
	struct line l = line_of(OVER_TCP);
	struct xor_layer x;
	unsigned char hello[] = "server\n", heard[7];

	xor_init(&x);
	say(l.peer, "server\n");
	CHECK_RC(il_client_start_layer(l.client, &x.layer), 0);
	CHECK_HEARS(l.peer, "client");
	xor_bytes(hello, 7);
	CHECK_RC(il_stream_write_all(l.peer, hello, 7), 0);
	CHECK_RC(il_client_start_layer(l.client, &x.layer), 0);
	CHECK_RC(il_stream_receive_exactly(l.peer, heard, 7), 0);
	xor_bytes(heard, 7);
	CHECK(memcmp(heard, "client\n", 7) == 0);
	CHECK_RC(il_client_printf(l.client, "twice"), 0);
	CHECK_HEARS(l.peer, "twice");
	say(l.peer, "and back\n");
	CHECK_RECEIVES(l.client, "and back");
	CHECK_EQ(x.streams, 2);
	drop(&l);
	xor_check_gone(&x);
}

/* ---- 295: the end before a layer ---- */

IL_TEST_REAL(P, n295_a_peer_that_goes_instead_of_beginning_ends_the_client)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		struct xor_layer x;

		xor_init(&x);
		say(l.peer, "go\n");
		CHECK_RECEIVES(l.client, "go");
		CHECK_RC(il_stream_shutdown_write(l.peer), 0);
		CHECK_RC(il_client_start_layer(l.client, &x.layer), -ENODATA);
		check_closed(&l, &x);
	}
}

IL_TEST_REAL(P, n295_a_client_that_has_connected_refuses_early_bytes_too)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		struct xor_layer x;

		xor_init(&x);
		say(l.peer, "go\nserver\n");
		CHECK_RECEIVES(l.client, "go");
		CHECK_RC(il_client_start_layer(l.client, &x.layer), -EPROTO);
		CHECK_EQ(x.connected, 0);
		check_closed(&l, &x);
	}
}
