/*
 * q_tls_context.c: contexts: what is refused when one is made, new files for old while handshakes
 * run, sessions that make the next handshake a short one, and the program's own use of OpenSSL
 * beside it.
 */
#include "q_tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>

/* ---- 321: what is no context ---- */

static void check_create(il_tls_options o, int expected, const char *file, const char *reason)
{
	il_tls *tls = (il_tls *)&o;

	CHECK_RC(il_tls_create(&tls, &o), expected);
	CHECK(tls == NULL);
	CHECK_DETAIL(file);
	CHECK_DETAIL(reason);
	CHECK(ERR_peek_error() == 0);
}

IL_TEST_CORE(Q, n321_what_is_wrong_with_a_file_is_said_with_its_name)
{
	struct file good = file_with(certificate_of(SERVER)), key = file_with(key_of(SERVER)),
		    other = file_with(key_of(CLIENT)), rubbish = file_with("no PEM\n"),
		    locked = file_with(locked_key_of(SERVER));
	const char *c = good.path, *k = key.path;

	check_create((il_tls_options){.certificate_file = c}, -EINVAL, c, "no key");
	check_create((il_tls_options){.key_file = k}, -EINVAL, k, "missing");
	check_create((il_tls_options){.certificate_file = c, .key_file = other.path}, -EINVAL,
		     other.path, "not the key of the certificate");
	check_create((il_tls_options){.certificate_file = k, .key_file = c}, -EINVAL, k,
		     "no PEM certificate");
	check_create((il_tls_options){.certificate_file = c, .key_file = c}, -EINVAL, c,
		     "no PEM private key");
	check_create((il_tls_options){.certificate_file = rubbish.path, .key_file = k}, -EINVAL,
		     rubbish.path, "no PEM");
	check_create((il_tls_options){.certificate_file = c, .key_file = locked.path}, -EINVAL,
		     locked.path, "locked");
	check_create((il_tls_options){.certificate_file = "/nowhere/c.pem", .key_file = k}, -ENOENT,
		     "/nowhere/c.pem", "No such file");
	check_create((il_tls_options){.certificate_file = c, .key_file = "/nowhere/k.pem"}, -ENOENT,
		     "/nowhere/k.pem", "No such file");
	check_create((il_tls_options){.certificate_file = "/tmp", .key_file = k}, -EISDIR, "/tmp",
		     "directory");
	check_create((il_tls_options){.ca_file = "/nowhere/ca.pem"}, -ENOENT, "/nowhere/ca.pem",
		     "");
	check_create((il_tls_options){.ca_file = rubbish.path}, -EINVAL, rubbish.path, "");
	check_create((il_tls_options){.ca_directory = "/nowhere"}, -ENOENT, "/nowhere", "");
	check_create((il_tls_options){.ca_directory = c}, -ENOTDIR, c, "");
	file_drop(&good);
	file_drop(&key);
	file_drop(&other);
	file_drop(&rubbish);
	file_drop(&locked);
}

static int fail(void *ctx, void *arg)
{
	(void)ctx, (void)arg;
	return -ERANGE;
}

IL_TEST_CORE(Q, n321_an_option_out_of_range_is_refused)
{
	static char long_name[257];
	const char *const names[] = {"h2", long_name, NULL}, *const empty[] = {"", NULL};
	const il_tls_certificate none = {.certificate = NULL};
	il_tls_options both = serving(SERVER);

	memset(long_name, 'x', 256);
	both.certificate_file = "also.pem";
	check_create((il_tls_options){.min_version = "1.4"}, -EINVAL, "min_version", "1.4");
	check_create((il_tls_options){.min_version = "1.1"}, -EINVAL, "min_version", "1.1");
	check_create((il_tls_options){.alpn = names}, -EINVAL, "ALPN", "256");
	check_create((il_tls_options){.alpn = empty}, -EINVAL, "ALPN", "0 bytes");
	check_create((il_tls_options){.handshake_timeout = -1}, -EINVAL, "handshake_timeout",
		     "negative");
	check_create((il_tls_options){.verify = (enum il_tls_verify)7}, -EINVAL, "verify", "7");
	check_create((il_tls_options){.verify = IL_TLS_VERIFY_OPTIONAL}, -EINVAL, "ca_file", "");
	check_create((il_tls_options){.certificate_count = 1}, -EINVAL, "certificates", "NULL");
	check_create((il_tls_options){.certificates = &none, .certificate_count = (size_t)-2},
		     -EINVAL, "certificate_count", "-2");
	check_create((il_tls_options){.configure = fail}, -ERANGE, "configure", "");
	check_create(both, -EINVAL, "both", "memory");
}

/* ---- locked keys ---- */

static int password(char *text, size_t size, void *arg)
{
	return arg ? snprintf(text, size, "%s", (const char *)arg) : -1;
}

