/*
 * stream_options.c: what one may ask of a stream and set, and the end of what it sends; nothing waits. What is about
 * the connection goes down to the socket below the layers. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/os.h"
#include "../runtime/thread_state.h"
#include "address.h"
#include "network.h"
#include "stream.h"
#include "transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

int il__stream_check(const il_stream *s, const char *function)
{
	if (!s)
		return il__refuse(-EINVAL, "%s: the stream is NULL", function);
	if (s->number < 0)
		return il__refuse(-EBADF, "%s: the stream is closed", function);
	return il__loop_check_thread(s->loop, function);
}

int il__stream_check_free(const il_stream *s, const char *function)
{
	int rc = il__stream_check(s, function);

	if (rc == 0 && (s->op[0] || s->op[1] || il__stream_asked(s)))
		rc = il__refuse(-EBUSY, "%s: another task reads from this stream or writes to it",
				function);
	return rc;
}

static int refuse_kind(const il_stream *s, const char *function)
{
	return il__refuse(-ENOTSUP, "%s: this stream is %s", function,
			  s->kind == IL__STREAM_FILE ? "a pipe or terminal, no socket"
						     : "a transport of its own, no socket");
}

/* What a network's connection has for the options of a socket; NULL: it is none. */
static const struct il__network *stream_network(const il_stream *s)
{
	return s->kind == IL__STREAM_TRANSPORT ? il__transport_of(s)->network : NULL;
}

/* The socket, or a network's connection, at the bottom of open streams; NULL: there is none. */
static const il_stream *stream_socket(const il_stream *s)
{
	while (s && !il__stream_is_closed(s) && s->kind == IL__STREAM_TRANSPORT &&
	       !stream_network(s))
		s = il__transport_under(s);
	return s && !il__stream_is_closed(s) && s->kind != IL__STREAM_FILE ? s : NULL;
}

static bool stream_is_tcp(const il_stream *s)
{
	return s->kind == IL__STREAM_INET || stream_network(s);
}

/* *s becomes the socket. */
static int check_socket(const il_stream **s, const char *function)
{
	int rc = il__stream_check(*s, function);
	const il_stream *socket = rc < 0 ? NULL : stream_socket(*s);

	if (rc == 0 && !socket)
		rc = refuse_kind(*s, function);
	if (rc == 0)
		*s = socket;
	return rc;
}

int il_stream_shutdown_write(il_stream *stream)
{
	static const char function[] = "il_stream_shutdown_write";
	int rc = il__stream_check(stream, function);

	if (rc < 0)
		return rc;
	if (stream->kind == IL__STREAM_FILE)
		return refuse_kind(stream, function);
	if (stream->op[1])
		return il__refuse(-EBUSY, "%s: another task is writing; let it end", function);
	if (stream->shut)
		return 0;
	if (stream->kind == IL__STREAM_TRANSPORT) {
		stream->shut = true;
		rc = il__transport_shutdown_write(stream);
		if (rc < 0 && rc != -EBADF) /* then it may be gone */
			stream->shut = false;
		return rc;
	}
	/* Not connected any more: then the peer needs not be told. */
	if (shutdown(stream->number, SHUT_WR) < 0 && errno != ENOTCONN)
		return il__no_words(-errno);
	stream->shut = true;
	return 0;
}

/* ---- addresses ---- */

/* Of the topmost stream that has one of its own; NULL: ask the socket. */
static const il_address *stream_local(const il_stream *s)
{
	const il_address *local = NULL;

	for (; s && !local && !il__stream_is_closed(s) && s->kind == IL__STREAM_TRANSPORT;
	     s = il__transport_under(s))
		local = il__transport_of(s)->local.length ? &il__transport_of(s)->local : NULL;
	return local;
}

int il_stream_local_address(const il_stream *stream, il_address *address)
{
	static const char function[] = "il_stream_local_address";
	int rc = il__stream_check(stream, function);
	const il_address *local = rc < 0 ? NULL : stream_local(stream);

	if (rc == 0 && !local)
		rc = check_socket(&stream, function);
	if (rc < 0)
		return rc;
	if (!address)
		return il__refuse(-EINVAL, "%s: the address is NULL", function);
	if (local) {
		*address = *local;
		return 0;
	}
	address->length = sizeof address->storage;
	if (getsockname(stream->number, (struct sockaddr *)&address->storage, &address->length) < 0)
		return il__no_words(-errno);
	il__address_unmap(address);
	return 0;
}

