/*
 * q_tls_handshake.c: the handshake: who is let in and what both ends know afterwards; and every way
 * in which it fails, each with its code and the reason in words, at once and within its time.
 */
#include "q_tls.h"

#define EACH_KIND(kind) for (int kind = 0; kind < KINDS; kind++)

/* ---- 299: the good case ---- */

IL_TEST_REAL(Q, n299_bytes_travel_both_ways_and_both_ends_know_the_version)
{
	EACH_KIND(kind)
	{
		struct secure s;

		secure_open(&s, kind);
		say(s.client, "hello");
		check_hears(s.server, "hello");
		say(s.server, "and back");
		check_hears(s.client, "and back");
		CHECK_STR(information(s.client).version, "TLSv1.3");
		CHECK_STR(information(s.server).version, "TLSv1.3");
		CHECK_STR(information(s.client).cipher, information(s.server).cipher);
		CHECK(il_tls_native(s.client) != NULL);
		secure_drop(&s);
	}
}

/* ---- 300: certificates that are refused ---- */

static void check_refused(enum identity who, const char *reason)
{
	il_tls *client = client_of(CA), *server = server_of(who);
	struct shake k;

	shake_try(&k, TCP, client, server, "localhost");
	CHECK_RC(k.rc[0], -EACCES);
	CHECK(strstr(k.why[0], reason) != NULL);
	CHECK(strstr(k.why[0], "localhost (127.0.0.1:") != NULL);
	CHECK_RC(k.rc[1], -EPROTO);
	CHECK(strstr(k.why[1], "alert") != NULL);
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
}

IL_TEST_REAL(Q, n300_a_bad_certificate_is_refused_and_the_detail_says_why)
{
	check_refused(STRANGER, "another CA");
	check_refused(ELSEWHERE, "another host");
	check_refused(EXPIRED, "has expired");
	check_refused(EARLY, "not valid yet");
	check_refused(CA, "purpose of a server");
	check_refused(MIDDLE_CA, "purpose of a server");
	check_refused(CLIENT, "purpose of a server");
}

IL_TEST_REAL(Q, n300_without_verification_anybody_may_be_there)
{
	il_tls *server = server_of(STRANGER);
	il_tls *client = context_of(&(il_tls_options){.verify = IL_TLS_VERIFY_NONE});
	struct shake k;

	shake_begin(&k, TCP, client, server);
	CHECK(information(k.over[0]).peer_name == NULL);
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
}

/* ---- 301: the name ---- */

/* What the server is asked for; "-": the handshake is refused. */
static void check_name(const char *host, const char *asked)
{
	il_tls *client = client_of(CA), *server = server_of(SERVER);
	struct shake k;

	shake_try(&k, TCP, client, server, host);
	if (asked && *asked == '-') {
		CHECK_RC(k.rc[0], -EACCES);
	} else {
		CHECK_RC(k.rc[0], 0);
		CHECK_RC(k.rc[1], 0);
		CHECK((information(k.over[1]).sni == NULL) == (asked == NULL));
		if (asked) {
			CHECK_STR(information(k.over[1]).sni, asked);
			CHECK_STR(information(k.over[0]).sni, asked);
		}
	}
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
}

IL_TEST_REAL(Q, n301_the_name_is_verified_and_sent_without_its_dot_and_a_number_is_not_sent)
{
	check_name("localhost", "localhost");
	check_name("localhost.", "localhost");
	check_name("127.0.0.1", NULL);
	check_name("::1", NULL);
	check_name("127.0.0.2", "-");
	check_name("other.localhost", "-");
}

IL_TEST_REAL(Q, n301_without_a_name_there_is_nothing_to_verify)
{
	il_tls *client = client_of(CA);
	il_tls *any = context_of(&(il_tls_options){.verify = IL_TLS_VERIFY_NONE});
	il_tls *server = server_of(SERVER);
	struct ends e = ends_of(PAIR);
	il_stream *s = e.a;
	struct shake k;

	CHECK_RC(il_tls_connect(&s, e.a, client, NULL), -EINVAL);
	CHECK_DETAIL("host");
	CHECK(s == NULL);
	drop(&e);
	shake_try(&k, PAIR, any, server, NULL);
	CHECK_RC(k.rc[0], 0);
	CHECK(information(k.over[1]).sni == NULL);
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(any);
	il_tls_unref(server);
}

