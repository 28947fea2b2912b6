/*
 * q_tls_stream.c: bytes over an established connection: where they end, how a side is closed, both
 * directions at once, and what becomes of a record that comes in parts, changed, or whose writer
 * was cut off.
 */
#include "q_tls.h"

#include <signal.h>

#define EACH_KIND(kind) for (int kind = 0; kind < KINDS; kind++)

static const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT},
			    lenient = {.allow_truncation = true}, old = {.configure = at_most_12};

/* ---- 312: the end ---- */

/* The server says "hello" and ends, with close_notify or without; the client reads it. */
static void check_end(il_tls_options client, bool notifies, bool apart, int expected)
{
	struct secure s;
	char data[16];

	secure_open_with(&s, TCP, client, defaults);
	say(s.server, "hello");
	if (apart)
		check_hears(s.client, "hello");
	if (notifies)
		CHECK_RC(il_stream_shutdown_write(s.server), 0);
	CHECK_RC(il_stream_shutdown_write(s.shake.under[1]), 0);
	if (!apart)
		check_hears(s.client, "hello");
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_stream_read(s.client, data, sizeof data), expected);
	if (expected < 0)
		CHECK_DETAIL("close_notify");
	say(s.client, "still");
	check_hears(s.server, "still");
	secure_drop(&s);
}

IL_TEST_REAL(Q, n312_an_end_without_close_notify_is_none_unless_the_options_say_so)
{
	for (int apart = 0; apart < 2; apart++) {
		check_end(defaults, true, apart, 0);
		check_end(lenient, true, apart, 0);
		check_end(defaults, false, apart, -EPIPE);
		check_end(lenient, false, apart, 0);
	}
}

IL_TEST_REAL(Q, n312_an_end_inside_a_record_is_never_a_good_one)
{
	static const char part[] = "\x17\x03\x03\x00\x50half";
	const struct iovec piece = {(void *)(uintptr_t)part, sizeof part - 1};
	struct secure s;
	char data[16];

	secure_open_with(&s, TCP, lenient, defaults);
	CHECK_RC(il_stream_write_now(s.shake.under[1], &piece, 1), (int)sizeof part - 1);
	CHECK_RC(il_stream_shutdown_write(s.shake.under[1]), 0);
	CHECK_RC(il_stream_read(s.client, data, sizeof data), -EPIPE);
	CHECK_RC(il_stream_read(s.client, data, sizeof data), -EPIPE);
	secure_drop(&s);
}

/* ---- 313: close ---- */

IL_TEST_REAL(Q, n313_close_says_goodbye_and_what_was_written_arrives)
{
	EACH_KIND(kind)
	{
		struct secure s;
		char byte;

		secure_open(&s, kind);
		say(s.client, "bye");
		CHECK_RC(il_stream_close(s.client), 0);
		CHECK_RC(il_stream_close(s.client), 0);
		CHECK_RC(il_stream_read(s.client, &byte, 1), -EBADF);
		check_hears(s.server, "bye");
		CHECK_RC(il_stream_read(s.server, &byte, 1), 0);
		secure_drop(&s);
	}
}

enum { LARGE = 8 << 20 };

IL_TEST_REAL(Q, n313_close_does_not_wait_for_a_peer_that_does_not_read)
{
	unsigned char *data = large_data(LARGE);

	EACH_KIND(kind)
	{
		struct side writer = {.bytes = data, .size = LARGE};
		struct secure s;

		secure_open(&s, kind);
		side_start(&writer, side_write, s.client);
		CHECK_RC(il_sleep(IL_MSEC(2)), 0);
		CHECK(!writer.ended);
		CHECK_RC(il_stream_close(s.client), 0);
		CHECK_RC(side_join(&writer), -EBADF);
		secure_drop(&s);
	}
	free(data);
}

/* ---- 314: half-close ---- */

