/*
 * spawn.c: starting a worker: the program itself, by posix_spawn, never by fork of a threaded
 * process. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "pool.h"
#include "wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- the process ---- */

static int spawn(pid_t *pid, const char *program, const char *name, int stream, int errors)
{
	char variable[64], called[32];
	char *argv[] = {called, NULL};
	char **environment;
	int rc;

	snprintf(variable, sizeof variable, "%s=%d:%c:%.15s", IL__WORKER_VARIABLE, STREAM,
		 il__process_main_serves() ? 'm' : 'c', name);
	snprintf(called, sizeof called, "%s", name);
	environment = worker_environment(variable);
	if (!environment)
		return -ENOMEM;
	rc = il__os_spawn(pid, &(struct il__os_spawn){
				   .file = program,
				   .argv = argv,
				   .environment = environment,
				   .fds = {IL__OS_NULL, IL__OS_INHERIT, errors, [STREAM] = stream},
				   .count = STREAM + 1,
			       });
	free(environment);
	return rc;
}

/* ---- descriptors ---- */

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
	if ((rc = il__os_above_stdio(&stream[0])) < 0 ||
	    (rc = il__os_above_stdio(&stream[1])) < 0 || (rc = il__os_pipe(errors)) < 0)
		close_pair(stream);
	else
		fcntl(errors[0], F_SETFL, O_NONBLOCK);
	return rc;
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
	child->process = il__os_process_open(child->pid);
	return 0;
}

void il__process_kill(const struct il__child *child)
{
	il__os_process_signal(child->process, child->pid, SIGKILL);
}