/* OpenSSL would verify no name at all, or take one that begins with a dot for all that end so. */
IL_TEST_REAL(Q, n301_what_is_no_name_is_refused)
{
	static const char *const hosts[] = {"", ".", ".localhost", "..", NULL /* a long one */};
	il_tls *clients[] = {client_of(CA),
			     context_of(&(il_tls_options){.verify = IL_TLS_VERIFY_NONE})};
	char many[300];

	memset(many, 'a', sizeof many - 1);
	many[sizeof many - 1] = 0;
	for (size_t i = 0; i < 2 * (sizeof hosts / sizeof hosts[0]); i++) {
		const char *host = hosts[i / 2] ? hosts[i / 2] : many;
		struct ends e = ends_of(PAIR);
		il_stream *s = e.a;

		CHECK_RC(il_tls_connect(&s, e.a, clients[i % 2], host), -EINVAL);
		CHECK_DETAIL("no name");
		CHECK(s == NULL);
		CHECK_RC(il_stream_read(e.b, many, 1), 0); /* nothing was sent */
		many[0] = 'a';
		drop(&e);
	}
	il_tls_unref(clients[0]);
	il_tls_unref(clients[1]);
}

IL_TEST_REAL(Q, n301_the_certificate_of_the_name_asked_for_is_shown)
{
	const il_tls_certificate more[] = {
	    {.certificate = certificate_of(ELSEWHERE), .key = key_of(ELSEWHERE)}};
	il_tls_options o = serving(SERVER);
	il_tls *client = client_of(CA), *server;
	static const char *const hosts[] = {"localhost", "elsewhere.test"};

	o.certificates = more;
	o.certificate_count = 1;
	server = context_of(&o);
	for (size_t i = 0; i < 2; i++) {
		struct shake k;
		shake_try(&k, PAIR, client, server, hosts[i]);
		CHECK_RC(k.rc[0], 0);
		CHECK_STR(information(k.over[0]).peer_name, hosts[i]);
		shake_drop(&k);
	}
	il_tls_unref(client);
	il_tls_unref(server);
}

/* ---- 303: ALPN ---- */

/* `expected` at both ends; "-": the handshake fails at both. */
static void check_alpn(const char *const *theirs, const char *const *ours, const char *expected)
{
	il_tls_options o = serving(SERVER);
	il_tls *client = trusting(CA, (il_tls_options){.alpn = ours}), *server;
	struct shake k;

	o.alpn = theirs;
	server = context_of(&o);
	shake_try(&k, PAIR, client, server, "localhost");
	if (expected && *expected == '-') {
		CHECK_RC(k.rc[0], -EPROTO);
		CHECK_RC(k.rc[1], -EPROTO);
	} else {
		for (int i = 0; i < 2; i++) {
			CHECK_RC(k.rc[i], 0);
			CHECK((information(k.over[i]).alpn == NULL) == (expected == NULL));
			if (expected)
				CHECK_STR(information(k.over[i]).alpn, expected);
		}
	}
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
}

IL_TEST_REAL(Q, n303_the_servers_order_decides_and_none_in_common_fails_at_both_ends)
{
	static const char *const one_two[] = {"dummy1", "dummy2", NULL},
				 *const two_three[] = {"dummy2", "dummy3", NULL},
				 *const two_one[] = {"dummy2", "dummy1", NULL},
				 *const four[] = {"dummy4", NULL}, *const none[] = {NULL};

	check_alpn(one_two, two_three, "dummy2");
	check_alpn(one_two, two_one, "dummy1");
	check_alpn(two_one, one_two, "dummy2");
	check_alpn(one_two, NULL, NULL);
	check_alpn(NULL, one_two, NULL);
	check_alpn(none, one_two, NULL);
	check_alpn(one_two, four, "-");
}

/* ---- 304: what is known ---- */

IL_TEST_REAL(Q, n304_a_plain_stream_has_no_information)
{
	struct ends e = ends_of(TCP);
	il_tls_info info;
	struct secure s;

	CHECK_RC(il_tls_information(e.a, &info), -ENOTSUP);
	CHECK(il_tls_native(e.a) == NULL);
	CHECK_RC(il_tls_information(NULL, &info), -EINVAL);
	drop(&e);
	secure_open(&s, TCP);
	CHECK_RC(il_tls_information(s.client, NULL), -EINVAL);
	CHECK(information(s.client).alpn == NULL);
	CHECK_STR(information(s.client).peer_name, "localhost");
	CHECK(information(s.server).peer_name == NULL);
	CHECK(!information(s.client).resumed);
	CHECK_RC(il_stream_close(s.client), 0);
	CHECK_RC(il_tls_information(s.client, &info), -EBADF);
	CHECK(il_tls_native(s.client) == NULL);
	secure_drop(&s);
}

