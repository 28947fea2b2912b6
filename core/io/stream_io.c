/*
 * stream_io.c: receiving and sending. The system call comes first and the task parks when it would
 * block; but a direction that is known to be drained (a short transfer, -EAGAIN) parks at once, for the
 * registration is level-triggered: a request costs one recv and one send. A call owns its direction from
 * il__op_begin to il__op_end. Loop's thread only, in a task.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/os.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "fd.h"
#include "stream.h"

#include <limits.h>
#include <sys/uio.h>

/* ---- a call ---- */

int il__op_begin(il_stream *s, struct il__op *op, unsigned direction, il_time deadline,
		 const char *function)
{
	int rc;
	il_task *task;

	if (!s)
		return il__refuse(-EINVAL, "%s: the stream is NULL", function);
	task = il__task_current(function, &rc);
	if (!task)
		return rc;
	if (s->number < 0)
		return il__refuse(-EBADF, "%s: the stream is closed", function);
	if (s->loop != task->loop)
		return il__refuse(-EPERM, "%s: the stream belongs to another loop", function);
	if (s->op[il__fd_direction(direction)])
		return il__refuse(-EBUSY, "%s: another task is %s this stream; one at a time",
				  function,
				  direction == IL_READABLE ? "reading from" : "writing to");
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	*op = (struct il__op){
	    .wait = {.task = task, .fd = s->fd, .asked = direction},
	    .function = function,
	    .deadline = deadline,
	    .direction = direction,
	};
	s->op[il__fd_direction(direction)] = op;
	return 0;
}

int il__op_failed(const struct il__op *op, int rc)
{
	return il__refuse(rc, "%s: %s", op->function, il__system_words(rc));
}

static int stream_refuse_gone(const struct il__op *op)
{
	return il__refuse(-EBADF, "%s: the stream was closed meanwhile", op->function);
}

int il__op_end(il_stream *s, struct il__op *op, int rc)
{
	if (!op->gone)
		s->op[il__fd_direction(op->direction)] = NULL;
	if (!op->parked)
		il__task_yield(op->wait.task);
	return rc;
}

/* The deadline has passed: the system is asked once, whatever is known of the direction. */
static int last_try(il_stream *s, struct il__op *op)
{
	if (op->deadline == INT64_MIN)
		return il__refuse(-ETIMEDOUT, "%s: the time is up", op->function);
	op->deadline = INT64_MIN;
	s->fd->ready |= (unsigned char)op->direction;
	return 0;
}

int il__op_wait(il_stream *s, struct il__op *op)
{
	int rc;

	if (s->fd->ready & op->direction)
		return 0;
	if (op->deadline != IL_FOREVER && op->deadline <= il__loop_now(s->loop))
		return last_try(s, op);
	if (op->parked && il__task_cancelled(op->wait.task)) /* since it was woken */
		return -ECANCELED;
	rc = il__fd_wait(&op->wait, op->deadline, op->function);
	op->parked = true;
	if (op->gone)
		return stream_refuse_gone(op);
	if (rc == -ETIMEDOUT)
		return last_try(s, op);
	return rc;
}

static void stream_drained(il_stream *s, unsigned direction)
{
	s->fd->ready &= (unsigned char)~direction;
}

/* ---- receiving ---- */

int il__op_receive(il_stream *s, struct il__op *op, void *data, size_t max)
{
	for (;;) {
		ssize_t n;
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = s->kind == IL__STREAM_FILE ? il__os_read(s->number, data, max)
					       : il__os_receive(s->number, data, max);
		if (n != -EAGAIN && n != -EWOULDBLOCK) {
			if (n > 0 && (size_t)n < max)
				stream_drained(s, IL_READABLE);
			return n < 0 ? il__op_failed(op, (int)n) : (int)n;
		}
		stream_drained(s, IL_READABLE);
	}
}

int il__op_lacks_room(const struct il__op *op)
{
	return il__refuse(
	    -EMFILE,
	    "%s: descriptors came that found no room in this process and are lost; the "
	    "bytes that they came with are kept",
	    op->function);
}

int il__op_take_kept(il_stream *s, void *data, size_t max, int *fds, int *count)
{
	size_t n = s->kept_end - s->kept_begin;

	if (n > max)
		n = max;
	if (il__unlikely(s->kept_fds)) {
		int room = count ? *count : 0;
		if (count)
			n = il__kept_fds_bound(s, n);
		room = il__kept_fds_take(s, n, fds, room);
		if (count)
			*count = room;
	} else if (count) {
		*count = 0;
	}
	memcpy(data, s->kept + s->kept_begin, n);
	s->kept_begin += n;
	return (int)n;
}

