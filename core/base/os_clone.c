/*
 * os_clone.c: starting a child process on Linux, as posix_spawn does it, but with a pidfd from its first
 * moment: what could fail afterwards has failed before the program runs, and its number is never another's.
 *
 * Until the program runs the child shares our memory, and the thread that starts it stands still. So the
 * child calls nothing but the kernel: no function of the C library that could be a cancellation point, be
 * interposed, or keep something. It raises no SIGCHLD, and wait for any child does not see it, before exec
 * has made it a process like others: one that cannot be started is nobody's but ours. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "memory.h"
#include "os.h"
#include "os_process.h"
#include "os_spawn.h"

#if IL__LINUX

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { STACK = 32 * 1024 };

struct plan {
	const struct il__os_spawn *s;
	char *const *names;
	int error; /* set by the child, which has ended then */
};

/* ---- the child ---- */

/* Its stack is none that a sanitizer knows. */
#define IN_CHILD __attribute__((no_sanitize_address))

/* As the kernel has them: all zero is SIG_DFL, and no signal at all. */
static const unsigned long zeros[16];
static const size_t mask_size = _NSIG / 8;

IN_CHILD static void reset_signals(void)
{
	for (int number = 1; number < _NSIG; number++)
		syscall(SYS_rt_sigaction, number, zeros, NULL, mask_size);
}

IN_CHILD static bool put_null(int target)
{
	long fd = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);

	if (fd < 0 || fd == target)
		return fd >= 0;
	if (syscall(SYS_dup3, fd, target, 0) < 0)
		return false;
	syscall(SYS_close, fd);
	return true;
}

/* The leader of a session that has none gets the first that it opens. */
IN_CHILD static bool take_terminal(const char *name)
{
	long fd = syscall(SYS_openat, AT_FDCWD, name, O_RDWR, 0);

	return fd >= 0 && syscall(SYS_close, fd) == 0;
}

IN_CHILD static bool put_descriptors(const struct il__os_spawn *s)
{
	for (int i = 0; i < s->count; i++) {
		if (s->fds[i] == IL__OS_INHERIT)
			continue;
		if (s->fds[i] == IL__OS_NULL ? !put_null(i)
					     : syscall(SYS_dup3, s->fds[i], i, 0) < 0)
			return false;
	}
	return s->keep_others || syscall(SYS_close_range, s->count, ~0U, 0) == 0;
}

/* As execvp: the next one is tried where this one is not there, or not for us. */
IN_CHILD static int run_program(const struct plan *p)
{
	int why = ENOENT;

	for (char *const *name = p->names; *name; name++) {
		syscall(SYS_execve, *name, p->s->argv, p->s->environment);
		if (errno == EACCES)
			why = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE &&
			 errno != ENODEV && errno != ETIMEDOUT)
			return errno;
		else if (!name[1] && why == ENOENT)
			why = errno;
	}
	return why;
}

IN_CHILD static int child_main(void *arg)
{
	struct plan *p = arg;
	const struct il__os_spawn *s = p->s;

	reset_signals();
	if ((s->session && syscall(SYS_setsid) < 0) ||
	    (s->group && syscall(SYS_setpgid, 0, 0) < 0) ||
	    (s->terminal && !take_terminal(s->terminal)) || !put_descriptors(s) ||
	    (s->directory && syscall(SYS_chdir, s->directory) < 0) ||
	    syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, NULL, mask_size) < 0)
		p->error = errno;
	else
		p->error = run_program(p);
	return 127;
}

/* ---- the parent ---- */

/* A sanitizer that has a clone of its own takes every one for a fork. */
extern int __interceptor_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
    __attribute__((weak));

/* Before this system call there was no way to leave out every descriptor. It refuses what ends before it
 * begins. */
static bool can_clone(void)
{
	return !RUNNING_ON_VALGRIND && !__interceptor_clone &&
	       syscall(SYS_close_range, 1, 0, 0) < 0 && errno == EINVAL;
}

/* No handler may run in the child, whose memory is ours. */
static pid_t clone_with(struct plan *p, char *stack, int *pidfd)
{
	uintptr_t top = ((uintptr_t)stack + STACK) & ~(uintptr_t)15;
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = clone(child_main, (void *)top, CLONE_VM | CLONE_VFORK | CLONE_PIDFD, p, pidfd);
	if (pid < 0)
		pid = -errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

bool il__os_clone(pid_t *pid, int *pidfd, const struct il__os_spawn *s, char *const *names, int *rc)
{
	struct plan p = {.s = s, .names = names};
	char *stack;

	if (!can_clone())
		return false;
	*pidfd = -1;
	*rc = -ENOMEM;
	stack = il__malloc(STACK);
	if (!stack)
		return true;
	*pid = clone_with(&p, stack, pidfd);
	il__free(stack);
	*rc = *pid < 0 ? *pid : -p.error;
	if (*pid > 0)
		il__os_above_stdio(pidfd); /* if there is room */
	if (*pid > 0 && *rc < 0) {
		while (waitpid(*pid, NULL, __WALL) < 0 && errno == EINTR)
			;
		close(*pidfd);
	}
	/* Else an emulator that does not know the flags, or a sandbox. */
	return *pid > 0 || (*rc != -EINVAL && !il__os_is_refused(-*rc));
}

#else

bool il__os_clone(pid_t *pid, int *pidfd, const struct il__os_spawn *s, char *const *names, int *rc)
{
	(void)pid;
	(void)pidfd;
	(void)s;
	(void)names;
	(void)rc;
	return false;
}

#endif
