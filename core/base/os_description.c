/*
 * os_description.c: what differs between operating systems about open file descriptions and files: which terminal
 * a descriptor is, and how to have a description of one's own. IL_PORTABLE builds use the fallbacks on Linux too.
 * Any thread may enter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os.h"
#include "os_process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool il__os_is_pty_master(int fd)
{
#if defined(__linux__)
	char name[64];

	return isatty(fd) && ptsname_r(fd, name, sizeof name) == 0;
#else
	return isatty(fd) && ptsname(fd) != NULL;
#endif
}

/* Opening a terminal's controlling side makes another terminal; other devices may be as peculiar. */
#if IL__LINUX
static bool can_be_reopened(int fd, const struct stat *st)
{
	return S_ISFIFO(st->st_mode) || (isatty(fd) && !il__os_is_pty_master(fd));
}
#endif

int il__os_reopen(int fd)
{
#if IL__LINUX
	int flags = fcntl(fd, F_GETFL), own, rc = 0;
	struct stat before, after;
	char path[32];

	if (flags < 0 || fstat(fd, &before) < 0)
		return -errno;
	if (!can_be_reopened(fd, &before))
		return -ENOTSUP;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	flags &= O_ACCMODE | O_DIRECT;
	own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	if (fstat(own, &after) < 0 || before.st_rdev != after.st_rdev)
		rc = -ENOTSUP;
	if (rc == 0)
		rc = il__os_above_stdio(&own);
	if (rc < 0)
		close(own);
	return rc < 0 ? rc : own;
#else
	(void)fd;
	return -ENOTSUP;
#endif
}

int il__os_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL), own;

	if (flags < 0 || flags & O_NONBLOCK)
		return fd;
	own = il__os_reopen(fd);
	return own < 0 ? fd : own;
}

int il__os_rename(int from, int fd)
{
#if IL__LINUX
	return dup3(from, fd, O_CLOEXEC) < 0 ? -errno : 0;
#else
	return dup2(from, fd) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
#endif
}

int il__os_pin(const char *path)
{
#if IL__LINUX
	return il__os_made(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
#else
	(void)path;
	return -1;
#endif
}
