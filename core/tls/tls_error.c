/*
 * tls_error.c: what OpenSSL says, as codes and words. Its error queue is the thread's, which tasks
 * share with each other and with the program's own use of OpenSSL: it is emptied before each call
 * into it, and here after one that failed, so no old error is taken for a new one.
 */
#include "tls.h"

#include <openssl/err.h>
#include <string.h>

static const char *tls_reason(unsigned long error)
{
	const char *words = error ? ERR_reason_error_string(error) : NULL;

	return words                     ? words
	       : ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
					 : "no reason is given";
}

int il__tls_refuse(int rc, const char *what)
{
	unsigned long error = ERR_peek_error();

	if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
		rc = -ENOMEM;
	rc = il_fail(rc, "%s: %s", what, tls_reason(error));
	ERR_clear_error();
	return rc;
}

/* Receiving from below has ended: the connection is gone, or it was closed on this side. */
static int tls_lost(struct il__tls_stream *t)
{
	int rc = t->under_rc;

	if (rc == 0 && t->established && t->tls->settings.allow_truncation &&
	    !SSL_has_pending(t->ssl))
		return 0;
	snprintf(t->words, sizeof t->words, "%s",
		 rc == -EBADF     ? "the stream below was closed"
		 : rc < 0         ? il_strerror(rc)
		 : t->established ? "the connection ended without close_notify: data may be missing"
				  : "the peer closed the connection during the handshake");
	return rc == 0 || rc == -EBADF ? -EPIPE : rc;
}

static int tls_broken(struct il__tls_stream *t)
{
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_REASON(error);

	t->fatal = true;
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		il__tls_verify_words(t, t->words, sizeof t->words);
		return -EACCES;
	}
	t->alerted = ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET;
	snprintf(t->words, sizeof t->words, "%s%s",
		 t->alerted ? "the peer has sent an alert: " : "", tls_reason(error));
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return -EACCES;
	return reason == ERR_R_MALLOC_FAILURE ? -ENOMEM : -EPROTO;
}

int il__tls_failure(struct il__tls_stream *t, int result, unsigned direction)
{
	int rc = -EAGAIN;

	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		t->want[il__tls_index(direction)] = IL_READABLE;
		break;
	case SSL_ERROR_WANT_WRITE:
		t->want[il__tls_index(direction)] = IL_WRITABLE;
		break;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL: /* the stream below has failed */
		rc = t->under_rc <= 0 ? tls_lost(t) : tls_broken(t);
		break;
	default:
		rc = tls_broken(t);
	}
	ERR_clear_error();
	return rc;
}
