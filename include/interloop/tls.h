/**
 * @file tls.h
 * @brief TLS over any stream, by OpenSSL 3: a library of its own, interloop-tls.
 *
 * A context holds what is decided once: certificates, whom to trust, limits. A stream over TLS is
 * an ordinary stream: everything that takes one works on it. A server whose clients speak TLS needs
 * one line more, and its handler none:
 *
 *     il_tls *tls;
 *     int rc = il_tls_create(&tls, &(il_tls_options){.certificate_file = "server.pem",
 *                                                    .key_file = "server.key"});
 *     options.layer = il_tls_layer(tls);
 *
 * A client verifies its server unless that is switched off: the certificate by the CAs that it
 * trusts, the name by the host that it connects to.
 *
 * The stream below may keep bytes that it has read ahead (after a PROXY header, say): they come
 * first. What OpenSSL writes goes through that stream, so no SIGPIPE is raised. The OpenSSL error
 * queue of the thread is cleared before each call into OpenSSL, and after one that failed.
 * Renegotiation (TLS 1.2) is refused. Memory comes from OpenSSL's allocator
 * (CRYPTO_set_mem_functions()).
 *
 * On a stream over TLS, calls of stream.h return these codes besides:
 * - -EPROTO: the peer broke the protocol, or sent an alert; a changed byte is found so. It is
 *   returned again by each later read.
 * - -EPIPE from a read: the connection ended without the peer's close_notify, so what came before
 *   may be cut short (see allow_truncation). It is returned again by each later read.
 * - -EPIPE from a write after one that was cut half-way, for its bytes cannot be taken back: it was
 *   cancelled, or il_stream_send_file() could not read further. Reads go on. One of which no byte
 *   was taken is not cut: the stream goes on, and what it holds back of others goes out by itself.
 * - -ENOMEM from a write: there is no memory for what the stream below did not take. It is returned
 *   again by each later write. Reads go on.
 *
 * il_stream_shutdown_write() sends close_notify; receiving goes on. Where none can be sent any more
 * it returns what a write would: -EPIPE after one that was cut, -EPROTO, -ECONNRESET. il_stream_close()
 * sends it if the stream below takes it at once, and never waits; il_client_finish() waits.
 */
#ifndef INTERLOOP_TLS_H
#define INTERLOOP_TLS_H

