/*
 * send_file.c: a file, or a part of it, down a stream. A worker thread calls sendfile, for it waits for the disk;
 * the socket does not block, and when it is full the task waits for room in the loop. A stream that is no socket
 * gets what a worker has read. The call owns the stream's writing direction. Loop's thread only, but for the
 * functions that a worker runs.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "stream.h"
#include "transport.h"

#include <interloop/thread.h>

#include <fcntl.h>
#include <unistd.h>

enum { SEND_MAX = 1 << 20, PIECE = 64 << 10 }; /* between two looks at the loop */

/* On the waiting task's stack. */
struct sending {
	int out, in;
	int64_t offset;
	size_t left;
	char *piece;   /* of PIECE bytes, where there is no sendfile; else NULL */
	ssize_t moved; /* what a worker has done, or a negated errno code */
	bool done;     /* it has, whatever became of the call's token */
};

/* ---- in a worker thread ---- */

static size_t sending_next(const struct sending *s, size_t most)
{
	return s->left < most ? s->left : most;
}

static int send_in_thread(void *arg)
{
	struct sending *s = arg;

	s->moved = il__os_sendfile(s->out, s->in, s->offset, sending_next(s, SEND_MAX));
	s->done = true;
	return 0;
}

static int read_in_thread(void *arg)
{
	struct sending *s = arg;

	do
		s->moved = pread(s->in, s->piece, sending_next(s, PIECE), (off_t)s->offset);
	while (s->moved < 0 && errno == EINTR);
	if (s->moved < 0)
		s->moved = -errno;
	s->done = true;
	return 0;
}

/* ---- the task ---- */

static int sending_hand_over(struct sending *s, struct il__op *op)
{
	int rc;

	s->done = false;
	rc = il_run_in_thread(s->piece ? read_in_thread : send_in_thread, s);
	op->parked = true;
	if (op->gone)
		return il__op_gone(op);
	return s->done ? 0 : rc;
}

static int sending_copies(struct sending *s, const struct il__op *op)
{
	s->piece = il__malloc(PIECE);
	return s->piece ? 0 : il__refuse(-ENOMEM, "%s: out of memory", op->function);
}

/* What there is has to be with the system, also what a transport holds back. */
static int sending_end(il_stream *stream, struct il__op *op, const struct sending *s)
{
	int rc;

	op->more = false;
	rc = il__op_send(stream, op, NULL, 0);
	if (rc < 0 || !s->left)
		return rc;
	return il__refuse(-ENODATA,
			  "%s: the file is shorter: it lacks %zu bytes from offset %lld on",
			  op->function, s->left, (long long)s->offset);
}

/* Transports that have taken the first bytes of a file learn that the others never come. */
static int sending_cut(il_stream *stream, const struct il__op *op, int rc)
{
	if (op->begun && !op->gone)
		il__transport_cut(stream);
	if (!op->gone && stream->kind == IL__STREAM_TRANSPORT)
		il__transport_go_on(stream);
	return rc;
}

/* What a worker has read. */
static int send_piece(il_stream *stream, struct il__op *op, const struct sending *s)
{
	const struct iovec piece = {.iov_base = s->piece, .iov_len = (size_t)s->moved};

	return s->piece ? il__op_send(stream, op, &piece, 1) : 0;
}

/* By what a worker has sent: it is full, or else the file ends, which the next try tells. */
static bool sending_filled(const struct sending *s)
{
	if (s->piece)
		return false;
	return s->moved > 0 ? (size_t)s->moved < sending_next(s, SEND_MAX) : s->moved == -EAGAIN;
}

/* Some bytes more. */
static int send_more(il_stream *stream, struct il__op *op, struct sending *s)
{
	int rc = s->piece ? 0 : il__op_wait(stream, op);

	if (rc < 0)
		return rc;
	rc = sending_hand_over(s, op);
	if (rc < 0)
		return sending_cut(stream, op, rc);
	if (sending_filled(s))
		il__stream_drained(stream, IL_WRITABLE);
	if (!s->piece && s->moved == -EAGAIN)
		return 0;
	if (!s->piece && (s->moved == -EINVAL || s->moved == -ENOSYS)) /* not of this file */
		return sending_copies(s, op);
	if (s->moved < 0)
		return sending_cut(stream, op, il__op_failed(op, (int)s->moved));
	rc = s->moved ? send_piece(stream, op, s) : sending_end(stream, op, s);
	s->offset += s->moved;
	s->left -= (size_t)s->moved;
	return rc;
}

/* Taken before the first byte is sent. The descriptor is our own, for the stream may be closed while a worker uses
 * it; it must not get the number of a file that is not open. */
static int sending_begin(const il_stream *stream, const struct il__op *op, struct sending *s)
{
	if (stream->shut)
		return il__op_failed(op, -EPIPE);
	if (fcntl(s->in, F_GETFD) < 0)
		return il__op_failed(op, -errno);
	if (stream->kind >= IL__STREAM_FILE || stream->fd->blocking)
		return sending_copies(s, op);
	s->out = il__os_dup(stream->number);
	return s->out < 0 ? il__op_failed(op, s->out) : 0;
}

int il_stream_send_file(il_stream *stream, int fd, int64_t offset, size_t size)
{
	static const char function[] = "il_stream_send_file";
	struct sending s = {.out = -1, .in = fd, .offset = offset, .left = size};
	struct il__op op;
	int rc;

	if (fd < 0)
		return il__refuse(-EBADF, "%s: the file's descriptor is negative", function);
	if (offset < 0 || size > (uint64_t)INT64_MAX - (uint64_t)offset)
		return il__refuse(-EINVAL, "%s: the offset is negative or too large", function);
	rc = il__op_begin(stream, &op, IL_WRITABLE, IL_FOREVER, function);
	if (rc < 0)
		return rc;
	op.more = true;
	rc = sending_begin(stream, &op, &s);
	while (rc == 0 && s.left)
		rc = send_more(stream, &op, &s);
	if (rc == 0)
		rc = sending_end(stream, &op, &s);
	if (s.out >= 0)
		close(s.out);
	il__free(s.piece);
	return il__op_end(stream, &op, rc);
}
