/*
 * q_tls_ends.c: the end of what one side sends over TLS: where the peer cannot be told of it, whoever wants to tell learns
 * that; a write that was cut is known as one, however little it lacked; and a server's handler leaves nothing behind.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "m_server.h"
#include "p_layers.h"
#include "q_tls.h"

#include <dlfcn.h>

#define EACH_KIND(kind) for (int kind = 0; kind < KINDS; kind++)

enum { LARGE = 8 << 20, ROOM = 1 << 20, SMALL = 1 << 10 };

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

/* ---- 314: no memory for what the stream below does not take ---- */

static atomic_bool scarce;

/* Under OpenSSL's name, which has memory itself. */
void *CRYPTO_malloc(size_t size, const char *file, int line)
{
	void *(*real)(size_t, const char *, int);

	if (atomic_load(&scarce) && strstr(file, "tls_bio.c"))
		return NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "CRYPTO_malloc");
	return real(size, file, line);
}

IL_TEST_REAL(Q, n314_a_write_without_memory_ends_writing_and_not_reading)
{
	char *data = calloc(1, LARGE);

	EACH_KIND(kind)
	{
		struct secure s;

		secure_open(&s, kind);
		atomic_store(&scarce, true);
		CHECK_RC(il_stream_write_all(s.client, data, LARGE), -ENOMEM);
		atomic_store(&scarce, false);
		check_untold(s.client, -ENOMEM);
		say(s.server, "hello");
		check_hears(s.client, "hello");
		secure_drop(&s);
	}
	free(data);
}

/* ---- 319: cut at the very end ---- */

/* Small writes until one has to wait: all of it was taken by then, and some of it is held back. */
static int side_write_on(void *arg)
{
	static const char data[SMALL];
	struct side *s = arg;
	int rc = 0;

	for (s->size = 0; rc == 0; s->size++)
		rc = il_stream_write_all(s->object, data, sizeof data);
	return rc;
}

/* Others have run again and again, and it has written nothing. */
static bool side_rests(const struct side *s)
{
	const size_t before = s->size;

	for (int i = 0; i < 10; i++)
		CHECK_RC(il_yield(), 0);
	return s->size == before;
}

IL_TEST_REAL(Q, n319_a_write_of_one_record_is_cut_like_any_other)
{
	struct side writer;
	struct secure s;

	secure_open(&s, PAIR);
	side_start(&writer, side_write_on, s.client);
	while (!side_rests(&writer))
		;
	il_scope_cancel(&writer.scope);
	CHECK_RC(side_join(&writer), -ECANCELED);
	CHECK_RC(il_stream_write_all(s.client, "x", 1), -EPIPE);
	say(s.server, "hello");
	check_hears(s.client, "hello");
	secure_drop(&s);
}

/* Nothing of it is with the peer or held back: it has waited behind others' bytes only. */
IL_TEST_REAL(Q, n319_a_write_of_which_nothing_was_taken_is_not_cut)
{
	char *data = calloc(1, LARGE);
	struct secure s;
	int n;

	secure_open(&s, PAIR);
	n = il_stream_write(s.client, data, LARGE);
	CHECK(n > 0 && n < LARGE);
	cut_a_write(s.client, data);
	CHECK_RC(il_stream_receive_exactly(s.server, data, (size_t)n), 0);
	say(s.client, "whole");
	check_hears(s.server, "whole");
	secure_drop(&s);
	free(data);
}

IL_TEST_REAL(Q, n319_what_the_loop_sends_meanwhile_hides_no_cut)
{
	char *data = calloc(1, LARGE);
	struct side writer = {.bytes = data, .size = LARGE};
	char *taken = malloc(ROOM);
	struct secure s;

	secure_open(&s, PAIR);
	CHECK(il_stream_write(s.client, data, LARGE) > 0);
	side_start(&writer, side_write, s.client);
	CHECK_RC(il_stream_receive_exactly(s.server, taken, ROOM), 0);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!writer.ended);
	il_scope_cancel(&writer.scope);
	CHECK_RC(side_join(&writer), -ECANCELED);
	check_untold(s.client, -EPIPE);
	secure_drop(&s);
	free(data);
	free(taken);
}