/* The topmost stream that knows it. */
static const il_stream *stream_with_peer(const il_stream *s)
{
	while (s && !il__stream_is_closed(s) && !s->peer.length && s->kind == IL__STREAM_TRANSPORT)
		s = il__transport_under(s);
	return s && !il__stream_is_closed(s) && s->peer.length ? s : NULL;
}

int il_stream_peer_address(const il_stream *stream, il_address *address)
{
	static const char function[] = "il_stream_peer_address";
	int rc = il__stream_check(stream, function);
	const il_stream *known = rc < 0 ? NULL : stream_with_peer(stream);

	if (rc == 0 && !known)
		rc = check_socket(&stream, function);
	if (rc < 0)
		return rc;
	if (!address)
		return il__refuse(-EINVAL, "%s: the address is NULL", function);
	if (known) {
		*address = known->peer;
		return 0;
	}
	address->length = sizeof address->storage;
	if (getpeername(stream->number, (struct sockaddr *)&address->storage, &address->length) <
	    0) {
		address->length = 0;
		return il__no_words(-errno);
	}
	il__address_unmap(address);
	return 0;
}

int il_stream_set_peer_address(il_stream *stream, const il_address *address)
{
	static const char function[] = "il_stream_set_peer_address";
	int rc = il__stream_check(stream, function);

	if (rc < 0)
		return rc;
	if (!address || !address->length || address->length > sizeof address->storage)
		return il__refuse(-EINVAL, "%s: there is no address", function);
	if (stream->kind == IL__STREAM_FILE)
		return refuse_kind(stream, function);
	stream->peer = *address;
	return 0;
}

/* ---- options of the socket ---- */

int il__stream_set_option(const il_stream *s, int level, int name, const void *value, size_t size)
{
	const struct il__network *network;

	s = stream_socket(s);
	if (!s)
		return -ENOTSUP;
	network = stream_network(s);
	if (network)
		return network->option
			   ? network->option(il__transport_of(s)->self, level, name, value, size)
			   : -ENOTSUP;
	return setsockopt(s->number, level, name, value, (socklen_t)size) < 0 ? -errno : 0;
}

static int stream_set_number(const void *stream, int level, int name, int value)
{
	return il__stream_set_option(stream, level, name, &value, sizeof value);
}

int il_stream_set_nodelay(il_stream *stream, bool on)
{
	static const char function[] = "il_stream_set_nodelay";
	int rc = il__stream_check(stream, function);

	if (rc < 0)
		return rc;
	if (!stream_is_tcp(stream))
		return il__refuse(-ENOTSUP, "%s: this stream is not TCP", function);
	return il__no_words(stream_set_number(stream, IPPROTO_TCP, TCP_NODELAY, on));
}

int il_stream_set_keepalive(il_stream *stream, bool on)
{
	const il_stream *socket = stream;
	int rc = check_socket(&socket, "il_stream_set_keepalive");

	if (rc < 0)
		return rc;
	return il__no_words(stream_set_number(socket, SOL_SOCKET, SO_KEEPALIVE, on));
}

int il_stream_set_keepalive_times(il_stream *stream, il_time idle, il_time interval, int probes,
				  il_time give_up)
{
	static const char function[] = "il_stream_set_keepalive_times";
	const il_stream *socket = stream;
	int rc = check_socket(&socket, function);

	if (rc < 0)
		return rc;
	if (!stream_is_tcp(socket))
		return il__refuse(-ENOTSUP, "%s: this stream is not TCP", function);
	rc = il__os_socket_keepalive(stream_set_number, socket, idle, interval, probes, give_up);
	return rc == -EINVAL ? il__refuse(rc,
					  "%s: expected idle and interval of 0 to 32767 s, 0 to "
					  "127 probes, and give_up of 0 to 24 days",
					  function)
			     : il__no_words(rc);
}

int il_stream_fd(const il_stream *stream)
{
	if (!stream)
		return il__refuse(-EINVAL, "il_stream_fd: the stream is NULL");
	if (stream->number < 0)
		return il__refuse(-EBADF, "il_stream_fd: the stream is closed");
	if (stream->kind == IL__STREAM_TRANSPORT)
		return il__refuse(-ENOTSUP, "il_stream_fd: behind this stream is no descriptor");
	return stream->beside ? stream->beside->source.watch.fd : stream->number;
}
