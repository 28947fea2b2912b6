/*
 * stream_fds.c: descriptors over a Unix stream. They travel with the first byte of a message; received ones
 * are close-on-exec, and each one is either the caller's or closed. Loop's thread only, in a task.
 */
#include "../base/base.h"
#include "stream.h"

#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = 253 }; /* the system's SCM_MAX_FD */

/* Aligned as the headers in it. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(MOST * sizeof(int))];
};

static int check(il_stream *s, const char *function, size_t size, const void *fds, int count)
{
	if (!s)
		return il__refuse(-EINVAL, "%s: the stream is NULL", function);
	if (!size || !fds || count < 1 || count > MOST)
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
	message.msg_controllen = CMSG_SPACE(size);
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(header), fds, size);
	for (;;) {
		ssize_t n;
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = il__os_sendmsg(s->number, &message);
		if (n != -EAGAIN && n != -EWOULDBLOCK)
			return (int)n;
		s->fd->ready &= (unsigned char)~IL_WRITABLE;
	}
}

int il_stream_send_fds(il_stream *stream, const void *data, size_t size, const int *fds, int count)
{
	static const char function[] = "il_stream_send_fds";
	struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct il__op op;
	int rc = check(stream, function, data ? size : 0, fds, count);

	if (rc == 0)
		rc = il__op_begin(stream, &op, IL_WRITABLE, IL_FOREVER, function);
	if (rc < 0)
		return rc;
	rc = stream->shut ? -EPIPE : send_first(stream, &op, &piece, fds, count);
	if (rc > 0) {
		piece.iov_base = (char *)piece.iov_base + rc;
		piece.iov_len -= (size_t)rc;
		rc = il__op_send(stream, &op, &piece, 1);
	}
	return il__op_end(stream, &op, rc);
}

/* ---- receiving ---- */

/* Hands out the first `room` descriptors of a message and closes the others. How many came. */
static int unpack(struct msghdr *message, int *fds, int room)
{
	int count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t here;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = ((size_t)c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (count < room)
				fds[count++] = fd;
			else
				close(fd);
		}
	}
	return count;
}

static int receive(il_stream *s, struct il__op *op, struct iovec *piece, int *fds, int *count)
{
	const int room = *count;

	*count = 0;
	for (;;) {
		union control control;
		struct msghdr message = {.msg_iov = piece, .msg_iovlen = 1};
		ssize_t n;
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE((size_t)room * sizeof(int));
		n = il__os_recvmsg(s->number, &message);
		if (n >= 0)
			*count = unpack(&message, fds, room);
		if (n != -EAGAIN && n != -EWOULDBLOCK)
			return (int)n;
		s->fd->ready &= (unsigned char)~IL_READABLE;
	}
}

int il_stream_receive_fds(il_stream *stream, void *data, size_t max, int *fds, int *count)
{
	static const char function[] = "il_stream_receive_fds";
	struct iovec piece = {.iov_base = data, .iov_len = max < INT_MAX ? max : INT_MAX};
	struct il__op op;
	int rc = check(stream, function, data ? max : 0, fds, count ? *count : 0);

	if (rc == 0)
		rc = il__op_begin(stream, &op, IL_READABLE, IL_FOREVER, function);
	if (rc < 0) {
		if (rc != -EINVAL)
			*count = 0;
		return rc;
	}
	if (stream->kept_end > stream->kept_begin) { /* these came first, and without any */
		*count = 0;
		rc = il__op_take_kept(stream, data, piece.iov_len);
	} else {
		rc = receive(stream, &op, &piece, fds, count);
	}
	return il__op_end(stream, &op, rc);
}