IL_TEST_REAL(Q, n314_after_a_half_close_receiving_goes_on)
{
	for (int version = 0; version < 2; version++) {
		struct secure s;
		char byte;

		secure_open_with(&s, TCP, version ? old : defaults, defaults);
		say(s.client, "all");
		CHECK_RC(il_stream_shutdown_write(s.client), 0);
		CHECK_RC(il_stream_shutdown_write(s.client), 0);
		CHECK_RC(il_stream_write_all(s.client, "x", 1), -EPIPE);
		check_hears(s.server, "all");
		CHECK_RC(il_stream_read(s.server, &byte, 1), 0);
		CHECK_RC(il_stream_read(s.server, &byte, 1), 0);
		say(s.server, "one");
		check_hears(s.client, "one");
		say(s.server, "two");
		check_hears(s.client, "two");
		CHECK_RC(il_stream_close(s.server), 0);
		CHECK_RC(il_stream_read(s.client, &byte, 1), 0);
		secure_drop(&s);
	}
}

/* ---- 315: both directions at once ---- */

enum { PIECE = 32 << 10, PIECES = 30 };

static int echo_all(void *arg)
{
	struct side *s = arg;
	char *data = malloc(PIECE);
	int n;

	while ((n = il_stream_read(s->object, data, PIECE)) > 0) {
		int rc = il_stream_write_all(s->object, data, (size_t)n);
		if (rc < 0)
			n = rc;
		if (n < 0)
			break;
	}
	free(data);
	return n;
}