/* ---- 305: the client's certificate ---- */

static il_tls *strict_server(int (*configure)(void *ctx, void *arg), enum il_tls_verify verify)
{
	il_tls_options o = serving(SERVER);

	o.verify = verify;
	o.configure = configure;
	return trusting(CA, o);
}

static void check_client(enum identity who, enum il_tls_verify verify,
			 int (*configure)(void *ctx, void *arg), const char *name, int expected)
{
	il_tls_options o = {.verify = IL_TLS_VERIFY_DEFAULT};
	il_tls *client, *server = strict_server(configure, verify);
	struct shake k;
	char byte;

	if (who < IDENTITIES)
		o = serving(who);
	client = trusting(CA, o);
	shake_try(&k, TCP, client, server, "localhost");
	CHECK_RC(k.rc[1], expected);
	if (expected == 0) {
		CHECK_RC(k.rc[0], 0);
		CHECK((information(k.over[1]).peer_name == NULL) == (name == NULL));
		if (name)
			CHECK_STR(information(k.over[1]).peer_name, name);
	} else if (configure) { /* TLS 1.2 */
		CHECK_RC(k.rc[0], -EPROTO);
	} else { /* it hears of it by its first read */
		CHECK_RC(k.rc[0], 0);
		CHECK_RC(il_stream_read(k.over[0], &byte, 1), -EPROTO);
		CHECK_DETAIL("alert");
	}
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
}

IL_TEST_REAL(Q, n305_a_server_may_demand_a_certificate_and_the_client_hears_of_a_refusal)
{
	for (int version = 0; version < 2; version++) {
		int (*configure)(void *, void *) = version ? at_most_12 : NULL;

		check_client(CLIENT, IL_TLS_VERIFY_REQUIRED, configure, "alice", 0);
		check_client(IDENTITIES, IL_TLS_VERIFY_REQUIRED, configure, NULL, -EACCES);
		check_client(STRANGER, IL_TLS_VERIFY_REQUIRED, configure, NULL, -EACCES);
		check_client(SERVER, IL_TLS_VERIFY_REQUIRED, configure, NULL, -EACCES);
		check_client(IDENTITIES, IL_TLS_VERIFY_OPTIONAL, configure, NULL, 0);
		check_client(CLIENT, IL_TLS_VERIFY_OPTIONAL, configure, "alice", 0);
		check_client(STRANGER, IL_TLS_VERIFY_OPTIONAL, configure, NULL, -EACCES);
		check_client(CLIENT, IL_TLS_VERIFY_DEFAULT, configure, NULL, 0);
	}
}

IL_TEST_REAL(Q, n305_a_server_that_verifies_needs_its_own_cas_and_a_client_has_no_option)
{
	il_tls_options o = serving(SERVER);
	il_tls *tls = NULL;
	struct ends e = ends_of(PAIR);
	il_stream *s;

	o.verify = IL_TLS_VERIFY_OPTIONAL;
	CHECK_RC(il_tls_create(&tls, &o), -EINVAL);
	o.verify = IL_TLS_VERIFY_REQUIRED; /* good for a client */
	tls = context_of(&o);
	CHECK_RC(il_tls_accept(&s, e.a, tls), -EINVAL);
	CHECK_DETAIL("ca_file");
	il_tls_unref(tls);
	o.verify = IL_TLS_VERIFY_OPTIONAL;
	tls = trusting(CA, o);
	CHECK_RC(il_tls_connect(&s, e.b, tls, "localhost"), -EINVAL);
	CHECK_DETAIL("OPTIONAL");
	il_tls_unref(tls);
	drop(&e);
	e = ends_of(PAIR);
	tls = client_of(CA);
	CHECK_RC(il_tls_accept(&s, e.a, tls), -EINVAL);
	CHECK_DETAIL("certificate");
	il_tls_unref(tls);
	drop(&e);
}

/* ---- 307: nothing in common ---- */

static int at_most_11(void *ctx, void *arg)
{
	(void)arg;
	SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	return SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION) ? 0 : -EINVAL;
}

static int only_chacha(void *ctx, void *arg)
{
	return SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-CHACHA20-POLY1305") ? at_most_12(ctx, arg)
									     : -EINVAL;
}

static int only_aes(void *ctx, void *arg)
{
	return SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256") ? at_most_12(ctx, arg)
									     : -EINVAL;
}

