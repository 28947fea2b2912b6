/*
 * q_tls_files.c: a file sent over TLS: read by a worker, encrypted by the loop; whole, short, to a peer that reads late,
 * and given up.
 */
#include "p_layers.h"
#include "q_tls.h"
#include "t_files.h"

static struct ends secure_ends(const struct secure *s)
{
	return (struct ends){s->client, s->server};
}

IL_TEST_REAL(Q, a_file_is_sent_over_tls_whole_or_with_a_code_that_says_why_not)
{
	const size_t size = 300000;
	int fd = filled(size);

	for (int lacks = 0; lacks < 2; lacks++) {
		struct secure s;
		struct ends e;
		struct receiving r;
		secure_open(&s, TCP);
		e = secure_ends(&s);
		CHECK_RC(sent(&e, &r, fd, 26, size - 26 + (size_t)lacks), lacks ? -ENODATA : 0);
		CHECK_EQ(r.size, size - 26);
		CHECK_RC(r.rc, 0); /* with close_notify */
		CHECK(r.right);
		secure_drop(&s);
	}
	close(fd);
}

static int send_huge(void *arg)
{
	struct side *s = arg;
	int fd = filled(1), rc;

	CHECK_EQ(ftruncate(fd, (off_t)64 << 20), 0);
	rc = il_stream_send_file(s->object, fd, 0, (size_t)64 << 20);
	close(fd);
	return rc;
}

IL_TEST_REAL(Q, a_file_over_tls_waits_for_its_peer_and_ends_with_a_cancellation_or_a_close)
{
	for (int closes = 0; closes < 2; closes++) {
		struct secure s;
		struct side sender = {.begun = false};
		char byte;
		secure_open(&s, TCP);
		side_start(&sender, send_huge, s.client);
		CHECK_RC(il_stream_read(s.server, &byte, 1), 1);
		CHECK_RC(il_stream_write_all(s.client, "x", 1), -EBUSY);
		if (closes)
			CHECK_RC(il_stream_close(s.client), 0);
		else
			CHECK_RC(il_scope_cancel(&sender.scope), 0);
		CHECK_RC(side_join(&sender), closes ? -EBADF : -ECANCELED);
		if (!closes) /* no record was cut in two */
			CHECK_RC(il_stream_read(s.server, &byte, 1), 1);
		secure_drop(&s);
	}
}

/* The peer would take what comes next for the rest of the file. */
static void check_cut(il_stream *stream, il_stream *peer, bool cancels)
{
	static const char much[1 << 20];
	char byte;
	int n = il_stream_write(stream, much, sizeof much); /* some of which the loop still sends */

	CHECK(n > 0);
	cut_between_pieces(stream, peer, n > 0 ? (size_t)n : 0, cancels);
	CHECK_RC(il_stream_write_all(stream, "x", 1), -EPIPE);
	CHECK_DETAIL("cut off");
	say(peer, "hello");
	check_hears(stream, "hello");
	CHECK_RC(il_stream_close(stream), 0);
	CHECK_RC(il_stream_read(peer, &byte, 1), -EPIPE);
}

IL_TEST_REAL(Q, after_a_file_that_was_cut_between_two_pieces_writes_are_refused_and_reads_go_on)
{
	for (int cancels = 0; cancels < 2; cancels++)
		for (int layered = 0; layered < 2; layered++) {
			struct layer_maker above = {.kind = LAYER_PASS};
			struct secure s;
			secure_open(&s, PAIR);
			if (layered)
				CHECK_RC(layer_open(&s.shake.over[0], s.client, &above), 0);
			check_cut(s.shake.over[0], s.server, cancels);
			secure_drop(&s);
			CHECK_EQ(above.idles, layered);
		}
}