/* Sends the pieces; new keys are asked for in the middle. */
static int write_pieces(void *arg)
{
	struct side *s = arg;
	const unsigned char *data = s->bytes;
	SSL *ssl = il_tls_native(s->object);

	for (size_t i = 0; i < PIECES; i++) {
		int rc;
		if (i == PIECES / 2 && SSL_version(ssl) == TLS1_3_VERSION)
			CHECK(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
		rc = il_stream_write_all(s->object, data + i * PIECE, PIECE);
		if (rc < 0)
			return rc;
	}
	return il_stream_shutdown_write(s->object);
}

static void check_duplex(int kind, il_tls_options client)
{
	unsigned char *data = large_data(LARGE), *back = malloc(PIECES * PIECE);
	struct side echo, writer = {.bytes = data};
	struct secure s;
	char byte;

	secure_open_with(&s, kind, client, defaults);
	side_start(&echo, echo_all, s.server);
	side_start(&writer, write_pieces, s.client);
	CHECK_RC(il_stream_receive_exactly(s.client, back, PIECES * PIECE), 0);
	CHECK(memcmp(data, back, PIECES * PIECE) == 0);
	CHECK_RC(side_join(&writer), 0);
	CHECK_RC(side_join(&echo), 0);
	CHECK_RC(il_stream_close(s.server), 0);
	CHECK_RC(il_stream_read(s.client, &byte, 1), 0);
	secure_drop(&s);
	free(data);
	free(back);
}

IL_TEST_REAL(Q, n315_one_task_writes_while_another_reads_and_new_keys_do_not_show)
{
	EACH_KIND(kind)
	check_duplex(kind, defaults);
	check_duplex(TCP, old);
}

IL_TEST_REAL(Q, n315_a_renegotiation_is_refused)
{
	struct secure s;
	struct side echo;
	char data[8];
	int rc;

	secure_open_with(&s, TCP, old, defaults);
	side_start(&echo, echo_all, s.server);
	SSL_clear_options(il_tls_native(s.client), SSL_OP_NO_RENEGOTIATION);
	CHECK(SSL_renegotiate(il_tls_native(s.client)) == 1);
	rc = il_stream_write_all(s.client, "hello", 5);
	CHECK(rc == 0 || rc == -EPROTO);
	if (rc == 0)
		CHECK_RC(il_stream_read(s.client, data, sizeof data), 5);
	CHECK_RC(il_stream_close(s.client), 0);
	rc = side_join(&echo);
	CHECK(rc == 0 || rc == -EPROTO || rc == -EPIPE);
	secure_drop(&s);
}

/* ---- 318: a record a byte at a time ---- */

IL_TEST_REAL(Q, n318_a_record_that_is_there_is_read_without_the_socket)
{
	enum { RECORD = 16 << 10 };
	unsigned char *data = large_data(LARGE), byte;
	il_scope cancelled = IL_SCOPE_INIT;
	struct secure s;

	secure_open(&s, TCP);
	CHECK_RC(il_stream_write_all(s.server, data, RECORD), 0);
	for (size_t i = 0; i < RECORD; i++) {
		CHECK_RC(il_stream_read(s.client, &byte, 1), 1);
		CHECK_EQ(byte, data[i]);
		if (i != RECORD / 2)
			continue;
		il_scope_cancel(&cancelled);
		CHECK_RC(il_scope_enter(&cancelled, IL_FOREVER, 0), 0);
		CHECK_RC(il_stream_read(s.client, &byte, 1), -ECANCELED);
		CHECK_RC(il_scope_exit(&cancelled, -ECANCELED), 0);
	}
	CHECK_RC(il_stream_read_now(s.client, &byte, 1), -EAGAIN);
	secure_drop(&s);
	free(data);
}

/* ---- 319, 320: records in other hands ---- */

/* Two ends with the test between them: what one sends, the test hands on. */
struct between {
	struct ends left, right; /* the client is at left.a, the server at right.a */
	struct side pumps[2];
	il_tls *tls[2];
	il_stream *client, *server;
};

static int pump(void *arg)
{
	struct side *s = arg;
	il_stream **ends = s->object;
	char data[4096];
	int n;

	while ((n = il_stream_read(ends[0], data, sizeof data)) > 0) {
		n = il_stream_write_all(ends[1], data, (size_t)n);
		if (n < 0)
			break;
	}
	return n;
}

static int between_accept(void *arg)
{
	struct side *s = arg;
	struct between *b = s->object;

	return il_tls_accept(&b->server, b->right.a, b->tls[1]);
}

static void between_open(struct between *b)
{
	struct side accept;

	*b = (struct between){.left = ends_of(PAIR), .right = ends_of(PAIR)};
	b->tls[0] = client_of(CA);
	b->tls[1] = server_of(SERVER);
	side_start(&b->pumps[0], pump, (il_stream *[]){b->left.b, b->right.b});
	side_start(&b->pumps[1], pump, (il_stream *[]){b->right.b, b->left.b});
	side_start(&accept, between_accept, b);
	CHECK_RC(il_tls_connect(&b->client, b->left.a, b->tls[0], "localhost"), 0);
	CHECK_RC(side_join(&accept), 0);
	say(b->server, "ready"); /* and so the tickets have come, too */
	check_hears(b->client, "ready");
	for (int i = 0; i < 2; i++) {
		il_scope_cancel(&b->pumps[i].scope);
		CHECK_RC(side_join(&b->pumps[i]), -ECANCELED);
	}
}

static void between_drop(struct between *b)
{
	il_stream_destroy(b->client);
	il_stream_destroy(b->server);
	il_stream_destroy(b->left.b);
	il_stream_destroy(b->right.b);
	il_tls_unref(b->tls[0]);
	il_tls_unref(b->tls[1]);
}

IL_TEST_REAL(Q, n319_a_read_that_is_cut_inside_a_record_loses_nothing)
{
	struct between b;
	il_scope scope = IL_SCOPE_INIT;
	char record[256], data[64];
	int n;

	between_open(&b);
	say(b.server, "whole");
	n = il_stream_read(b.right.b, record, sizeof record);
	CHECK(n > 10);
	CHECK_RC(il_stream_write_all(b.left.b, record, 10), 0);
	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(5)), 0), 0);
	n = il_stream_read(b.client, data, sizeof data);
	CHECK_RC(il_scope_exit(&scope, n), 0);
	CHECK(il_scope_expired(&scope));
	n = (int)strlen("whole") + 22;
	CHECK_RC(il_stream_write_all(b.left.b, record + 10, (size_t)n - 10), 0);
	check_hears(b.client, "whole");
	between_drop(&b);
}

