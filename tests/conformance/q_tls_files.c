/*
 * q_tls_files.c: a file sent over TLS: read by a worker, encrypted by the loop; whole, short, to a peer that reads late,
 * and given up.
 */
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
