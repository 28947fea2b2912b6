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
#include "transport.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- closing ---- */

/* The stream's loop is `after` then. A transport may free the stream when it is closed. */
static void stream_shut(il_stream *s, il_loop *after)
{
	const int number = s->number;

	if (number < 0)
		return;
	for (int d = 0; d < 2; d++) {
		if (s->op[d])
			s->op[d]->gone = true;
		if (s->op[d] && s->kind == IL__STREAM_TRANSPORT)
			s->op[d]->wait.fd = il__fd_nobody(s->loop);
		s->op[d] = NULL;
	}
	s->number = -1;
	s->loop = after;
	il__list_remove(&s->owner.link);
	il__kept_fds_take(s, SIZE_MAX, NULL, 0);
	s->kept_begin = s->kept_end = 0;
	if (s->kind == IL__STREAM_TRANSPORT) {
		il__transport_close(s);
		return;
	}
	il__fd_disown(s->fd, -EBADF);
	il__stream_let_go(s, number, false);
}

void il__stream_shut(il_stream *s)
{
	stream_shut(s, s->loop);
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
			if (stream->kind != IL__STREAM_TRANSPORT)
				il__stream_let_go(stream, stream->number, true);
			il__kept_fds_take(stream, SIZE_MAX, NULL, 0);
			stream->number = -1;
		} else if (il_stream_close(stream) < 0) {
			il__fatal("il_stream_destroy: called in another thread than its loop's");
		}
	}
	if (stream->kind == IL__STREAM_TRANSPORT)
		il__transport_destroy(stream);
	else
		il__stream_free(stream);
}

/* ---- making ---- */

static void stream_orphan(struct il__fd_owner *owner)
{
	stream_shut(il__container_of(owner, il_stream, owner), NULL);
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

int il_stream_pair(il_stream **a, il_stream **b)
{
	il_stream *first = NULL, *second = NULL;
	il_loop *loop;
	int fd[2], rc;

	if (!a || !b)
		return il__refuse(-EINVAL, "il_stream_pair: NULL where a stream is to be stored");
	rc = il__loop_here(&loop, "il_stream_pair");
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
	rc = il__loop_here(&loop, "il_stream_open_fd");
	if (rc < 0)
		return rc;
	kind = kind_of(fd);
	if (kind == -ENOTSUP)
		return il__refuse(kind,
				  "il_stream_open_fd: descriptor %d is no stream socket that is "
				  "connected, no pipe and no terminal; for a file use il_file_open",
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
		il__stream_free(s);
		return il__refuse(rc, "il_stream_open_fd: descriptor %d: %s", fd,
				  il__system_words(rc));
	}
	*stream = s;
	return 0;
}

int il_stream_open_transport(il_stream **stream, const struct il_transport *transport, void *self)
{
	static const char function[] = "il_stream_open_transport";
	il_loop *loop;
	il_stream *s;
	int rc;

	if (!stream || !transport || !transport->receive || !transport->send)
		return il__refuse(-EINVAL,
				  "%s: the stream, the transport, its receive or its send is NULL",
				  function);
	rc = il__loop_here(&loop, function);
	if (rc == 0)
		rc = il__fd_prepare(loop);
	if (rc < 0)
		return rc;
	s = il__alloc_lines(sizeof *s);
	if (!s)
		return il__refuse(-ENOMEM, "out of memory for a stream");
	rc = il__transport_open(s, loop, transport, self);
	if (rc < 0) {
		il__stream_free(s);
		return rc;
	}
	s->loop = loop;
	s->owner.orphan = stream_orphan;
	il__fd_adopt_first(loop, &s->owner);
	*stream = s;
	return 0;
}
