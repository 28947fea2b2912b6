/*
 * tls_bio.c: OpenSSL's input and output: the stream below, which is never waited for. What that
 * does not take is held back here, so a record is never half in OpenSSL's hands, and whoever has
 * written it may be cancelled. A stream holds no more than one call's records back before it sends
 * others, and not more than HELD_MAX of what it says by itself (to a peer that asks for new keys
 * and does not read). And one call gets no more than FED_MAX of what comes, in which a record has its
 * place: OpenSSL would go on as long as there is something, and what it reads may all be for itself.
 * Loop's thread only.
 */
#include "tls.h"

#include <limits.h>
#include <string.h>

enum { HELD_MAX = 64 << 10, FED_MAX = 32 << 10, FED_MORE = 2 << 10 };

/* ---- held back ---- */

static size_t tls_held(const struct il__tls_stream *t)
{
	return t->held_end - t->held_begin;
}

static void tls_held_drop(struct il__tls_stream *t)
{
	OPENSSL_free(t->held);
	t->held = NULL;
	t->held_begin = t->held_end = t->held_capacity = 0;
}

int il__tls_flush(struct il__tls_stream *t)
{
	while (tls_held(t)) {
		const struct iovec rest = {t->held + t->held_begin, tls_held(t)};
		int n = il_stream_write_now(t->under, &rest, 1);

		if (n == -EAGAIN)
			return n;
		if (n <= 0) {
			t->send_rc = n == 0 || n == -EBADF ? -EPIPE : n;
			tls_held_drop(t);
			return t->send_rc;
		}
		t->held_begin += (size_t)n;
	}
	tls_held_drop(t);
	return 0;
}

static bool tls_hold(struct il__tls_stream *t, const char *data, size_t size)
{
	if (t->held_capacity - t->held_end < size) {
		size_t kept = tls_held(t);
		char *grown = OPENSSL_malloc(kept + size);

		if (!grown)
			return false;
		if (kept)
			memcpy(grown, t->held + t->held_begin, kept);
		OPENSSL_free(t->held);
		t->held = grown;
		t->held_begin = 0;
		t->held_end = kept;
		t->held_capacity = kept + size;
	}
	memcpy(t->held + t->held_end, data, size);
	t->held_end += size;
	return true;
}

/* ---- the BIO ---- */

/* Takes everything: once sending has failed, nothing is sent any more, but what the peer has said
 * before can still be read, its alert above all. */
static int tls_bio_write(BIO *bio, const char *data, size_t size, size_t *written)
{
	struct il__tls_stream *t = BIO_get_data(bio);
	int n = t->send_rc;

	BIO_clear_retry_flags(bio);
	if (n == 0)
		n = il__tls_flush(t);
	if (n == -EAGAIN && tls_held(t) > HELD_MAX) {
		BIO_set_retry_write(bio);
		return 0;
	}
	if (n == 0) {
		const struct iovec piece = {(void *)(uintptr_t)data,
					    size < INT_MAX ? size : INT_MAX};
		n = il_stream_write_now(t->under, &piece, 1);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			t->send_rc = n == 0 || n == -EBADF ? -EPIPE : n;
	}
	*written = size;
	t->said += size;
	if (t->send_rc || (size_t)(n > 0 ? n : 0) == size)
		return 1;
	n = n > 0 ? n : 0;
	if (!tls_hold(t, data + n, size - (size_t)n))
		t->send_rc = -ENOMEM;
	return 1;
}

void il__tls_begin_call(struct il__tls_stream *t)
{
	t->fed = t->sated ? FED_MAX - FED_MORE : 0;
}

static int tls_bio_read(BIO *bio, char *data, size_t size, size_t *read)
{
	struct il__tls_stream *t = BIO_get_data(bio);
	const size_t left = FED_MAX - t->fed;
	int n = t->under_rc;

	t->sated = !left;
	if (t->sated)
		n = -EAGAIN;
	else if (n > 0)
		n = il_stream_read_now(t->under, data, size < left ? size : left);
	BIO_clear_retry_flags(bio);
	if (n > 0) {
		t->drained = t->plain && (size_t)n < size && !il_stream_buffered(t->under);
		*read = (size_t)n;
		t->fed += (size_t)n;
		return 1;
	}
	if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	else
		t->under_rc = n;
	return 0;
}

/* The end is not told as OpenSSL's: it would take it for a fatal error, and send no more. */
static long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

BIO_METHOD *il__tls_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "interloop stream");

	if (method && BIO_meth_set_write_ex(method, tls_bio_write) &&
	    BIO_meth_set_read_ex(method, tls_bio_read) && BIO_meth_set_ctrl(method, tls_bio_ctrl))
		return method;
	BIO_meth_free(method);
	return NULL;
}

BIO *il__tls_bio_create(struct il__tls_stream *t)
{
	BIO *bio = BIO_new(t->tls->below);

	if (bio) {
		BIO_set_data(bio, t);
		BIO_set_init(bio, 1);
	}
	return bio;
}
