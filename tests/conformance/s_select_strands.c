/*
 * s_select_strands.c: a select of several transports, of which asking one brings what another, or its own other direction,
 * waits for: as where one wire carries several streams, and whoever is asked finds what is for another.
 */
#include "p_layers.h"
#include "s_select.h"

#include <interloop/server.h>

struct strand {
	il_stream *stream;
	bool ready[2];        /* by direction */
	struct strand *to;    /* for whom something is found */
	unsigned gives, when; /* there; asked for this. 0: nothing any more */
};

static bool strand_ask(struct strand *s, unsigned direction)
{
	const unsigned gives = s->gives;

	if (s->ready[direction == IL_WRITABLE])
		return true;
	if (gives && direction == s->when) {
		s->gives = 0;
		s->to->ready[gives == IL_WRITABLE] = true;
		il_transport_ready(s->to->stream, gives);
	}
	return false;
}

static int strand_receive(void *self, void *data, size_t max)
{
	struct strand *s = self;

	CHECK(max > 0);
	if (!strand_ask(s, IL_READABLE))
		return -EAGAIN;
	s->ready[0] = false;
	*(char *)data = '\n';
	return 1;
}

static int strand_send(void *self, const struct iovec *pieces, int count)
{
	(void)pieces;
	CHECK_EQ(count, 0);
	return strand_ask(self, IL_WRITABLE) ? 0 : -EAGAIN;
}

static const struct il_transport strand_transport = {
    .name = "strand", .receive = strand_receive, .send = strand_send};

static void strand_open(struct strand *s)
{
	CHECK_RC(il_stream_open_transport(&s->stream, &strand_transport, s), 0);
}

/* Of {first, a stream over b} the first happens, though it is only there since b was asked. */
static void check_brings(il_case first, int rc, struct strand *b)
{
	il_case cases[] = {first, il_case_stream(b->stream, b->when)};

	CHECK_RC(il_select(cases, 2, IL_SEC(1)), 0);
	CHECK_RC(cases[0].rc, rc);
	CHECK_EQ(b->gives, 0);
}

IL_TEST(S, n292_what_one_transport_brings_for_another_is_not_missed)
{
	for (unsigned gives = IL_READABLE; gives <= IL_WRITABLE; gives <<= 1)
		for (unsigned when = IL_READABLE; when <= IL_WRITABLE; when <<= 1) {
			struct strand a = {.gives = 0},
				      b = {.to = &a, .gives = gives, .when = when};

			strand_open(&a);
			strand_open(&b);
			check_brings(il_case_stream(a.stream, gives), (int)gives, &b);
			il_stream_destroy(a.stream);
			il_stream_destroy(b.stream);
		}
}

IL_TEST(S, n292_nor_is_what_it_brings_for_a_client)
{
	struct strand a = {.gives = 0}, b = {.to = &a, .gives = IL_READABLE, .when = IL_READABLE};
	il_client *client = NULL;
	il_packet packet;

	strand_open(&a);
	strand_open(&b);
	CHECK_RC(il_client_open(&client, a.stream, il_protocol_lines(), NULL), 0);
	check_brings(il_case_client(client), 0, &b);
	CHECK_RC(il_client_receive(client, &packet, 0), 1);
	CHECK_EQ(packet.size, 0);
	il_client_destroy(client);
	il_stream_destroy(b.stream);
}

IL_TEST(S, n292_nor_what_it_brings_below_a_layer)
{
	for (int kind = 0; kind < LAYER_KINDS; kind++) {
		struct layer_maker maker = {.kind = (enum layer_kind)kind};
		struct strand a = {.gives = 0},
			      b = {.to = &a, .gives = IL_READABLE, .when = IL_READABLE};
		il_stream *above = NULL;

		if (kind == LAYER_DOUBLE) /* for which one byte is half of one */
			continue;
		strand_open(&a);
		strand_open(&b);
		CHECK_RC(layer_open(&above, a.stream, &maker), 0);
		check_brings(il_case_stream(above, IL_READABLE), IL_READABLE, &b);
		il_stream_destroy(above);
		il_stream_destroy(b.stream);
	}
}

/* Whoever is asked to send finds what is to be received: in one case, and in two. */
IL_TEST(S, n292_what_one_direction_brings_for_the_other_is_not_missed)
{
	for (int two = 0; two < 2; two++) {
		struct strand s = {.to = &s, .gives = IL_READABLE, .when = IL_WRITABLE};
		il_case cases[2];

		strand_open(&s);
		cases[0] = il_case_stream(s.stream, IL_READABLE | (two ? 0 : IL_WRITABLE));
		cases[1] = il_case_stream(s.stream, IL_WRITABLE);
		CHECK_RC(il_select(cases, two ? 2 : 1, IL_SEC(1)), 0);
		CHECK_RC(cases[0].rc, IL_READABLE);
		CHECK_EQ(s.gives, 0);
		il_stream_destroy(s.stream);
	}
}

/* ---- once ---- */

/* A layer that waits for both directions of a strand, of which it asks one only. */
struct braid {
	struct strand below;
	int asked;
	bool late; /* there is something, but not when it is asked first */
};

static int braid_receive(void *self, void *data, size_t max)
{
	struct braid *b = self;

	if (++b->asked == 2 && b->late)
		b->below.ready[0] = true;
	return il_stream_read_now(b->below.stream, data, max);
}

static int braid_send(void *self, const struct iovec *pieces, int count)
{
	(void)self, (void)pieces, (void)count;
	return -EAGAIN;
}

static int braid_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)self, (void)direction, (void)fd;
	*mask = IL_READABLE | IL_WRITABLE;
	return -EAGAIN;
}

static il_stream *braid_under(void *self)
{
	return ((struct braid *)self)->below.stream;
}

static const struct il_transport braid_transport = {
    .receive = braid_receive, .send = braid_send, .want = braid_want, .under = braid_under};

/* Whose transport has said that both directions are ready. */
static void braid_open(struct braid *b, il_stream **above)
{
	*b = (struct braid){.asked = 0};
	strand_open(&b->below);
	CHECK_RC(il_stream_open_transport(above, &braid_transport, b), 0);
	il_transport_ready(b->below.stream, IL_READABLE | IL_WRITABLE);
}

IL_TEST(S, n292_what_a_transport_has_said_before_is_tried_once)
{
	const il_time timeouts[] = {IL_MSEC(1), 1}; /* with 1 ns it is late before it has looked */

	for (int i = 0; i < 2; i++) {
		struct braid b;
		il_stream *above = NULL;
		il_case c;

		braid_open(&b, &above);
		c = il_case_stream(above, IL_READABLE);
		CHECK_RC(il_select(&c, 1, timeouts[i]), -ETIMEDOUT);
		CHECK_EQ(b.asked, 2);
		CHECK_RC(il_select(&c, 1, timeouts[i]), -ETIMEDOUT);
		CHECK_EQ(b.asked, 3);
		il_stream_destroy(above);
		il_stream_destroy(b.below.stream);
	}
}

IL_TEST(S, n292_what_it_says_counts_though_the_time_is_up)
{
	struct braid b;
	il_stream *above = NULL;
	il_case c;

	braid_open(&b, &above);
	b.late = true;
	c = il_case_stream(above, IL_READABLE);
	CHECK_RC(il_select(&c, 1, 1), 0);
	CHECK_RC(c.rc, IL_READABLE);
	il_stream_destroy(above);
	il_stream_destroy(b.below.stream);
}
