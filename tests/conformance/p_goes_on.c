/*
 * p_goes_on.c: what a transport holds back when a call returns the loop goes on with, and it disturbs nobody who writes.
 */
#include "l_net.h"
#include "p_rings.h"

/* ---- an end that is held back ---- */

/* Holds the end of sending back until its peer has taken something. */
static int held_shutdown(void *self)
{
	struct ring_end *e = self;

	CHECK(!e->closes);
	return e->peer->size ? -EAGAIN : ring_shutdown_write(self);
}

/* Two rings, of which the first one is of this kind. */
static void make_held(const struct il_transport *held, struct ring_end *e[2], il_stream *s[2])
{
	make_rings(e, s);
	il_stream_destroy(s[0]);
	e[0] = calloc(1, sizeof *e[0]);
	e[0]->capacity = RING;
	e[0]->peer = e[1];
	e[1]->peer = e[0];
	e[1]->shut = false;
	CHECK_RC(il_stream_open_transport(&s[0], held, e[0]), 0);
	e[0]->stream = s[0];
}

IL_TEST(P, n286_an_end_of_sending_that_is_held_back_goes_out_by_itself)
{
	struct il_transport held = ring_transport;
	struct ring_end *e[2];
	il_stream *s[2];
	char data[4];

	held.shutdown_write = held_shutdown;
	make_held(&held, e, s);
	say(s[0], "last");
	CHECK_RC(il_stream_shutdown_write(s[0]), 0);
	CHECK(!e[1]->shut);
	CHECK_RC(il_stream_write_all(s[0], "x", 1), -EPIPE);
	CHECK_RC(il_stream_receive_exactly(s[1], data, 4), 0);
	CHECK_RC(il_stream_read(s[1], data, 1), 0);
	il_stream_destroy(s[0]);
	il_stream_destroy(s[1]);
}

static int want_in_vain(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)self, (void)direction, (void)fd, (void)mask;
	return -EIO;
}

IL_TEST(P, n286_an_end_of_sending_that_cannot_be_waited_for_is_an_error)
{
	struct il_transport held = ring_transport;
	struct ring_end *e[2];
	il_stream *s[2];
	char data[8];

	held.shutdown_write = held_shutdown;
	held.want = want_in_vain;
	make_held(&held, e, s);
	say(s[0], "last");
	CHECK_RC(il_stream_shutdown_write(s[0]), -EIO);
	say(s[0], "word"); /* it has not ended */
	CHECK_RC(il_stream_receive_exactly(s[1], data, 8), 0);
	CHECK_RC(il_stream_shutdown_write(s[0]), 0);
	CHECK_RC(il_stream_read(s[1], data, 1), 0);
	il_stream_destroy(s[0]);
	il_stream_destroy(s[1]);
}
