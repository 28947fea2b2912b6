/*
 * p_layers.c: streams over streams: bytes are right through any pile of layers, both directions at once; closing the
 * outermost closes all below once; what is about the connection is that of the socket below.
 */
#include "p_layers.h"
#include "l_net.h"
#include "p_rings.h"
#include "waiter.h"
#include "waits.h"

enum { DEEP = 3, LARGE = 1 << 20 };

/* A pile of layers at each end of a connection; the first kind is the innermost. */
struct pile {
	struct layer_maker makers[DEEP];
	struct ends ends;
	int deep;
};

static void pile_open(struct pile *p, struct ends ends, const enum layer_kind *kinds, int deep)
{
	memset(p, 0, sizeof *p);
	p->ends = ends;
	p->deep = deep;
	for (int i = 0; i < deep; i++) {
		p->makers[i].kind = kinds[i];
		CHECK_RC(layer_open(&p->ends.a, p->ends.a, &p->makers[i]), 0);
		CHECK_RC(layer_open(&p->ends.b, p->ends.b, &p->makers[i]), 0);
	}
}

static void pile_drop(struct pile *p)
{
	drop(&p->ends);
	for (int i = 0; i < p->deep; i++) {
		CHECK_EQ(p->makers[i].closes, 2);
		CHECK_EQ(p->makers[i].destroys, 2);
	}
}

static int write_all(void *arg)
{
	struct side *s = arg;
	int rc = il_stream_write_all(s->object, s->bytes, s->size);

	return rc < 0 ? rc : il_stream_shutdown_write(s->object);
}

static int read_all(void *arg)
{
	struct side *s = arg;
	char *got = malloc(s->size);
	int rc = il_stream_receive_exactly(s->object, got, s->size);

	if (rc == 0) {
		CHECK(memcmp(got, s->bytes, s->size) == 0);
		rc = il_stream_read(s->object, got, 1);
	}
	free(got);
	return rc;
}

static void check_both_ways(struct ends *e, size_t size)
{
	char *data = large_data(size);
	struct side to_b = {.bytes = data, .size = size}, to_a = to_b, at_b = to_b, at_a = to_b;

	side_start(&to_b, write_all, e->a);
	side_start(&to_a, write_all, e->b);
	side_start(&at_b, read_all, e->b);
	side_start(&at_a, read_all, e->a);
	CHECK_RC(side_join(&to_b), 0);
	CHECK_RC(side_join(&to_a), 0);
	CHECK_RC(side_join(&at_b), 0);
	CHECK_RC(side_join(&at_a), 0);
	free(data);
}

/* ---- 282: layers over layers ---- */

IL_TEST_REAL(P, n282_a_mebibyte_each_way_through_three_layers)
{
	const enum layer_kind kinds[DEEP] = {LAYER_DOUBLE, LAYER_XOR, LAYER_PASS};

	for (int kind = 0; kind < KINDS; kind++) {
		struct pile p;
		pile_open(&p, ends_of(kind), kinds, DEEP);
		check_both_ways(&p.ends, LARGE);
		pile_drop(&p);
	}
}

IL_TEST_REAL(P, n282_an_awkward_layer_gets_all_through)
{
	const enum layer_kind kinds[DEEP] = {LAYER_AWKWARD, LAYER_DOUBLE, LAYER_AWKWARD};
	struct pile p;

	pile_open(&p, ends_of(PAIR), kinds, DEEP);
	check_both_ways(&p.ends, 4096);
	pile_drop(&p);
}

IL_TEST(P, n282_layers_go_over_any_transport)
{
	const enum layer_kind kinds[DEEP] = {LAYER_XOR, LAYER_PASS, LAYER_DOUBLE};
	struct ring_end *ends[2];
	il_stream *streams[2];
	struct pile p;

	make_rings(ends, streams);
	pile_open(&p, (struct ends){streams[0], streams[1]}, kinds, DEEP);
	check_both_ways(&p.ends, 4096);
	pile_drop(&p);
}

IL_TEST_REAL(P, n282_sending_ends_when_no_layer_holds_anything_back)
{
	const enum layer_kind kinds[DEEP] = {LAYER_DOUBLE, LAYER_DOUBLE, LAYER_PASS};
	struct pile p;
	char byte;

	pile_open(&p, ends_of(PAIR), kinds, DEEP);
	for (int i = 0; i < 3; i++) {
		say(p.ends.a, "x"); /* nothing else is sent until it has come */
		CHECK_RC(il_stream_read(p.ends.b, &byte, 1), 1);
		CHECK_RC(il_stream_write(p.ends.b, "y", 1), 1);
		CHECK_RC(il_stream_read(p.ends.a, &byte, 1), 1);
	}
	pile_drop(&p);
}

static int wait_write_much(void *arg)
{
	return il_stream_write_all(arg, il_test_zeros, 4 << 20);
}

IL_TEST_REAL(P, n282_closing_the_outermost_wakes_who_waits_and_closes_all_below)
{
	const enum layer_kind kinds[DEEP] = {LAYER_XOR, LAYER_PASS, LAYER_DOUBLE};
	struct waiter reader = {.name = "reader"}, writer = {.name = "writer"};
	struct pile p;
	il_group g;
	char byte;

	pile_open(&p, ends_of(TCP), kinds, DEEP);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &reader, read_some, p.ends.a);
	start_waiting(&g, &writer, wait_write_much, p.ends.a);
	CHECK_RC(il_stream_close(p.ends.a), 0);
	for (int i = 0; i < DEEP; i++)
		CHECK_EQ(p.makers[i].closes, 1);
	UNTIL(reader.returned && writer.returned);
	check_waited(&reader, -EBADF);
	check_waited(&writer, -EBADF);
	CHECK_RC(il_group_close(&g, 0), 0);
	while (il_stream_read(p.ends.b, &byte, 1) > 0)
		;
	pile_drop(&p);
}

