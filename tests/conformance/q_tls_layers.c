/*
 * q_tls_layers.c: TLS among other streams: over a transport that moves a byte a call, below a
 * layer, in a select; and what a stream over TLS has in common with a socket: who waits, and how
 * each end may end it.
 */
#include "p_layers.h"
#include "p_rings.h"
#include "q_tls.h"
#include "s_select.h"
#include "waiter.h"
#include "waits.h"

#define EACH_KIND(kind) for (int kind = 0; kind < KINDS; kind++)

static const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT},
			    lenient = {.allow_truncation = true};

/* ---- 299: over any transport ---- */

IL_TEST_REAL(Q, n299_a_transport_that_moves_a_byte_a_call_carries_tls)
{
	enum { SIZE = 20000 };
	il_tls *client = client_of(CA), *server = server_of(SERVER);
	struct ring_end *ends[2];
	il_stream *streams[2];
	char *sent = large_data(SIZE), *got = malloc(SIZE), byte;
	struct side writer = {.bytes = sent, .size = SIZE};
	struct shake k;

	make_rings(ends, streams);
	ends[0]->most = ends[1]->most = 1;
	shake_over(&k, streams, client, server);
	side_start(&writer, side_write, k.over[0]);
	CHECK_RC(il_stream_receive_exactly(k.over[1], got, SIZE), 0);
	CHECK(memcmp(sent, got, SIZE) == 0);
	CHECK_RC(side_join(&writer), 0);
	CHECK_RC(il_stream_shutdown_write(k.over[0]), 0);
	CHECK_RC(il_stream_read(k.over[1], &byte, 1), 0);
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
	free(sent);
	free(got);
}

/* ---- a peer that says much for OpenSSL alone ---- */

/* Takes all that is sent, however much. */
struct pool {
	il_stream *stream;
	struct pool *peer;
	char *bytes;
	size_t begin, end;
};

static int pool_receive(void *self, void *data, size_t max)
{
	struct pool *p = self;
	size_t n = p->end - p->begin < max ? p->end - p->begin : max;

	if (!n)
		return -EAGAIN;
	memcpy(data, p->bytes + p->begin, n);
	p->begin += n;
	return (int)n;
}

static int pool_send(void *self, const struct iovec *pieces, int count)
{
	struct pool *to = ((struct pool *)self)->peer;
	size_t before = to->end;

	for (int i = 0; i < count; i++) {
		to->bytes = realloc(to->bytes, to->end + pieces[i].iov_len);
		memcpy(to->bytes + to->end, pieces[i].iov_base, pieces[i].iov_len);
		to->end += pieces[i].iov_len;
	}
	il_transport_ready(to->stream, IL_READABLE);
	return (int)(to->end - before);
}

static int pool_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)self, (void)direction, (void)fd, (void)mask;
	return -ENOENT;
}

static void pool_destroy(void *self)
{
	((struct pool *)self)->stream = NULL;
}

static void make_pools(struct pool pools[2], il_stream *streams[2])
{
	static const struct il_transport transport = {.name = "pool",
						      .receive = pool_receive,
						      .send = pool_send,
						      .want = pool_want,
						      .destroy = pool_destroy};

	for (int i = 0; i < 2; i++) {
		pools[i] = (struct pool){.peer = &pools[!i]};
		CHECK_RC(il_stream_open_transport(&streams[i], &transport, &pools[i]), 0);
		pools[i].stream = streams[i];
	}
}

/* Many new keys, one after the other, then a word. */
enum { UPDATES = 2000, TURNS = 8 };

