/*
 * q_tls_shown.c: which of several certificates a server shows, and what both ends of a connection can derive from it.
 */
#include "q_tls.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

/* ---- 300: a CA below another ---- */

/* Its certificate, and that of its CA where it is told to show both. */
static il_tls_options shown_with(enum identity who, enum identity ca, char text[8192])
{
	snprintf(text, 8192, "%s%s", certificate_of(who),
		 ca < IDENTITIES ? certificate_of(ca) : "");
	return (il_tls_options){.certificate = text, .key = key_of(who)};
}

/* Both sides have a certificate of MIDDLE_CA; with what result each verifies the other's. */
static void check_branch(enum identity shown, enum identity trusted, int client, int server)
{
	char texts[2][8192];
	il_tls_options o = shown_with(BRANCH, shown, texts[0]);
	il_tls *ours = trusting(trusted, o), *theirs;
	struct shake k;

	o = shown_with(BRANCH, shown, texts[1]);
	o.verify = IL_TLS_VERIFY_REQUIRED;
	theirs = trusting(trusted, o);
	shake_try(&k, PAIR, ours, theirs, "localhost");
	CHECK_RC(k.rc[0], client);
	CHECK_RC(k.rc[1], server);
	if (server == 0)
		CHECK_STR(information(k.over[1]).peer_name, "branch");
	shake_drop(&k);
	il_tls_unref(ours);
	il_tls_unref(theirs);
}

IL_TEST_REAL(Q, n300_the_cas_between_a_certificate_and_the_root_are_shown_with_it)
{
	check_branch(MIDDLE_CA, CA, 0, 0);
	check_branch(IDENTITIES, CA, -EACCES, -EPROTO);
	check_branch(OTHER_CA, CA, -EACCES, -EPROTO);
}

IL_TEST_REAL(Q, n300_a_ca_below_another_is_trusted_without_that_one)
{
	il_tls *client = client_of(MIDDLE_CA), *server = server_of(MIDDLE_CA);
	struct shake k;

	check_branch(MIDDLE_CA, MIDDLE_CA, 0, 0);
	check_branch(IDENTITIES, MIDDLE_CA, 0, 0);
	shake_try(&k, PAIR, client, server, "localhost"); /* it is nobody's at the other end */
	CHECK_RC(k.rc[0], -EACCES);
	CHECK(strstr(k.why[0], "purpose of a server") != NULL);
	shake_drop(&k);
	il_tls_unref(client);
	il_tls_unref(server);
}

/* ---- 302: more certificates than one ---- */

/* Which of a server's two certificates is shown to a client that asks for this name. */
static void check_shown(il_tls *server, const char *host, enum identity who)
{
	il_tls *any = context_of(&(il_tls_options){.verify = IL_TLS_VERIFY_NONE});
	BIO *text = BIO_new_mem_buf(certificate_of(who), -1);
	X509 *expected = PEM_read_bio_X509(text, NULL, NULL, NULL);
	struct shake k;

	shake_try(&k, PAIR, any, server, host);
	CHECK_RC(k.rc[0], 0);
	CHECK(X509_cmp(SSL_get0_peer_certificate(il_tls_native(k.over[0])), expected) == 0);
	shake_drop(&k);
	X509_free(expected);
	BIO_free(text);
	il_tls_unref(any);
}

IL_TEST_REAL(Q, n302_without_a_known_name_the_first_certificate_is_shown)
{
	const il_tls_certificate more[] = {
	    {.certificate = certificate_of(ELSEWHERE), .key = key_of(ELSEWHERE)}};
	il_tls_options o = serving(SERVER);
	il_tls *server;

	o.certificates = more;
	o.certificate_count = 1;
	server = context_of(&o);
	check_shown(server, "elsewhere.test", ELSEWHERE);
	check_shown(server, "ELSEWHERE.test.", ELSEWHERE);
	check_shown(server, "localhost", SERVER);
	check_shown(server, "unknown.test", SERVER);
	check_shown(server, "127.0.0.1", SERVER);
	check_shown(server, NULL, SERVER);
	il_tls_unref(server);
}

/* OpenSSL keeps one certificate for each kind of key, and would choose by what the client prefers. */
IL_TEST_REAL(Q, n302_a_certificate_with_a_key_of_another_kind_is_shown_for_its_name_only)
{
	for (int first = 0; first < 2; first++) {
		const enum identity by_default = first ? OTHER_KIND : SERVER,
				    named = first ? SERVER : OTHER_KIND;
		const il_tls_certificate more[] = {
		    {.certificate = certificate_of(named), .key = key_of(named)}};
		il_tls_options o = serving(by_default);
		il_tls *server;

		o.certificates = more;
		o.certificate_count = 1;
		server = context_of(&o);
		check_shown(server, first ? "localhost" : "kind.test", named);
		check_shown(server, "unknown.test", by_default);
		check_shown(server, NULL, by_default);
		il_tls_unref(server);
	}
}

IL_TEST_REAL(Q, n302_a_reload_reads_the_other_certificates_too)
{
	struct file c = file_with(certificate_of(ELSEWHERE)), key = file_with(key_of(ELSEWHERE));
	const il_tls_certificate more[] = {{.certificate_file = c.path, .key_file = key.path}};
	il_tls_options o = serving(SERVER);
	il_tls *server;

	o.certificates = more;
	o.certificate_count = 1;
	server = context_of(&o);
	check_shown(server, "elsewhere.test", ELSEWHERE);
	unlink(c.path);
	CHECK_RC(il_tls_reload(server), -ENOENT);
	CHECK_DETAIL(c.path);
	check_shown(server, "elsewhere.test", ELSEWHERE);
	file_drop(&key);
	il_tls_unref(server);
}

/* ---- 306: what both ends can derive ---- */

IL_TEST_REAL(Q, n306_both_ends_export_the_same_keys)
{
	for (int version = 0; version < 2; version++) {
		const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT},
				     old = {.configure = at_most_12};
		static const char label[] = "EXPORTER-of-the-test";
		unsigned char keys[2][32];
		struct secure s;

		secure_open_with(&s, TCP, version ? old : defaults, defaults);
		for (int i = 0; i < 2; i++)
			CHECK(SSL_export_keying_material(il_tls_native(i ? s.server : s.client),
							 keys[i], sizeof keys[i], label,
							 sizeof label - 1, NULL, 0, 0) == 1);
		CHECK(memcmp(keys[0], keys[1], sizeof keys[0]) == 0);
		secure_drop(&s);
	}
}
