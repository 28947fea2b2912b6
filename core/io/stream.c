/*
 * stream.c: making, describing and closing byte streams. A stream owns its descriptor from the moment it
 * is made. Closing never waits: nothing is buffered for sending here, the system delivers what it took.
 * A call in progress in another task learns it through its op, which lies on that task's stack, so the
 * stream may be freed under it. Loop's thread only.
 */
#include "stream.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/thread_state.h"
#include "fd.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- making ---- */

static void stream_orphan(struct il__fd_owner *owner)
{
	il_stream *s = il__container_of(owner, il_stream, owner);

	il__stream_shut(s);
	s->loop = NULL;
}

static int stream_adopt(il_stream **stream, il_loop *loop, int number, enum il__stream_kind kind,
			const il_address *peer)
{
	il_stream *s = il__alloc_lines(sizeof *s);
	int rc;

	if (!s)
		return il__refuse(-ENOMEM, "out of memory for a stream");
	rc = il__fd_own(loop, number, &s->fd);
	if (rc < 0) {
		il__free_lines(s);
		return rc;
	}
	s->owner.orphan = stream_orphan;
	il__fd_adopt(loop, &s->owner);
	s->loop = loop;
	s->number = number;
	s->kind = (unsigned char)kind;
	if (peer)
		s->peer = *peer;
	*stream = s;
	return 0;
}

int il__stream_create(il_stream **stream, il_loop *loop, int fd, enum il__stream_kind kind,
		      const il_address *peer)
{
	int rc;

	il__fd_renew(loop, fd);
	rc = stream_adopt(stream, loop, fd, kind, peer);
	if (rc < 0)
		close(fd);
	return rc;
}

/* The calling thread's loop, for what never waits. */
static int loop_here(il_loop **loop, const char *function)
{
	*loop = il_loop_current();
	if (!*loop)
		return il__refuse(-EPERM, "%s: call it in the thread of a loop that runs",
				  function);
	return il__loop_check_thread(*loop, function);
}

int il_stream_pair(il_stream **a, il_stream **b)
{
	il_stream *first = NULL, *second = NULL;
	il_loop *loop;
	int fd[2], rc;

	if (!a || !b)
		return il__refuse(-EINVAL, "il_stream_pair: NULL where a stream is to be stored");
	rc = loop_here(&loop, "il_stream_pair");
	if (rc < 0)
		return rc;
	rc = il__os_socketpair(fd);
	if (rc < 0)
		return il__refuse(rc, "il_stream_pair: %s", il__system_words(rc));
	rc = il__stream_create(&first, loop, fd[0], IL__STREAM_UNIX, NULL);
	if (rc < 0) {
		close(fd[1]);
		return rc;
	}
	rc = il__stream_create(&second, loop, fd[1], IL__STREAM_UNIX, NULL);
	if (rc < 0) {
		il_stream_destroy(first);
		return rc;
	}
	*a = first;
	*b = second;
	return 0;
}