static void say_after_keys(il_stream *stream, const char *word)
{
	SSL *ssl = il_tls_native(stream);

	for (int i = 0; i < UPDATES; i++) {
		CHECK(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
		CHECK(SSL_do_handshake(ssl) == 1);
	}
	say(stream, word);
}

static int count_turns(void *arg)
{
	struct side *s = arg;
	int rc;

	while ((rc = il_yield()) == 0)
		s->size++;
	return rc;
}

static int write_much(void *arg)
{
	const struct side *s = arg;

	return il_stream_write_all(s->object, s->bytes, s->size);
}

/* A stream of TLS over pools, and a task that counts how often others may run. */
struct fair {
	il_tls *client, *server;
	struct side others;
	struct pool pools[2];
	struct shake k;
};

static void fair_begin(struct fair *f)
{
	il_stream *streams[2];

	*f = (struct fair){.client = client_of(CA), .server = server_of(SERVER)};
	make_pools(f->pools, streams);
	shake_over(&f->k, streams, f->client, f->server);
	side_start(&f->others, count_turns, NULL);
	f->others.size = 0;
}

static void fair_end(struct fair *f)
{
	CHECK_RC(il_scope_cancel(&f->others.scope), 0);
	CHECK_RC(side_join(&f->others), -ECANCELED);
	shake_drop(&f->k);
	il_tls_unref(f->client);
	il_tls_unref(f->server);
	for (int i = 0; i < 2; i++)
		free(f->pools[i].bytes);
}

IL_TEST_REAL(Q, who_sends_much_to_a_fast_peer_lets_others_run)
{
	enum { SIZE = 4 << 20 };
	char *sent = large_data(SIZE), *got = malloc(SIZE);
	struct side writer = {.bytes = sent, .size = SIZE};
	struct fair f;

	fair_begin(&f);
	side_start(&writer, write_much, f.k.over[0]);
	CHECK_RC(side_join(&writer), 0);
	CHECK(f.others.size >= 10);
	f.others.size = 0;
	CHECK_RC(il_stream_receive_exactly(f.k.over[1], got, SIZE), 0);
	CHECK(f.others.size >= 10);
	CHECK(memcmp(sent, got, SIZE) == 0);
	fair_end(&f);
	free(sent);
	free(got);
}

IL_TEST_REAL(Q, new_keys_without_end_let_others_run)
{
	struct fair f;
	il_case one;

	fair_begin(&f);
	say_after_keys(f.k.over[0], "read");
	f.others.size = 0;
	check_hears(f.k.over[1], "read");
	CHECK(f.others.size >= TURNS);
	say_after_keys(f.k.over[0], "selected");
	one = il_case_stream(f.k.over[1], IL_READABLE);
	f.others.size = 0;
	CHECK_RC(il_select(&one, 1, IL_FOREVER), 0);
	CHECK(f.others.size >= TURNS);
	check_hears(f.k.over[1], "selected");
	fair_end(&f);
}

/* ---- 282: over itself ---- */

IL_TEST_REAL(Q, n282_tls_goes_over_tls_and_the_outer_close_closes_both)
{
	struct secure s;
	il_tls *client = client_of(CA), *server = server_of(SERVER);
	struct shake outer;
	char byte;

	secure_open(&s, TCP);
	shake_over(&outer, (il_stream *[]){s.client, s.server}, client, server);
	say(outer.over[0], "hello");
	check_hears(outer.over[1], "hello");
	say(outer.over[1], "and back");
	check_hears(outer.over[0], "and back");
	CHECK(il_tls_native(outer.over[0]) != il_tls_native(s.client));
	CHECK_RC(il_stream_close(outer.over[0]), 0);
	CHECK_RC(il_stream_read(outer.over[1], &byte, 1), 0);
	CHECK_RC(il_stream_read(s.client, &byte, 1), -EBADF);
	shake_drop(&outer);
	il_tls_unref(client);
	il_tls_unref(server);
}

/* ---- 304: below a layer ---- */

IL_TEST_REAL(Q, n304_through_layers_above_it_tls_says_the_same)
{
	struct layer_maker pass = {.kind = LAYER_PASS}, xor = {.kind = LAYER_XOR};
	static const char *const alpn[] = {"h2", NULL};
	const il_tls_options o = {.alpn = alpn};
	struct secure s;
	il_tls_info below, above;

	secure_open_with(&s, TCP, o, o);
	below = information(s.client);
	CHECK_RC(layer_open(&s.shake.over[0], s.client, &pass), 0);
	CHECK_RC(layer_open(&s.shake.over[0], s.shake.over[0], &xor), 0);
	above = information(s.shake.over[0]);
	CHECK_STR(above.version, below.version);
	CHECK_STR(above.cipher, below.cipher);
	CHECK_STR(above.alpn, "h2");
	CHECK_STR(above.peer_name, "localhost");
	CHECK(il_tls_native(s.shake.over[0]) == il_tls_native(s.client));
	CHECK_RC(il_stream_fd(s.shake.over[0]), -ENOTSUP);
	secure_drop(&s);
	CHECK_EQ(pass.closes, 1);
	CHECK_EQ(xor.closes, 1);
}

/* ---- 318: in a select ---- */

IL_TEST_REAL(Q, n318_a_select_finds_the_stream_readable_to_the_records_end)
{
	enum { RECORD = 16 << 10 };
	char *data = calloc(1, RECORD), byte;
	struct secure s;
	il_case readable;

	secure_open(&s, TCP);
	readable = il_case_stream(s.client, IL_READABLE);
	CHECK_RC(il_stream_write_all(s.server, data, RECORD), 0);
	for (size_t i = 0; i < RECORD; i++) {
		CHECK_RC(il_select(&readable, 1, i ? 0 : IL_FOREVER), 0);
		CHECK_RC(readable.rc, IL_READABLE);
		CHECK_RC(il_stream_read(s.client, &byte, 1), 1);
	}
	CHECK_RC(poll_case(readable), -ETIMEDOUT);
	CHECK_RC(poll_case(il_case_stream(s.client, IL_READABLE | IL_WRITABLE)), IL_WRITABLE);
	secure_drop(&s);
	free(data);
}

IL_TEST_REAL(Q, n375_half_a_record_is_not_ready_and_the_ends_are)
{
	static char half[] = "\x17\x03\x03\x00\x50half";
	const struct iovec piece = {half, sizeof half - 1};
	struct secure s;
	il_case readable;
	char byte;

	secure_open(&s, PAIR);
	readable = il_case_stream(s.client, IL_READABLE);
	CHECK_RC(il_stream_write_now(s.shake.under[1], &piece, 1), (int)piece.iov_len);
	CHECK_RC(il_select(&readable, 1, IL_MSEC(5)), -ETIMEDOUT);
	CHECK_RC(poll_case(readable), -ETIMEDOUT);
	CHECK_RC(il_stream_shutdown_write(s.shake.under[1]), 0);
	CHECK_RC(il_select(&readable, 1, IL_FOREVER), 0);
	CHECK_RC(il_stream_read(s.client, &byte, 1), -EPIPE);
	secure_drop(&s);
	secure_open(&s, PAIR);
	readable = il_case_stream(s.client, IL_READABLE);
	CHECK_RC(il_stream_shutdown_write(s.server), 0);
	CHECK_RC(il_select(&readable, 1, IL_FOREVER), 0);
	CHECK_RC(il_stream_read(s.client, &byte, 1), 0);
	secure_drop(&s);
}

/* ---- 315: who waits ---- */

static int wait_write_much(void *arg)
{
	return il_stream_write_all(arg, il_test_zeros, 8 << 20);
}

IL_TEST_REAL(Q, n315_one_task_reads_and_one_writes_and_a_close_ends_both)
{
	EACH_KIND(kind)
	{
		struct waiter reader = {.name = "reader"}, writer = {.name = "writer"};
		struct secure s;
		il_group g;
		char byte;

		secure_open(&s, kind);
		CHECK_RC(il_group_open(&g), 0);
		start_waiting(&g, &reader, read_some, s.client);
		start_waiting(&g, &writer, wait_write_much, s.client);
		CHECK_RC(il_stream_read(s.client, &byte, 1), -EBUSY);
		CHECK_RC(poll_case(il_case_stream(s.client, IL_READABLE)), -EBUSY);
		CHECK_RC(il_stream_write_all(s.client, "x", 1), -EBUSY);
		CHECK_RC(il_stream_shutdown_write(s.client), -EBUSY);
		say(s.server, "still");
		UNTIL(reader.returned);
		check_waited(&reader, 5);
		start_waiting(&g, &reader, read_some, s.client);
		CHECK_RC(il_stream_close(s.client), 0);
		UNTIL(reader.returned && writer.returned);
		check_waited(&reader, -EBADF);
		check_waited(&writer, -EBADF);
		CHECK_RC(il_group_close(&g, 0), 0);
		secure_drop(&s);
	}
}

/* ---- 308, 310: the server's side of a peer that goes or alerts ---- */

static void check_accept_fails(int kind, const char *bytes, size_t size, bool by_reset, int code)
{
	il_tls *tls = server_of(SERVER);
	struct ends e = ends_of(kind);
	struct shake k = {.under = {e.a, e.b}, .tls = {NULL, tls}};
	il_stream *s = e.b;

	side_start(&k.server, shake_accept, &k);
	CHECK_RC(il_stream_write_all(e.a, bytes, size), 0);
	if (by_reset)
		make_rst(il_stream_fd(e.a));
	il_stream_destroy(e.a);
	CHECK_RC(side_join(&k.server), code);
	CHECK(k.over[1] == NULL);
	CHECK_RC(il_tls_accept(&s, e.b, tls), -EPIPE);
	CHECK(s == NULL);
	il_stream_destroy(e.b);
	il_tls_unref(tls);
}

IL_TEST_REAL(Q, n310_a_client_that_goes_inside_the_handshake_ends_it)
{
	EACH_KIND(kind)
	{
		check_accept_fails(kind, "", 0, false, -EPIPE);
		check_accept_fails(kind, "\x16", 1, false, -EPIPE);
		check_accept_fails(kind, "\x16\x03\x01\x02", 4, false, -EPIPE);
	}
	check_accept_fails(TCP, "", 0, true, -ECONNRESET);
}

IL_TEST_REAL(Q, n308_an_alert_instead_of_a_hello_is_a_failure)
{
	EACH_KIND(kind)
	check_accept_fails(kind, "\x15\x03\x03\x00\x02\x02\x28", 7, false, -EPROTO);
}

/* ---- 312: all pairings ---- */

/* That side ends; the other one has said nothing of the kind. */
static void check_end_of(struct secure *s, int side, bool notifies, bool strict)
{
	il_stream *ending = s->shake.over[side], *reading = s->shake.over[!side];
	int expected = notifies || !strict ? 0 : -EPIPE;
	char byte;

	say(ending, "hello");
	if (notifies)
		CHECK_RC(il_stream_shutdown_write(ending), 0);
	CHECK_RC(il_stream_shutdown_write(s->shake.under[side]), 0);
	check_hears(reading, "hello");
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_stream_read(reading, &byte, 1), expected);
}