static int read_one(void *stream)
{
	char byte;

	return il_stream_read(stream, &byte, 1);
}

static int flush(void *stream)
{
	return il_stream_writev_all(stream, NULL, 0);
}

static void check_waits_cut_nothing(il_stream *from, il_stream *to)
{
	il_case room = il_case_stream(from, IL_WRITABLE);
	char *data = calloc(1, LARGE);
	size_t left = 0;
	int n, rc;

	do {
		n = il_stream_write(from, data, LARGE);
		CHECK(n > 0 && n < LARGE);
		left += (size_t)n;
		rc = il_select(&room, 1, IL_MSEC(5));
		if (rc == -ETIMEDOUT) /* where the system is slow there is room all the same */
			rc = il_fail_after(IL_MSEC(5), flush, from);
	} while (rc == 0);
	CHECK_RC(rc, -ETIMEDOUT);
	CHECK_RC(il_fail_after(IL_MSEC(5), read_one, from), -ETIMEDOUT);
	for (; left > 0; left -= n > 0 ? (size_t)n : left) {
		n = il_stream_read(to, data, left < LARGE ? left : LARGE);
		CHECK(n > 0);
	}
	say(from, "whole");
	check_hears(to, "whole");
	free(data);
}

/* What a select has found not ready was not cut, and neither is a flush, nor what was held back beside a read. */
IL_TEST_REAL(Q, n319_what_only_waits_for_room_cuts_nothing)
{
	il_tls *client = client_of(CA), *server = server_of(SERVER);
	struct shake outer;
	struct secure s;

	secure_open(&s, TCP);
	check_waits_cut_nothing(s.client, s.server);
	shake_over(&outer, (il_stream *[]){s.client, s.server}, client, server);
	check_waits_cut_nothing(outer.over[0], outer.over[1]);
	shake_drop(&outer);
	il_tls_unref(client);
	il_tls_unref(server);
}

/* Writes until one is cut by its deadline; what the others have reported arrives by itself, and the stream goes on. */
static void check_a_late_write_loses_nothing(il_stream *from, il_stream *to)
{
	char *data = malloc(LARGE), *got = malloc(LARGE);
	size_t sent = 0;
	int rc;

	for (size_t i = 0; i < LARGE; i++)
		data[i] = (char)(i * 13 + i / 1000);
	do {
		il_scope late = IL_SCOPE_INIT;
		CHECK_RC(il_scope_enter(&late, il_deadline(IL_MSEC(5)), IL_FAIL_AT_DEADLINE), 0);
		rc = il_scope_exit(&late, il_stream_write(from, data + sent, LARGE - sent));
		sent += rc > 0 ? (size_t)rc : 0;
	} while (rc > 0 && sent < LARGE);
	CHECK_RC(rc, -ETIMEDOUT);
	CHECK_RC(il_stream_receive_exactly(to, got, sent), 0);
	CHECK(memcmp(data, got, sent) == 0);
	say(from, "whole");
	check_hears(to, "whole");
	free(data);
	free(got);
}

/* Over each kind of stream, over TLS in that, and through a layer above. */
static void check_each_way(void (*check)(il_stream *from, il_stream *to))
{
	il_tls *client = client_of(CA), *server = server_of(SERVER);

	EACH_KIND(kind)
	{
		struct layer_maker pass = {.kind = LAYER_PASS};
		struct shake outer;
		struct secure s;
		il_stream *above = NULL;

		secure_open(&s, kind);
		check(s.client, s.server);
		shake_over(&outer, (il_stream *[]){s.client, s.server}, client, server);
		check(outer.over[0], outer.over[1]);
		CHECK_RC(layer_open(&above, outer.over[0], &pass), 0);
		outer.over[0] = above;
		check(above, outer.over[1]);
		shake_drop(&outer);
	}
	il_tls_unref(client);
	il_tls_unref(server);
}

