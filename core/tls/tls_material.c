/*
 * tls_material.c: an SSL_CTX made of the settings, with the certificates that they name. It is
 * never changed once made: il_tls_reload makes another, and the handshakes that have begun keep
 * theirs. Any thread.
 */
#include "tls.h"

#include <openssl/err.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what peers say in their first message ---- */

static int material_choose_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *size,
				const unsigned char *theirs, unsigned theirs_size, void *arg)
{
	const struct il__tls_settings *s = arg;
	unsigned char *at;

	(void)ssl;
	if (SSL_select_next_proto(&at, size, s->alpn, (unsigned)s->alpn_size, theirs,
				  theirs_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = at;
	return SSL_TLSEXT_ERR_OK;
}

/* The name is taken note of: see il_tls_information. */
static int material_hear_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
								  : SSL_TLSEXT_ERR_NOACK;
}

/* ---- whom to trust ---- */

/* A CA that the user names is trusted, also if another has signed it: that one need not be known. */
static int material_trust(SSL_CTX *ctx, const struct il__tls_settings *s)
{
	struct stat about;

	if (s->ca_file || s->ca_directory)
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	if (s->ca_file && access(s->ca_file, R_OK) < 0)
		return il_fail(-errno, "%s: %s", s->ca_file, strerror(errno));
	if (s->ca_file && !SSL_CTX_load_verify_file(ctx, s->ca_file))
		return il__tls_refuse(-EINVAL, s->ca_file);
	if (!s->ca_directory)
		return 0;
	if (stat(s->ca_directory, &about) == 0 && !S_ISDIR(about.st_mode))
		return il_fail(-ENOTDIR, "%s: %s", s->ca_directory, strerror(ENOTDIR));
	if (access(s->ca_directory, R_OK | X_OK) < 0)
		return il_fail(-errno, "%s: %s", s->ca_directory, strerror(errno));
	return SSL_CTX_load_verify_dir(ctx, s->ca_directory)
		   ? 0
		   : il__tls_refuse(-EINVAL, s->ca_directory);
}

bool il__tls_trusts_system(const struct il__tls_settings *s)
{
	return !s->ca_file && !s->ca_directory && s->verify != IL_TLS_VERIFY_NONE;
}

int il__tls_material_trust_system(struct il__tls_material *m)
{
	if (m->trusts_system)
		return 0;
	if (!SSL_CTX_set_default_verify_paths(m->ctx))
		return il__tls_refuse(-ENOMEM, "the certificates of the system's CAs");
	m->trusts_system = true;
	return 0;
}

/* A server says whom it trusts, so a client with several certificates can choose. */
static int material_name_cas(SSL_CTX *ctx, const struct il__tls_settings *s)
{
	STACK_OF(X509_NAME) * names;

	if (!s->ca_file || s->verify < IL_TLS_VERIFY_OPTIONAL)
		return 0;
	names = SSL_load_client_CA_file(s->ca_file);
	if (!names)
		return il__tls_refuse(-EINVAL, s->ca_file);
	SSL_CTX_set_client_CA_list(ctx, names);
	return 0;
}

/* ---- all of it ---- */

static int material_read_pairs(struct il__tls_material *m)
{
	const struct il__tls_settings *s = m->settings;
	struct il__tls_pair *first;

	if (!s->certificate_count)
		return 0;
	m->pairs = OPENSSL_zalloc(s->certificate_count * sizeof *m->pairs);
	if (!m->pairs)
		return il_fail(-ENOMEM, "il_tls_create: no memory");
	for (size_t i = 0; i < s->certificate_count; i++) {
		int rc = il__tls_pair_read(&m->pairs[i], &s->certificates[i], s);
		if (rc < 0)
			return rc;
	}
	first = &m->pairs[0];
	if (!SSL_CTX_use_cert_and_key(m->ctx, first->certificate, first->key, first->chain, 1))
		return il__tls_refuse(-EINVAL, s->certificates[0].certificate_file
						   ? s->certificates[0].certificate_file
						   : "certificate");
	return 0;
}

/* TLS 1.2's sessions by number are not kept: tickets do the same, and cost a server no memory. */
static int material_configure(struct il__tls_material *m)
{
	static const unsigned char sessions[] = "interloop";
	const struct il__tls_settings *s = m->settings;
	SSL_CTX *ctx = m->ctx;

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_tlsext_servername_callback(ctx, material_hear_name);
	il__tls_sessions_configure(ctx);
	if (!SSL_CTX_set_min_proto_version(ctx, s->min_version) ||
	    !SSL_CTX_set_session_id_context(ctx, sessions, sizeof sessions - 1))
		return il__tls_refuse(-EINVAL, "il_tls_create");
	if (!s->alpn)
		return 0;
	SSL_CTX_set_alpn_select_cb(ctx, material_choose_alpn, (void *)(uintptr_t)s);
	return SSL_CTX_set_alpn_protos(ctx, s->alpn, (unsigned)s->alpn_size) == 0
		   ? 0
		   : il__tls_refuse(-ENOMEM, "il_tls_create");
}

/* What it says itself of its error is kept. */
static int material_call_configure(struct il__tls_material *m)
{
	const struct il__tls_settings *s = m->settings;
	char why[IL__TLS_WORDS];
	int rc;

	il_fail(0, "%s", "");
	rc = s->configure(m->ctx, s->arg);
	if (rc >= 0)
		return 0;
	snprintf(why, sizeof why, "%s", il_error_detail());
	return il_fail(rc, "il_tls_create: configure has returned an error%s%s", *why ? ": " : "",
		       why);
}

static int material_fill(struct il__tls_material *m)
{
	const struct il__tls_settings *s = m->settings;
	int rc = material_configure(m);

	if (rc == 0)
		rc = material_trust(m->ctx, s);
	if (rc == 0)
		rc = material_name_cas(m->ctx, s);
	if (rc == 0 && !s->certificate_count && il__tls_trusts_system(s))
		rc = il__tls_material_trust_system(m);
	if (rc == 0)
		rc = material_read_pairs(m);
	if (rc == 0 && s->configure)
		rc = material_call_configure(m);
	ERR_clear_error();
	return rc < 0 ? rc : 0;
}

int il__tls_material_create(struct il__tls_material **m, const struct il__tls_settings *s)
{
	struct il__tls_material *new = OPENSSL_zalloc(sizeof *new);
	int rc;

	*m = NULL;
	if (!new)
		return il_fail(-ENOMEM, "il_tls_create: no memory");
	ERR_clear_error();
	atomic_init(&new->references, 1);
	new->settings = s;
	new->ctx = SSL_CTX_new(TLS_method());
	rc = new->ctx ? material_fill(new) : il__tls_refuse(-ENOMEM, "il_tls_create");
	if (rc < 0) {
		il__tls_material_unref(new);
		return rc;
	}
	*m = new;
	return 0;
}

void il__tls_material_unref(struct il__tls_material *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; m->pairs && i < m->settings->certificate_count; i++)
		il__tls_pair_free(&m->pairs[i]);
	OPENSSL_free(m->pairs);
	SSL_CTX_free(m->ctx);
	OPENSSL_free(m);
}
