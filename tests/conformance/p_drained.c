/*
 * p_drained.c: a transport that says that it has no more: it is not asked in vain, and nobody misses what comes.
 */
#include "harness.h"
#include "waiter.h"
#include "waits.h"

#include <interloop/layer.h>
#include <interloop/select.h>

/* Gives one letter at a time, and says that there is no more. */
struct box {
	il_stream *s;
	char letter; /* 0: none */
	bool more;   /* it does not say so */
	bool ends;
	int asked, want_rc;
};

static int box_receive(void *self, void *data, size_t max)
{
	struct box *b = self;

	(void)max;
	b->asked++;
	if (!b->letter)
		return b->ends ? 0 : -EAGAIN;
	*(char *)data = b->letter;
	b->letter = 0;
	if (!b->more)
		il_transport_drained(b->s);
	return 1;
}

static int box_send(void *self, const struct iovec *pieces, int count)
{
	(void)self, (void)pieces, (void)count;
	return -EPIPE;
}

static int box_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)direction, (void)fd, (void)mask;
	return ((struct box *)self)->want_rc;
}

static const struct il_transport box_transport = {
    .receive = box_receive, .send = box_send, .want = box_want};

static void box_read(struct box *b, char letter)
{
	char got;

	b->letter = letter;
	b->asked = 0;
	if (b->want_rc == -ENOENT)
		il_transport_ready(b->s, IL_READABLE);
	CHECK_RC(il_stream_read(b->s, &got, 1), 1);
	CHECK_EQ(got, letter);
	CHECK_EQ(b->asked, 1);
}

IL_TEST(P, a_transport_that_has_no_more_is_waited_for_before_it_is_asked)
{
	struct box b = {.want_rc = -ENOENT};
	struct waiter reader = {.name = "reader"};
	il_case readable;
	il_group g;
	char byte;

	CHECK_RC(il_stream_open_transport(&b.s, &box_transport, &b), 0);
	box_read(&b, 'a');
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &reader, read_some, b.s);
	CHECK_EQ(b.asked, 1);
	b.letter = 'b';
	il_transport_ready(b.s, IL_READABLE);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&reader, 1);
	CHECK_EQ(b.asked, 2);
	CHECK_RC(il_stream_read_now(b.s, &byte, 1), -EAGAIN); /* who does not wait asks */
	readable = il_case_stream(b.s, IL_READABLE);
	CHECK_RC(il_select(&readable, 1, 0), -ETIMEDOUT);
	CHECK_EQ(b.asked, 4);
	box_read(&b, 'c');
	b.want_rc = -EIO; /* who cannot wait asks, too */
	box_read(&b, 'd');
	CHECK_RC(il_stream_read(b.s, &byte, 1), -EIO);
	CHECK_RC(il_stream_close(b.s), 0);
	il_transport_drained(b.s);
	il_stream_destroy(b.s);
}

/* Whoever does not wait may have found what there is to know: more, or the end. */
IL_TEST(P, what_a_transport_has_said_counts_until_it_is_asked_again)
{
	struct box b = {.want_rc = -ENOENT};
	il_case readable;
	char byte;

	CHECK_RC(il_stream_open_transport(&b.s, &box_transport, &b), 0);
	box_read(&b, 'a');
	b.more = true;
	b.letter = 'b';
	CHECK_RC(il_stream_read_now(b.s, &byte, 1), 1);
	b.letter = 'c';
	CHECK_RC(il_stream_read(b.s, &byte, 1), 1);
	CHECK_EQ(byte, 'c');
	b.more = false;
	box_read(&b, 'd');
	b.ends = true;
	readable = il_case_stream(b.s, IL_READABLE);
	CHECK_RC(il_select(&readable, 1, 0), 0);
	CHECK_RC(il_stream_read(b.s, &byte, 1), 0);
	il_stream_destroy(b.s);
}
