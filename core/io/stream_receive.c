/*
 * stream_receive.c: receiving a known number of bytes, or up to a delimiter. The invariant: a byte that came from
 * the system is either handed to a caller whose call succeeded, or kept in the stream for the next one;
 * so room to keep it is made before it is received. Loop's thread only, in a task.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "../base/error.h"
#include "stream.h"

#include <limits.h>

enum { CHUNK = 4096 };

static size_t receive_kept(const il_stream *s)
{
	return s->kept_end - s->kept_begin;
}

size_t il_stream_buffered(const il_stream *stream)
{
	return stream ? receive_kept(stream) : 0;
}

/* ---- a known number ---- */

/* Straight into the caller's memory. What came before an error goes back; there is room for it. */
static int receive_exactly(il_stream *s, struct il__op *op, char *data, size_t size)
{
	size_t got = receive_kept(s) < size ? receive_kept(s) : size;
	int rc = got < size ? il__stream_reserve(s, size - got, op->function) : 0;

	if (rc < 0)
		return rc;
	memcpy(data, s->kept + s->kept_begin, got);
	s->kept_begin += got;
	while (got < size) {
		size_t left = size - got;
		rc = il__op_receive_ahead(s, op, data + got, left < INT_MAX ? left : INT_MAX, got);
		if (rc <= 0)
			break;
		got += (size_t)rc;
		if (op->lack) {
			rc = il__op_lacks_room(op);
			break;
		}
	}
	if (got == size && !op->lack) {
		il__kept_fds_take(s, size, NULL, 0);
		return 0;
	}
	if (op->gone)
		return rc;
	memcpy(s->kept, data,
	       got); /* nothing else is kept: the caller wanted more than there was */
	s->kept_begin = 0;
	s->kept_end = got;
	return rc < 0 ? rc
		      : il__refuse(-ENODATA, "%s: the stream ended after %zu of %zu bytes",
				   op->function, got, size);
}

int il_stream_receive_exactly(il_stream *stream, void *data, size_t size)
{
	static const char function[] = "il_stream_receive_exactly";
	struct il__op op;
	int rc;

	if (!il__is_data(data, size))
		return il__refuse_data(function);
	rc = il__op_begin(stream, &op, IL_READABLE, IL_FOREVER, function);
	if (rc < 0)
		return rc;
	return il__op_end(stream, &op, size ? receive_exactly(stream, &op, data, size) : 0);
}

/* ---- up to a delimiter ---- */

struct search {
	const char *delimiter;
	size_t length, max;
	size_t from; /* no delimiter begins before this byte */
};

/* The number of bytes before the delimiter; -EMSGSIZE; -EAGAIN: more must come. */
static int receive_search(const il_stream *s, struct search *f)
{
	const char *bytes = s->kept + s->kept_begin, *hit = NULL;
	size_t have = receive_kept(s);

	if (f->from + f->length <= have) {
		hit = memmem(bytes + f->from, have - f->from, f->delimiter, f->length);
		f->from = hit ? (size_t)(hit - bytes) : have - f->length + 1;
	}
	if (f->from > f->max)
		return -EMSGSIZE;
	return hit ? (int)f->from : -EAGAIN;
}

static int receive_until(il_stream *s, struct il__op *op, char *data, struct search *f)
{
	for (;;) {
		int rc = receive_kept(s) ? receive_search(s, f) : -EAGAIN;

		if (rc >= 0) {
			if (rc) /* data may be NULL when it needs no room */
				memcpy(data, s->kept + s->kept_begin, (size_t)rc);
			s->kept_begin += (size_t)rc + f->length;
			il__kept_fds_take(s, (size_t)rc + f->length, NULL, 0);
			return rc;
		}
		if (rc == -EMSGSIZE)
			return il__refuse(rc,
					  "%s: no delimiter within %zu bytes; raise the limit, or "
					  "take the bytes with il_stream_read",
					  op->function, f->max);
		rc = il__stream_reserve(s, CHUNK, op->function);
		if (rc < 0)
			return rc;
		rc = il__op_receive_ahead(s, op, s->kept + s->kept_end,
					  s->kept_capacity - s->kept_end, receive_kept(s));
		if (rc == 0)
			return il__refuse(-ENODATA,
					  "%s: the stream ended before the delimiter, after "
					  "%zu bytes",
					  op->function, receive_kept(s));
		if (rc < 0)
			return rc;
		s->kept_end += (size_t)rc;
		if (op->lack)
			return il__op_lacks_room(op);
	}
}

int il_stream_receive_until(il_stream *stream, void *data, size_t max, const void *delimiter,
			    size_t length)
{
	static const char function[] = "il_stream_receive_until";
	struct search f = {.delimiter = delimiter, .length = length};
	struct il__op op;
	int rc;

	if (!il__is_data(data, max) || !length || !il__is_data(delimiter, length))
		return il__refuse(-EINVAL, "%s: the data or the delimiter is NULL, or has no size",
				  function);
	f.max = max < INT_MAX ? max : INT_MAX;
	rc = il__op_begin(stream, &op, IL_READABLE, IL_FOREVER, function);
	if (rc < 0)
		return rc;
	return il__op_end(stream, &op, receive_until(stream, &op, data, &f));
}
