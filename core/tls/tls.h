/*
 * tls.h: what the files of interloop-tls share. The library is written against public headers only,
 * as a transport of a user's own would be: the core knows nothing of it. A context belongs to any
 * thread, a stream to its loop's.
 */
#ifndef IL_CORE_TLS_TLS_H
#define IL_CORE_TLS_TLS_H

#include <interloop/tls.h>

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { IL__TLS_WORDS = 200 };

/* ---- a context ---- */

/* The options, copied; their texts too. */
struct il__tls_settings {
	il_tls_certificate *certificates; /* the first one is the default one */
	size_t certificate_count;
	char *ca_file, *ca_directory;
	unsigned char *alpn; /* as it is sent: lengths and names */
	size_t alpn_size;
	enum il_tls_verify verify;
	int min_version;
	il_time handshake_timeout;
	bool allow_truncation;
	int (*key_password)(char *text, size_t size, void *arg);
	int (*configure)(void *ssl_ctx, void *arg);
	void *arg;
};

/* A certificate with its key, read. */
struct il__tls_pair {
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;
};

/* What was made of the settings at one time; a handshake keeps the one that it began with. */
struct il__tls_material {
	atomic_uint references;
	SSL_CTX *ctx;
	const struct il__tls_settings *settings;
	struct il__tls_pair *pairs; /* of settings->certificates */
	bool trusts_system;         /* its CAs were read; under the context's lock */
};

struct il__tls_session;

struct il_tls {
	struct il_layer layer;
	atomic_uint references;
	struct il__tls_settings settings;
	BIO_METHOD *below; /* of the BIOs of its streams */
	pthread_mutex_t lock;
	struct il__tls_material *material; /* under the lock, as the sessions, the newest first */
	struct il__tls_session *sessions;
};

/* tls_settings.c: 0 or a refusal; after a failure, too, it is to be freed. */
int il__tls_settings_copy(struct il__tls_settings *s, const il_tls_options *o);
/* A certificate, or a function that may have brought one. */
bool il__tls_is_for_servers(const struct il__tls_settings *s);
void il__tls_settings_free(struct il__tls_settings *s);

/* tls_material.c */
int il__tls_material_create(struct il__tls_material **m, const struct il__tls_settings *s);
void il__tls_material_unref(struct il__tls_material *m);
/* The system's CAs are many: they are read when somebody needs them, at the latest by the first
 * connect. */
bool il__tls_trusts_system(const struct il__tls_settings *s);
int il__tls_material_trust_system(struct il__tls_material *m);
/* tls.c: the one of now, with a reference. */
struct il__tls_material *il__tls_take_material(il_tls *tls);
/* A client's: the same, and it has the system's CAs if it needs them. */
int il__tls_take_trusting(struct il__tls_material **m, il_tls *tls);

/* tls_certificate.c */
int il__tls_pair_read(struct il__tls_pair *pair, const il_tls_certificate *from,
		      const struct il__tls_settings *s);
void il__tls_pair_free(struct il__tls_pair *pair);
/* A cert_cb: shows the certificate that is good for the name asked for; arg is the material. */
int il__tls_pair_choose(SSL *ssl, void *arg);

/* tls_sessions.c: the sessions of a client's side, for short handshakes, by verified name. */
void il__tls_sessions_configure(SSL_CTX *ctx);
/* The one that is kept for the host is tried by ssl. */
void il__tls_sessions_try(il_tls *tls, SSL *ssl, const char *host);
/* Of material that is no longer good. The lock is held. */
void il__tls_sessions_drop(il_tls *tls);

/* ---- a stream ---- */

struct il__tls_stream {
	il_tls *tls;
	struct il__tls_material *material;
	SSL *ssl;
	il_stream *stream; /* its own */
	il_stream *under;
	bool plain;   /* under is a descriptor: one that gives less than it may has no more */
	bool drained; /* it has done so */
	bool client;
	bool owns;        /* `under` goes with it: the handshake has succeeded */
	bool established; /* it is over */
	bool fatal;       /* OpenSSL has given up: no close_notify any more */
	bool alerted;     /* by the peer */
	size_t said;      /* bytes, to the stream below */
	size_t fed;       /* bytes, from there, in this call */
	bool sated;       /* the last read from there was put off: that was enough for one call */
	bool refused;     /* the last attempt to send bytes took none */
	bool writing;     /* bytes of a write were taken that has not ended */
	bool notified;    /* close_notify is sent, or held back */
	int send_rc;      /* 0: go on; else what every later write returns */
	int under_rc;     /* 1: go on; else how receiving from below has ended */
	unsigned want[2]; /* what makes it worth trying again, by direction: a mask for below */
	char *held;       /* records that the stream below did not take yet */
	size_t held_begin, held_end, held_capacity;
	char *host; /* a client's: to be verified and to be asked for; NULL: none */
	char *peer_name, *alpn;
	char name[16];             /* the transport's, which dumps show: first of the handshake */
	char words[IL__TLS_WORDS]; /* why it failed */
};

/* tls_stream.c: over `under`, which stays the caller's. */
int il__tls_stream_open(il_stream **stream, struct il__tls_stream **t, il_stream *under,
			il_tls *tls, const char *host, bool client);
extern const struct il_transport il__tls_transport;

/* tls_bio.c */
BIO_METHOD *il__tls_bio_method(void);
BIO *il__tls_bio_create(struct il__tls_stream *t);
/* Of the transport: one that goes on where the last was sated gets little. */
void il__tls_begin_call(struct il__tls_stream *t);
/* Hands on what is held back. 0: nothing is left; -EAGAIN; another code ends the sending. */
int il__tls_flush(struct il__tls_stream *t);

/* tls_handshake.c: goes on with it. 0: it is over; -EAGAIN: see want; else it has failed. */
int il__tls_handshake(struct il__tls_stream *t, unsigned direction);

/* tls_verify.c */
/* What this side demands of the peer's certificate. 0 or a refusal. */
int il__tls_verify_prepare(struct il__tls_stream *t, const char *function);
/* Why it was refused, in words. */
void il__tls_verify_words(const struct il__tls_stream *t, char *words, size_t size);
/* The name of whom was verified, to be freed; NULL: nobody was, or no memory. */
char *il__tls_verify_name(const struct il__tls_stream *t);
bool il__tls_is_address(const char *host);

/* tls_error.c */
/* A refusal because of what OpenSSL says: `what`, then its reason. Empties the error queue. */
int il__tls_refuse(int rc, const char *what);
/* OpenSSL's function gave `result`. -EAGAIN: want[direction] is set; 0: the peer has sent
 * close_notify; else the code, with t->words. Empties the error queue. */
int il__tls_failure(struct il__tls_stream *t, int result, unsigned direction);

static inline unsigned il__tls_index(unsigned direction)
{
	return direction == IL_WRITABLE;
}

#endif
