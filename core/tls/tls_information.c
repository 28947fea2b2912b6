/*
 * tls_information.c: what a handshake has settled, for whoever asks; also of a stream with other
 * layers above TLS. Loop's thread only.
 */
#include "tls.h"

static struct il__tls_stream *information_find(const il_stream *stream)
{
	return il_transport_find(stream, &il__tls_transport);
}

int il_tls_information(const il_stream *stream, il_tls_info *info)
{
	const struct il__tls_stream *t;
	il_address address;
	int rc;

	if (!stream || !info)
		return il_fail(-EINVAL, "il_tls_information: the %s is NULL",
			       stream ? "place for the result" : "stream");
	rc = il_stream_local_address(stream, &address); /* which knows who may ask */
	if (rc == -EPERM || rc == -ESHUTDOWN)
		return il_fail(rc, "il_tls_information: the stream belongs to another %s",
			       rc == -EPERM ? "thread" : "process");
	t = information_find(stream);
	if (!t && rc == -EBADF)
		return il_fail(-EBADF, "il_tls_information: the stream is closed");
	if (!t)
		return il_fail(-ENOTSUP, "il_tls_information: there is no TLS on this stream");
	*info = (il_tls_info){
	    .version = SSL_get_version(t->ssl),
	    .cipher = SSL_get_cipher_name(t->ssl),
	    .alpn = t->alpn,
	    .sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name),
	    .peer_name = t->peer_name,
	    .resumed = SSL_session_reused(t->ssl),
	};
	return 0;
}

void *il_tls_native(const il_stream *stream)
{
	const struct il__tls_stream *t = stream ? information_find(stream) : NULL;

	return t ? t->ssl : NULL;
}