IL_TEST_REAL(Q, n319_a_write_that_was_late_takes_nothing_from_those_before_it)
{
	check_each_way(check_a_late_write_loses_nothing);
}

static int write_some(void *stream)
{
	return il_stream_write(stream, "xxxx", 4);
}

/* What a call that never waits had the stream take is no part of the late write after it, and goes out by itself. */
static void check_a_late_write_cuts_nothing_before_it(il_stream *from, il_stream *to)
{
	char *data = malloc(LARGE), *got = malloc(LARGE);
	const struct iovec all = {data, LARGE};
	size_t sent = 0;
	int n;

	memset(data, 'x', LARGE);
	do {
		while ((n = il_stream_write_now(from, &all, 1)) > 0)
			sent += (size_t)n;
		CHECK_EQ(n, -EAGAIN);
		n = il_fail_after(IL_MSEC(5), write_some, from);
		sent += n > 0 ? (size_t)n : 0; /* the system has made room meanwhile */
	} while (n > 0);
	CHECK_RC(n, -ETIMEDOUT);
	for (size_t left = sent; left > 0; left -= (size_t)n) {
		n = il_stream_read(to, got, left < LARGE ? left : LARGE);
		CHECK(n > 0);
		CHECK(memcmp(data, got, (size_t)n) == 0);
	}
	say(from, "whole");
	check_hears(to, "whole");
	free(data);
	free(got);
}

IL_TEST_REAL(Q, n319_a_late_write_cuts_nothing_that_was_taken_before_it)
{
	check_each_way(check_a_late_write_cuts_nothing_before_it);
}

/* ---- over a layer that holds back ---- */

/* Keeps what it is given until it is flushed. */
struct keeper {
	il_stream *under;
	char kept[64 << 10];
	size_t size;
};

static int keeper_receive(void *self, void *data, size_t max)
{
	return il_stream_read_now(((struct keeper *)self)->under, data, max);
}

static int keeper_flush(struct keeper *k)
{
	while (k->size) {
		const struct iovec all = {k->kept, k->size};
		int n = il_stream_write_now(k->under, &all, 1);
		if (n < 0)
			return n;
		k->size -= (size_t)n;
		memmove(k->kept, k->kept + n, k->size);
	}
	return 0;
}

static int keeper_send(void *self, const struct iovec *pieces, int count)
{
	struct keeper *k = self;
	const size_t room = sizeof k->kept - k->size;
	size_t n;

	if (!count)
		return keeper_flush(k);
	CHECK(room > 0); /* the test sends little */
	n = pieces->iov_len;
	n = n < room ? n : room;
	memcpy(k->kept + k->size, pieces->iov_base, n);
	k->size += n;
	return (int)n;
}

static void keeper_close(void *self)
{
	il_stream_close(((struct keeper *)self)->under);
}

static void keeper_destroy(void *self)
{
	il_stream_destroy(((struct keeper *)self)->under);
	free(self);
}

static il_stream *keeper_under(void *self)
{
	return ((struct keeper *)self)->under;
}

static il_stream *kept(il_stream *under)
{
	static const struct il_transport keeper = {.name = "keeper",
						   .receive = keeper_receive,
						   .send = keeper_send,
						   .close = keeper_close,
						   .destroy = keeper_destroy,
						   .under = keeper_under};
	struct keeper *k = calloc(1, sizeof *k);
	il_stream *s = NULL;

	k->under = under;
	CHECK_RC(il_stream_open_transport(&s, &keeper, k), 0);
	return s;
}

static int read_byte(void *stream)
{
	char byte;

	return il_stream_read(stream, &byte, 1);
}

