/*
 * p_goes_on.c: what a transport holds back when a call returns the loop goes on with, and it disturbs nobody who writes.
 */
#include "l_net.h"
#include "p_layers.h"
#include "p_rings.h"
#include "s_select.h"
#include "waiter.h"

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

/* ---- beside who writes ---- */

/* Takes as many bytes as there is room for, and holds nothing back; its flush wants room for one more. */
struct room {
	size_t left;
	int flushes;
	bool offered;  /* the last call was part of a write of bytes */
	bool cut;      /* as it was when nobody waited any more */
	int countdown; /* of flushes, to the one that fails; 0: none does */
	int fd;        /* what is waited for; -1: it tells */
	int want_rc;   /* 0: none; else what it returns once */
};

static int room_receive(void *self, void *data, size_t max)
{
	(void)self, (void)data, (void)max;
	return -EAGAIN;
}

static int room_send(void *self, const struct iovec *pieces, int count)
{
	struct room *r = self;
	size_t n = 0;

	r->offered = pieces;
	if (!count) {
		r->flushes++;
		if (r->countdown && --r->countdown == 0)
			return -ECONNRESET;
		return r->left ? 0 : -EAGAIN;
	}
	for (int i = 0; i < count; i++)
		n += pieces[i].iov_len;
	n = n < r->left ? n : r->left;
	r->left -= n;
	return n ? (int)n : -EAGAIN;
}

static int room_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	struct room *r = self;
	int rc = r->want_rc;

	(void)direction;
	r->want_rc = 0;
	*fd = r->fd;
	*mask = IL_READABLE;
	return rc ? rc : r->fd < 0 ? -ENOENT : 0;
}

static void room_idle(void *self, unsigned direction)
{
	struct room *r = self;

	CHECK_EQ(direction, IL_WRITABLE);
	r->cut = r->offered;
}

static const struct il_transport room_transport = {.name = "room",
						   .receive = room_receive,
						   .send = room_send,
						   .want = room_want,
						   .idle = room_idle};

/* Of which the first byte is taken, and the loop waits to flush it. */
static il_stream *room_open(struct room *r)
{
	il_stream *s = NULL;

	CHECK_RC(il_stream_open_transport(&s, &room_transport, r), 0);
	CHECK_RC(il_stream_write(s, "a", 1), 1);
	CHECK_EQ(r->flushes, 1);
	return s;
}

static int write_three(void *stream)
{
	return il_stream_write_all(stream, "bcd", 3);
}

/* And what it has put off for that it does afterwards. */
IL_TEST(P, the_loop_flushes_nothing_beside_a_write_and_so_hides_no_cut)
{
	struct room r = {.left = 1, .fd = -1};
	struct waiter writer = {.name = "writer"};
	il_stream *s = room_open(&r);
	int flushes;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &writer, write_three, s);
	r.left = 1;
	il_transport_ready(s, IL_WRITABLE);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(r.left, 0);
	il_scope_cancel(&writer.scope);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&writer, -ECANCELED);
	CHECK(r.cut);
	r.left = 1;
	flushes = r.flushes;
	il_transport_ready(s, IL_WRITABLE);
	UNTIL(r.flushes > flushes);
	il_stream_destroy(s);
}

/* The wait of the loop is not taken for somebody's there either. */
IL_TEST(P, a_stream_below_hears_of_a_cut_also_while_the_loop_waits_for_it)
{
	struct layer_maker maker = {.kind = LAYER_PASS};
	struct waiter writer = {.name = "writer"};
	struct room r = {.left = 1, .fd = -1};
	il_stream *s = NULL;
	il_group g;

	CHECK_RC(il_stream_open_transport(&s, &room_transport, &r), 0);
	CHECK_RC(layer_open(&s, s, &maker), 0);
	CHECK_RC(il_stream_write(s, "a", 1), 1);
	CHECK_RC(il_group_open(&g), 0);
	r.left = 1; /* for a byte of three */
	start_waiting(&g, &writer, write_three, s);
	il_scope_cancel(&writer.scope);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&writer, -ECANCELED);
	CHECK(r.cut);
	CHECK_EQ(maker.idles, 1);
	il_stream_destroy(s);
}

static int write_late(void *stream)
{
	return il_stream_write(stream, "bcd", 3);
}

/* A write that took nothing is not cut by what a call before it had taken that never waits. */
IL_TEST(P, a_write_that_took_nothing_is_not_cut_by_one_that_never_waits)
{
	const struct iovec piece = {(void *)(uintptr_t) "a", 1};
	struct room r = {.left = 1, .fd = -1};
	il_stream *s = NULL;

	CHECK_RC(il_stream_open_transport(&s, &room_transport, &r), 0);
	CHECK_RC(il_stream_write_now(s, &piece, 1), 1);
	CHECK_RC(il_fail_after(IL_MSEC(5), write_late, s), -ETIMEDOUT);
	CHECK(!r.offered);
	CHECK(!r.cut);
	il_stream_destroy(s);
}

/* A write that cannot wait leaves the loop's wait as it was. */
IL_TEST_REAL(P, the_loop_flushes_also_after_a_write_that_could_not_wait)
{
	struct room r = {.left = 1};
	il_stream *s;
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	r.fd = fd[0];
	s = room_open(&r);
	r.want_rc = -EIO;
	CHECK_RC(il_stream_write_all(s, "bcd", 3), -EIO);
	r.left = 1;
	r.flushes = 0;
	CHECK_EQ(write(fd[1], "x", 1), 1);
	UNTIL(r.flushes > 0);
	il_stream_destroy(s);
	close(fd[0]);
	close(fd[1]);
}

/* It says so once. */
IL_TEST(P, an_error_that_the_loops_flush_gets_wakes_who_waits)
{
	struct room r = {.left = 1, .fd = -1};
	il_stream *s = room_open(&r);
	struct chooser c = {.cases = {il_case_stream(s, IL_WRITABLE)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	r.countdown = 2; /* whoever looks first waits on, and the other one gets it */
	il_transport_ready(s, IL_WRITABLE);
	UNTIL(c.returned);
	check_chose(&c, 0, IL_WRITABLE);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_stream_write(s, "x", 1), -ECONNRESET);
	il_stream_destroy(s);
}