#include <interloop/base.h>
#include <interloop/layer.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup tls TLS
 * @{
 */

/** A context: certificates, keys, trusted CAs, limits. Thread-safe, reference-counted; any number of
 * loops, servers and clients may share one. */
typedef struct il_tls il_tls;

/** Whether the peer's certificate is verified. */
enum il_tls_verify {
	IL_TLS_VERIFY_DEFAULT = 0, /**< A client's side: required; a server's: none. */
	IL_TLS_VERIFY_NONE,        /**< Anybody may be at the other end. */
	/** A server's side only: a client may have none; one that it has must be good. */
	IL_TLS_VERIFY_OPTIONAL,
	IL_TLS_VERIFY_REQUIRED /**< Without a good certificate the handshake fails. */
};

/** A certificate with its key. */
typedef struct il_tls_certificate {
	/** A PEM file: the certificate, then those of the CAs between it and the root. */
	const char *certificate_file;
	const char *key_file;    /**< A PEM file with its private key. */
	const char *certificate; /**< In place of the file: its text. */
	const char *key;         /**< In place of the file: its text. */
	void *reserved[4];       /**< Zero. */
} il_tls_certificate;

/** Options of il_tls_create(); zero means the default everywhere. All texts are copied. */
typedef struct il_tls_options {
	/** A PEM file: the certificate, then those of the CAs between it and the root. Servers need
	 * one; a client's is shown to a server that asks for it. */
	const char *certificate_file;
	const char *key_file;    /**< A PEM file with its private key. */
	const char *certificate; /**< In place of the file: its text. */
	const char *key;         /**< In place of the file: its text. */
	/**
	 * Writes the password of a locked key to text, size bytes long, and returns its length;
	 * negative: there is none. Default: NULL, a locked key is refused; nobody is ever asked on
	 * a terminal. Called in il_tls_create() and il_tls_reload().
	 */
	int (*key_password)(char *text, size_t size, void *arg);
	/** A PEM file with the certificates of the CAs to trust; they need not be roots. */
	const char *ca_file;
	/** A folder with such certificates, named by hash (openssl rehash). Default, if ca_file is
	 * NULL, too: those of the system. */
	const char *ca_directory;
	/** A server that verifies needs ca_file or ca_directory. */
	enum il_tls_verify verify;
	/** Protocol names for ALPN (RFC 7301), the preferred one first, NULL at the end. A server's
	 * order decides. If both sides name some and none is in common the handshake fails. */
	const char *const *alpn;
	/** The oldest version to accept: "1.2" or "1.3". Default: "1.2". */
	const char *min_version;
	/** For the whole handshake. Default: 10 s; IL_FOREVER: no limit; negative: -EINVAL. */
	il_time handshake_timeout;
	/** Take the end of the connection for the end of the data, also without close_notify. Only
	 * for protocols that say themselves where a message ends. */
	bool allow_truncation;
	/** More certificates of a server, count of them: the first one that is good for the name
	 * which a client asks for (SNI) is shown, else the one above. */
	const il_tls_certificate *certificates;
	size_t certificate_count; /**< Of certificates. */
	/**
	 * For all that has no option: called with the new context, an SSL_CTX *, at the end of
	 * il_tls_create() and il_tls_reload(). A negative result is theirs. A callback that it sets
	 * with SSL_CTX_set_verify() has the last word on each certificate.
	 */
	int (*configure)(void *ssl_ctx, void *arg);
	void *arg;         /**< Passed to key_password and configure. */
	void *reserved[8]; /**< Zero. */
} il_tls_options;

/** What il_tls_information() tells. The texts are the stream's. */
typedef struct il_tls_info {
	const char *version; /**< "TLSv1.3". */
	const char *cipher;  /**< "TLS_AES_256_GCM_SHA384". */
	const char *alpn;    /**< The protocol that both chose; NULL: none. */
	const char *sni;     /**< The name that the client asked for; NULL: none. */
	/** Whose certificate was verified: on a client's side the host; on a server's the client's
	 * common name, or else its first alternative name. NULL: none was verified. */
	const char *peer_name;
	bool resumed;      /**< The handshake was a short one, by an earlier session. */
	void *reserved[8]; /**< Zero. */
} il_tls_info;

/* ---- contexts ---- */

/**
 * @brief Creates a context; reads all its files. Any thread; never waits for the loop.
 * @param options  NULL: the defaults, good for clients.
 * @return 0; -ENOENT, -EACCES, ...: a file cannot be read; -EINVAL: a file or a text is not what it
 *         should be (no PEM, a certificate without its key, the key of another one, a locked key
 *         and no password), an unknown version, an ALPN name that is empty or longer than 255
 *         bytes, a time or a mode out of range; il_error_detail() names the file and the reason.
 *         -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_tls_create(il_tls **tls, const il_tls_options *options);

/** @brief Takes another reference. Returns it. Any thread. */
IL_API il_tls *il_tls_ref(il_tls *tls);
/** @brief Drops a reference; the last one frees the context. Streams have their own. NULL is
 * allowed. Any thread. */
IL_API void il_tls_unref(il_tls *tls);

/**
 * @brief Reads the files again, after a certificate was renewed, say. Handshakes that begin from
 * then on use them; open connections and handshakes under way are not disturbed. Sessions kept for
 * resumption, and the tickets of clients, are no longer good. After a failure everything is as
 * before. Any thread.
 * @return 0; errors of il_tls_create(); -EINVAL: NULL.
 */
IL_MUST_CHECK IL_API int il_tls_reload(il_tls *tls);

/** @brief Returns the layer for il_server_options and il_connect_options. Borrowed: whoever copies
 * it holds a reference. NULL of NULL. That of a context with neither a certificate nor `configure` has no
 * `accept`, so a server refuses it (-EINVAL). Any thread. */
IL_API const struct il_layer *il_tls_layer(il_tls *tls);

/* ---- streams ---- */

/**
 * @brief The server's side of a handshake over a stream. A cancellation point; waits for
 * handshake_timeout at most.
 * @param stream  receives the stream over TLS; NULL after a failure.
 * @param under   on success the new stream's, which destroys it; after a failure it is closed and
 *                still the caller's to destroy. An alert says to the peer why.
 * @return 0; -EPROTO: what the peer sent is not TLS, or an alert, or there is no version, cipher or
 *         ALPN name in common; -EACCES: the client's certificate was refused, or it showed none;
 *         -ETIMEDOUT; -EPIPE, -ECONNRESET: the peer is gone, or under is closed; -EINVAL: the
 *         context has no certificate, or it verifies and has neither ca_file nor ca_directory;
 *         -ECANCELED; -EBUSY: a task reads from under or writes to it; -EPERM: not in a task; -ENOMEM.
 *         il_error_detail() names the peer and the reason. Not touched is an under of another thread
 *         (-EPERM) and one that a forked child has inherited (-ESHUTDOWN).
 */
IL_MUST_CHECK IL_API int il_tls_accept(il_stream **stream, il_stream *under, il_tls *tls);

/**
 * @brief The client's side, as il_tls_accept().
 * @param host  the name that the server's certificate must have, which is also sent (SNI); a final
 *              dot is dropped. A number is verified as an IP address and not sent. NULL: only
 *              without verification.
 * @return as il_tls_accept(); -EACCES: the server's certificate was refused: its CA is not trusted,
 *         it is for another host or purpose, it is not valid yet or any more; il_error_detail()
 *         says which. -EINVAL: no host to verify, one that is empty, begins with a dot or is longer
 *         than 255 bytes, or IL_TLS_VERIFY_OPTIONAL. With TLS 1.3 a server
 *         that refuses the client's certificate is noticed only by the first read: -EPROTO.
 */
IL_MUST_CHECK IL_API int il_tls_connect(il_stream **stream, il_stream *under, il_tls *tls,
					const char *host);

/**
 * @brief Tells what was negotiated. Looks through layers above TLS. Never waits.
 * @return 0; -ENOTSUP: there is no TLS there; -EBADF: closed; -EINVAL: NULL; -EPERM: another
 *         thread; -ESHUTDOWN: a forked child.
 */
IL_MUST_CHECK IL_API int il_tls_information(const il_stream *stream, il_tls_info *info);

/** @brief Returns OpenSSL's SSL * of a stream, for certificates, exporters, channel binding. Not for
 * reading and writing. NULL: there is no TLS there, or it is closed. */
IL_API void *il_tls_native(const il_stream *stream);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
