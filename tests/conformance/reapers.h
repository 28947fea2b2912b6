/*
 * reapers.h: programs that reap whatever child there is, whoever started it: by a handler of SIGCHLD, as
 * libev's default loop, by a thread of their own, or by telling the system that they ignore SIGCHLD.
 */
#ifndef IL_TESTS_REAPERS_H
#define IL_TESTS_REAPERS_H

#include "handlers.h"

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { REAPS_BY_HANDLER, REAPS_BY_THREAD, REAPS_BY_SYSTEM, REAPERS };

struct reaper {
	int kind;
	struct il_test_thread thread;
	atomic_bool over;
};

static inline void reap_all(int number)
{
	int saved = errno;

	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

static inline int reap_until_over(void *arg)
{
	struct reaper *r = arg;

	while (!atomic_load(&r->over)) {
		reap_all(SIGCHLD);
		il_test_pause_really();
	}
	return 0;
}

static inline void reaper_start(struct reaper *r, int kind)
{
	r->kind = kind;
	atomic_store(&r->over, false);
	if (kind == REAPS_BY_THREAD)
		il_test_thread_start(&r->thread, reap_until_over, r);
	else
		set_handler(SIGCHLD, kind == REAPS_BY_SYSTEM ? SIG_IGN : reap_all);
}

static inline void reaper_stop(struct reaper *r)
{
	atomic_store(&r->over, true);
	if (r->kind == REAPS_BY_THREAD)
		CHECK_RC(il_test_thread_join(&r->thread), 0);
	else
		set_handler(SIGCHLD, SIG_DFL);
}

/* Whether the system keeps how a process ended for whoever has its pidfd: Linux 6.15 does. */
static inline bool status_is_kept(void)
{
	struct {
		uint64_t mask, rest[7];
	} info = {.mask = 8};
	bool kept = false;

#ifdef SYS_pidfd_open
	if (IL_TEST_PORTABLE || il_test_valgrind())
		return false;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	waitpid(pid, NULL, 0);
	kept = syscall(SYS_ioctl, pidfd, _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, sizeof info),
		       &info) == 0 &&
	       (info.mask & 8) != 0;
	close(pidfd);
#endif
	return kept;
}

/* And for every child. TSan has a clone of its own: there posix_spawn starts them, and somebody may reap one
 * before there is a pidfd. */
static inline bool status_is_always_kept(void)
{
	return !IL_TEST_TSAN && status_is_kept();
}

#endif
