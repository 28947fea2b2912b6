/*
 * os_watch.c: what the system can tell of a descriptor by another one: whether it can be watched at all, and
 * whether it has urgent data, which native loops know nothing of. Any thread may enter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "os.h"

#include <sys/stat.h>
#include <unistd.h>

#if IL__LINUX

#include <sys/epoll.h>

/* An epoll descriptor that watches fd. */
static int watch_by_epoll(int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};
	int epoll = il__os_made(epoll_create1(EPOLL_CLOEXEC)), rc;

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return epoll;
	rc = -errno;
	close(epoll);
	return rc;
}

int il__os_urgent_open(int fd)
{
	int epoll = watch_by_epoll(fd, EPOLLPRI);

	return epoll == -EPERM ? -ENOTSUP : epoll;
}

static int try_to_watch(int fd)
{
	int epoll = watch_by_epoll(fd, 0);

	if (epoll < 0)
		return epoll;
	close(epoll);
	return 0;
}

#else

int il__os_urgent_open(int fd)
{
	(void)fd;
	return -ENOTSUP;
}

static int try_to_watch(int fd)
{
	(void)fd;
	return 0;
}

#endif

/* Sockets and pipes can; a character device may be a terminal or /dev/null. */
int il__os_can_watch(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		return -EPERM;
	return S_ISCHR(st.st_mode) ? try_to_watch(fd) : 0;
}
