/*
 * fd_tell.c: descriptors in words, for dumps: what they are, and who is at the other end, as the system knows it. Any
 * thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/report.h"
#include "fd.h"

#include <interloop/stream.h>

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* False: it is no socket. */
static bool fd_tell_socket(struct il__report *r, int number)
{
	char text[IL_ADDRESS_TEXT_MAX];
	il_address a = {.length = sizeof a.storage};

	if (getpeername(number, (struct sockaddr *)&a.storage, &a.length) == 0) {
		if (il_address_text(&a, text, sizeof text) > 0)
			il__report(r, " (%s)", text);
		return true;
	}
	a.length = sizeof a.storage;
	if (getsockname(number, (struct sockaddr *)&a.storage, &a.length) < 0)
		return false;
	if (il_address_text(&a, text, sizeof text) > 0)
		il__report(r, " (at %s)", text);
	return true;
}

/* A pipe, a terminal, a file: as /proc calls it. */
static void fd_tell_file(struct il__report *r, int number)
{
	char path[32], target[128];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/fd/%d", number);
	n = readlink(path, target, sizeof target - 1);
	if (n <= 0)
		return;
	target[n] = 0;
	il__report(r, " (%s)", target);
}

void il__fd_tell_peer(struct il__report *r, int number)
{
	if (!fd_tell_socket(r, number))
		fd_tell_file(r, number);
}

const char *il__fd_directions(unsigned asked)
{
	switch (asked & (IL_READABLE | IL_WRITABLE)) {
	case IL_READABLE:
		return "readable";
	case IL_WRITABLE:
		return "writable";
	case 0:
		return "urgent data";
	default:
		return "readable or writable";
	}
}

void il__fd_tell_number(struct il__report *r, int number, unsigned asked)
{
	il__report(r, "descriptor %d", number);
	il__fd_tell_peer(r, number);
	il__report(r, ", %s", il__fd_directions(asked));
}

void il__fd_tell(struct il__report *r, const struct il__fd *fd, unsigned asked)
{
	if (fd && !il__fd_is_asked(fd))
		il__fd_tell_number(r, fd->number, asked);
	else if (fd && fd->asks->tell)
		fd->asks->tell(r, fd, asked);
	else
		il__report(r, "a transport, %s", il__fd_directions(asked));
}