IL_TEST_CORE(Q, n321_a_locked_key_is_opened_by_its_password_only)
{
	il_tls_options o = {.certificate = certificate_of(SERVER), .key = locked_key_of(SERVER)};
	il_tls *tls;

	check_create(o, -EINVAL, "key", "no key_password");
	o.key_password = password;
	check_create(o, -EINVAL, "key", "the password does not open it");
	o.arg = (void *)(uintptr_t) "wrong";
	check_create(o, -EINVAL, "key", "the password does not open it");
	o.arg = (void *)(uintptr_t) "secret";
	tls = context_of(&o);
	CHECK(il_tls_ref(tls) == tls);
	CHECK(il_tls_layer(tls) != NULL);
	il_tls_unref(tls);
	il_tls_unref(tls);
}

/* ---- 322: new files for old ---- */

static void write_file(const struct file *file, const char *text)
{
	FILE *f = fopen(file->path, "we");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* The common name of the certificate that the peer has shown. */
static void check_was_shown(const il_stream *s, const char *name)
{
	char text[64];

	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(SSL_get0_peer_certificate(il_tls_native(s))), NID_commonName,
	    text, sizeof text);
	CHECK_STR(text, name);
}

static void check_shows(il_tls *client, il_tls *server, const char *name)
{
	struct shake k;

	shake_begin(&k, PAIR, client, server);
	check_was_shown(k.over[0], name);
	shake_drop(&k);
}

IL_TEST_REAL(Q, n322_a_new_pair_is_shown_from_then_on_and_a_bad_one_never)
{
	struct file c = file_with(certificate_of(SERVER)), key = file_with(key_of(SERVER));
	il_tls *client = client_of(CA);
	il_tls *server =
	    context_of(&(il_tls_options){.certificate_file = c.path, .key_file = key.path});
	struct shake open, under_way;
	struct ends e = ends_of(PAIR);

	shake_begin(&open, PAIR, client, server);
	under_way = (struct shake){.under = {e.a, e.b}, .tls = {client, server}};
	side_start(&under_way.server, shake_accept, &under_way);
	write_file(&c, certificate_of(RENEWED));
	CHECK_RC(il_tls_reload(server), -EINVAL);
	CHECK_DETAIL(key.path);
	check_shows(client, server, "server");
	write_file(&key, key_of(RENEWED));
	CHECK_RC(il_tls_reload(server), 0);
	check_shows(client, server, "renewed");
	shake_note(&under_way, 0, il_tls_connect(&under_way.over[0], e.a, client, "localhost"));
	CHECK_RC(under_way.rc[0], 0);
	CHECK_RC(side_join(&under_way.server), 0);
	check_was_shown(under_way.over[0], "server");
	say(open.over[0], "still here");
	check_hears(open.over[1], "still here");
	shake_drop(&open);
	shake_drop(&under_way);
	il_tls_unref(client);
	il_tls_unref(server);
	file_drop(&c);
	file_drop(&key);
}

struct reloads {
	il_tls *tls[2];
	atomic_bool stop;
};

static int reload_until_stopped(void *arg)
{
	struct reloads *r = arg;
	int rc = 0;

	while (rc == 0 && !atomic_load(&r->stop)) {
		rc = il_tls_reload(r->tls[0]);
		if (rc == 0)
			rc = il_tls_reload(r->tls[1]);
	}
	return rc;
}

IL_TEST_REAL(Q, n322_another_thread_may_reload_while_handshakes_run)
{
	struct file ca = file_with(certificate_of(CA));
	il_tls_options o = {.ca_file = ca.path};
	struct reloads r = {.tls = {context_of(&o), server_of(SERVER)}};
	struct il_test_thread thread;

	il_test_thread_start(&thread, reload_until_stopped, &r);
	for (size_t i = 0; i < il_test_rounds(40); i++) {
		struct shake k;
		shake_begin(&k, PAIR, r.tls[0], r.tls[1]);
		say(k.over[1], "hello");
		check_hears(k.over[0], "hello");
		shake_drop(&k);
	}
	atomic_store(&r.stop, true);
	CHECK_RC(il_test_thread_join(&thread), 0);
	il_tls_unref(r.tls[0]);
	il_tls_unref(r.tls[1]);
	file_drop(&ca);
}

/* ---- sessions ---- */

static bool resumes(il_tls *client, il_tls *server, const char *host)
{
	struct shake k;
	bool resumed;

	shake_try(&k, PAIR, client, server, host);
	CHECK_RC(k.rc[0], 0);
	say(k.over[1], "hello"); /* behind the tickets of TLS 1.3 */
	check_hears(k.over[0], "hello");
	resumed = information(k.over[0]).resumed;
	CHECK_EQ(information(k.over[1]).resumed, resumed);
	if (client)
		CHECK((information(k.over[0]).peer_name == NULL) == (host == NULL));
	shake_drop(&k);
	return resumed;
}

