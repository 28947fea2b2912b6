/*
 * os_socket.c: the socket calls that differ between operating systems. Every descriptor made here is
 * close-on-exec and non-blocking from birth (where the system can), and no write raises SIGPIPE. Results
 * are counts or negated errno codes, never -EINTR. IL_PORTABLE builds use the fallbacks on Linux too.
 * Any thread may enter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "os.h"
#include "os_process.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif
#include <sys/uio.h>
#include <unistd.h>

#ifdef MSG_NOSIGNAL
#define SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)
#else
#define SEND_FLAGS MSG_DONTWAIT /* with SO_NOSIGPIPE, see socket_prepare */
#endif

/* A result has to fit an int. */
static size_t socket_clamp(size_t size)
{
	return size > INT_MAX ? INT_MAX : size;
}

/* ---- descriptors ---- */

#if !IL__LINUX
static int socket_prepare(int made)
{
	int fd = il__os_made(made), rc = fd < 0 ? fd : il__os_cloexec_nonblock(fd);

#ifdef SO_NOSIGPIPE
	const int on = 1;
	if (rc == 0 && setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) < 0)
		rc = -errno;
#endif
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}
#endif

int il__os_socket(int domain, int type)
{
#if IL__LINUX
	return il__os_made(socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
#else
	return socket_prepare(socket(domain, type, 0));
#endif
}

int il__os_socketpair(int fd[2])
{
	int pair[2];

#if IL__LINUX
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	fd[0] = il__os_made(pair[0]);
	fd[1] = il__os_made(pair[1]);
#else
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -errno;
	fd[0] = socket_prepare(pair[0]);
	fd[1] = socket_prepare(pair[1]);
#endif
	for (int i = 0; i < 2; i++)
		if (fd[i] < 0) {
			if (fd[!i] >= 0)
				close(fd[!i]);
			return fd[i];
		}
	return 0;
}

int il__os_descriptor_lack(void)
{
	int fd[2], rc = il__os_socketpair(fd);

	if (rc < 0)
		return rc == -EMFILE || rc == -ENFILE ? rc : 0;
	close(fd[0]);
	close(fd[1]);
	return 0;
}

int il__os_socket_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

#ifdef TCP_USER_TIMEOUT
/* In the system's units, rounded up: never earlier than asked for. False: more than the most. */
static bool os_units(il_time t, il_time unit, int most, int *units)
{
	if (t < 0 || t / unit + (t % unit > 0) > most)
		return false;
	*units = (int)(t / unit + (t % unit > 0));
	return true;
}

int il__os_socket_keepalive(int (*set)(const void *socket, int level, int name, int value),
			    const void *socket, il_time idle, il_time interval, int probes,
			    il_time give_up)
{
	struct {
		int name, value;
	} options[] = {
	    {TCP_KEEPIDLE, 0}, {TCP_KEEPINTVL, 0}, {TCP_KEEPCNT, probes}, {TCP_USER_TIMEOUT, 0}};
	int rc;

	if (!os_units(idle, IL_SEC(1), 32767, &options[0].value) ||
	    !os_units(interval, IL_SEC(1), 32767, &options[1].value) || probes < 0 ||
	    probes > 127 || !os_units(give_up, IL_MSEC(1), INT_MAX, &options[3].value))
		return -EINVAL;
	rc = set(socket, SOL_SOCKET, SO_KEEPALIVE, true);
	for (size_t i = 0; rc == 0 && i < sizeof options / sizeof *options; i++)
		if (options[i].value)
			rc = set(socket, IPPROTO_TCP, options[i].name, options[i].value);
	return rc;
}
#else
int il__os_socket_keepalive(int (*set)(const void *socket, int level, int name, int value),
			    const void *socket, il_time idle, il_time interval, int probes,
			    il_time give_up)
{
	(void)set, (void)socket, (void)idle, (void)interval, (void)probes, (void)give_up;
	return -ENOTSUP;
}
#endif

int il__os_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	int got;

	do
#if IL__LINUX
		got = accept4(fd, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
		got = accept(fd, address, length);
#endif
	while (got < 0 && errno == EINTR);
#if IL__LINUX
	return il__os_made(got);
#else
	return socket_prepare(got);
#endif
}

/* ---- sockets ---- */

ssize_t il__os_receive(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, data, socket_clamp(size), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t il__os_send(int fd, const void *data, size_t size)
{
	ssize_t n;

	do
		n = send(fd, data, socket_clamp(size), SEND_FLAGS);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t il__os_sendmsg(int fd, const struct msghdr *message)
{
	ssize_t n;

	do
		n = sendmsg(fd, message, SEND_FLAGS);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* ---- descriptors over sockets ---- */

/* Aligned as the headers in it; more than the descriptors, for what the socket's owner may have asked for. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(IL__OS_FDS_MAX * sizeof(int)) + 128];
};

static ssize_t receive_message(int fd, struct msghdr *message, int flags)
{
	ssize_t n;

	do
#if IL__LINUX
		n = recvmsg(fd, message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
#else
		n = recvmsg(fd, message, flags | MSG_DONTWAIT);
#endif
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* in musl's CMSG_NXTHDR */

static void socket_unpack(struct msghdr *message, struct il__os_fds *got)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t here = ((size_t)c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < here && got->count < IL__OS_FDS_MAX; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			il__os_above_stdio(&fd); /* if there is room */
			got->fds[got->count++] = fd;
#if !IL__LINUX
			fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
		}
	}
}

#pragma GCC diagnostic pop

static ssize_t receive_with_fds(int fd, void *data, size_t size, int flags, struct il__os_fds *got)
{
	union control control;
	struct iovec piece = {.iov_base = data, .iov_len = socket_clamp(size)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	ssize_t n;

	got->count = 0;
	got->lost = false;
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof control.bytes;
	n = receive_message(fd, &message, flags);
	if (n < 0)
		return n;
	socket_unpack(&message, got);
	got->lost = message.msg_flags & (MSG_CTRUNC | MSG_TRUNC);
	while (got->lost && got->count)
		close(got->fds[--got->count]);
	return n;
}

ssize_t il__os_receive_fds(int fd, void *data, size_t size, struct il__os_fds *got)
{
	return receive_with_fds(fd, data, size, 0, got);
}

/* Linux lends descriptors also to who only looks: they may be those of later bytes, so they are not used. */
int il__os_room_for_fds(int fd, void *data, size_t size)
{
#if IL__LINUX
	struct il__os_fds got;
	ssize_t n = receive_with_fds(fd, data, size, MSG_PEEK, &got);
	int lack;

	while (got.count)
		close(got.fds[--got.count]);
	if (n < 0 || !got.lost)
		return n < 0 ? (int)n : 0;
	lack = il__os_descriptor_lack();
	return lack ? lack : -EMFILE;
#else
	(void)fd;
	(void)data;
	(void)size;
	return 0;
#endif
}

/* ---- pipes and terminals ---- */

ssize_t il__os_read(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = read(fd, data, socket_clamp(size));
	while (n < 0 && errno == EINTR);
	/* Linux's way of saying that nobody has the terminal open any more. */
	if (n < 0 && errno == EIO)
		return il__os_is_pty_master(fd) ? 0 : -EIO;
	return n < 0 ? -errno : n;
}

/* A write to a pipe whose reader left raises SIGPIPE, in the writing thread, and has no flag against
 * it: so it is blocked here for the length of the write, and one that was pending before stays. */
ssize_t il__os_write_pieces(int fd, const struct iovec *pieces, int count)
{
	struct il__os_sigpipe before;
	ssize_t n;

	il__os_sigpipe_block(&before);
	do
		n = writev(fd, pieces, count);
	while (n < 0 && errno == EINTR);
	n = n < 0 ? -errno : n;
	il__os_sigpipe_restore(&before, n == -EPIPE);
	return n;
}

/* Likewise: sendfile has no flag either. */
ssize_t il__os_sendfile(int out, int in, int64_t offset, size_t size)
{
#if IL__LINUX
	struct il__os_sigpipe before;
	off_t from = (off_t)offset;
	ssize_t n;

	il__os_sigpipe_block(&before);
	do
		n = sendfile(out, in, &from, size);
	while (n < 0 && errno == EINTR);
	n = n < 0 ? -errno : n;
	il__os_sigpipe_restore(&before, n == -EPIPE);
	return n;
#else
	(void)out, (void)in, (void)offset, (void)size;
	return -ENOSYS;
#endif
}