IL_TEST_REAL(Q, what_tls_says_by_itself_is_not_kept_by_a_layer_below)
{
	il_tls *client = client_of(CA), *server = server_of(SERVER);

	EACH_KIND(kind)
	{
		struct ends e = ends_of(kind);
		struct shake k;

		shake_over(&k, (il_stream *[]){kept(e.a), kept(e.b)}, client, server);
		say(k.over[0], "hello");
		check_hears(k.over[1], "hello");
		CHECK_RC(il_stream_shutdown_write(k.over[0]), 0);
		CHECK_RC(il_fail_after(IL_SEC(60), read_byte, k.over[1]), 0);
		shake_drop(&k);
	}
	il_tls_unref(client);
	il_tls_unref(server);
}

/* ---- a client's send_timeout ---- */

IL_TEST_REAL(Q, n313_a_client_that_does_not_take_a_packet_in_time_is_closed)
{
	static const size_t sizes[] = {SMALL, LARGE};
	char *data = calloc(1, LARGE);

	for (int i = 0; i < 2; i++) {
		struct secure s;
		il_client *c = NULL;
		il_packet p;
		int rc = 0;

		secure_open(&s, TCP);
		CHECK_RC(il_client_open(&c, s.client, il_protocol_bytes(),
					&(il_client_options){.send_timeout = IL_MSEC(20)}),
			 0);
		while (rc == 0)
			rc = il_client_send(c, data, sizes[i]);
		CHECK_RC(rc, -EPIPE);
		CHECK_RC(il_client_receive(c, &p, 0), -EBADF);
		CHECK_LOGGED(IL_LOG_DEBUG, "did not take a packet in time", (size_t)i + 1);
		il_client_destroy(c);
		s.shake.over[0] = NULL;
		secure_drop(&s);
	}
	free(data);
}

/* ---- the end of a handler ---- */

struct leaving {
	int taken;
};

static int write_and_leave(il_client *client, void *data)
{
	struct leaving *l = data;
	char *much;
	il_packet p;
	int rc = l->taken ? 0 : il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0) /* the second time it receives nothing, which ends its client */
		return rc;
	much = calloc(1, LARGE);
	l->taken = il_stream_write(il_client_stream(client), much, LARGE);
	free(much);
	return 0;
}

static const il_handler leaving = {.handle = write_and_leave};

static il_stream *leaving_begin(struct service *s, struct leaving *l, il_time send_timeout)
{
	il_tls *server = server_of(SERVER), *client = client_of(CA);
	il_stream *stream = NULL;
	char port[8];

	service_start(
	    s, &leaving, l, il_protocol_lines(),
	    &(il_server_options){.layer = il_tls_layer(server), .send_timeout = send_timeout});
	CHECK_RC(il_stream_connect_tcp(&stream, "localhost",
				       port_text(il_server_port(s->server), port),
				       &(il_connect_options){.layer = il_tls_layer(client)}),
		 0);
	il_tls_unref(server);
	il_tls_unref(client);
	say(stream, "go\n");
	return stream;
}

IL_TEST_REAL(Q, what_a_handler_has_sent_goes_out_before_the_close)
{
	struct leaving l = {0};
	struct service s;
	il_stream *stream = leaving_begin(&s, &l, 0);
	char *data = malloc(LARGE);
	int n, got = 0;

	UNTIL(l.taken > 0);
	CHECK(l.taken < LARGE);
	while ((n = il_stream_read(stream, data, LARGE)) > 0)
		got += n;
	CHECK_RC(n, 0);
	CHECK_EQ(got, l.taken);
	il_stream_destroy(stream);
	UNTIL(il_server_clients(s.server) == 0);
	service_end(&s);
	free(data);
}

IL_TEST_REAL(Q, for_that_a_peer_has_the_send_timeout)
{
	struct leaving l = {0};
	struct service s;
	il_stream *stream = leaving_begin(&s, &l, IL_MSEC(20));

	UNTIL(l.taken > 0 && il_server_clients(s.server) == 0);
	il_stream_destroy(stream);
	service_end(&s);
}