/* What kind of stream fd is: -ENOTSUP if it is none. */
static int kind_of(int fd)
{
	struct stat st;
	struct sockaddr_storage name;
	socklen_t length = sizeof name;
	int type = 0, listens = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		return IL__STREAM_FILE;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSUP;
	if (getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		return -errno;
	length = sizeof type;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return -errno;
	length = sizeof listens;
	if (type != SOCK_STREAM ||
	    (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens))
		return -ENOTSUP;
	return name.ss_family == AF_UNIX ? IL__STREAM_UNIX : IL__STREAM_INET;
}

int il_stream_open_fd(il_stream **stream, int fd)
{
	il_loop *loop;
	il_stream *s = NULL;
	int rc, kind;

	if (!stream)
		return il__refuse(-EINVAL,
				  "il_stream_open_fd: NULL where the stream is to be stored");
	rc = loop_here(&loop, "il_stream_open_fd");
	if (rc < 0)
		return rc;
	kind = kind_of(fd);
	if (kind == -ENOTSUP)
		return il__refuse(kind,
				  "il_stream_open_fd: descriptor %d is no stream socket that is "
				  "connected, no pipe and no terminal",
				  fd);
	if (kind < 0)
		return il__refuse(kind, "il_stream_open_fd: %d is not an open descriptor", fd);
	rc = stream_adopt(&s, loop, fd, (enum il__stream_kind)kind, NULL);
	if (rc < 0)
		return rc;
	rc = il__stream_prepare(s);
	if (rc < 0) { /* it stays the caller's */
		il__fd_disown(s->fd, -EBADF);
		il__list_remove(&s->owner.link);
		il__free_lines(s);
		return il__refuse(rc, "il_stream_open_fd: descriptor %d: %s", fd,
				  il__system_words(rc));
	}
	*stream = s;
	return 0;
}

/* ---- closing ---- */

void il__stream_shut(il_stream *s)
{
	if (s->number < 0)
		return;
	for (int d = 0; d < 2; d++) {
		if (s->op[d])
			s->op[d]->gone = true;
		s->op[d] = NULL;
	}
	il__fd_disown(s->fd, -EBADF);
	il__list_remove(&s->owner.link);
	il__stream_let_go(s, false);
	s->number = -1;
	il__kept_fds_take(s, SIZE_MAX, NULL, 0);
	s->kept_begin = s->kept_end = 0;
}

int il_stream_close(il_stream *stream)
{
	int rc;

	if (!stream)
		return il__refuse(-EINVAL, "il_stream_close: the stream is NULL");
	if (stream->number < 0)
		return 0;
	rc = il__loop_check_thread(stream->loop, "il_stream_close");
	if (rc == 0)
		il__stream_shut(stream);
	return rc;
}

void il_stream_destroy(il_stream *stream)
{
	if (!stream)
		return;
	if (stream->number >= 0) {
		if (il__inherited(stream->loop->generation)) {
			/* the native loop is the parent's, and so are our lists: leave them alone */
			il__stream_let_go(stream, true);
			il__kept_fds_take(stream, SIZE_MAX, NULL, 0);
		} else if (il_stream_close(stream) < 0) {
			il__fatal("il_stream_destroy: called in another thread than its loop's");
		}
	}
	il__free(stream->kept);
	il__free_lines(stream);
}

/* ---- what one may ask and set; never waits ---- */

/* 0, or why a call about an open socket cannot be answered. */
static int check_socket(const il_stream *s, const char *function)
{
	int rc;

	if (!s)
		return il__refuse(-EINVAL, "%s: the stream is NULL", function);
	if (s->number < 0)
		return il__refuse(-EBADF, "%s: the stream is closed", function);
	rc = il__loop_check_thread(s->loop, function);
	if (rc < 0)
		return rc;
	if (s->kind == IL__STREAM_FILE)
		return il__refuse(-ENOTSUP, "%s: this stream is a pipe or terminal, no socket",
				  function);
	return 0;
}

int il_stream_shutdown_write(il_stream *stream)
{
	int rc = check_socket(stream, "il_stream_shutdown_write");

	if (rc < 0)
		return rc;
	if (stream->op[1])
		return il__refuse(-EBUSY,
				  "il_stream_shutdown_write: another task is writing; let it end");
	if (stream->shut)
		return 0;
	/* Not connected any more: then the peer needs not be told. */
	if (shutdown(stream->number, SHUT_WR) < 0 && errno != ENOTCONN)
		return il__no_words(-errno);
	stream->shut = true;
	return 0;
}

int il_stream_local_address(const il_stream *stream, il_address *address)
{
	int rc = check_socket(stream, "il_stream_local_address");

	if (rc < 0)
		return rc;
	if (!address)
		return il__refuse(-EINVAL, "il_stream_local_address: the address is NULL");
	address->length = sizeof address->storage;
	if (getsockname(stream->number, (struct sockaddr *)&address->storage, &address->length) < 0)
		return il__no_words(-errno);
	return 0;
}

int il_stream_peer_address(const il_stream *stream, il_address *address)
{
	int rc = check_socket(stream, "il_stream_peer_address");

	if (rc < 0)
		return rc;
	if (!address)
		return il__refuse(-EINVAL, "il_stream_peer_address: the address is NULL");
	*address = stream->peer;
	if (address->length)
		return 0;
	address->length = sizeof address->storage;
	if (getpeername(stream->number, (struct sockaddr *)&address->storage, &address->length) <
	    0) {
		address->length = 0;
		return il__no_words(-errno);
	}
	return 0;
}

int il_stream_set_nodelay(il_stream *stream, bool on)
{
	int rc = check_socket(stream, "il_stream_set_nodelay");

	if (rc < 0)
		return rc;
	if (stream->kind != IL__STREAM_INET)
		return il__refuse(-ENOTSUP, "il_stream_set_nodelay: this stream is not TCP");
	return il__no_words(il__os_socket_set(stream->number, IPPROTO_TCP, TCP_NODELAY, on));
}

int il_stream_set_keepalive(il_stream *stream, bool on)
{
	int rc = check_socket(stream, "il_stream_set_keepalive");

	if (rc < 0)
		return rc;
	return il__no_words(il__os_socket_set(stream->number, SOL_SOCKET, SO_KEEPALIVE, on));
}

int il_stream_fd(const il_stream *stream)
{
	if (!stream)
		return il__refuse(-EINVAL, "il_stream_fd: the stream is NULL");
	if (stream->number < 0)
		return il__refuse(-EBADF, "il_stream_fd: the stream is closed");
	return stream->beside ? stream->beside->source.watch.fd : stream->number;
}
