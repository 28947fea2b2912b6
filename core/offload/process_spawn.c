/*
 * process_spawn.c: starting a worker: the program itself, by posix_spawn, never by fork of a threaded
 * process. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "process_pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

extern char **environ;

enum { STREAM = 3 }; /* the worker's descriptor of the stream */

/* ---- the program ---- */

/* What /proc/self/exe links to: the link itself would be another program once the worker reads it. */
int il__process_program(struct il__program *program)
{
	struct stat st;
	ssize_t n = readlink("/proc/self/exe", program->path, sizeof program->path - 1);

	if (n < 0)
		return il__refuse(-ENOTSUP,
				  "il_process_pool_create: the program's own file cannot be found: "
				  "/proc/self/exe: %s",
				  il_strerror(-errno));
	program->path[n] = 0;
	if (stat(program->path, &st) < 0)
		return il__refuse(-ENOTSUP,
				  "il_process_pool_create: the program's own file is not there any "
				  "more: %.150s",
				  program->path);
	if (il__process_is_secure())
		return il__refuse(-ENOTSUP, "il_process_pool_create: not in a set-user-ID program, "
					    "whose environment is somebody else's");
	program->device = st.st_dev;
	program->inode = st.st_ino;
	return 0;
}

/* Another file by that name would be called at the wrong places. */
static int check_program(const struct il__program *program)
{
	struct stat st;

	if (stat(program->path, &st) == 0 && st.st_dev == program->device &&
	    st.st_ino == program->inode)
		return 0;
	return il__refuse(-ENOENT,
			  "process pool: the program's file %.100s was removed or replaced while "
			  "it runs; no more workers can be started",
			  program->path);
}

/* The environment, and the variable that makes it a worker. */
static char **worker_environment(char *variable)
{
	size_t count = 0;
	char **copy;

	while (environ && environ[count])
		count++;
	copy = malloc((count + 2) * sizeof *copy);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < count; i++)
		copy[i] = environ[i];
	copy[count] = variable;
	copy[count + 1] = NULL;
	return copy;
}

/* ---- posix_spawn ---- */

/* The program's other descriptors that are not close-on-exec. */
static int close_others(posix_spawn_file_actions_t *actions)
{
#if defined(__GLIBC__) && !defined(IL_PORTABLE)
#if __GLIBC_PREREQ(2, 34)
	return posix_spawn_file_actions_addclosefrom_np(actions, STREAM + 1);
#endif
#endif
	DIR *dir = opendir("/dev/fd");
	int rc = dir ? 0 : errno;

	for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
		int fd = atoi(e->d_name), flags = fcntl(fd, F_GETFD);
		if (fd > STREAM && flags >= 0 && !(flags & FD_CLOEXEC))
			rc = posix_spawn_file_actions_addclose(actions, fd);
	}
	if (dir)
		closedir(dir);
	return rc;
}

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr, int stream,
		   int errors)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	if ((rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0)) ||
	    (rc = posix_spawn_file_actions_adddup2(actions, errors, 2)) ||
	    (rc = posix_spawn_file_actions_adddup2(actions, stream, STREAM)) ||
	    (rc = close_others(actions)) || (rc = posix_spawnattr_setsigmask(attr, &none)) ||
	    (rc = posix_spawnattr_setsigdefault(attr, &all)) ||
	    (rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)))
		return -rc;
	return 0;
}

static int spawn(pid_t *pid, const char *program, const char *name, int stream, int errors)
{
	char variable[64], called[32];
	char *argv[] = {called, NULL};
	char **environment;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	snprintf(variable, sizeof variable, "%s=%d:%c:%.15s", IL__WORKER_VARIABLE, STREAM,
		 il__process_main_serves() ? 'm' : 'c', name);
	snprintf(called, sizeof called, "%s", name);
	environment = worker_environment(variable);
	if (!environment)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	rc = prepare(&actions, &attr, stream, errors);
	if (rc == 0)
		rc = -posix_spawn(pid, program, &actions, &attr, argv, environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return rc;
}

/* ---- descriptors ---- */

/* Out of the way of the standard ones, also where ours are closed, and of the worker's stream: those are
 * put in place one after the other. */
static int move_up(int *fd)
{
	int up;

	if (*fd > STREAM)
		return 0;
	up = fcntl(*fd, F_DUPFD_CLOEXEC, STREAM + 1);
	if (up < 0)
		return -errno;
	close(*fd);
	*fd = up;
	return 0;
}

static int open_pipe(int fd[2])
{
#if defined(__linux__) && !defined(IL_PORTABLE)
	return pipe2(fd, O_CLOEXEC) < 0 ? -errno : 0;
#else
	if (pipe(fd) < 0)
		return -errno;
	fcntl(fd[0], F_SETFD, FD_CLOEXEC);
	fcntl(fd[1], F_SETFD, FD_CLOEXEC);
	return 0;
#endif
}

static void close_pair(int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

/* Ours, [0], do not block; the worker's do. */
static int open_ends(int stream[2], int errors[2])
{
	int rc = il__os_socketpair(stream);

	if (rc < 0)
		return rc;
	fcntl(stream[1], F_SETFL, 0);
	rc = open_pipe(errors);
	if (rc == 0) {
		fcntl(errors[0], F_SETFL, O_NONBLOCK);
		if ((rc = move_up(&stream[0])) < 0 || (rc = move_up(&stream[1])) < 0 ||
		    (rc = move_up(&errors[0])) < 0 || (rc = move_up(&errors[1])) < 0)
			close_pair(errors);
	}
	if (rc < 0)
		close_pair(stream);
	return rc;
}

/* A handle that stays this process, whoever reaps it; -1: there are none here. */
static int open_process(pid_t pid)
{
#if defined(SYS_pidfd_open) && !defined(IL_PORTABLE)
	/* valgrind does not know it, and says so each time. */
	return RUNNING_ON_VALGRIND ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

int il__process_spawn(const struct il__program *program, const char *name, struct il__child *child)
{
	int stream[2], errors[2], rc = check_program(program);

	if (rc < 0)
		return rc;
	rc = open_ends(stream, errors);
	if (rc == 0) {
		rc = spawn(&child->pid, program->path, name, stream[1], errors[1]);
		if (rc < 0) {
			close(stream[0]);
			close(errors[0]);
		}
		close(stream[1]);
		close(errors[1]);
	}
	if (rc < 0)
		return il__refuse(rc == -EAGAIN ? -ENOMEM : rc,
				  "process pool: no worker could be started: %s", il_strerror(rc));
	child->stream = stream[0];
	child->errors = errors[0];
	child->process = open_process(child->pid);
	return 0;
}

/* Never a process that has got its number since. */
void il__process_kill(const struct il__child *child)
{
#if defined(SYS_pidfd_send_signal) && !defined(IL_PORTABLE)
	if (child->process >= 0) {
		syscall(SYS_pidfd_send_signal, child->process, SIGKILL, NULL, 0);
		return;
	}
#endif
	kill(child->pid, SIGKILL);
}
