/*
 * os_pidfd.c: a handle of a child process, signals to it, and how it ended. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "os_spawn.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a handle ---- */

int il__os_process_open(pid_t pid)
{
#if IL__LINUX && defined(SYS_pidfd_open)
	/* valgrind does not know it, and says so each time. */
	int fd = RUNNING_ON_VALGRIND ? -1 : il__os_made((int)syscall(SYS_pidfd_open, pid, 0));

	return fd < 0 ? -1 : fd;
#else
	(void)pid;
	return -1;
#endif
}

int il__os_process_signal(int handle, pid_t pid, int number)
{
#if IL__LINUX && defined(SYS_pidfd_send_signal)
	struct pollfd p = {.fd = handle, .events = POLLIN};

	if (handle >= 0 && syscall(SYS_pidfd_send_signal, handle, number, NULL, 0) == 0)
		return 0;
	if (handle >= 0 && !il__os_is_refused(errno))
		return -errno;
	/* One that has not ended was not reaped, and so has its number still. */
	if (handle >= 0 && poll(&p, 1, 0) > 0)
		return -ESRCH;
#else
	(void)handle;
#endif
	return kill(pid, number) < 0 ? -errno : 0;
}

/* ---- how it ended ---- */

#ifdef __WALL
enum { ANY_CHILD = __WALL }; /* also one that ended before it was its program */
#else
enum { ANY_CHILD = 0 };
#endif

static int reap(idtype_t by, id_t id, bool wait, siginfo_t *info)
{
	int rc;

	info->si_pid = 0;
	do
		rc = waitid(by, id, info, WEXITED | ANY_CHILD | (wait ? 0 : WNOHANG));
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	return info->si_pid ? 0 : -EAGAIN;
}

int il__os_process_reap(int handle, pid_t pid, bool wait, siginfo_t *info)
{
	int rc = -EINVAL;

#if IL__LINUX
	/* Its number may be another child's, if somebody else has reaped it. */
	const int by_handle = 3; /* P_PIDFD: headers may lack it; kernels before 5.4 do */
	if (handle >= 0)
		rc = reap((idtype_t)by_handle, (id_t)handle, wait, info);
#endif
	if (rc == -EINVAL || il__os_is_refused(-rc))
		rc = reap(P_PID, (id_t)pid, wait, info);
	return rc;
}