static void check_nothing_in_common(il_tls_options client, il_tls_options server)
{
	il_tls *ours = trusting(CA, client), *theirs;
	struct shake k;

	server.certificate = certificate_of(SERVER);
	server.key = key_of(SERVER);
	theirs = context_of(&server);
	shake_try(&k, TCP, ours, theirs, "localhost");
	CHECK_RC(k.rc[0], -EPROTO);
	CHECK_RC(k.rc[1], -EPROTO);
	CHECK(strstr(k.why[0], "alert") || strstr(k.why[1], "alert"));
	shake_drop(&k);
	il_tls_unref(ours);
	il_tls_unref(theirs);
}

IL_TEST_REAL(Q, n307_no_version_and_no_cipher_in_common_fail_at_both_ends_by_an_alert)
{
	const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT},
			     new = {.min_version = "1.3"}, old = {.configure = at_most_12},
			     older = {.configure = at_most_11}, aes = {.configure = only_aes},
			     chacha = {.configure = only_chacha};

	check_nothing_in_common(old, new);
	check_nothing_in_common(new, old);
	check_nothing_in_common(older, defaults);
	check_nothing_in_common(defaults, older);
	check_nothing_in_common(aes, chacha);
}

IL_TEST_REAL(Q, n307_both_versions_are_spoken)
{
	const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT},
			     old = {.configure = at_most_12};
	struct secure s;

	secure_open_with(&s, TCP, old, defaults);
	CHECK_STR(information(s.server).version, "TLSv1.2");
	secure_drop(&s);
}

/* ---- 308: what is no TLS ---- */

static void check_garbage(const void *bytes, size_t size)
{
	il_tls *tls = server_of(SERVER);
	struct ends e = ends_of(TCP);
	unsigned char answer[64];
	il_stream *s;
	int n;

	CHECK_RC(il_stream_write_all(e.a, bytes, size), 0);
	CHECK_RC(il_tls_accept(&s, e.b, tls), -EPROTO);
	n = il_stream_read(e.a, answer, sizeof answer);
	CHECK_EQ(n, 7); /* an alert, and a fatal one */
	CHECK_EQ(answer[0], SSL3_RT_ALERT);
	CHECK_EQ(answer[5], SSL3_AL_FATAL);
	CHECK_RC(il_stream_read(e.a, answer, sizeof answer), 0);
	drop(&e);
	il_tls_unref(tls);
}

IL_TEST_REAL(Q, n308_what_is_no_tls_gets_an_alert_and_a_code)
{
	static const char random[] = "\x8f\x02\xd1\x33\x71\x90\x5a\x11\xee\x04\x77\x3c\x9b\x2e\x60";

	check_garbage("GET / HTTP/1.0\r\n\r\n", 18);
	check_garbage(random, sizeof random - 1);
}

/* ---- 309: too slow ---- */

struct drip {
	il_stream *to;
	bool stop;
};

static int drip_main(void *arg)
{
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	struct side *s = arg;
	struct drip *d = s->object;

	for (size_t i = 0; !d->stop; i++) {
		int rc = il_stream_write_all(d->to, i < sizeof hello - 1 ? hello + i : "", 1);
		if (rc < 0)
			return rc;
		il_sleep(IL_MSEC(5));
	}
	return 0;
}

static void check_too_slow(bool drips)
{
	il_tls_options o = serving(SERVER);
	struct ends e = ends_of(TCP);
	struct drip d = {.to = e.a, .stop = !drips};
	struct side side;
	il_tls *tls;
	il_stream *s;
	il_time begin;

	o.handshake_timeout = IL_MSEC(40);
	tls = context_of(&o);
	side_start(&side, drip_main, &d);
	begin = il_now();
	CHECK_RC(il_tls_accept(&s, e.b, tls), -ETIMEDOUT);
	CHECK(il_now() - begin >= IL_MSEC(40));
	CHECK_DETAIL("40 ms");
	CHECK_RC(il_stream_fd(e.b), -EBADF);
	d.stop = true;
	side_join(&side);
	drop(&e);
	il_tls_unref(tls);
}

IL_TEST_REAL(Q, n309_without_a_limit_a_handshake_waits_until_it_is_cancelled)
{
	il_tls_options o = serving(SERVER);
	il_scope scope = IL_SCOPE_INIT;
	struct ends e = ends_of(TCP);
	il_tls *tls;
	il_stream *s;
	int rc;

	o.handshake_timeout = IL_FOREVER;
	tls = context_of(&o);
	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(20)), 0), 0);
	rc = il_tls_accept(&s, e.b, tls);
	CHECK_RC(rc, -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, rc), 0);
	drop(&e);
	il_tls_unref(tls);
}

