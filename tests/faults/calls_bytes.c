/*
 * calls_bytes.c: what moves bytes, and may move fewer than it was asked to.
 */
#include "shim.h"

#include <dlfcn.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { EVENTFD_SIZE = 8 }; /* an eventfd takes and gives its number whole */

static size_t cut(int error, size_t size)
{
	return error == FAULT_SHORT && size > 1 ? 1 : size;
}

FAULT_EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
	int error = fault_hit(CALL_RECV, FAULT_CALLER);

	return error > 0 ? -1 : FAULT_NEXT(recv)(fd, data, cut(error, size), flags);
}

FAULT_EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
	int error = fault_hit(CALL_SEND, FAULT_CALLER);

	return error > 0 ? -1 : FAULT_NEXT(send)(fd, data, cut(error, size), flags);
}

FAULT_EXPORT ssize_t read(int fd, void *data, size_t size)
{
	int error = fault_hit(CALL_READ, FAULT_CALLER);

	if (error > 0)
		return -1;
	return FAULT_NEXT(read)(fd, data, size > EVENTFD_SIZE ? cut(error, size) : size);
}

/* A full eventfd is readable: it is never EAGAIN or worse that somebody was not woken. */
FAULT_EXPORT ssize_t write(int fd, const void *data, size_t size)
{
	int error = size == EVENTFD_SIZE ? 0 : fault_hit(CALL_WRITE, FAULT_CALLER);

	return error > 0 ? -1 : FAULT_NEXT(write)(fd, data, cut(error, size));
}

FAULT_EXPORT ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
	int error = fault_hit(CALL_PREAD, FAULT_CALLER);

	return error > 0 ? -1 : FAULT_NEXT(pread)(fd, data, cut(error, size), offset);
}

FAULT_EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	int error = fault_hit(CALL_PWRITE, FAULT_CALLER);

	return error > 0 ? -1 : FAULT_NEXT(pwrite)(fd, data, cut(error, size), offset);
}

FAULT_EXPORT ssize_t sendfile(int to, int from, off_t *offset, size_t size)
{
	int error = fault_hit(CALL_SENDFILE, FAULT_CALLER);

	return error > 0 ? -1 : FAULT_NEXT(sendfile)(to, from, offset, cut(error, size));
}

/* ---- pieces ---- */

/* The first byte of the pieces. */
static int one_byte(struct iovec *byte, const struct iovec *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pieces[i].iov_len) {
			*byte = (struct iovec){.iov_base = pieces[i].iov_base, .iov_len = 1};
			return 1;
		}
	return 0;
}

FAULT_EXPORT ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	int error = fault_hit(CALL_WRITEV, FAULT_CALLER);
	struct iovec byte;

	if (error > 0)
		return -1;
	if (error == FAULT_SHORT && one_byte(&byte, pieces, (size_t)count))
		return FAULT_NEXT(writev)(fd, &byte, 1);
	return FAULT_NEXT(writev)(fd, pieces, count);
}

/* Of a stream only: datagrams go whole. */
static int is_stream(int fd)
{
	int type = 0;
	socklen_t size = sizeof type;

	return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_STREAM;
}

FAULT_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	int error = fault_hit(CALL_SENDMSG, FAULT_CALLER);
	struct msghdr less = *message;
	struct iovec byte;

	if (error > 0)
		return -1;
	if (error == FAULT_SHORT && is_stream(fd) &&
	    one_byte(&byte, message->msg_iov, message->msg_iovlen)) {
		less.msg_iov = &byte;
		less.msg_iovlen = 1;
	}
	return FAULT_NEXT(sendmsg)(fd, &less, flags);
}

FAULT_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	int error = fault_hit(CALL_RECVMSG, FAULT_CALLER);
	struct iovec byte, *pieces = message->msg_iov;
	size_t count = message->msg_iovlen;
	ssize_t n;

	if (error > 0)
		return -1;
	if (error == FAULT_SHORT && is_stream(fd) && one_byte(&byte, pieces, count)) {
		message->msg_iov = &byte;
		message->msg_iovlen = 1;
	}
	n = FAULT_NEXT(recvmsg)(fd, message, flags);
	message->msg_iov = pieces;
	message->msg_iovlen = count;
	return n;
}

FAULT_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
			  struct timespec *timeout)
{
	if (fault_hit(CALL_RECVMMSG, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(recvmmsg)(fd, messages, count, flags, timeout);
}

FAULT_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	if (fault_hit(CALL_SENDMMSG, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(sendmmsg)(fd, messages, count, flags);
}

/* ---- readiness ---- */

FAULT_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (fault_hit(CALL_POLL, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(poll)(fds, count, timeout);
}

FAULT_EXPORT int epoll_create1(int flags)
{
	if (fault_hit(CALL_EPOLL_CREATE, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(epoll_create1)(flags);
}

FAULT_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	if (fault_hit(CALL_EPOLL_CTL, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(epoll_ctl)(epoll, operation, fd, event);
}

FAULT_EXPORT int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	if (fault_hit(CALL_EPOLL_WAIT, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(epoll_wait)(epoll, events, count, timeout);
}

FAULT_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout,
			     const sigset_t *mask)
{
	if (fault_hit(CALL_EPOLL_WAIT, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(epoll_pwait)(epoll, events, count, timeout, mask);
}
