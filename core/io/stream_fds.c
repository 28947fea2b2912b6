/*
 * stream_fds.c: descriptors over a Unix stream. They travel with the first byte of a message; received ones
 * are close-on-exec, and each one is either the caller's, kept with its byte (kept.c), or closed. Bytes are
 * looked at before they are taken, so that no descriptor is lost for want of room. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../base/os.h"
#include "stream.h"

#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = IL__OS_FDS_MAX };

/* Aligned as the headers in it. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(MOST * sizeof(int))];
};

static int fds_check(il_stream *s, const char *function, size_t size, const void *fds, int count)
{
	if (!s)
		return il__refuse(-EINVAL, "%s: the stream is NULL", function);
	if (!size || il__was_negative(size) || !fds || count < 1 || count > MOST)
		return il__refuse(-EINVAL,
				  "%s: at least one byte and 1 to %d descriptors, not %zu and %d",
				  function, MOST, size, fds ? count : 0);
	if (s->number >= 0 && s->kind != IL__STREAM_UNIX)
		return il__refuse(-ENOTSUP, "%s: only a Unix socket carries descriptors", function);
	return 0;
}

/* ---- sending ---- */

static int send_first(il_stream *s, struct il__op *op, struct iovec *piece, const int *fds,
		      int count)
{
	union control control = {.bytes = {0}};
	const size_t size = (size_t)count * sizeof *fds;
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = 1};
	struct cmsghdr *header;

	message.msg_control = control.bytes;
	message.msg_controllen = (socklen_t)CMSG_SPACE(size);
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = (socklen_t)CMSG_LEN(size);
	memcpy(CMSG_DATA(header), fds, size);
	for (;;) {
		ssize_t n;
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = il__os_sendmsg(s->number, &message);
		if (n != -EAGAIN)
			return n < 0 ? il__op_failed(op, (int)n) : (int)n;
		il__stream_drained(s, IL_WRITABLE);
	}
}

int il_stream_send_fds(il_stream *stream, const void *data, size_t size, const int *fds, int count)
{
	static const char function[] = "il_stream_send_fds";
	struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct il__op op;
	int rc = fds_check(stream, function, data ? size : 0, fds, count);

	if (rc == 0)
		rc = il__op_begin(stream, &op, IL_WRITABLE, IL_FOREVER, function);
	if (rc < 0)
		return rc;
	rc =
	    stream->shut ? il__op_failed(&op, -EPIPE) : send_first(stream, &op, &piece, fds, count);
	if (rc > 0) {
		piece.iov_base = (char *)piece.iov_base + rc;
		piece.iov_len -= (size_t)rc;
		rc = il__op_send(stream, &op, &piece, 1);
	}
	return il__op_end(stream, &op, rc);
}

/* ---- receiving ---- */

int il__op_receive_ahead(il_stream *s, struct il__op *op, void *data, size_t max, size_t first)
{
	struct il__os_fds got;

	if (s->kind != IL__STREAM_UNIX)
		return il__op_receive(s, op, data, max);
	for (;;) {
		int n, rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = (int)il__os_receive_fds(s->number, data, max, &got);
		if (n == -EAGAIN) {
			il__stream_drained(s, IL_READABLE);
			continue;
		}
		/* Or there is a message with descriptors, of which the loop tells: registration is
		 * level-triggered. */
		if (n > 0 && (size_t)n < max)
			il__stream_drained(s, IL_READABLE);
		op->lack = n > 0 && got.lost;
		/* Where they cannot be kept they are lost, but not the bytes. */
		if (n > 0 && got.count &&
		    il__kept_fds_add(s, first, (size_t)n, &got, op->function) < 0)
			op->lack = true;
		return n < 0 ? il__op_failed(op, n) : n;
	}
}

static int fds_receive(il_stream *s, struct il__op *op, struct iovec *piece, int *fds, int *count)
{
	const int room = *count;
	struct il__os_fds got;
	int n;

	*count = 0;
	for (;;) {
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = il__os_room_for_fds(s->number, piece->iov_base, piece->iov_len);
		if (n == -EMFILE || n == -ENFILE)
			return il__refuse(n,
					  "%s: descriptors have come that find no room in this "
					  "process; they wait: close some, and receive again",
					  op->function);
		if (n == 0)
			n = (int)il__os_receive_fds(s->number, piece->iov_base, piece->iov_len,
						    &got);
		if (n != -EAGAIN)
			break;
		il__stream_drained(s, IL_READABLE);
	}
	if (n <= 0)
		return n < 0 ? il__op_failed(op, n) : 0;
	for (int i = 0; i < got.count; i++) {
		if (i < room)
			fds[(*count)++] = got.fds[i];
		else
			close(got.fds[i]);
	}
	if (!got.lost)
		return n;
	if (il__stream_keep(s, piece->iov_base, (size_t)n, op->function) == 0)
		return il__op_lacks_room(op);
	il__log(IL_LOG_WARNING, "%s: descriptors came that found no room, and are lost",
		op->function);
	return n; /* the bytes are there, and must not be lost too */
}

int il_stream_receive_fds(il_stream *stream, void *data, size_t max, int *fds, int *count)
{
	static const char function[] = "il_stream_receive_fds";
	struct iovec piece = {.iov_base = data, .iov_len = max < INT_MAX ? max : INT_MAX};
	struct il__op op;
	int rc = fds_check(stream, function, data ? max : 0, fds, count ? *count : 0);

	if (rc == 0)
		rc = il__op_begin(stream, &op, IL_READABLE, IL_FOREVER, function);
	if (rc < 0) {
		if (rc != -EINVAL)
			*count = 0;
		return rc;
	}
	rc = il__stream_has_kept(stream)
		 ? il__stream_take_kept(stream, data, piece.iov_len, fds, count)
		 : fds_receive(stream, &op, &piece, fds, count);
	return il__op_end(stream, &op, rc);
}
