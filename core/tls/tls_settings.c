/*
 * tls_settings.c: the options of a context, checked as far as they can be without a look at a file,
 * and copied, for il_tls_reload needs them again. Never changed once copied.
 */
#include "tls.h"

#include <string.h>

#define HANDSHAKE_TIMEOUT IL_SEC(10)

/* ---- texts ---- */

static int settings_no_memory(void)
{
	return il_fail(-ENOMEM, "il_tls_create: no memory");
}

static int settings_copy_text(const char **copy, const char *text)
{
	*copy = text ? OPENSSL_strdup(text) : NULL;
	return text && !*copy ? settings_no_memory() : 0;
}

static void settings_free_text(const char *text)
{
	OPENSSL_free((char *)(uintptr_t)text);
}

/* ---- certificates ---- */

static int settings_copy_certificate(il_tls_certificate *copy, const il_tls_certificate *c)
{
	int rc = settings_copy_text(&copy->certificate_file, c->certificate_file);

	if (rc == 0)
		rc = settings_copy_text(&copy->key_file, c->key_file);
	if (rc == 0)
		rc = settings_copy_text(&copy->certificate, c->certificate);
	if (rc == 0)
		rc = settings_copy_text(&copy->key, c->key);
	return rc;
}

/* One certificate from one place, and its key from one. */
static int settings_check_certificate(const il_tls_certificate *c, const char *which)
{
	const char *name = c->certificate_file ? c->certificate_file : "in memory";

	if ((c->certificate_file && c->certificate) || (c->key_file && c->key))
		return il_fail(-EINVAL, "il_tls_create: %s comes both from a file and from memory",
			       which);
	if (!c->certificate_file && !c->certificate)
		return il_fail(-EINVAL, "il_tls_create: %s is missing; there is only the key%s%s",
			       which, c->key_file ? " " : "", c->key_file ? c->key_file : "");
	if (!c->key_file && !c->key)
		return il_fail(-EINVAL,
			       "il_tls_create: %s (%s) has no key; name it in key_file or key",
			       which, name);
	return 0;
}

static bool settings_is_given(const il_tls_certificate *c)
{
	return c->certificate_file || c->certificate || c->key_file || c->key;
}

static int settings_copy_certificates(struct il__tls_settings *s, const il_tls_options *o)
{
	const il_tls_certificate first = {.certificate_file = o->certificate_file,
					  .key_file = o->key_file,
					  .certificate = o->certificate,
					  .key = o->key};
	size_t count = o->certificate_count;

	if (!settings_is_given(&first) && !count)
		return 0;
	if (count && (!o->certificates || count > PTRDIFF_MAX / sizeof *o->certificates))
		return il_fail(-EINVAL,
			       "il_tls_create: certificate_count is %td, and certificates is %s",
			       (ptrdiff_t)count, o->certificates ? "no array of so many" : "NULL");
	if (!settings_is_given(&first))
		return il_fail(-EINVAL,
			       "il_tls_create: there are certificates for other names, and none "
			       "for clients that ask for none of these");
	if (count < SIZE_MAX / sizeof *s->certificates)
		s->certificates = OPENSSL_zalloc((count + 1) * sizeof *s->certificates);
	if (!s->certificates)
		return settings_no_memory();
	s->certificate_count = count + 1;
	for (size_t i = 0; i <= count; i++) {
		const il_tls_certificate *c = i ? &o->certificates[i - 1] : &first;
		char which[64] = "the certificate";
		int rc;

		if (i)
			snprintf(which, sizeof which, "certificate %zu of the additional ones", i);
		rc = settings_check_certificate(c, which);
		if (rc == 0)
			rc = settings_copy_certificate(&s->certificates[i], c);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- ALPN ---- */

static int settings_copy_alpn(struct il__tls_settings *s, const char *const *names)
{
	unsigned char *at;

	if (!names || !*names)
		return 0;
	for (const char *const *name = names; *name; name++) {
		size_t length = strlen(*name);
		if (!length || length > 255)
			return il_fail(-EINVAL,
				       "il_tls_create: the ALPN name \"%.40s\" has %zu bytes; it "
				       "must have from 1 to 255",
				       *name, length);
		s->alpn_size += 1 + length;
	}
	if (s->alpn_size > UINT16_MAX)
		return il_fail(-EINVAL,
			       "il_tls_create: the ALPN names have %zu bytes; 65535 is the most",
			       s->alpn_size);
	at = s->alpn = OPENSSL_malloc(s->alpn_size);
	if (!at)
		return settings_no_memory();
	for (; *names; names++) {
		size_t length = strlen(*names);
		*at++ = (unsigned char)length;
		memcpy(at, *names, length);
		at += length;
	}
	return 0;
}

/* ---- numbers ---- */

static int settings_version(const char *text)
{
	if (text && strncmp(text, "TLSv", 4) == 0)
		text += 4;
	if (!text || strcmp(text, "1.2") == 0)
		return TLS1_2_VERSION;
	return strcmp(text, "1.3") == 0 ? TLS1_3_VERSION : 0;
}

static int settings_check_modes(struct il__tls_settings *s, const il_tls_options *o)
{
	if ((int)o->verify < 0 || o->verify > IL_TLS_VERIFY_REQUIRED)
		return il_fail(-EINVAL, "il_tls_create: verify is %d, which is no mode of it",
			       (int)o->verify);
	if (o->verify == IL_TLS_VERIFY_OPTIONAL && !o->ca_file && !o->ca_directory)
		return il_fail(-EINVAL, "il_tls_create: a server that verifies needs ca_file or "
					"ca_directory: the CAs of the system would let anybody in");
	if (o->handshake_timeout < 0)
		return il_fail(-EINVAL, "il_tls_create: handshake_timeout is negative");
	s->min_version = settings_version(o->min_version);
	if (!s->min_version)
		return il_fail(
		    -EINVAL,
		    "il_tls_create: min_version is \"%.40s\"; \"1.2\" and \"1.3\" are known",
		    o->min_version);
	s->verify = o->verify;
	s->handshake_timeout = o->handshake_timeout ? o->handshake_timeout : HANDSHAKE_TIMEOUT;
	return 0;
}

int il__tls_settings_copy(struct il__tls_settings *s, const il_tls_options *o)
{
	int rc = settings_check_modes(s, o);

	s->allow_truncation = o->allow_truncation;
	s->key_password = o->key_password;
	s->configure = o->configure;
	s->arg = o->arg;
	if (rc == 0)
		rc = settings_copy_text((const char **)&s->ca_file, o->ca_file);
	if (rc == 0)
		rc = settings_copy_text((const char **)&s->ca_directory, o->ca_directory);
	if (rc == 0)
		rc = settings_copy_alpn(s, o->alpn);
	return rc < 0 ? rc : settings_copy_certificates(s, o);
}

bool il__tls_is_for_servers(const struct il__tls_settings *s)
{
	return s->certificate_count || s->configure;
}

void il__tls_settings_free(struct il__tls_settings *s)
{
	for (size_t i = 0; i < s->certificate_count; i++) {
		il_tls_certificate *c = &s->certificates[i];
		settings_free_text(c->certificate_file);
		settings_free_text(c->key_file);
		settings_free_text(c->certificate);
		OPENSSL_clear_free((char *)(uintptr_t)c->key, c->key ? strlen(c->key) : 0);
	}
	OPENSSL_free(s->certificates);
	OPENSSL_free(s->ca_file);
	OPENSSL_free(s->ca_directory);
	OPENSSL_free(s->alpn);
}