IL_TEST_REAL(Q, n309_the_whole_handshake_has_one_time)
{
	il_tls *tls;

	check_too_slow(false);
	check_too_slow(true);
	CHECK_RC(il_tls_create(&tls, &(il_tls_options){.handshake_timeout = -1}), -EINVAL);
	CHECK(tls == NULL);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
}

/* ---- 310: the peer goes ---- */

static void check_lost(int kind, bool by_reset, const char *first, int expected)
{
	struct ends e = ends_of(kind);
	struct shake k = {.under = {e.a, e.b}, .tls = {client_of(CA)}};
	struct side side;
	char hello[2048];
	il_stream *s;

	side_start(&side, shake_connect, &k);
	CHECK(il_stream_read(e.b, hello, sizeof hello) > 0);
	if (*first)
		say(e.b, first);
	if (by_reset)
		make_rst(il_stream_fd(e.b));
	il_stream_destroy(e.b);
	CHECK_RC(side_join(&side), expected);
	CHECK(k.over[0] == NULL);
	CHECK_RC(il_tls_connect(&s, e.a, k.tls[0], "localhost"), -EPIPE);
	il_stream_destroy(e.a);
	il_tls_unref(k.tls[0]);
}

IL_TEST_REAL(Q, n310_a_peer_that_goes_inside_the_handshake_ends_it)
{
	EACH_KIND(kind)
	{
		check_lost(kind, false, "", -EPIPE);
		check_lost(kind, false, "\x16\x03\x03", -EPIPE);
	}
	check_lost(TCP, true, "", -ECONNRESET);
}

IL_TEST_REAL(Q, n310_a_peer_that_is_gone_before_it_cannot_be_sent_to)
{
	EACH_KIND(kind)
	{
		il_tls *tls = client_of(CA);
		struct ends e = ends_of(kind);
		il_stream *s;
		int rc;

		il_stream_destroy(e.b);
		rc = il_tls_connect(&s, e.a, tls, "localhost");
		CHECK(rc == -EPIPE || rc == -ECONNRESET);
		il_stream_destroy(e.a);
		il_tls_unref(tls);
	}
}

/* ---- 311: who has the stream below ---- */

IL_TEST_REAL(Q, n311_a_cancelled_handshake_leaves_a_closed_stream)
{
	struct ends e = ends_of(PAIR);
	struct shake k = {.under = {e.a, e.b}, .tls = {client_of(CA)}};
	struct side side;
	char hello[2048];

	k.over[0] = e.a;
	side_start(&side, shake_connect, &k);
	CHECK(il_stream_read(e.b, hello, sizeof hello) > 0);
	CHECK_RC(il_scope_cancel(&side.scope), 0);
	CHECK_RC(side_join(&side), -ECANCELED);
	CHECK(k.over[0] == NULL);
	CHECK_RC(il_stream_fd(e.a), -EBADF);
	CHECK_RC(il_stream_read(e.b, hello, 1), 0);
	drop(&e);
	il_tls_unref(k.tls[0]);
}

IL_TEST_REAL(Q, n311_closing_the_stream_below_ends_the_handshake)
{
	struct ends e = ends_of(PAIR);
	struct shake k = {.under = {e.a, e.b}, .tls = {client_of(CA)}};
	struct side side;

	side_start(&side, shake_connect, &k);
	CHECK_RC(il_stream_close(e.a), 0);
	CHECK_RC(side_join(&side), -EPIPE);
	drop(&e);
	il_tls_unref(k.tls[0]);
}

IL_TEST_REAL(Q, n311_missing_arguments_are_refused)
{
	il_tls *tls = client_of(CA);
	struct ends e = ends_of(PAIR);
	il_stream *s;

	CHECK_RC(il_tls_connect(NULL, e.a, tls, "localhost"), -EINVAL);
	CHECK_RC(il_tls_connect(&s, NULL, tls, "localhost"), -EINVAL);
	CHECK_RC(il_tls_connect(&s, e.a, NULL, "localhost"), -EINVAL);
	CHECK_RC(il_stream_fd(e.a), -EBADF);
	CHECK_RC(il_tls_create(NULL, NULL), -EINVAL);
	CHECK_RC(il_tls_reload(NULL), -EINVAL);
	CHECK(il_tls_layer(NULL) == NULL && il_tls_ref(NULL) == NULL);
	il_tls_unref(NULL);
	drop(&e);
	il_tls_unref(tls);
}
