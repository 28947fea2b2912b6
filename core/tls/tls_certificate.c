/*
 * tls_certificate.c: certificates with their keys, read from files or memory, and which one a
 * client is shown. Every refusal names the file and the reason. Nobody is ever asked for a password
 * on a terminal. Any thread.
 */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, CHAIN_MAX = 100 };

/* ---- where it comes from ---- */

/* A file, or a text in memory: a BIO of its bytes. */
static int source_open(BIO **bio, const char *name, const char *text)
{
	char *bytes;
	size_t size;
	FILE *file;

	*bio = BIO_new(BIO_s_mem());
	if (!*bio)
		return il_fail(-ENOMEM, "%s: no memory", name);
	if (text)
		return BIO_puts(*bio, text) >= 0 ? 0 : il__tls_refuse(-ENOMEM, name);
	file = fopen(name, "re");
	if (!file)
		return il_fail(-errno, "%s: %s", name, strerror(errno));
	bytes = OPENSSL_malloc(FILE_MAX);
	errno = bytes ? 0 : ENOMEM;
	size = bytes ? fread(bytes, 1, FILE_MAX, file) : 0;
	if (errno == 0 && (size == FILE_MAX || BIO_write(*bio, bytes, (int)size) < (int)size))
		errno = size == FILE_MAX ? EFBIG : ENOMEM;
	OPENSSL_clear_free(bytes, FILE_MAX);
	size = (size_t)errno;
	fclose(file);
	return size ? il_fail(-(int)size, "%s: %s", name, strerror((int)size)) : 0;
}

/* ---- certificates ---- */

static int no_password(char *text, int size, int writing, void *arg)
{
	(void)text, (void)size, (void)writing, (void)arg;
	return -1;
}

static bool at_end(void)
{
	unsigned long error = ERR_peek_last_error();

	return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static int pair_read_chain(struct il__tls_pair *pair, BIO *bio, const char *name)
{
	pair->chain = sk_X509_new_null();
	if (!pair->chain)
		return il__tls_refuse(-ENOMEM, name);
	for (;;) {
		X509 *x = PEM_read_bio_X509(bio, NULL, no_password, NULL);
		if (!x)
			break;
		if (sk_X509_num(pair->chain) >= CHAIN_MAX || !sk_X509_push(pair->chain, x)) {
			X509_free(x);
			return il_fail(-EINVAL, "%s: there are more than %d certificates in it",
				       name, CHAIN_MAX);
		}
	}
	if (!at_end())
		return il__tls_refuse(-EINVAL, name);
	ERR_clear_error();
	return 0;
}

static int pair_read_certificate(struct il__tls_pair *pair, const char *name, const char *text)
{
	BIO *bio;
	int rc = source_open(&bio, name, text);

	if (rc == 0) {
		pair->certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
		if (pair->certificate)
			rc = pair_read_chain(pair, bio, name);
		else
			rc = at_end()
				 ? il_fail(-EINVAL, "%s: there is no PEM certificate in it", name)
				 : il__tls_refuse(-EINVAL, name);
	}
	ERR_clear_error();
	BIO_free(bio);
	return rc;
}

/* ---- keys ---- */

struct password {
	const struct il__tls_settings *settings;
	bool asked;
};

static int ask_password(char *text, int size, int writing, void *arg)
{
	struct password *p = arg;
	int length = -1;

	(void)writing;
	p->asked = true;
	if (p->settings->key_password)
		length = p->settings->key_password(text, (size_t)size, p->settings->arg);
	return length > size ? -1 : length;
}

static int pair_read_key(struct il__tls_pair *pair, const char *name, const char *text,
			 const struct il__tls_settings *s)
{
	struct password p = {.settings = s};
	BIO *bio;
	int rc = source_open(&bio, name, text);

	if (rc == 0) {
		pair->key = PEM_read_bio_PrivateKey(bio, NULL, ask_password, &p);
		if (!pair->key && p.asked)
			rc = il_fail(-EINVAL, "%s: the key is locked, and %s", name,
				     s->key_password ? "the password does not open it"
						     : "there is no key_password");
		else if (!pair->key)
			rc = il_fail(-EINVAL, "%s: there is no PEM private key in it", name);
	}
	ERR_clear_error();
	BIO_free(bio);
	return rc;
}

/* ---- both ---- */

int il__tls_pair_read(struct il__tls_pair *pair, const il_tls_certificate *from,
		      const struct il__tls_settings *s)
{
	const char *certificate = from->certificate_file ? from->certificate_file : "certificate";
	const char *key = from->key_file ? from->key_file : "key";
	int rc;

	ERR_clear_error();
	rc = pair_read_certificate(pair, certificate, from->certificate);
	if (rc == 0)
		rc = pair_read_key(pair, key, from->key, s);
	if (rc == 0 && X509_check_private_key(pair->certificate, pair->key) != 1)
		rc = il_fail(-EINVAL, "%s: this is not the key of the certificate in %s", key,
			     certificate);
	ERR_clear_error();
	return rc;
}

void il__tls_pair_free(struct il__tls_pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key);
	sk_X509_pop_free(pair->chain, X509_free);
}

int il__tls_pair_choose(SSL *ssl, void *arg)
{
	const struct il__tls_material *m = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	for (size_t i = 1; name && i < m->settings->certificate_count; i++) {
		struct il__tls_pair *p = &m->pairs[i];
		if (X509_check_host(p->certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
				    NULL) == 1) {
			/* OpenSSL has one for each kind of key, and would choose among them. */
			SSL_certs_clear(ssl);
			return SSL_use_cert_and_key(ssl, p->certificate, p->key, p->chain, 1);
		}
	}
	return 1;
}
