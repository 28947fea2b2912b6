/*
 * tls_stream.c: the transport: a stream's life over the one below, its bytes in and out. Nothing
 * here waits: what cannot go on says in `want` what of the stream below makes it worth trying
 * again, and reading may want room there. Invariant: bytes are taken only when nothing older is
 * held back, so they leave in order and a peer that does not read is felt. Loop's thread only.
 */
#include "tls.h"

#include <openssl/err.h>
#include <string.h>

enum { RECORD = 16 << 10, GATHERED = 4 << 10, DRAINED = 64, SENT_MAX = 256 << 10 };

/* ---- receiving ---- */

/* The stream says it again by itself. */
static int tls_fail(const struct il__tls_stream *t, int rc)
{
	if (rc == -EAGAIN || rc >= 0)
		return rc;
	return il_fail(rc, "TLS: %s", *t->words ? t->words : il_strerror(rc));
}

static int tls_receive(void *self, void *data, size_t max)
{
	struct il__tls_stream *t = self;
	size_t n;
	int rc;

	il__tls_begin_call(t);
	if (!t->established) {
		rc = il__tls_handshake(t, IL_READABLE);
		if (rc < 0)
			return tls_fail(t, rc);
	}
	il__tls_flush(t);
	ERR_clear_error();
	rc = SSL_read_ex(t->ssl, data, max, &n);
	if (rc == 1) {
		t->want[0] = IL_READABLE;
		if (t->drained && !t->held && !SSL_has_pending(t->ssl))
			il_transport_drained(t->stream);
		return (int)n;
	}
	rc = il__tls_failure(t, rc, IL_READABLE);
	if (rc == -EAGAIN && t->held)
		t->want[0] |= IL_WRITABLE;
	return tls_fail(t, rc);
}

static size_t tls_pending(void *self)
{
	const struct il__tls_stream *t = self;

	return (size_t)SSL_pending(t->ssl);
}

/* ---- sending ---- */

/* One record. Small pieces travel in one, for each costs some thirty bytes and a call below. */
static int tls_send_record(struct il__tls_stream *t, const struct iovec *pieces, int count)
{
	char gathered[GATHERED];
	const char *data = pieces->iov_base;
	size_t size = pieces->iov_len < RECORD ? pieces->iov_len : RECORD, n;
	int rc;

	if (size < GATHERED && count > 1) {
		size = 0;
		data = gathered;
		for (int i = 0; i < count && size < GATHERED; i++) {
			size_t room = GATHERED - size, length = pieces[i].iov_len;
			if (length > room)
				length = room;
			if (length)
				memcpy(gathered + size, pieces[i].iov_base, length);
			size += length;
		}
	}
	if (!size)
		return 0;
	ERR_clear_error();
	rc = SSL_write_ex(t->ssl, data, size, &n);
	if (rc == 1)
		return t->send_rc ? t->send_rc : (int)n;
	rc = il__tls_failure(t, rc, IL_WRITABLE);
	return rc ? rc : -EPIPE;
}

static int tls_send_bytes(struct il__tls_stream *t, const struct iovec *pieces, int count)
{
	size_t offset = 0;
	int sent = 0;

	while (count && !t->held) {
		struct iovec rest[8];
		int some = count < 8 ? count : 8, n;

		memcpy(rest, pieces, (size_t)some * sizeof *rest);
		rest[0].iov_base = (char *)rest[0].iov_base + offset;
		rest[0].iov_len -= offset;
		n = tls_send_record(t, rest, some);
		if (n < 0)
			return sent ? sent : n;
		sent += n;
		offset += (size_t)n;
		while (count && offset >= pieces->iov_len) {
			offset -= pieces->iov_len;
			pieces++;
			count--;
		}
		if (sent >= SENT_MAX) /* others are to run, too */
			break;
	}
	return sent;
}

