/*
 * q_tls_tasks.c: several tasks over one connection: one reads while another writes, and what keeps the one waiting does not
 * hold the other up; and what they wait for, in a dump.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "q_tls.h"
#include "s_select.h"
#include "v_dump.h"

#define EACH_KIND(kind) for (int kind = 0; kind < KINDS; kind++)

enum { LARGE = 8 << 20, PIECE = 32 << 10 };

/* ---- 316: one reader, one writer ---- */

IL_TEST_REAL(Q, n316_a_second_reader_and_a_second_writer_are_refused)
{
	unsigned char *data = large_data(LARGE);
	struct side reader, writer = {.bytes = data, .size = LARGE};
	struct secure s;
	char byte;

	secure_open(&s, TCP);
	side_start(&reader, side_read, s.client);
	side_start(&writer, side_write, s.client);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!reader.ended && !writer.ended);
	CHECK_RC(il_stream_read(s.client, &byte, 1), -EBUSY);
	CHECK_RC(il_stream_write_all(s.client, "x", 1), -EBUSY);
	say(s.server, "hello");
	CHECK_RC(side_join(&reader), 5);
	CHECK_STR(reader.text, "hello");
	for (size_t got = 0; got < LARGE;) {
		static unsigned char piece[PIECE];
		int n = il_stream_read(s.server, piece, sizeof piece);
		CHECK(n > 0);
		CHECK(memcmp(piece, data + got, n > 0 ? (size_t)n : 0) == 0);
		got += n > 0 ? (size_t)n : LARGE;
	}
	CHECK_RC(side_join(&writer), 0);
	secure_drop(&s);
	free(data);
}

IL_TEST_REAL(Q, n316_while_a_select_waits_a_second_reader_or_writer_is_refused)
{
	unsigned char *data = large_data(LARGE);
	struct secure s;

	secure_open(&s, PAIR);
	check_has_alone(s.client, IL_READABLE);
	while (poll_case(il_case_stream(s.client, IL_WRITABLE)) == IL_WRITABLE)
		CHECK(il_stream_write(s.client, data, LARGE) > 0);
	check_has_alone(s.client, IL_WRITABLE);
	say(s.server, "hello");
	check_hears(s.client, "hello");
	secure_drop(&s);
	free(data);
}

/* ---- 317: pieces ---- */

IL_TEST_REAL(Q, n317_pieces_are_sent_in_order_and_none_is_no_record)
{
	EACH_KIND(kind)
	{
		unsigned char *data = large_data(LARGE), *back = malloc(3 * PIECE);
		const struct iovec pieces[] = {
		    {data, 1}, {NULL, 0}, {data + 1, PIECE}, {data + 1 + PIECE, 10}};
		struct secure s;
		int n;

		secure_open(&s, kind);
		CHECK_RC(il_stream_write_all(s.client, "", 0), 0);
		CHECK_RC(il_stream_writev_all(s.client, pieces, 0), 0);
		CHECK_RC(il_stream_writev_all(s.client, pieces, 4), 0);
		CHECK_RC(il_stream_receive_exactly(s.server, back, PIECE + 11), 0);
		CHECK(memcmp(back, data, PIECE + 11) == 0);
		n = il_stream_write(s.client, data, PIECE); /* what is taken: 1 byte or more */
		CHECK(n > 0 && n <= PIECE);
		CHECK_RC(il_stream_receive_exactly(s.server, back, (size_t)n), 0);
		CHECK(memcmp(back, data, (size_t)n) == 0);
		CHECK_RC(il_stream_write(s.client, data, 0), 0);
		CHECK_RC(il_stream_read_now(s.server, back, 1), -EAGAIN);
		secure_drop(&s);
		free(data);
		free(back);
	}
}

