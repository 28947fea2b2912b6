/*
 * stream_now.c: receiving and sending without a wait, in a task or not: for layers, and for what ends a stream. Loop's
 * thread only.
 */
#include "../base/error.h"
#include "../runtime/thread_state.h"
#include "stream.h"

#include <limits.h>

/* Whether a call of that direction may be made now. */
static int now_check(const il_stream *s, unsigned direction, const char *function)
{
	int rc;

	if (il__unlikely(!s || s->number < 0 || il__self.loop != s->loop)) {
		rc = il__stream_check(s, function);
		if (rc < 0)
			return rc;
	}
	if (s->op[il__fd_direction(direction)] || s->selected & direction)
		return il__refuse(-EBUSY, "%s: a task is %s this stream", function,
				  direction == IL_READABLE ? "reading from" : "writing to");
	return 0;
}

/* -EAGAIN is so common that it has no words; a transport has its own for what else it says. */
static int now_failed(int rc, const char *function)
{
	if (rc == -EAGAIN)
		return il__no_words(-EAGAIN);
	return il__has_refused(rc) ? rc : il__refuse(rc, "%s: %s", function, il__system_words(rc));
}

/* One try; a transport may be gone after a failure. */
static int read_once(il_stream *s, void *data, size_t max)
{
	const bool plain = s->kind != IL__STREAM_TRANSPORT;
	int n;

	if (plain)
		il__clear_refusal();
	n = il__stream_receive_once(s, data, max < INT_MAX ? max : INT_MAX);
	if (plain && (n == -EAGAIN || (n > 0 && (size_t)n < max)))
		il__stream_drained(s, IL_READABLE);
	return n;
}

int il_stream_read_now(il_stream *stream, void *data, size_t max)
{
	static const char function[] = "il_stream_read_now";
	int n = now_check(stream, IL_READABLE, function);

	if (n < 0)
		return n;
	if (!il__is_room(data, max))
		return il__refuse(-EINVAL, "%s: there must be room for at least one byte",
				  function);
	if (il__stream_has_kept(stream))
		return il__stream_take_kept(stream, data, max < INT_MAX ? max : INT_MAX, NULL,
					    NULL);
	n = read_once(stream, data, max);
	return n < 0 ? now_failed(n, function) : n;
}

int il_stream_write_now(il_stream *stream, const struct iovec *pieces, int count)
{
	static const char function[] = "il_stream_write_now";
	int n = now_check(stream, IL_WRITABLE, function);
	bool plain, whole;

	if (n < 0)
		return n;
	n = il__stream_check_pieces(pieces, count, function);
	if (n < 0)
		return n;
	if (stream->shut)
		return il__refuse(-EPIPE, "%s: the stream was shut down for writing", function);
	plain = stream->kind != IL__STREAM_TRANSPORT;
	if (plain && !count) /* nothing is held back; a full one has said so */
		return stream->fd->ready & IL_WRITABLE ? 0 : il__no_words(-EAGAIN);
	if (plain)
		il__clear_refusal();
	n = il__stream_send_once(stream, pieces, count, &whole);
	if (plain && !whole)
		il__stream_drained(stream, IL_WRITABLE);
	else if (plain && n > 0) /* a full one has room again */
		stream->fd->ready |= IL_WRITABLE;
	return n < 0 ? now_failed(n, function) : n;
}

void il__stream_drop_received(il_stream *s)
{
	char scrap[2048];

	for (int i = 0; i < 64 && !il__stream_is_closed(s); i++)
		if (il__stream_receive_once(s, scrap, sizeof scrap) <= 0)
			break;
}
