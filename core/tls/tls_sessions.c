/*
 * tls_sessions.c: the sessions of a context's client side, one for each host, for a short handshake
 * the next time. Only those of verified hosts are kept, under the name that was verified, so
 * whoever resumes one knows as much of its peer as after a full handshake. A session of TLS 1.3 is
 * used once (RFC 8446, C.4). Any thread, under the context's lock.
 */
#include "tls.h"

#include <string.h>

enum { SESSIONS_MAX = 256 };

struct il__tls_session {
	struct il__tls_session *next;
	SSL_SESSION *session;
	char host[];
};

static void session_free(struct il__tls_session *s)
{
	SSL_SESSION_free(s->session);
	OPENSSL_free(s);
}

/* Takes the one of the host out of the list, and one that is too many; NULL: there is none. */
static struct il__tls_session *sessions_unlink(il_tls *tls, const char *host)
{
	struct il__tls_session **link = &tls->sessions, *found;

	while (*link && strcmp((*link)->host, host) != 0)
		link = &(*link)->next;
	found = *link;
	if (found)
		*link = found->next;
	return found;
}

static void sessions_trim(il_tls *tls)
{
	struct il__tls_session **link = &tls->sessions, *last;

	for (size_t n = 0; n < SESSIONS_MAX && *link; n++)
		link = &(*link)->next;
	last = *link;
	*link = NULL;
	if (last)
		session_free(last);
}

/* A new_session_cb: OpenSSL's reference is ours if this returns 1. */
static int sessions_keep(SSL *ssl, SSL_SESSION *session)
{
	struct il__tls_stream *t = SSL_get_app_data(ssl);
	struct il__tls_session *new, *old;
	size_t size;

	if (!t->client || !t->host || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
	    !SSL_SESSION_is_resumable(session))
		return 0;
	size = strlen(t->host) + 1;
	new = OPENSSL_malloc(sizeof *new + size);
	if (!new)
		return 0;
	new->session = session;
	memcpy(new->host, t->host, size);
	pthread_mutex_lock(&t->tls->lock);
	if (t->tls->material != t->material) { /* it is of files that are no longer good */
		pthread_mutex_unlock(&t->tls->lock);
		OPENSSL_free(new);
		return 0;
	}
	old = sessions_unlink(t->tls, t->host);
	new->next = t->tls->sessions;
	t->tls->sessions = new;
	sessions_trim(t->tls);
	pthread_mutex_unlock(&t->tls->lock);
	if (old)
		session_free(old);
	return 1;
}

void il__tls_sessions_configure(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, sessions_keep);
}

void il__tls_sessions_try(il_tls *tls, SSL *ssl, const char *host)
{
	struct il__tls_session *s;

	pthread_mutex_lock(&tls->lock);
	s = sessions_unlink(tls, host);
	if (s) {
		SSL_set_session(ssl, s->session);
		if (SSL_SESSION_get_protocol_version(s->session) < TLS1_3_VERSION) {
			s->next = tls->sessions;
			tls->sessions = s;
			s = NULL;
		}
	}
	pthread_mutex_unlock(&tls->lock);
	if (s)
		session_free(s);
}

void il__tls_sessions_drop(il_tls *tls)
{
	while (tls->sessions) {
		struct il__tls_session *s = tls->sessions;
		tls->sessions = s->next;
		session_free(s);
	}
}
