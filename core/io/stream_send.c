/*
 * stream_send.c: sending, as stream_io.c receives: the system call first, then the wait. What a transport was given it
 * may hold back, so sending all of something ends when it holds back nothing. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../base/os.h"
#include "stream.h"
#include "transport.h"

#include <limits.h>
#include <sys/uio.h>

enum { PIECES = 16 }; /* handed to the system at a time */

/* Where the sending is: the pieces from `piece` on, without the first `offset` bytes. */
struct cursor {
	const struct iovec *piece, *end;
	size_t offset;
};

static void skip_empty(struct cursor *c)
{
	while (c->piece < c->end && c->offset == c->piece->iov_len) {
		c->piece++;
		c->offset = 0;
	}
}

static void stream_advance(struct cursor *c, size_t n)
{
	while (n) {
		size_t left = c->piece->iov_len - c->offset;
		size_t step = n < left ? n : left;
		c->offset += step;
		n -= step;
		skip_empty(c);
	}
}

/* The next pieces; how many, and their size. */
static int next_pieces(const struct cursor *c, struct iovec *pieces, size_t *total)
{
	int count = 0;

	*total = 0;
	for (const struct iovec *p = c->piece; p < c->end && count < PIECES; p++) {
		size_t offset = p == c->piece ? c->offset : 0;
		size_t length = p->iov_len - offset;
		if (length > INT_MAX - *total)
			length = INT_MAX - *total;
		if (!length) /* it may have no address */
			continue;
		pieces[count++] = (struct iovec){(char *)p->iov_base + offset, length};
		*total += length;
	}
	return count;
}

/* Hands over what is taken at once; *whole: that was all that was offered. A transport may be gone afterwards. */
static int send_pieces(il_stream *s, const struct cursor *c, bool *whole)
{
	struct iovec pieces[PIECES];
	struct msghdr message = {.msg_iov = pieces};
	size_t total;
	int n, count = next_pieces(c, pieces, &total);

	message.msg_iovlen = (size_t)count;
	switch ((enum il__stream_kind)s->kind) {
	case IL__STREAM_TRANSPORT:
		n = il__transport_send(s, pieces, count);
		break;
	case IL__STREAM_FILE:
		n = (int)il__os_write_pieces(s->number, pieces, count);
		break;
	default:
		n = (int)il__os_sendmsg(s->number, &message);
	}
	*whole = n >= 0 && (size_t)n == total;
	return n;
}

static ssize_t send_some(il_stream *s, const struct cursor *c, bool *whole)
{
	size_t length;
	ssize_t n;

	if (c->end - c->piece > 1)
		return send_pieces(s, c, whole);
	length = c->piece->iov_len - c->offset;
	n = il__os_send(s->number, (char *)c->piece->iov_base + c->offset, length);
	*whole = n >= 0 && (size_t)n == length;
	return n;
}

int il__stream_send_once(il_stream *s, const struct iovec *pieces, int count, bool *whole)
{
	struct cursor c = {.piece = pieces, .end = count ? pieces + count : pieces};

	*whole = true;
	if (!count && s->kind == IL__STREAM_TRANSPORT)
		return il__transport_send(s, pieces, 0);
	skip_empty(&c);
	return c.piece < c.end ? send_pieces(s, &c, whole) : 0;
}

/* What a transport was given it may hold back: until it does not. One that learns that nobody waits any more learns
 * with it whether that has cut a write of bytes: then the flush has pieces, of which there are none. */
static int op_flush(il_stream *s, struct il__op *op)
{
	static const struct iovec none;

	if (s->kind != IL__STREAM_TRANSPORT || op->more)
		return 0;
	for (;;) {
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		rc = il__transport_send(s, op->begun ? &none : NULL, 0);
		if (op->gone)
			return il__op_gone(op);
		if (rc != -EAGAIN)
			return rc;
		il__stream_drained(s, IL_WRITABLE);
	}
}

