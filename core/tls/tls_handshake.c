/*
 * tls_handshake.c: the handshake, in the task that asks for it and within a time for all of it. It
 * runs as the sending of nothing over the new stream, so the core waits for it as for any other
 * sending, and it is cancelled and closed as that is. Loop's thread only, in a task.
 */
#include "tls.h"

#include <interloop/scope.h>
#include <openssl/err.h>

/* ---- a step ---- */

static int handshake_end(struct il__tls_stream *t)
{
	const unsigned char *alpn;
	unsigned size;

	SSL_get0_alpn_selected(t->ssl, &alpn, &size);
	if (alpn) {
		t->alpn = OPENSSL_strndup((const char *)alpn, size);
		if (!t->alpn)
			return -ENOMEM;
	}
	t->peer_name = il__tls_verify_name(t);
	t->established = true;
	strcpy(t->name, il__tls_transport.name);
	return 0;
}

static int handshake_closed(struct il__tls_stream *t)
{
	snprintf(t->words, sizeof t->words, "the peer has ended the handshake by close_notify");
	return -EPIPE;
}

/* To a peer whose first bytes are no TLS OpenSSL says nothing. */
static void handshake_alert(struct il__tls_stream *t)
{
	static const unsigned char alert[] = {
	    SSL3_RT_ALERT, 3, 1, 0, 2, SSL3_AL_FATAL, SSL_AD_UNEXPECTED_MESSAGE};

	BIO_write(SSL_get_wbio(t->ssl), alert, sizeof alert);
}

int il__tls_handshake(struct il__tls_stream *t, unsigned direction)
{
	const size_t said = t->said;
	int rc;

	il__tls_flush(t);
	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1)
		rc = t->send_rc ? t->send_rc : handshake_end(t);
	else if ((rc = il__tls_failure(t, rc, direction)) == 0)
		rc = handshake_closed(t);
	if (rc == -EPROTO && !t->alerted && t->said == said)
		handshake_alert(t);
	ERR_clear_error();
	if (rc == -EAGAIN && t->send_rc)
		rc = t->send_rc; /* the peer has not said why, and waits for what was not sent */
	/* Here, or below, what was said last is held back: the peer does not answer before it has it. */
	if (rc == -EAGAIN && (t->held || il_stream_write_now(t->under, NULL, 0) == -EAGAIN))
		t->want[il__tls_index(direction)] |= IL_WRITABLE;
	return rc;
}

/* ---- all of it ---- */

/* Who is at the other end, for people. */
static void handshake_peer(const struct il__tls_stream *t, char *text, size_t size)
{
	il_address address;
	char where[IL_ADDRESS_TEXT_MAX] = "";

	if (il_stream_peer_address(t->under, &address) == 0)
		il_address_text(&address, where, sizeof where);
	if (t->host && *where)
		snprintf(text, size, "%.100s (%s)", t->host, where);
	else
		snprintf(text, size, "%.100s", t->host ? t->host : *where ? where : "the peer");
}

/* Taken down before the stream goes, which may fail itself. Who was cancelled keeps the reason for
 * that. */
static void handshake_why(const struct il__tls_stream *t, int rc, char *why, size_t size)
{
	const char *function = t->client ? "il_tls_connect" : "il_tls_accept";
	char peer[256];

	if (rc == -ECANCELED) {
		snprintf(why, size, "%s", il_error_detail());
		return;
	}
	handshake_peer(t, peer, sizeof peer);
	if (rc == -ETIMEDOUT)
		snprintf(why, size, "%s: %s: the handshake has taken longer than %lld ms", function,
			 peer, (long long)(t->tls->settings.handshake_timeout / IL_MSEC(1)));
	else
		snprintf(why, size, "%s: %s: %s", function, peer,
			 *t->words ? t->words : il_strerror(rc));
}

static int handshake_run(il_stream *stream, const struct il__tls_stream *t)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(t->tls->settings.handshake_timeout),
				IL_FAIL_AT_DEADLINE);

	return rc < 0 ? rc : il_scope_exit(&scope, il_stream_writev_all(stream, NULL, 0));
}

/* `under` goes with the new stream from its success on. */
static int handshake_over(il_stream **stream, il_stream *under, il_tls *tls, const char *host,
			  bool client)
{
	struct il__tls_stream *t;
	il_stream *new;
	char why[512];
	int rc = il__tls_stream_open(&new, &t, under, tls, host, client);

	if (rc < 0)
		return rc;
	rc = handshake_run(new, t);
	if (rc < 0) {
		handshake_why(t, rc, why, sizeof why);
		il_stream_destroy(new);
		return *why ? il_fail(rc, "%s", why) : rc;
	}
	t->owns = true;
	*stream = new;
	return 0;
}

/* What another thread or process has is not ours to close either. */
static int handshake_may_touch(const il_stream *under, const char *function)
{
	il_address address;
	int rc = il_stream_local_address(under, &address); /* which knows who may ask */

	if (rc != -EPERM && rc != -ESHUTDOWN)
		return 0;
	return il_fail(rc, "%s: the stream below belongs to another %s", function,
		       rc == -EPERM ? "thread" : "process");
}

static int handshake(il_stream **stream, il_stream *under, il_tls *tls, const char *host,
		     bool client)
{
	const char *function = client ? "il_tls_connect" : "il_tls_accept";
	int rc;

	if (stream)
		*stream = NULL;
	if (!stream || !under)
		return il_fail(-EINVAL, "%s: the stream%s is NULL", function,
			       stream ? " below" : "'s place");
	rc = handshake_may_touch(under, function);
	if (rc < 0)
		return rc;
	rc = tls ? handshake_over(stream, under, tls, host, client)
		 : il_fail(-EINVAL, "%s: the context is NULL", function);
	if (rc < 0)
		il_stream_close(under);
	return rc;
}

int il_tls_accept(il_stream **stream, il_stream *under, il_tls *tls)
{
	return handshake(stream, under, tls, NULL, false);
}

int il_tls_connect(il_stream **stream, il_stream *under, il_tls *tls, const char *host)
{
	return handshake(stream, under, tls, host, true);
}