static int tls_send(void *self, const struct iovec *pieces, int count)
{
	struct il__tls_stream *t = self;
	int rc = t->send_rc;

	il__tls_begin_call(t);
	t->refused = false;
	if (rc == 0 && !t->established)
		rc = il__tls_handshake(t, IL_WRITABLE);
	if (rc == 0) {
		t->want[1] = IL_WRITABLE;
		rc = il__tls_flush(t);
	}
	if (rc == 0)
		rc = count ? tls_send_bytes(t, pieces, count)
			   : il_stream_write_now(t->under, NULL, 0);
	t->refused = count && rc == -EAGAIN;
	if (rc == -EAGAIN)
		t->writing = pieces && (t->writing || !count);
	else
		t->writing = pieces && rc > 0;
	if (rc < 0 && rc != -EAGAIN)
		t->send_rc = rc;
	return tls_fail(t, rc);
}

static void tls_idle(void *self, unsigned direction)
{
	struct il__tls_stream *t = self;

	if (!(direction & IL_WRITABLE) || !t->writing)
		return;
	t->send_rc = -EPIPE;
	snprintf(t->words, sizeof t->words,
		 "a write was cut off, and what it lacks can never follow");
}

/* ---- the end ---- */

/* Not after data of which a part is missing: the peer would take it for all. */
static bool tls_may_notify(const struct il__tls_stream *t)
{
	return t->established && !t->fatal && !t->refused && (t->notified || !t->send_rc);
}

/* close_notify, held back if there is no room. OpenSSL sends none while it has half of a message
 * about new keys or tickets. 0; -EAGAIN; or why it cannot be sent. */
static int tls_notify(struct il__tls_stream *t)
{
	bool through;
	int rc = 1;

	ERR_clear_error();
	if (SSL_in_init(t->ssl))
		rc = SSL_do_handshake(t->ssl);
	through = rc == 1;
	if (through)
		rc = SSL_shutdown(t->ssl);
	if (rc < 0 || !through) {
		rc = il__tls_failure(t, rc, IL_WRITABLE);
		return rc ? rc : -EPIPE;
	}
	ERR_clear_error();
	t->notified = t->send_rc == 0;
	return t->send_rc;
}

/* What the peer cannot be told any more is the user's to know: it takes what came for all there is
 * only after close_notify. */
static int tls_shutdown_write(void *self)
{
	struct il__tls_stream *t = self;
	int rc = t->notified ? 0 : t->fatal ? -EPROTO : t->send_rc;

	il__tls_begin_call(t);
	t->want[1] = IL_WRITABLE;
	if (rc == 0)
		rc = il__tls_flush(t);
	if (rc == 0 && !t->notified) {
		rc = tls_notify(t);
		if (rc == 0) {
			t->send_rc = -EPIPE;
			rc = il__tls_flush(t);
		}
	}
	if (rc == 0) /* what is below may hold it back, too */
		rc = il_stream_write_now(t->under, NULL, 0);
	return tls_fail(t, rc);
}

/* A socket that is closed on unread bytes resets the connection, and an alert or the last answer
 * may be lost. */
static void tls_drain(il_stream *under)
{
	char scrap[1024];

	for (int i = 0; i < DRAINED && il_stream_read_now(under, scrap, sizeof scrap) > 0; i++)
		;
}

static void tls_close(void *self)
{
	struct il__tls_stream *t = self;

	il__tls_begin_call(t);
	if (il__tls_flush(t) == 0 && tls_may_notify(t) && !t->notified)
		tls_notify(t);
	tls_drain(t->under);
	il_stream_close(t->under);
}

/* Without this OpenSSL takes a session for a bad one when its connection goes without close_notify.
 */
