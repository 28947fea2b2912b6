/*
 * q_tls_ends.c: the end of what one side sends over TLS: where the peer cannot be told of it, whoever wants to tell learns
 * that; a write that was cut is known as one, however little it lacked; and a server's handler leaves nothing behind.
 */
#include "m_server.h"
#include "q_tls.h"

#define EACH_KIND(kind) for (int kind = 0; kind < KINDS; kind++)

enum { LARGE = 8 << 20, SMALL = 1 << 10 };

/* ---- 314: an end that cannot be told ---- */

/* More than the system takes, until it waits for room. */
static void cut_a_write(il_stream *s, const char *data)
{
	struct side writer = {.bytes = data, .size = LARGE};

	side_start(&writer, side_write, s);
	for (int i = 0; i < 10; i++)
		CHECK_RC(il_yield(), 0);
	CHECK(!writer.ended);
	il_scope_cancel(&writer.scope);
	CHECK_RC(side_join(&writer), -ECANCELED);
}

static void check_untold(il_stream *s, int code)
{
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_stream_shutdown_write(s), code);
		CHECK_DETAIL("TLS");
	}
	CHECK(il_stream_write_all(s, "x", 1) < 0);
}

IL_TEST_REAL(Q, n314_after_a_write_that_was_cut_the_end_cannot_be_told)
{
	char *data = calloc(1, LARGE);

	EACH_KIND(kind)
	{
		struct secure s;

		secure_open(&s, kind);
		cut_a_write(s.client, data);
		check_untold(s.client, -EPIPE);
		say(s.server, "hello");
		check_hears(s.client, "hello");
		secure_drop(&s);
	}
	free(data);
}

IL_TEST_REAL(Q, n314_after_a_fatal_error_the_end_cannot_be_told)
{
	struct secure s;
	char byte;

	secure_open(&s, TCP);
	slip(s.shake.under[1], "this is no record at all");
	CHECK_RC(il_stream_read(s.client, &byte, 1), -EPROTO);
	check_untold(s.client, -EPROTO);
	secure_drop(&s);
}

IL_TEST_REAL(Q, n314_a_peer_that_has_reset_cannot_be_told)
{
	struct secure s;
	int rc;

	secure_open(&s, TCP);
	make_rst(il_stream_fd(s.shake.under[1]));
	CHECK_RC(il_stream_close(s.shake.under[1]), 0);
	CHECK_RC(il_wait_readable(il_stream_fd(s.shake.under[0])), 0);
	rc = il_stream_shutdown_write(s.client);
	CHECK(rc == -EPIPE || rc == -ECONNRESET);
	CHECK_DETAIL("TLS");
	secure_drop(&s);
}
