/*
 * tls_verify.c: whose certificate is good: by whom it is signed, when, for what (OpenSSL), for
 * which name (set here), and, for once, that it is not a CA's. Why it is not, in words. Loop's
 * thread only.
 */
#include "tls.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <string.h>

/* ---- what is demanded ---- */

bool il__tls_is_address(const char *host)
{
	struct in6_addr room;

	return inet_pton(AF_INET, host, &room) == 1 || inet_pton(AF_INET6, host, &room) == 1;
}

/* A CA's certificate may sign others; it is nobody's at the other end of a connection, except one
 * that signs itself and is trusted as it is. */
static int verify_purpose(int ok, X509_STORE_CTX *store)
{
	X509 *x = X509_STORE_CTX_get_current_cert(store);

	if (!ok || X509_STORE_CTX_get_error_depth(store) > 0 || !x)
		return ok;
	if ((X509_get_extension_flags(x) & (EXFLAG_CA | EXFLAG_SI)) != EXFLAG_CA)
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
	return 0;
}

/* What `configure` has set has the last word. */
static int verify_step(int ok, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	SSL_verify_cb configured = SSL_CTX_get_verify_callback(SSL_get_SSL_CTX(ssl));

	ok = verify_purpose(ok, store);
	return configured ? configured(ok, store) : ok;
}

static int verify_prepare_host(struct il__tls_stream *t, const char *function)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	int ok;

	if (!t->host)
		return il_fail(-EINVAL,
			       "%s: there is no host, so its certificate cannot be verified; name "
			       "it, or set verify to IL_TLS_VERIFY_NONE",
			       function);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (il__tls_is_address(t->host))
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, t->host);
	else
		ok = X509_VERIFY_PARAM_set1_host(param, t->host, 0);
	return ok ? 0 : il__tls_refuse(-ENOMEM, function);
}

static int verify_prepare_client(struct il__tls_stream *t, const char *function)
{
	enum il_tls_verify verify = t->tls->settings.verify;

	if (verify == IL_TLS_VERIFY_OPTIONAL)
		return il_fail(-EINVAL, "%s: IL_TLS_VERIFY_OPTIONAL is for servers only", function);
	if (verify == IL_TLS_VERIFY_NONE)
		return 0;
	SSL_set_verify(t->ssl, SSL_VERIFY_PEER, verify_step);
	return verify_prepare_host(t, function);
}

static int verify_prepare_server(struct il__tls_stream *t, const char *function)
{
	const struct il__tls_settings *s = &t->tls->settings;
	int mode = SSL_VERIFY_PEER;

	if (!il__tls_is_for_servers(s))
		return il_fail(-EINVAL,
			       "%s: a server needs a certificate, and the context has none",
			       function);
	if (s->verify < IL_TLS_VERIFY_OPTIONAL)
		return 0;
	if (!s->ca_file && !s->ca_directory)
		return il_fail(-EINVAL,
			       "%s: a server that verifies needs ca_file or ca_directory: the CAs "
			       "of the system would let anybody in",
			       function);
	if (s->verify == IL_TLS_VERIFY_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_set_verify(t->ssl, mode, verify_step);
	return 0;
}

int il__tls_verify_prepare(struct il__tls_stream *t, const char *function)
{
	return t->client ? verify_prepare_client(t, function) : verify_prepare_server(t, function);
}

/* ---- what was wrong ---- */

static const char *verify_meaning(const struct il__tls_stream *t, long result)
{
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "it has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "it is not valid yet";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "it is from another CA than those that are trusted here";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "it is for another host";
	case X509_V_ERR_INVALID_PURPOSE:
		return t->client ? "it is not for the purpose of a server"
				 : "it is not for the purpose of a client";
	case X509_V_ERR_CERT_REVOKED:
		return "it was revoked";
	default:
		return "it does not stand up to verification";
	}
}

void il__tls_verify_words(const struct il__tls_stream *t, char *words, size_t size)
{
	long result = SSL_get_verify_result(t->ssl);

	snprintf(words, size, "the certificate was refused: %s (%s)", verify_meaning(t, result),
		 X509_verify_cert_error_string(result));
}

/* ---- who it is ---- */

/* A text of a certificate as a C string; NULL: it is none, or has a zero byte inside. */
static char *verify_text(const ASN1_STRING *string)
{
	unsigned char *utf8 = NULL;
	int length = string ? ASN1_STRING_to_UTF8(&utf8, string) : -1;
	char *text = NULL;

	if (length > 0 && strlen((char *)utf8) == (size_t)length)
		text = OPENSSL_strdup((char *)utf8);
	OPENSSL_free(utf8);
	return text;
}

static char *verify_common_name(const X509 *x)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	return at < 0 ? NULL
		      : verify_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static char *verify_alternative_name(const X509 *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	char *text = NULL;

	for (int i = 0; !text && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI)
			text = verify_text(name->d.ia5);
	}
	GENERAL_NAMES_free(names);
	return text;
}

char *il__tls_verify_name(const struct il__tls_stream *t)
{
	const X509 *x = SSL_get0_peer_certificate(t->ssl);
	char *name = NULL;

	if (!x || SSL_get_verify_mode(t->ssl) == SSL_VERIFY_NONE ||
	    SSL_get_verify_result(t->ssl) != X509_V_OK)
		return NULL;
	if (t->client)
		return t->host ? OPENSSL_strdup(t->host) : NULL;
	name = verify_common_name(x);
	return name ? name : verify_alternative_name(x);
}
