/*
 * q_tls.h: what the tests of TLS share: certificates of a small CA, contexts of them, and two ends
 * that have shaken hands. Certificates are made when a test asks for one, and once per process.
 */
#ifndef IL_TESTS_Q_TLS_H
#define IL_TESTS_Q_TLS_H

#include "l_net.h"

#include <interloop/tls.h>
#include <openssl/ssl.h>

/* ---- certificates (q_certificates.c) ---- */

/* Whose certificate it is. All are for "localhost", 127.0.0.1 and ::1, and of one CA, unless said
 * otherwise. */
enum identity {
	CA,         /* the one that signs the others */
	OTHER_CA,   /* nobody trusts it */
	SERVER,     /* a good one */
	RENEWED,    /* another good one */
	EXPIRED,    /* an hour ago */
	EARLY,      /* good from tomorrow on */
	ELSEWHERE,  /* for "elsewhere.test" */
	STRANGER,   /* of OTHER_CA */
	CLIENT,     /* for clients only; its common name is "alice" */
	MIDDLE_CA,  /* a CA that CA has signed */
	OTHER_KIND, /* for "kind.test", with a key of another kind: Ed25519 */
	BRANCH,     /* a good one, of MIDDLE_CA */
	IDENTITIES
};

/* PEM texts, which live as long as the process. */
const char *certificate_of(enum identity who);
const char *key_of(enum identity who);
/* The key, locked with "secret". */
const char *locked_key_of(enum identity who);

/* A file with this text, to be removed by file_drop. */
struct file {
	char path[64];
};
struct file file_with(const char *text);
void file_drop(struct file *file);

/* ---- contexts ---- */

/* A server that shows this certificate. */
static inline il_tls_options serving(enum identity who)
{
	return (il_tls_options){.certificate = certificate_of(who), .key = key_of(who)};
}

static inline il_tls *context_of(const il_tls_options *o)
{
	il_tls *tls = NULL;

	CHECK_RC(il_tls_create(&tls, o), 0);
	CHECK(tls != NULL);
	return tls;
}

static inline il_tls *server_of(enum identity who)
{
	const il_tls_options o = serving(who);

	return context_of(&o);
}

/* One that trusts a CA; the options' ca_file is set. */
static inline il_tls *trusting(enum identity ca, il_tls_options o)
{
	struct file file = file_with(certificate_of(ca));
	il_tls *tls;

	o.ca_file = file.path;
	tls = context_of(&o);
	file_drop(&file);
	return tls;
}

static inline il_tls *client_of(enum identity ca)
{
	return trusting(ca, (il_tls_options){.verify = IL_TLS_VERIFY_DEFAULT});
}

/* For configure: this side speaks no more than TLS 1.2. */
static inline int at_most_12(void *ctx, void *arg)
{
	(void)arg;
	return SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ? 0 : -EINVAL;
}

/* ---- two ends ---- */

/* A handshake over two streams: the server's side in a task of its own. Both contexts stay the
 * caller's. */
struct shake {
	il_stream *under[2]; /* the client's side, the server's */
	il_stream *over[2];
	il_tls *tls[2];
	const char *host;
	struct side server;
	int rc[2];
	char why[2][256];
};

static inline void shake_note(struct shake *k, int i, int rc)
{
	k->rc[i] = rc;
	snprintf(k->why[i], sizeof k->why[i], "%s", rc < 0 ? il_error_detail() : "");
}

static inline int shake_accept(void *arg)
{
	struct side *s = arg;
	struct shake *k = s->object;

	shake_note(k, 1, il_tls_accept(&k->over[1], k->under[1], k->tls[1]));
	CHECK((k->rc[1] == 0) == (k->over[1] != NULL));
	return k->rc[1];
}

static inline int shake_connect(void *arg)
{
	struct side *s = arg;
	struct shake *k = s->object;

	return il_tls_connect(&k->over[0], k->under[0], k->tls[0], "localhost");
}

/* Both sides of a handshake; with what result is in rc. */
static inline void shake_try(struct shake *k, int kind, il_tls *client, il_tls *server,
			     const char *host)
{
	struct ends e = ends_of(kind);

	*k = (struct shake){.under = {e.a, e.b}, .tls = {client, server}, .host = host};
	side_start(&k->server, shake_accept, k);
	shake_note(k, 0, il_tls_connect(&k->over[0], k->under[0], client, host));
	CHECK((k->rc[0] == 0) == (k->over[0] != NULL));
	side_join(&k->server);
}

/* Streams that stayed the test's after a failure are destroyed, too. */
static inline void shake_drop(struct shake *k)
{
	for (int i = 0; i < 2; i++)
		il_stream_destroy(k->rc[i] == 0 ? k->over[i] : k->under[i]);
}

static inline void shake_begin(struct shake *k, int kind, il_tls *client, il_tls *server)
{
	shake_try(k, kind, client, server, "localhost");
	CHECK_RC(k->rc[0], 0);
	CHECK_RC(k->rc[1], 0);
}

/* Two ends of a good connection, and their contexts. */
struct secure {
	struct shake shake;
	il_stream *client, *server;
};

/* Over any streams, the first the client's. */
static inline void shake_over(struct shake *k, il_stream *streams[2], il_tls *client,
			      il_tls *server)
{
	*k = (struct shake){.under = {streams[0], streams[1]}, .tls = {client, server}};
	side_start(&k->server, shake_accept, k);
	shake_note(k, 0, il_tls_connect(&k->over[0], k->under[0], client, "localhost"));
	side_join(&k->server);
	CHECK_RC(k->rc[0], 0);
	CHECK_RC(k->rc[1], 0);
}

static inline void secure_open_with(struct secure *s, int kind, il_tls_options client,
				    il_tls_options server)
{
	il_tls *ours = trusting(CA, client), *theirs;

	server.certificate = certificate_of(SERVER);
	server.key = key_of(SERVER);
	theirs = context_of(&server);
	shake_begin(&s->shake, kind, ours, theirs);
	s->client = s->shake.over[0];
	s->server = s->shake.over[1];
	il_tls_unref(ours); /* the streams have their own */
	il_tls_unref(theirs);
}

static inline void secure_open(struct secure *s, int kind)
{
	const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT};

	secure_open_with(s, kind, defaults, defaults);
}

static inline void secure_drop(struct secure *s)
{
	shake_drop(&s->shake);
}

static inline il_tls_info information(const il_stream *s)
{
	il_tls_info info;

	CHECK_RC(il_tls_information(s, &info), 0);
	return info;
}

#endif