IL_TEST_REAL(Q, n322_a_second_handshake_is_a_short_one_until_a_reload)
{
	for (int version = 0; version < 2; version++) {
		struct file ca = file_with(certificate_of(CA));
		il_tls *server = server_of(SERVER), *client;
		il_tls_options o = {.ca_file = ca.path, .configure = version ? at_most_12 : NULL};

		client = context_of(&o);
		CHECK(!resumes(client, server, "localhost"));
		CHECK(resumes(client, server, "localhost"));
		CHECK(resumes(client, server, "localhost"));
		CHECK(!resumes(client, server, "127.0.0.1"));
		CHECK(resumes(client, server, "127.0.0.1"));
		CHECK(resumes(client, server, "localhost"));
		CHECK_RC(il_tls_reload(server), 0);
		CHECK(!resumes(client, server, "localhost"));
		CHECK(resumes(client, server, "localhost"));
		CHECK_RC(il_tls_reload(client), 0);
		CHECK(!resumes(client, server, "localhost"));
		CHECK(resumes(client, server, "localhost"));
		il_tls_unref(client);
		il_tls_unref(server);
		file_drop(&ca);
	}
}

/* Tickets of TLS 1.3 come with what is read first: of a connection whose files are no longer good, too. */
IL_TEST_REAL(Q, n322_a_ticket_that_comes_after_a_reload_is_not_used)
{
	struct file ca = file_with(certificate_of(CA));
	il_tls_options o = {.ca_file = ca.path};
	il_tls *server = server_of(SERVER), *client = context_of(&o);
	struct shake k;

	shake_begin(&k, PAIR, client, server);
	CHECK_RC(il_tls_reload(client), 0);
	say(k.over[1], "hello");
	check_hears(k.over[0], "hello");
	shake_drop(&k);
	CHECK(!resumes(client, server, "localhost"));
	CHECK(resumes(client, server, "localhost"));
	il_tls_unref(client);
	il_tls_unref(server);
	file_drop(&ca);
}

IL_TEST_REAL(Q, n322_no_session_of_an_unverified_host_is_kept)
{
	il_tls *client = context_of(&(il_tls_options){.verify = IL_TLS_VERIFY_NONE});
	il_tls *server = server_of(SERVER);

	CHECK(!resumes(client, server, NULL));
	CHECK(!resumes(client, server, NULL));
	il_tls_unref(client);
	il_tls_unref(server);
}

IL_TEST_REAL(Q, n305_a_resumed_client_is_still_known_by_name)
{
	il_tls_options o = serving(SERVER);
	il_tls *client = trusting(CA, serving(CLIENT)), *server;
	struct shake k;

	o.verify = IL_TLS_VERIFY_REQUIRED;
	server = trusting(CA, o);
	CHECK(!resumes(client, server, "localhost"));
	shake_begin(&k, PAIR, client, server);
	CHECK(information(k.over[1]).resumed);
	CHECK_STR(information(k.over[1]).peer_name, "alice");
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
}

/* ---- 324: the program's own errors ---- */

IL_TEST_REAL(Q, n324_an_old_error_of_the_programs_own_is_not_taken_for_a_new_one)
{
	struct secure s;
	struct side reader;

	secure_open(&s, PAIR);
	ERR_raise(ERR_LIB_USER, 1);
	side_start(&reader, side_read, s.client);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!reader.ended);
	ERR_raise(ERR_LIB_USER, 1);
	say(s.server, "hello");
	ERR_raise(ERR_LIB_USER, 1);
	CHECK_RC(side_join(&reader), 5);
	CHECK_STR(reader.text, "hello");
	ERR_raise(ERR_LIB_USER, 1);
	CHECK_RC(il_stream_close(s.client), 0);
	ERR_raise(ERR_LIB_USER, 1);
	CHECK_RC(il_stream_read(s.server, reader.text, 1), 0);
	ERR_clear_error();
	secure_drop(&s);
}

/* ---- 325: nothing of ours is left there ---- */

IL_TEST_REAL(Q, n325_a_failure_leaves_no_error_in_the_threads_queue)
{
	static const char garbage[] = "\x17\x03\x03\x00\x05wrong";
	const struct iovec piece = {(void *)(uintptr_t)garbage, sizeof garbage - 1};
	il_tls *client = client_of(OTHER_CA), *server = server_of(SERVER);
	struct secure s;
	struct shake k;
	char byte;

	shake_try(&k, TCP, client, server, "localhost");
	CHECK_RC(k.rc[0], -EACCES);
	CHECK_RC(k.rc[1], -EPROTO);
	CHECK(ERR_peek_error() == 0);
	shake_drop(&k);
	secure_open(&s, TCP);
	CHECK_RC(il_stream_write_now(s.shake.under[1], &piece, 1), (int)sizeof garbage - 1);
	CHECK_RC(il_stream_read(s.client, &byte, 1), -EPROTO);
	CHECK(ERR_peek_error() == 0);
	CHECK_RC(il_stream_close(s.client), 0);
	CHECK(il_stream_read(s.server, &byte, 1) < 0);
	CHECK(ERR_peek_error() == 0);
	secure_drop(&s);
	CHECK(ERR_peek_error() == 0);
	il_tls_unref(client);
	il_tls_unref(server);
}
