/*
 * os_fd.c: the numbers of descriptors. Ours are never 0 to 2, also in a program that was started
 * without these: whoever opens its standard descriptors later finds them free, and who writes to
 * them does not write to us. Native libraries have no such rule of their own, and some abort where
 * theirs would be one of those; so the numbers are held while they open theirs. Any thread may
 * enter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "fork.h"
#include "os.h"
#include "os_process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int il__os_above_stdio(int *fd)
{
	int up;

	if (*fd > STDERR_FILENO)
		return 0;
	up = il__os_dup(*fd);
	if (up < 0)
		return up;
	close(*fd);
	*fd = up;
	return 0;
}

int il__os_made(int fd)
{
	int rc = fd < 0 ? -errno : il__os_above_stdio(&fd);

	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

int il__os_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (copy < 0 && errno == EINVAL) /* the limit is so low that there are no such numbers */
		return -EMFILE;
	return copy < 0 ? -errno : copy;
}

int il__os_pipe(int fd[2])
{
	int rc;

#if IL__LINUX
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
#else
	if (pipe(fd) < 0)
		return -errno;
	fcntl(fd[0], F_SETFD, FD_CLOEXEC);
	fcntl(fd[1], F_SETFD, FD_CLOEXEC);
#endif
	if ((rc = il__os_above_stdio(&fd[0])) < 0 || (rc = il__os_above_stdio(&fd[1])) < 0) {
		close(fd[0]);
		close(fd[1]);
	}
	return rc;
}

/* ---- holding 0 to 2 ---- */

/* A pipe's reading end: it needs no file system, and nobody else has the same. */
static struct {
	pthread_mutex_t lock;
	unsigned holders;
	bool held[STDERR_FILENO + 1];
	struct stat plug; /* what we hold them with */
} stdio = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool any_is_closed(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return true;
	return false;
}

/* Only what is free: another thread may open one of them this very moment. */
static void plug_stdio(int plug)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		int got = fcntl(fd, F_GETFD) < 0 ? fcntl(plug, F_DUPFD_CLOEXEC, fd) : -1;
		if (got == fd)
			stdio.held[fd] = true;
		else if (got >= 0)
			close(got);
	}
}

/* Those that somebody has put something else in the place of are not ours any more. */
static void unplug_stdio(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		struct stat now;
		if (stdio.held[fd] && fstat(fd, &now) == 0 && now.st_dev == stdio.plug.st_dev &&
		    now.st_ino == stdio.plug.st_ino)
			close(fd);
		stdio.held[fd] = false;
	}
}

int il__os_stdio_hold(void)
{
	int ends[2], rc = 0;

	pthread_mutex_lock(&stdio.lock);
	if (!stdio.holders && any_is_closed() && (rc = il__os_pipe(ends)) == 0) {
		close(ends[1]);
		fstat(ends[0], &stdio.plug);
		plug_stdio(ends[0]);
		close(ends[0]);
	}
	stdio.holders += rc == 0;
	pthread_mutex_unlock(&stdio.lock);
	return rc;
}

void il__os_stdio_release(void)
{
	pthread_mutex_lock(&stdio.lock);
	if (--stdio.holders == 0)
		unplug_stdio();
	pthread_mutex_unlock(&stdio.lock);
}

/* In a forked child: who held them stayed with the parent. */
static void forget_holders(void)
{
	unplug_stdio();
	stdio.holders = 0;
}

IL__AT_FORK(&stdio.lock, forget_holders);

/* ---- trying beforehand ---- */

int il__os_probe_descriptors(int count)
{
	enum { MOST = 32 };
	int fds[MOST + 2], made = 0, rc = 0;

	/* Whole files, and no copies of one: of these, too, the system may have no more. */
	if (count % 2) {
		rc = il__os_wake_open(fds);
		made = rc < 0 ? 0 : fds[0] == fds[1] ? 1 : 2;
	}
	while (rc == 0 && made < count && made < MOST) {
		rc = il__os_pipe(fds + made); /* what may be refused for most reasons */
		made += rc == 0 ? 2 : 0;
	}
	while (made > 0)
		close(fds[--made]);
	return rc;
}

int il__os_probe_memory(size_t size)
{
	void *volatile memory = malloc(size); /* volatile, or the compiler leaves both calls out */

	free(memory);
	return memory ? 0 : -ENOMEM;
}