IL_TEST_REAL(P, n289_each_layer_learns_that_nobody_waits_any_more)
{
	const enum layer_kind kinds[DEEP] = {LAYER_XOR, LAYER_PASS, LAYER_DOUBLE};
	struct waiter reader = {.name = "reader"};
	struct pile p;
	il_group g;

	pile_open(&p, ends_of(TCP), kinds, DEEP);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &reader, read_some, p.ends.a);
	il_scope_cancel(&reader.scope);
	UNTIL(reader.returned);
	check_waited(&reader, -ECANCELED);
	for (int i = 0; i < DEEP; i++)
		CHECK_EQ(p.makers[i].idles, 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	say(p.ends.b, "late");
	check_hears(p.ends.a, "late");
	pile_drop(&p);
}

/* ---- 291: of the connection below ---- */

IL_TEST_REAL(P, n291_a_layered_stream_has_the_addresses_of_the_socket_below)
{
	const enum layer_kind kinds[DEEP] = {LAYER_XOR, LAYER_PASS, LAYER_PASS};
	struct ends plain = ends_of(TCP);
	il_address local, peer, got;
	struct pile p;
	int fd = 0, count = 1;
	char byte = 0;

	CHECK_RC(il_stream_local_address(plain.a, &local), 0);
	CHECK_RC(il_stream_peer_address(plain.a, &peer), 0);
	pile_open(&p, plain, kinds, DEEP);
	CHECK_RC(il_stream_local_address(p.ends.a, &got), 0);
	CHECK_EQ(il_address_port(&got), il_address_port(&local));
	CHECK_RC(il_stream_peer_address(p.ends.a, &got), 0);
	CHECK_EQ(il_address_port(&got), il_address_port(&peer));
	CHECK_RC(il_stream_fd(p.ends.a), -ENOTSUP);
	CHECK_RC(il_stream_set_nodelay(p.ends.a, true), -ENOTSUP);
	CHECK_RC(il_stream_send_fds(p.ends.a, &byte, 1, &fd, 1), -ENOTSUP);
	CHECK_RC(il_stream_receive_fds(p.ends.a, &byte, 1, &fd, &count), -ENOTSUP);
	CHECK_RC(il_stream_set_keepalive(p.ends.a, true), 0);
	/* What a proxy tells wins, also for the streams above. */
	CHECK_RC(il_stream_set_peer_address(plain.a, &local), 0);
	CHECK_RC(il_stream_peer_address(p.ends.a, &got), 0);
	CHECK_EQ(il_address_port(&got), il_address_port(&local));
	pile_drop(&p);
}

/* ---- 281, 283: connecting through a layer ---- */

struct dialing {
	il_listener *listener;
	il_stream *stream;
	il_connect_options options;
};

static int dial(struct dialing *d, const char *host)
{
	char port[8];

	d->stream = NULL;
	return il_stream_connect_tcp(&d->stream, host,
				     port_text(il_listener_port(d->listener), port), &d->options);
}

IL_TEST_REAL(P, n281_connecting_through_a_layer_calls_it_once)
{
	struct layer_maker maker = {.kind = LAYER_XOR};
	const struct il_layer layer = layer_of(&maker);
	struct dialing d = {.listener = listen_here(), .options = {.layer = &layer}};
	il_stream *far;

	CHECK_RC(dial(&d, "127.0.0.1"), 0);
	CHECK_EQ(maker.connects, 1);
	CHECK_EQ(maker.accepts, 0);
	CHECK_STR(maker.host, "127.0.0.1");
	CHECK_EQ(maker.refs, 1);
	CHECK_RC(il_listener_accept(d.listener, &far), 0);
	say(d.stream, "A");
	check_hears(far, "\x1b");
	say(far, "\x1b");
	check_hears(d.stream, "A");
	il_stream_destroy(d.stream);
	CHECK_EQ(maker.refs, 0);
	CHECK_EQ(maker.destroys, 1);
	il_stream_destroy(far);
	il_listener_destroy(d.listener);
}

IL_TEST_REAL(P, n283_a_layer_that_fails_to_connect_leaves_nothing)
{
	struct layer_maker maker = {.fail = -EPROTO};
	struct il_layer layer = layer_of(&maker);
	struct dialing d = {.listener = listen_here(), .options = {.layer = &layer}};
	int before = open_descriptors();

	CHECK_RC(dial(&d, "127.0.0.1"), -EPROTO);
	CHECK(d.stream == NULL);
	CHECK_EQ(maker.connects, 1);
	maker.fail = 0;
	maker.hang = true;
	d.options.timeout = IL_MSEC(20);
	CHECK_RC(dial(&d, "127.0.0.1"), -ETIMEDOUT);
	CHECK_DETAIL("il_stream_connect_tcp: 127.0.0.1, port ");
	CHECK_DETAIL("the layer did not begin in time");
	layer.connect = NULL;
	CHECK_RC(dial(&d, "127.0.0.1"), -EINVAL);
	CHECK_EQ(maker.refs, 0);
	CHECK_EQ(open_descriptors(), before);
	il_listener_destroy(d.listener);
}
