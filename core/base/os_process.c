/*
 * os_process.c: child processes: started by posix_spawn, never by fork of a threaded process, with no signal
 * blocked and every disposition at its default; told dead without SIGCHLD and without asking for anybody
 * else's child. A pidfd does that where there is one, else a thread that waits for this one child. IL_PORTABLE
 * builds use the fallbacks on Linux too. Any thread may enter, one at a time for one child.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(__GLIBC__) && !defined(IL_PORTABLE)
#define IL__GLIBC(major, minor) __GLIBC_PREREQ(major, minor)
#else
#define IL__GLIBC(major, minor) 0
#endif

/* ---- descriptors ---- */

/* ---- starting one ---- */

/* The program's other descriptors that are not close-on-exec. */
static int close_others(posix_spawn_file_actions_t *actions, int count)
{
#if IL__GLIBC(2, 34)
	return posix_spawn_file_actions_addclosefrom_np(actions, count);
#else
	DIR *dir = opendir("/dev/fd");
	int rc = dir ? 0 : errno;

	for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
		int fd = atoi(e->d_name), flags = fcntl(fd, F_GETFD);
		if (fd >= count && flags >= 0 && !(flags & FD_CLOEXEC))
			rc = posix_spawn_file_actions_addclose(actions, fd);
	}
	if (dir)
		closedir(dir);
	return rc;
#endif
}

static int change_directory(posix_spawn_file_actions_t *actions, const char *directory)
{
#if IL__GLIBC(2, 29)
	return posix_spawn_file_actions_addchdir_np(actions, directory);
#else
	(void)actions;
	(void)directory;
	return 0; /* through_shell() has seen to it */
#endif
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct il__os_spawn *s)
{
	int rc = 0;

	for (int i = 0; i < s->count && rc == 0; i++) {
		if (s->fds[i] == IL__OS_NULL)
			rc = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
		else if (s->fds[i] != IL__OS_INHERIT)
			rc = posix_spawn_file_actions_adddup2(actions, s->fds[i], i);
		else if (fcntl(i, F_GETFD) > 0) /* close-on-exec, which onto itself takes off */
			rc = posix_spawn_file_actions_adddup2(actions, i, i);
	}
	if (rc == 0 && !s->keep_others)
		rc = close_others(actions, s->count);
	if (rc == 0 && s->directory)
		rc = change_directory(actions, s->directory);
	return -rc;
}

static int set_attributes(posix_spawnattr_t *attr, const struct il__os_spawn *s)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	if (s->group)
		flags |= POSIX_SPAWN_SETPGROUP; /* its own: the attribute is 0 from the start */
#ifdef POSIX_SPAWN_SETSID
	if (s->session)
		flags |= POSIX_SPAWN_SETSID;
#else
	if (s->session)
		return -ENOTSUP;
#endif
	if ((rc = posix_spawnattr_setsigmask(attr, &none)) ||
	    (rc = posix_spawnattr_setsigdefault(attr, &all)) ||
	    (rc = posix_spawnattr_setflags(attr, flags)))
		return -rc;
	return 0;
}