IL_TEST_REAL(Q, n312_each_end_decides_for_itself_what_it_takes_for_an_end)
{
	for (int i = 0; i < 16; i++) {
		const bool strict[2] = {i & 1, i & 2};
		struct secure s;

		secure_open_with(&s, i & 4 ? TCP : PAIR, strict[0] ? defaults : lenient,
				 strict[1] ? defaults : lenient);
		check_end_of(&s, 0, i & 8, strict[1]);
		check_end_of(&s, 1, i & 8, strict[0]);
		secure_drop(&s);
	}
}

/* ---- 322: two loops ---- */

struct shared {
	il_tls *client, *server;
};

static int shake_again_and_again(void *arg)
{
	const struct shared *x = arg;

	for (size_t i = 0; i < il_test_rounds(20); i++) {
		struct shake k;
		shake_begin(&k, PAIR, x->client, x->server);
		say(k.over[1], "hello");
		check_hears(k.over[0], "hello");
		shake_drop(&k);
	}
	return 0;
}

static int shake_in_another_loop(void *arg)
{
	return il_run(il_test_backend(), shake_again_and_again, arg);
}

IL_TEST_REAL(Q, n322_loops_in_several_threads_share_a_context)
{
	struct shared x = {client_of(CA), server_of(SERVER)};
	struct il_test_thread thread;

	il_test_thread_start(&thread, shake_in_another_loop, &x);
	shake_again_and_again(&x);
	CHECK_RC(il_test_thread_join(&thread), 0);
	il_tls_unref(x.client);
	il_tls_unref(x.server);
}

/* ---- 309: a handshake that cannot send ---- */

static int mute_send(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	(void)pieces;
	return count ? -ENOBUFS : 0;
}

static int mute_receive(void *self, void *data, size_t max)
{
	(void)self;
	(void)data;
	(void)max;
	return -EAGAIN;
}

static int mute_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)self;
	(void)direction;
	(void)fd;
	(void)mask;
	return -ENOENT;
}

static void mute_close(void *self)
{
	(void)self;
}

IL_TEST_REAL(Q, n309_a_handshake_that_cannot_send_does_not_wait_for_an_answer)
{
	static const struct il_transport mute = {.name = "mute",
						 .receive = mute_receive,
						 .send = mute_send,
						 .want = mute_want,
						 .close = mute_close,
						 .destroy = mute_close};
	il_tls *tls = client_of(CA);
	il_stream *s, *under;
	const il_time begin = il_now();

	CHECK_RC(il_stream_open_transport(&under, &mute, NULL), 0);
	CHECK_RC(il_tls_connect(&s, under, tls, "localhost"), -ENOBUFS);
	CHECK(il_now() - begin < IL_SEC(5));
	il_stream_destroy(under);
	il_tls_unref(tls);
}
