/*
 * fd_watch.c: what the driver watches for a descriptor. libev and libevent take several watchers of
 * one, libuv takes one: a host, or a client library that it uses, can then not watch what a task
 * waits for. So a foreign descriptor is watched by a duplicate there, from the start, because the
 * host may come before us or later. Loop's thread only.
 */
#include "../base/os.h"
#include "../runtime/source.h"
#include "fd.h"

#include <fcntl.h>

int il__fd_watch(struct il__fd *fd, unsigned mask)
{
	struct il_watch *w = &fd->source.watch;
	bool begins = mask && !w->mask && w->loop->watches_once;
	/* Also where it goes on: the host may have closed the handle, and there is a new one. */
	bool may_begin = mask && w->loop->watches_once;
	int flags = may_begin && (fd->foreign || fd->blocking) ? fcntl(fd->number, F_GETFL) : -1;
	int copy = begins && fd->foreign ? il__os_dup(fd->number) : -1, rc;

	if (copy >= 0) { /* else there is no number to spare, and it is watched itself */
		w->fd = copy;
		fd->source.copy = true;
	}
	rc = il__source_watch(w->loop, &fd->source, mask);
	if (flags >= 0 && !(flags & O_NONBLOCK)) /* that loop's doing, to all who share the file */
		fcntl(fd->number, F_SETFL, flags);
	if (!mask)
		w->fd = fd->number;
	return rc;
}