int il__stream_read(il_stream *s, void *data, size_t max, il_time deadline, const char *function)
{
	struct il__op op;
	int rc;

	if (!data || !max)
		return il__refuse(-EINVAL, "%s: there must be room for at least one byte",
				  function);
	if (max > INT_MAX)
		max = INT_MAX;
	rc = il__op_begin(s, &op, IL_READABLE, deadline, function);
	if (rc < 0)
		return rc;
	rc = s->kept_end > s->kept_begin ? il__op_take_kept(s, data, max, NULL, NULL)
					 : il__op_receive(s, &op, data, max);
	return il__op_end(s, &op, rc);
}

int il__stream_wait(il_stream *s, il_time deadline, const char *function)
{
	struct il__op op;
	int rc = il__op_begin(s, &op, IL_READABLE, deadline, function);

	return rc < 0 ? rc : il__op_end(s, &op, il__op_wait(s, &op));
}

int il_stream_read(il_stream *stream, void *data, size_t max)
{
	return il__stream_read(stream, data, max, IL_FOREVER, "il_stream_read");
}

/* ---- sending ---- */

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

/* Hands the system what it takes at once; *whole: that was all that was offered. */
static ssize_t send_pieces(il_stream *s, const struct cursor *c, bool *whole)
{
	struct iovec pieces[PIECES];
	struct msghdr message = {.msg_iov = pieces};
	int count = 0;
	size_t total = 0;
	ssize_t n;

	for (const struct iovec *p = c->piece; p < c->end && count < PIECES; p++) {
		size_t offset = p == c->piece ? c->offset : 0;
		size_t length = p->iov_len - offset;
		if (length > INT_MAX - total)
			length = INT_MAX - total;
		pieces[count++] = (struct iovec){(char *)p->iov_base + offset, length};
		total += length;
	}
	message.msg_iovlen = (size_t)count;
	n = s->kind == IL__STREAM_FILE ? il__os_write_pieces(s->number, pieces, count)
				       : il__os_sendmsg(s->number, &message);
	*whole = n >= 0 && (size_t)n == total;
	return n;
}

static ssize_t send_some(il_stream *s, const struct cursor *c, bool *whole)
{
	size_t length;
	ssize_t n;

	if (c->end - c->piece > 1 || s->kind == IL__STREAM_FILE)
		return send_pieces(s, c, whole);
	length = c->piece->iov_len - c->offset;
	n = il__os_send(s->number, (char *)c->piece->iov_base + c->offset, length);
	*whole = n >= 0 && (size_t)n == length;
	return n;
}

int il__op_send(il_stream *s, struct il__op *op, const struct iovec *pieces, int count)
{
	struct cursor c = {.piece = pieces, .end = pieces + count};

	skip_empty(&c);
	while (c.piece < c.end) {
		bool whole;
		ssize_t n;
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = send_some(s, &c, &whole);
		if (n < 0 && n != -EAGAIN && n != -EWOULDBLOCK)
			return il__op_failed(op, (int)n);
		if (!whole)
			stream_drained(s, IL_WRITABLE);
		if (n > 0) {
			op->begun = true;
			stream_advance(&c, (size_t)n);
		}
	}
	return 0;
}

int il__stream_write(il_stream *s, const struct iovec *pieces, int count, il_time deadline,
		     const char *function)
{
	struct il__op op;
	int rc;

	if (count < 0 || (count && !pieces))
		return il__refuse(-EINVAL, "%s: %d pieces%s", function, count,
				  pieces ? "" : ", and they are NULL");
	rc = il__op_begin(s, &op, IL_WRITABLE, deadline, function);
	if (rc < 0)
		return rc;
	return il__op_end(
	    s, &op, s->shut ? il__op_failed(&op, -EPIPE) : il__op_send(s, &op, pieces, count));
}

int il_stream_writev_all(il_stream *stream, const struct iovec *pieces, int count)
{
	return il__stream_write(stream, pieces, count, IL_FOREVER, "il_stream_writev_all");
}

int il_stream_write_all(il_stream *stream, const void *data, size_t size)
{
	const struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

	if (!data && size)
		return il__refuse(-EINVAL, "il_stream_write_all: the data is NULL");
	return il__stream_write(stream, &piece, 1, IL_FOREVER, "il_stream_write_all");
}