IL_TEST_REAL(Q, n319_after_a_write_that_was_cut_writes_are_refused_and_reads_go_on)
{
	unsigned char *data = large_data(LARGE);

	EACH_KIND(kind)
	{
		il_scope scope = IL_SCOPE_INIT;
		struct secure s;
		int rc;

		secure_open(&s, kind);
		CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(5)), 0), 0);
		rc = il_stream_write_all(s.client, data, LARGE);
		CHECK_RC(rc, -ECANCELED);
		CHECK_RC(il_scope_exit(&scope, rc), 0);
		CHECK_RC(il_stream_write_all(s.client, "x", 1), -EPIPE);
		say(s.server, "hello");
		check_hears(s.client, "hello");
		secure_drop(&s);
	}
	free(data);
}

IL_TEST_REAL(Q, n319_the_peer_of_a_write_that_was_cut_sees_good_records_and_no_good_end)
{
	unsigned char *data = large_data(LARGE), *piece = malloc(PIECE);
	il_scope scope = IL_SCOPE_INIT;
	struct secure s;
	size_t got = 0;
	int rc;

	secure_open(&s, TCP);
	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(5)), 0), 0);
	rc = il_stream_write_all(s.client, data, LARGE);
	CHECK_RC(il_scope_exit(&scope, rc), 0);
	CHECK_RC(il_stream_close(s.client), 0);
	while ((rc = il_stream_read(s.server, piece, PIECE)) > 0) {
		CHECK(memcmp(piece, data + got, (size_t)rc) == 0);
		got += (size_t)rc;
	}
	CHECK(got < LARGE);
	/* On a busy machine it may be late before its first byte: then nothing was cut. */
	CHECK(rc == -EPIPE || rc == -ECONNRESET || (rc == 0 && !got));
	secure_drop(&s);
	free(data);
	free(piece);
}

IL_TEST_REAL(Q, n320_a_changed_byte_ends_the_connection_and_nothing_of_it_is_handed_out)
{
	struct between b;
	char record[256], data[64];
	int n;

	between_open(&b);
	say(b.server, "secret");
	n = il_stream_read(b.right.b, record, sizeof record);
	CHECK(n > 10);
	record[8] ^= 1;
	CHECK_RC(il_stream_write_all(b.left.b, record, (size_t)n), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_stream_read(b.client, data, sizeof data), -EPROTO);
		CHECK_DETAIL("TLS");
	}
	CHECK(il_stream_write_all(b.client, "x", 1) < 0);
	CHECK(il_stream_read(b.left.b, record, sizeof record) > 0); /* the alert */
	between_drop(&b);
}

/* ---- 328: no SIGPIPE ---- */

IL_TEST_REAL(Q, n328_no_signal_comes_of_a_peer_that_resets)
{
	void (*before)(int) = signal(SIGPIPE, SIG_DFL);
	il_tls *client = client_of(CA), *server = server_of(SERVER);
	struct ends e = ends_of(TCP);
	struct shake k = {.under = {e.a, e.b}, .tls = {client, server}};
	struct side side;
	char data[4096] = "";
	int rc;

	side_start(&side, shake_connect, &k); /* inside the handshake */
	CHECK(il_stream_read(e.b, data, 16) > 0);
	make_rst(il_stream_fd(e.b));
	il_stream_destroy(e.b);
	rc = side_join(&side);
	CHECK(rc == -ECONNRESET || rc == -EPIPE);
	il_stream_destroy(e.a);
	shake_begin(&k, TCP, client, server); /* in a write */
	make_rst(il_stream_fd(k.under[1]));
	il_stream_close(k.under[1]);
	do
		rc = il_stream_write_all(k.over[0], data, sizeof data);
	while (rc == 0);
	CHECK(rc == -ECONNRESET || rc == -EPIPE);
	shake_drop(&k);
	shake_begin(&k, TCP, client, server); /* before our goodbye */
	make_rst(il_stream_fd(k.under[1]));
	il_stream_close(k.under[1]);
	CHECK_RC(il_wait_readable(il_stream_fd(k.under[0])), 0);
	CHECK_RC(il_stream_close(k.over[0]), 0);
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
	signal(SIGPIPE, before);
}