static void tls_spare_session(const struct il__tls_stream *t)
{
	if (t->established && !t->fatal)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

static void tls_destroy(void *self)
{
	struct il__tls_stream *t = self;

	if (t->ssl)
		tls_spare_session(t);
	SSL_free(t->ssl);
	if (t->owns)
		il_stream_destroy(t->under);
	il__tls_material_unref(t->material);
	OPENSSL_free(t->held);
	OPENSSL_free(t->host);
	OPENSSL_free(t->peer_name);
	OPENSSL_free(t->alpn);
	il_tls_unref(t->tls);
	OPENSSL_free(t);
}

static il_stream *tls_under(void *self)
{
	return ((struct il__tls_stream *)self)->under;
}

static int tls_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	const struct il__tls_stream *t = self;

	(void)fd;
	*mask = t->want[il__tls_index(direction)];
	return t->sated && *mask & IL_READABLE ? 1 : -EAGAIN;
}

const struct il_transport il__tls_transport = {
    .name = "TLS",
    .receive = tls_receive,
    .send = tls_send,
    .want = tls_want,
    .idle = tls_idle,
    .shutdown_write = tls_shutdown_write,
    .pending = tls_pending,
    .close = tls_close,
    .destroy = tls_destroy,
    .under = tls_under,
};

/* ---- the beginning ---- */

/* The name that is verified and asked for has no final dot; an IPv6 address no zone. OpenSSL would
 * take one that begins with a dot for whatever name ends so. */
static int tls_take_host(struct il__tls_stream *t, const char *host, const char *function)
{
	size_t size = strlen(host);

	if (size && host[size - 1] == '.')
		size--;
	if (strchr(host, ':'))
		size = strcspn(host, "%");
	if (!size || size > TLSEXT_MAXLEN_host_name || *host == '.')
		return il_fail(-EINVAL,
			       "%s: the host \"%.40s\" is no name: one has 1 to %d bytes, and "
			       "does not begin with a dot",
			       function, host, TLSEXT_MAXLEN_host_name);
	t->host = OPENSSL_strndup(host, size);
	return t->host ? 0 : il_fail(-ENOMEM, "%s: no memory", function);
}

static bool tls_prepare_ssl(struct il__tls_stream *t)
{
	BIO *bio;

	t->ssl = SSL_new(t->material->ctx);
	bio = t->ssl ? il__tls_bio_create(t) : NULL;
	if (!bio)
		return false;
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	if (!t->client) {
		SSL_set_accept_state(t->ssl);
		if (t->tls->settings.certificate_count > 1)
			SSL_set_cert_cb(t->ssl, il__tls_pair_choose, t->material);
		return true;
	}
	SSL_set_connect_state(t->ssl);
	if (t->host && !il__tls_is_address(t->host) && !SSL_set_tlsext_host_name(t->ssl, t->host))
		return false;
	return true;
}

int il__tls_stream_open(il_stream **stream, struct il__tls_stream **made, il_stream *under,
			il_tls *tls, const char *host, bool client)
{
	const char *function = client ? "il_tls_connect" : "il_tls_accept";
	struct il__tls_stream *t = OPENSSL_zalloc(sizeof *t);
	struct il_transport transport = il__tls_transport;
	int rc = 0;

	if (!t)
		return il_fail(-ENOMEM, "%s: no memory", function);
	t->under = under;
	t->plain = il_stream_fd(under) >= 0;
	t->client = client;
	t->under_rc = 1;
	t->tls = il_tls_ref(tls);
	if (client)
		rc = il__tls_take_trusting(&t->material, tls);
	else
		t->material = il__tls_take_material(tls);
	ERR_clear_error();
	if (rc == 0 && host)
		rc = tls_take_host(t, host, function);
	if (rc == 0 && !tls_prepare_ssl(t))
		rc = il__tls_refuse(-ENOMEM, function);
	if (rc == 0)
		rc = il__tls_verify_prepare(t, function);
	transport.name = strcpy(t->name, "TLS (handshake)");
	if (rc == 0)
		rc = il_stream_open_transport(stream, &transport, t);
	if (rc < 0) {
		tls_destroy(t);
		return rc;
	}
	if (t->client && t->host)
		il__tls_sessions_try(tls, t->ssl, t->host);
	t->stream = *stream;
	*made = t;
	return 0;
}