/* A peer that asks for new keys while we cannot send does not keep us from receiving. */
IL_TEST_REAL(Q, n317_new_keys_that_are_asked_for_wait_for_the_writer_not_for_the_reader)
{
	unsigned char *data = large_data(LARGE), *back = malloc(LARGE);
	struct side writer = {.bytes = data, .size = LARGE};
	struct secure s;

	secure_open(&s, TCP);
	side_start(&writer, side_write, s.client);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!writer.ended);
	for (int i = 0; i < 3; i++) {
		CHECK(SSL_key_update(il_tls_native(s.server), SSL_KEY_UPDATE_REQUESTED) == 1);
		say(s.server, "new keys");
		check_hears(s.client, "new keys");
	}
	CHECK(!writer.ended);
	CHECK_RC(il_stream_receive_exactly(s.server, back, LARGE), 0);
	CHECK(memcmp(data, back, LARGE) == 0);
	CHECK_RC(side_join(&writer), 0);
	say(s.client, "still");
	check_hears(s.server, "still");
	secure_drop(&s);
	free(data);
	free(back);
}

/* ---- 318: no more than is there ---- */

static long count_reads(BIO *bio, int operation, const char *data, size_t size, int number,
			long other, int rc, size_t *done)
{
	(void)data, (void)size, (void)number, (void)other, (void)done;
	if (operation == BIO_CB_READ)
		++*(int *)(void *)BIO_get_callback_arg(bio);
	return rc;
}

static void reads_count(il_stream *s, int *reads)
{
	BIO *bio = SSL_get_rbio(il_tls_native(s));

	BIO_set_callback_ex(bio, count_reads);
	BIO_set_callback_arg(bio, (char *)(void *)reads);
}

/* A socket that gave less than it might is waited for first; it is level-triggered, so nothing is missed. */
IL_TEST_REAL(Q, n318_a_record_costs_one_read_of_the_socket)
{
	EACH_KIND(kind)
	{
		struct side reader;
		struct secure s;
		int reads = 0;
		char byte;

		secure_open(&s, kind);
		say(s.client, "first");
		check_hears(s.server, "first");
		reads_count(s.server, &reads);
		/* It comes while somebody waits, or before; and then the loop may know. */
		for (int i = 0; i < 9; i++) {
			if (i % 3)
				say(s.client, "again");
			if (i % 3 == 2)
				CHECK_RC(il_wait_readable(il_stream_fd(s.shake.under[1])), 0);
			side_start(&reader, side_read, s.server);
			if (i % 3 == 0)
				say(s.client, "again");
			CHECK_RC(side_join(&reader), 5);
		}
		CHECK_EQ(reads, 9);
		slip(s.shake.under[0], "no record");
		CHECK_RC(il_stream_read(s.server, &byte, 1), -EPROTO);
		secure_drop(&s);
	}
}

IL_TEST_REAL(Q, n318_what_is_left_of_a_record_and_its_end_are_not_waited_for)
{
	struct secure s;
	il_case readable;
	char byte;

	secure_open(&s, TCP);
	say(s.client, "first");
	check_hears(s.server, "first");
	say(s.client, "again");
	CHECK_RC(il_wait_readable(il_stream_fd(s.shake.under[1])), 0);
	CHECK_RC(il_stream_read_now(s.server, &byte, 1), 1);
	check_hears(s.server, "gain");
	CHECK_RC(il_stream_shutdown_write(s.client), 0); /* and the connection goes on */
	readable = il_case_stream(s.server, IL_READABLE);
	CHECK_RC(il_select(&readable, 1, IL_FOREVER), 0);
	CHECK_RC(il_stream_read(s.server, &byte, 1), 0);
	secure_drop(&s);
}

/* ---- 416: what a dump says ---- */

static int shake_hands(void *under)
{
	il_tls *tls = client_of(CA);
	il_stream *s = NULL;
	int rc = il_tls_connect(&s, under, tls, "localhost");

	il_tls_unref(tls);
	return rc;
}

static int read_a_byte(void *stream)
{
	char byte;

	return il_stream_read(stream, &byte, 1);
}

IL_TEST_REAL(Q, n416_a_handshake_is_called_one_until_it_is_over)
{
	struct ends e = ends_of(TCP);
	struct child reader;
	struct secure s;
	char *text;

	CHECK_WAITS(shake_hands, e.a, "transport TLS (handshake)", "descriptor ", "readable");
	drop(&e);
	secure_open(&s, TCP);
	child_start(&reader, "child", read_a_byte, s.client);
	text = dump_loop();
	CHECK_DUMPED(text, "child: ", "il_stream_read", "transport TLS, ", "descriptor ");
	CHECK(strstr(text, "handshake") == NULL);
	free(text);
	child_end(&reader);
	secure_drop(&s);
}
