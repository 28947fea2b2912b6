/*
 * adopt.c: foreign descriptors as streams. What belongs to the open file description is shared with whoever has a
 * copy of the descriptor: the shell behind a terminal, the other standard descriptors, who writes to the same
 * pipe. So it stays as it was found: sockets are served by calls that never wait, pipes and terminals by a
 * description of our own. Where there can be none O_NONBLOCK is set, and taken back when the last stream of it that
 * the loop has is closed. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/list.h"
#include "../base/os.h"
#include "fd.h"
#include "stream.h"

#include <fcntl.h>
#include <unistd.h>

/* The standard descriptors are there to be inherited, whoever reads them. */
static bool is_standard(int fd)
{
	return fd <= STDERR_FILENO;
}

static int set_cloexec(int fd)
{
	return is_standard(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}

/* For whoever takes it back. */
static bool is_inheritable(int fd)
{
	const int flags = fcntl(fd, F_GETFD);

	return !is_standard(fd) && flags >= 0 && !(flags & FD_CLOEXEC);
}

/* A number that is ours alone becomes our own description's. */
static int take_number(int own, int fd)
{
	int rc = il__os_rename(own, fd);

	close(own);
	return rc;
}

/* A standard descriptor stays as it is beside our own. */
static int put_beside(il_stream *s, int own)
{
	struct il__fd *fd;
	int rc;

	il__fd_renew(s->loop, own);
	rc = il__fd_own(s->loop, own, &fd);
	if (rc < 0) {
		close(own);
		return rc;
	}
	s->beside = s->fd;
	s->fd = fd;
	s->number = own;
	return 0;
}

static int set_nonblocking(il_stream *s, int flags)
{
	s->shared = true;
	if (!(flags & O_NONBLOCK)) {
		if (fcntl(s->number, F_SETFL, flags | O_NONBLOCK) < 0)
			return -errno;
		s->restore = true;
	}
	return set_cloexec(s->number);
}

int il__stream_prepare(il_stream *s)
{
	const int fd = s->number, flags = fcntl(fd, F_GETFL);
	int own;

	if (flags < 0)
		return -errno;
	s->inheritable = is_inheritable(fd);
	if (s->kind != IL__STREAM_FILE) {
		s->fd->blocking = !(flags & O_NONBLOCK);
		return set_cloexec(fd);
	}
	own = il__os_reopen(fd);
	if (own == -EMFILE || own == -ENFILE || own == -ENOMEM)
		return own;
	if (own < 0)
		return set_nonblocking(s, flags);
	if (is_standard(fd))
		return put_beside(s, own);
	s->restore = !(flags & O_NONBLOCK); /* for whoever takes the number back */
	return take_number(own, fd);
}

/* Which streams have the same description shows by the flag: who has lost it gets it again, and takes it back. */
static void pass_restoring_on(const il_stream *s)
{
	il__list_each (node, il__fd_owners(s->loop)) {
		const struct il__fd_owner *owner =
		    il__container_of(node, struct il__fd_owner, link);
		il_stream *other = il__container_of(owner, il_stream, owner);
		int flags;

		if (owner->orphan != s->owner.orphan || !other->shared) /* no stream, or not such */
			continue;
		flags = fcntl(other->number, F_GETFL);
		if (flags >= 0 && !(flags & O_NONBLOCK))
			other->restore = fcntl(other->number, F_SETFL, flags | O_NONBLOCK) == 0;
	}
}

static void restore_flags(const il_stream *s, int number)
{
	const int flags = s->restore ? fcntl(number, F_GETFL) : -1;

	if (flags < 0)
		return;
	fcntl(number, F_SETFL, flags & ~O_NONBLOCK);
	if (s->shared && s->loop) /* else the loop closes all of them */
		pass_restoring_on(s);
}

void il__stream_let_go(il_stream *s, int number, bool inherited)
{
	if (!inherited) /* else the parent still has the stream */
		restore_flags(s, number);
	close(number);
	if (s->beside) {
		if (!inherited)
			il__fd_disown(s->beside, -EBADF);
		close(s->beside->source.watch.fd);
	}
}

int il_stream_take_fd(il_stream *stream)
{
	static const char function[] = "il_stream_take_fd";
	int number, rc = il__stream_check(stream, function);

	if (rc < 0)
		return rc;
	if (stream->kind == IL__STREAM_TRANSPORT)
		return il__refuse(-ENOTSUP, "%s: behind this stream is no descriptor", function);
	if (stream->op[0] || stream->op[1] || il__fd_asked(stream->fd))
		return il__refuse(-EBUSY, "%s: a task reads from this stream, or writes to it",
				  function);
	if (il__stream_has_kept(stream))
		return il__refuse(-EBUSY, "%s: %zu received bytes are kept; read them first",
				  function, il_stream_buffered(stream));
	number = stream->number;
	stream->number = -1;
	il__list_remove(&stream->owner.link);
	il__fd_disown(stream->fd, -EBADF);
	restore_flags(stream, number);
	if (stream->inheritable)
		fcntl(number, F_SETFD, 0);
	if (!stream->beside)
		return number;
	close(number);
	il__fd_disown(stream->beside, -EBADF);
	return stream->beside->number;
}