static int spawn(pid_t *pid, const struct il__os_spawn *s)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc = -posix_spawn_file_actions_init(&actions);

	if (rc < 0)
		return rc;
	rc = -posix_spawnattr_init(&attr);
	if (rc == 0) {
		if ((rc = add_actions(&actions, s)) == 0 && (rc = set_attributes(&attr, s)) == 0)
			rc = -(s->search ? posix_spawnp : posix_spawn)(
			    pid, s->file, &actions, &attr, s->argv, s->environment);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

#if !IL__GLIBC(2, 29)

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Where the shell will find it: 0, or why it will not, which it could not tell us. A relative element of
 * $PATH, and an empty one, which is the current directory, start where the shell will be. */
static int look_for(const char *file, const char *directory)
{
	const char *path = getenv("PATH");
	char name[PATH_MAX];
	int rc = ENOENT;

	if (strchr(file, '/')) {
		snprintf(name, sizeof name, "%s/%s", file[0] == '/' ? "" : directory, file);
		return access(name, X_OK) == 0 ? 0 : -errno;
	}
	for (path = path ? path : "/bin:/usr/bin"; path;) {
		size_t length = strcspn(path, ":");
		snprintf(name, sizeof name, "%s/%.*s/%s", path[0] == '/' ? "" : directory,
			 (int)length, path, file);
		if (access(name, X_OK) == 0)
			return 0;
		rc = errno == EACCES ? EACCES : rc;
		path = path[length] ? path + length + 1 : NULL;
	}
	return -rc;
}

/* There is no action that changes the directory: a shell does it, and becomes the program, which it gives
 * its file for a name. */
static int through_shell(pid_t *pid, const struct il__os_spawn *s)
{
	static char sh[] = "sh", flag[] = "-c", script[] = "cd \"$0\" && exec \"$@\"";
	struct il__os_spawn shell = *s;
	char directory[PATH_MAX];
	size_t count = 0;
	struct stat st;
	char **argv;
	int rc;

	if (stat(s->directory, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (access(s->directory, X_OK) < 0)
		return -errno;
	if ((rc = look_for(s->file, s->directory)) < 0)
		return rc;
	while (s->argv[count])
		count++;
	argv = calloc(count + 5, sizeof *argv);
	if (!argv)
		return -ENOMEM;
	/* With a dot in front it is no option, and nothing that $CDPATH is asked for. */
	snprintf(directory, sizeof directory, "%s%s", s->directory[0] == '/' ? "" : "./",
		 s->directory);
	argv[0] = sh;
	argv[1] = flag;
	argv[2] = script;
	argv[3] = directory;
	memcpy(argv + 4, s->argv, count * sizeof *argv);
	argv[4] = (char *)(uintptr_t)s->file;
	shell.file = "/bin/sh";
	shell.search = false;
	shell.argv = argv;
	shell.directory = NULL;
	rc = spawn(pid, &shell);
	free(argv);
	return rc;
}

#endif

int il__os_spawn(pid_t *pid, const struct il__os_spawn *s)
{
	struct il__os_spawn placed = *s;
	int extra[IL__OS_SPAWN_FDS], count = 0, rc = 0;

	/* They are put in place one after the other: none may lie where another goes, nor in its own place,
	 * where it would stay close-on-exec. */
	for (int i = 0; i < s->count && rc == 0; i++) {
		int *fd = &placed.fds[i];
		if (*fd < 0 || *fd >= s->count)
			continue;
		*fd = fcntl(*fd, F_DUPFD_CLOEXEC, s->count > 2 ? s->count : 3);
		if (*fd < 0)
			rc = -errno;
		else
			extra[count++] = *fd;
	}
#if !IL__GLIBC(2, 29)
	if (rc == 0 && s->directory)
		rc = through_shell(pid, &placed);
	else
#endif
	    if (rc == 0)
		rc = spawn(pid, &placed);
	while (count > 0)
		close(extra[--count]);
	return rc;
}

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

void il__os_end_after(int seconds)
{
#if IL__GLIBC(2, 34) /* before, timers were in a library of their own */
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	const struct itimerspec then = {.it_value = {.tv_sec = seconds}};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
	    timer_settime(timer, 0, &then, NULL) == 0)
		return;
#endif
	sigset_t alarms;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	alarm((unsigned)seconds);
}

/* ---- its end ---- */

/* Of the thread that waits, which frees it: whoever asked may have left. */
struct watch {
	pid_t pid;
	int fd;
};

static void *watch_main(void *arg)
{
	struct watch *watch = arg;
	siginfo_t info;

	il__os_thread_name("il-child", NULL);
	/* Leaves it to be reaped by who asked: its number stays its own until then. */
	while (waitid(P_PID, (id_t)watch->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	il__os_wake_write(watch->fd);
	close(watch->fd);
	free(watch);
	return NULL;
}

static int start_thread(struct il__os_child *child)
{
	struct watch *watch = malloc(sizeof *watch);
	int fd[2], rc;

	if (!watch)
		return -ENOMEM;
	rc = il__os_pipe(fd);
	if (rc == 0) {
		*watch = (struct watch){.pid = child->pid, .fd = fd[1]};
		rc = il__os_thread_start(&child->thread, 0, watch_main, watch);
		if (rc == 0) {
			child->fd = fd[0];
			child->threaded = true;
			return 0;
		}
		close(fd[0]);
		close(fd[1]);
	}
	free(watch);
	return rc;
}

int il__os_child_open(struct il__os_child *child, pid_t pid)
{
	*child = (struct il__os_child){.pid = pid, .handle = il__os_process_open(pid)};
	child->fd = child->handle;
	return child->handle >= 0 ? 0 : start_thread(child);
}

bool il__os_child_ended(const struct il__os_child *child, bool wait)
{
	struct pollfd p = {.fd = child->fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, wait ? -1 : 0);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

static int reap(idtype_t by, id_t id, siginfo_t *info)
{
	int rc;

	do
		rc = waitid(by, id, info, WEXITED);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

int il__os_child_reap(struct il__os_child *child, siginfo_t *info)
{
	if (child->threaded)
		pthread_join(child->thread, NULL);
	child->threaded = false;
#if IL__LINUX
	if (child->handle >= 0) {
		/* Its number may be another child's, if somebody else has reaped it. */
		const int by_handle = 3; /* P_PIDFD: headers may lack it; kernels before 5.4 do */
		int rc = reap((idtype_t)by_handle, (id_t)child->handle, info);
		if (rc != -EINVAL && !il__os_is_refused(-rc))
			return rc;
	}
#endif
	return reap(P_PID, (id_t)child->pid, info);
}

void il__os_child_close(struct il__os_child *child)
{
	if (child->threaded)
		pthread_detach(child->thread);
	close(child->fd);
}