/* One try that takes something: how much. */
static int op_send_part(il_stream *s, struct il__op *op, const struct cursor *c)
{
	for (;;) {
		bool whole;
		int n, rc = il__op_wait_fair(s, op);

		if (rc < 0)
			return rc;
		n = send_pieces(s, c, &whole);
		if (op->gone)
			return il__op_gone(op);
		if (n < 0 && n != -EAGAIN)
			return il__op_failed(op, n);
		if (n < 0 || (!whole && s->kind != IL__STREAM_TRANSPORT))
			il__stream_drained(s, IL_WRITABLE);
		if (n >= 0) {
			op->moved += (size_t)n;
			return n;
		}
	}
}

static __attribute__((noinline)) int op_send_other(il_stream *s, struct il__op *op,
						   struct cursor *c)
{
	while (c->piece < c->end) {
		int n = op_send_part(s, op, c);

		if (n < 0)
			return n;
		op->begun = true;
		stream_advance(c, (size_t)n);
	}
	return op_flush(s, op);
}

int il__op_send(il_stream *s, struct il__op *op, const struct iovec *pieces, int count)
{
	struct cursor c = {.piece = pieces, .end = count ? pieces + count : pieces};

	skip_empty(&c);
	if (il__unlikely(s->kind >= IL__STREAM_FILE))
		return op_send_other(s, op, &c);
	while (c.piece < c.end) {
		bool whole;
		ssize_t n;
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = send_some(s, &c, &whole);
		if (n < 0 && n != -EAGAIN)
			return il__op_failed(op, (int)n);
		if (!whole)
			il__stream_drained(s, IL_WRITABLE);
		if (n > 0) {
			op->begun = true;
			stream_advance(&c, (size_t)n);
		}
	}
	return 0;
}

int il__stream_write_all(il_stream *s, const struct iovec *pieces, int count, il_time deadline,
			 const char *function)
{
	struct il__op op;
	int rc = il__op_begin(s, &op, IL_WRITABLE, deadline, function);

	if (rc < 0)
		return rc;
	return il__op_end(
	    s, &op, s->shut ? il__op_failed(&op, -EPIPE) : il__op_send(s, &op, pieces, count));
}

int il__stream_flush(il_stream *s, il_time deadline, const char *function)
{
	if (s->kind != IL__STREAM_TRANSPORT || s->shut) /* then the rest goes out by itself */
		return 0;
	return il__stream_write_all(s, NULL, 0, deadline, function);
}

int il__stream_check_pieces(const struct iovec *pieces, int count, const char *function)
{
	if (count < 0 || (count && !pieces))
		return il__refuse(-EINVAL, "%s: %d pieces%s", function, count,
				  pieces ? "" : ", and they are NULL");
	for (int i = 0; i < count; i++)
		if (!il__is_data(pieces[i].iov_base, pieces[i].iov_len))
			return il__refuse_data(function);
	return 0;
}

int il_stream_writev_all(il_stream *stream, const struct iovec *pieces, int count)
{
	static const char function[] = "il_stream_writev_all";
	int rc = il__stream_check_pieces(pieces, count, function);

	return rc < 0 ? rc : il__stream_write_all(stream, pieces, count, IL_FOREVER, function);
}

int il_stream_write_all(il_stream *stream, const void *data, size_t size)
{
	const struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

	if (!il__is_data(data, size))
		return il__refuse_data("il_stream_write_all");
	return il__stream_write_all(stream, &piece, 1, IL_FOREVER, "il_stream_write_all");
}

/* The rest of what a transport holds back goes out by itself. */
static int op_write(il_stream *s, struct il__op *op, const struct iovec *piece)
{
	struct cursor c = {.piece = piece, .end = piece + 1};
	int n;

	if (s->shut)
		return il__op_failed(op, -EPIPE);
	if (!piece->iov_len)
		return 0;
	n = op_send_part(s, op, &c);
	if (n > 0 && s->kind == IL__STREAM_TRANSPORT)
		il__transport_flush_later(s);
	return n;
}

int il_stream_write(il_stream *stream, const void *data, size_t size)
{
	const struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct il__op op;
	int rc;

	if (!il__is_data(data, size))
		return il__refuse_data("il_stream_write");
	rc = il__op_begin(stream, &op, IL_WRITABLE, IL_FOREVER, "il_stream_write");
	return rc < 0 ? rc : il__op_end(stream, &op, op_write(stream, &op, &piece));
}
