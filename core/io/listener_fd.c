/*
 * listener_fd.c: listening sockets that somebody else has made: a service manager, or the process before this one
 * at a hot restart. The open file is shared with whoever has a copy, so nothing but what accepting needs is
 * changed: two who accept may find that the other one was faster, and must not wait in the system then. Loop's
 * thread only, except il_listen_fds.
 */
#include "../base/error.h"
#include "../base/os.h"
#include "../runtime/thread_state.h"
#include "listener.h"
#include "stream.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- adopting one ---- */

static int socket_number(int fd, int name)
{
	int value = 0;
	socklen_t length = sizeof value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &length) < 0 ? -errno : value;
}

/* What it would accept: -EBADF: no descriptor; -ENOTSUP: no stream socket that listens. */
static int listener_kind(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof name;

	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	if (socket_number(fd, SO_TYPE) != SOCK_STREAM || socket_number(fd, SO_ACCEPTCONN) != 1 ||
	    getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		return -ENOTSUP;
	if (name.ss_family == AF_UNIX)
		return IL__STREAM_UNIX;
	return name.ss_family == AF_INET || name.ss_family == AF_INET6 ? IL__STREAM_INET : -ENOTSUP;
}

/* Standard descriptors stay there for children, as those of streams do. After a failure all is as before. */
static int listener_take(il_listener **listener, il_loop *loop, int fd, int kind)
{
	const int flags = fcntl(fd, F_GETFL), own = fcntl(fd, F_GETFD);
	struct il__fd *end;
	int rc;

	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return il__refuse(-errno, "il_listener_open_fd: descriptor %d: %s", fd,
				  il__system_words(-errno));
	rc = il__fd_own(loop, fd, &end);
	if (rc == 0) {
		rc = il__listener_create(listener, loop, &il__sockets, &end, 1, NULL);
		if (rc < 0)
			il__fd_disown(end, -EBADF);
	}
	if (rc < 0) {
		fcntl(fd, F_SETFL, flags);
		return rc;
	}
	if (fd > STDERR_FILENO)
		fcntl(fd, F_SETFD, own | FD_CLOEXEC);
	if (kind == IL__STREAM_INET) /* accepted sockets inherit it */
		il__os_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return 0;
}

int il_listener_open_fd(il_listener **listener, int fd)
{
	static const char function[] = "il_listener_open_fd";
	il_loop *loop;
	int rc, kind;

	if (!listener)
		return il__refuse(-EINVAL, "%s: NULL where the listener is to be stored", function);
	rc = il__loop_here(&loop, function);
	if (rc < 0)
		return rc;
	kind = listener_kind(fd);
	if (kind == -EBADF)
		return il__refuse(kind, "%s: %d is not an open descriptor", function, fd);
	if (kind < 0)
		return il__refuse(
		    kind,
		    "%s: descriptor %d is no TCP or Unix socket that listens; bind it "
		    "and call listen before",
		    function, fd);
	return listener_take(listener, loop, fd, kind);
}

/* ---- those of a service manager (sd_listen_fds) ---- */

enum { FIRST_FD = 3 };

/* Digits only; -1: none, or anything else. */
static long number_in(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	long number;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	number = strtol(text, &end, 10);
	return *end || errno ? -1 : number;
}

int il_listen_fds(int *fds, size_t capacity, bool unset)
{
	long pid = number_in("LISTEN_PID"), count = number_in("LISTEN_FDS");
	int n = 0;

	if (!il__is_items(fds, capacity))
		return il__refuse_items("il_listen_fds", "fds", fds, "capacity", capacity);
	if (unset) {
		unsetenv("LISTEN_PID");
		unsetenv("LISTEN_FDS");
		unsetenv("LISTEN_FDNAMES");
	}
	if (pid != (long)getpid() || count <= 0 || count > INT_MAX - FIRST_FD)
		return 0;
	while (n < count && fcntl(FIRST_FD + n, F_SETFD, FD_CLOEXEC) == 0) {
		if ((size_t)n < capacity)
			fds[n] = FIRST_FD + n;
		n++;
	}
	return n;
}
