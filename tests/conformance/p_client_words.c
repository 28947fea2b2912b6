/*
 * p_client_words.c: what a transport says of its failure reaches whoever uses a client on it: its code and its own words,
 * whatever the task has been refused in between.
 */
#include "o_clients.h"
#include "p_rings.h"

/* A client on one of two rings; the other end is the test's. */
static struct line ring_line_with(struct ring_end *ends[2], const il_client_options *options)
{
	struct line l = {NULL, NULL};
	il_stream *streams[2];

	make_rings(ends, streams);
	CHECK_RC(il_client_open(&l.client, streams[0], il_protocol_lines(), options), 0);
	l.peer = streams[1];
	return l;
}

static struct line ring_line(struct ring_end *ends[2])
{
	return ring_line_with(ends, NULL);
}

static void receiving_fails(struct ring_end *e)
{
	e->words = "the moon is full";
	e->receive_rc = -EACCES;
	il_transport_ready(e->stream, IL_READABLE);
}

static void refuse_something(void)
{
	CHECK_RC(il_check_cancelled(), 0);
	CHECK_RC(il_fail(-EDOM, "something else"), -EDOM);
}

static void check_said(struct line *l)
{
	il_packet p;

	CHECK_RC(il_client_receive(l->client, &p, IL_FOREVER), -EACCES);
	CHECK_DETAIL("the moon is full");
	CHECK_RC(il_client_receive(l->client, &p, IL_FOREVER), 0);
	drop(l);
}

IL_TEST(P, a_receive_says_what_its_transport_says)
{
	for (int half = 0; half < 2; half++) {
		struct ring_end *ends[2];
		struct line l = ring_line(ends);
		il_packet p;
		if (half) {
			say(l.peer, "half");
			CHECK_RC(il_client_receive(l.client, &p, 0), -ETIMEDOUT);
		}
		receiving_fails(ends[0]);
		check_said(&l);
	}
}

IL_TEST(P, a_select_that_meets_the_failure_leaves_its_words_to_the_receive)
{
	struct ring_end *ends[2];
	struct line l = ring_line(ends);
	il_case c = il_case_client(l.client);

	receiving_fails(ends[0]);
	CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
	refuse_something();
	check_said(&l);
}

/* With a code that somebody else was refused with, too. */
IL_TEST(P, a_select_that_meets_what_is_no_packet_leaves_its_words_to_the_receive)
{
	const il_client_options small = {.max_packet = 16};
	struct ring_end *ends[2];
	struct line l = ring_line_with(ends, &small);
	il_case c = il_case_client(l.client);
	il_packet p;

	say(l.peer, "more than sixteen bytes, and a line's end\n");
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
		CHECK_RC(il_fail(-EMSGSIZE, "something else"), -EMSGSIZE);
	}
	CHECK_RC(il_client_receive(l.client, &p, IL_FOREVER), -EMSGSIZE);
	CHECK_DETAIL("a packet was larger than max_packet, 16 bytes");
	drop(&l);
}

/* -EPIPE is the peer's end, which the receive sees by itself. */
IL_TEST(P, a_send_says_what_its_transport_says_and_the_receive_hears_of_a_failure)
{
	const int codes[] = {-ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH, -EPROTO, -EPIPE};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		struct ring_end *ends[2];
		struct line l = ring_line(ends);
		il_packet p;
		ends[0]->words = "the moon is new";
		ends[0]->send_rc = codes[i];
		CHECK_RC(il_client_send(l.client, "x", 1), -EPIPE);
		CHECK_DETAIL("the moon is new");
		refuse_something();
		CHECK_RC(il_client_send(l.client, "x", 1), -EPIPE);
		CHECK_DETAIL(codes[i] == -EPIPE ? "is gone" : "the moon is new");
		ends[1]->shut = true;
		CHECK_RC(il_stream_close(l.peer), 0);
		refuse_something();
		CHECK_RC(il_client_receive(l.client, &p, IL_FOREVER),
			 codes[i] == -EPIPE ? 0 : codes[i]);
		if (codes[i] != -EPIPE)
			CHECK_DETAIL("the moon is new");
		CHECK_RC(il_client_receive(l.client, &p, IL_FOREVER), 0);
		drop(&l);
	}
}

/* Dropped without having been told: nothing of the words is left. */
IL_TEST(P, a_client_that_is_dropped_with_words_untold_leaves_none)
{
	struct ring_end *ends[2];
	struct line l = ring_line(ends);
	il_case c = il_case_client(l.client);

	receiving_fails(ends[0]);
	CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
	drop(&l);
}
