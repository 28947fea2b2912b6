/*
 * q_certificates.c: the small CA of the tests of TLS: a certificate for each reason to refuse one.
 * Keys are of an elliptic curve, which are quickly made.
 */
#include "q_tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { HOUR = 3600, DAY = 24 * HOUR };

static const struct description {
	const char *name, *names; /* common and alternative ones */
	const char *usage, *purpose;
	enum identity issuer;
	long from, until; /* from now, in seconds */
} descriptions[IDENTITIES] = {
    [CA] = {"Test CA", NULL, "critical,keyCertSign", NULL, CA, -DAY, DAY},
    [OTHER_CA] = {"Other CA", NULL, "critical,keyCertSign", NULL, OTHER_CA, -DAY, DAY},
    [SERVER] = {"server", "DNS:localhost,IP:127.0.0.1,IP:::1", NULL, "serverAuth", CA, -DAY, DAY},
    [RENEWED] = {"renewed", "DNS:localhost,IP:127.0.0.1", NULL, "serverAuth", CA, -DAY, DAY},
    [EXPIRED] = {"expired", "DNS:localhost", NULL, "serverAuth", CA, -DAY, -HOUR},
    [EARLY] = {"early", "DNS:localhost", NULL, "serverAuth", CA, DAY, 2 * DAY},
    [ELSEWHERE] = {"elsewhere", "DNS:elsewhere.test", NULL, "serverAuth", CA, -DAY, DAY},
    [STRANGER] = {"stranger", "DNS:localhost", NULL, NULL, OTHER_CA, -DAY, DAY},
    [CLIENT] = {"alice", "DNS:localhost", NULL, "clientAuth", CA, -DAY, DAY},
    [MIDDLE_CA] = {"Middle CA", "DNS:localhost", NULL, NULL, CA, -DAY, DAY},
    [OTHER_KIND] = {"kind", "DNS:kind.test", NULL, "serverAuth", CA, -DAY, DAY},
    [BRANCH] = {"branch", "DNS:localhost", NULL, NULL, MIDDLE_CA, -DAY, DAY},
};

static struct made {
	X509 *certificate;
	EVP_PKEY *key;
	char *texts[3]; /* certificate, key, locked key */
} all[IDENTITIES];

static bool is_ca(enum identity who)
{
	return who == CA || who == OTHER_CA || who == MIDDLE_CA;
}

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	if (!value)
		return;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	CHECK(extension && X509_add_ext(x, extension, -1));
	X509_EXTENSION_free(extension);
}

static struct made *make(enum identity who)
{
	static long serial;
	const struct description *d = &descriptions[who];
	struct made *m = &all[who], *issuer = m;
	X509_NAME *name;

	if (m->certificate)
		return m;
	m->key = who == OTHER_KIND ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");
	if (d->issuer != who)
		issuer = make(d->issuer);
	m->certificate = X509_new();
	CHECK(m->key && m->certificate);
	X509_set_version(m->certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(m->certificate), 1 + (long)who + 100 * serial++);
	X509_gmtime_adj(X509_getm_notBefore(m->certificate), d->from);
	X509_gmtime_adj(X509_getm_notAfter(m->certificate), d->until);
	X509_set_pubkey(m->certificate, m->key);
	name = X509_get_subject_name(m->certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)d->name, -1, -1,
				   0);
	X509_set_issuer_name(m->certificate, X509_get_subject_name(issuer->certificate));
	extend(m->certificate, issuer->certificate, NID_basic_constraints,
	       is_ca(who) ? "critical,CA:TRUE" : "CA:FALSE");
	extend(m->certificate, issuer->certificate, NID_key_usage, d->usage);
	extend(m->certificate, issuer->certificate, NID_ext_key_usage, d->purpose);
	extend(m->certificate, issuer->certificate, NID_subject_alt_name, d->names);
	CHECK(X509_sign(m->certificate, issuer->key, EVP_sha256()) > 0);
	return m;
}

/* ---- as texts ---- */

static char *text_of(BIO *bio)
{
	char *bytes, *text;
	long size = BIO_get_mem_data(bio, &bytes);

	text = OPENSSL_strndup(bytes, (size_t)size);
	CHECK(text != NULL);
	BIO_free(bio);
	return text;
}

static const char *text(enum identity who, int which)
{
	struct made *m = make(who);
	BIO *bio;

	if (m->texts[which])
		return m->texts[which];
	bio = BIO_new(BIO_s_mem());
	if (which == 0)
		CHECK(PEM_write_bio_X509(bio, m->certificate));
	else if (which == 1)
		CHECK(PEM_write_bio_PrivateKey(bio, m->key, NULL, NULL, 0, NULL, NULL));
	else
		CHECK(PEM_write_bio_PrivateKey(bio, m->key, EVP_aes_128_cbc(), NULL, 0, NULL,
					       (void *)(uintptr_t) "secret"));
	m->texts[which] = text_of(bio);
	return m->texts[which];
}

const char *certificate_of(enum identity who)
{
	return text(who, 0);
}

const char *key_of(enum identity who)
{
	return text(who, 1);
}

const char *locked_key_of(enum identity who)
{
	return text(who, 2);
}

/* ---- as files ---- */

struct file file_with(const char *contents)
{
	struct file file = {"/tmp/il-tls-XXXXXX"};
	int fd = mkstemp(file.path);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, contents, strlen(contents)), (ssize_t)strlen(contents));
	close(fd);
	return file;
}

void file_drop(struct file *file)
{
	CHECK_EQ(unlink(file->path), 0);
}
