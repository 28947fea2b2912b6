/*
 * os_pidfd.c: a handle of a child process, signals to it, and how it ended. Who has its pidfd learns that also
 * when somebody else has reaped it, or nobody does, since SIGCHLD is ignored: the kernel keeps it (Linux 6.15 and
 * later). Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os.h"
#include "os_spawn.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
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

#if IL__LINUX

/* struct pidfd_info, as its first version has it: headers lack it. */
struct known {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t status; /* as wait has it */
};

#define GET_INFO    _IOWR(0xff, 11, struct known)
#define INFO_STATUS (UINT64_C(1) << 3)

/* -ESRCH: it is gone, and when we looked for its status it was not there yet. */
static int pidfd_ask(int pidfd, struct known *known)
{
	*known = (struct known){.mask = INFO_STATUS};
	return syscall(SYS_ioctl, pidfd, GET_INFO, known) < 0 ? -errno : 0;
}

/* Until whoever reaps it has done so. A kernel that knows GET_INFO tells. */
static void wait_until_gone(int pidfd)
{
	struct pollfd p = {.fd = pidfd};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

/* Of one that somebody else has reaped, or is about to. */
static int kept_status(int pidfd, siginfo_t *info)
{
	struct known known;
	int status, rc = pidfd < 0 ? -ECHILD : pidfd_ask(pidfd, &known);

	if (rc == 0 && !(known.mask & INFO_STATUS)) {
		wait_until_gone(pidfd);
		rc = -ESRCH;
	}
	if (rc == -ESRCH)
		rc = pidfd_ask(pidfd, &known);
	if (rc < 0 || !(known.mask & INFO_STATUS))
		return -ECHILD;
	status = known.status;
	info->si_code = WIFEXITED(status)   ? CLD_EXITED
			: WCOREDUMP(status) ? CLD_DUMPED
					    : CLD_KILLED;
	info->si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	return 0;
}

#else

static int kept_status(int pidfd, siginfo_t *info)
{
	(void)pidfd;
	(void)info;
	return -ECHILD;
}

#endif

#ifdef __WALL
enum { ANY_CHILD = __WALL }; /* also one that ended before it was its program */
#else
enum { ANY_CHILD = 0 };
#endif

static int pidfd_reap(idtype_t by, id_t id, int flags, siginfo_t *info)
{
	int rc;

	info->si_pid = 0;
	do
		rc = waitid(by, id, info, WEXITED | ANY_CHILD | flags);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	return info->si_pid ? 0 : -EAGAIN;
}

static int pidfd_wait(int handle, pid_t pid, int flags, siginfo_t *info)
{
	int rc = -EINVAL;

#if IL__LINUX
	/* Its number may be another child's, if somebody else has reaped it. */
	const int by_handle = 3; /* P_PIDFD: headers may lack it; kernels before 5.4 do */
	if (handle >= 0)
		rc = pidfd_reap((idtype_t)by_handle, (id_t)handle, flags, info);
#else
	(void)handle;
#endif
	if (rc == -EINVAL || il__os_is_refused(-rc))
		rc = pidfd_reap(P_PID, (id_t)pid, flags, info);
	return rc;
}

int il__os_process_reap(int handle, pid_t pid, bool wait, siginfo_t *info)
{
	int rc = pidfd_wait(handle, pid, wait ? 0 : WNOHANG, info);

	return rc == -ECHILD ? kept_status(handle, info) : rc;
}

int il__os_process_look(int handle, pid_t pid, siginfo_t *info)
{
	return pidfd_wait(handle, pid, WNOHANG | WNOWAIT, info);
}
