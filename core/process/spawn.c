/*
 * spawn.c: starting a worker: the program itself, anew, never by fork of a threaded process; and our ends of it. A
 * worker ends when nobody holds these any more, so a forked child of the program, which cannot use them, gives up
 * its own. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/error.h"
#include "../base/escape.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/os.h"
#include "../base/os_origin.h"
#include "../base/os_process.h"
#include "pool.h"
#include "wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STREAM = 3, LIFE, DIRECTORY }; /* the worker's descriptors */

/* ---- the process ---- */

struct start {
	const struct il__program *program;
	const char *name;
	int stream, errors, life;
	pid_t pid;  /* the result, */
	int handle; /* and this */
};

static int spawn(void *arg)
{
	struct start *s = arg;
	const struct il__program *program = s->program;
	char argument[96], called[32], *argv[IL__PROGRAM_WORDS + 3];
	bool has_directory = program->directory >= 0;
	size_t count = 0;

	snprintf(called, sizeof called, "%s", s->name);
	snprintf(argument, sizeof argument, IL__WORKER_ARGUMENT "%d,%d:%c:%d:0%o:%.15s", STREAM,
		 LIFE, il__process_main_serves() ? 'm' : 'c', has_directory ? DIRECTORY : -1,
		 program->umask, s->name);
	for (; count < program->words; count++)
		argv[count] = program->word[count];
	if (!count)
		argv[count++] = called;
	argv[count++] = argument;
	argv[count] = NULL;
	return il__os_spawn(
	    &s->pid, &s->handle,
	    &(struct il__os_spawn){
		.file = program->file,
		.argv = argv,
		.environment = program->environment,
		.fds = {IL__OS_NULL, IL__OS_INHERIT, s->errors, [STREAM] = s->stream,
			[LIFE] = s->life, [DIRECTORY] = program->directory},
		.count = has_directory ? DIRECTORY + 1 : DIRECTORY,
	    });
}

/* ---- descriptors ---- */

static void close_pair(int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

/* Ours, [0], do not block; the worker's do. */
static int open_ends(int stream[2], int errors[2], int life[2])
{
	int rc = il__os_socketpair(stream);

	if (rc < 0)
		return rc;
	fcntl(stream[1], F_SETFL, 0);
	if ((rc = il__os_socketpair(life)) < 0) {
		close_pair(stream);
		return rc;
	}
	if ((rc = il__os_above_stdio(&stream[0])) < 0 ||
	    (rc = il__os_above_stdio(&stream[1])) < 0 || (rc = il__os_above_stdio(&life[0])) < 0 ||
	    (rc = il__os_above_stdio(&life[1])) < 0 || (rc = il__os_pipe(errors)) < 0) {
		close_pair(stream);
		close_pair(life);
	} else {
		fcntl(errors[0], F_SETFL, O_NONBLOCK);
	}
	return rc;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct il__list children = {&children, &children};

static int child_open(struct il__child *child, int stream[2], int errors[2], int life[2])
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = open_ends(stream, errors, life);
	if (rc == 0) {
		child->stream = stream[0];
		child->errors = errors[0];
		child->life = life[0];
		child->process = -1;
		il__list_push(&children, &child->link);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void il__process_close(struct il__child *child)
{
	pthread_mutex_lock(&lock);
	il__list_remove(&child->link);
	pthread_mutex_unlock(&lock);
	close(child->stream);
	close(child->errors);
	close(child->life);
	if (child->process >= 0)
		close(child->process);
}

/* In a forked child. A native loop may have the number of a stream, which therefore stays taken. */
static void leave_children(void)
{
	il__list_each (node, &children) {
		const struct il__child *child = il__container_of(node, struct il__child, link);
		close(child->life);
		dup2(child->errors, child->stream);
		fcntl(child->stream, F_SETFD, FD_CLOEXEC);
	}
	il__list_init(&children);
}

IL__AT_FORK(&lock, leave_children);

/* ---- both ---- */

int il__process_spawn(const struct il__program *program, const char *name, struct il__child *child)
{
	int stream[2], errors[2], life[2], rc = il__program_check(program);

	if (rc < 0)
		return rc;
	rc = il__no_words(child_open(child, stream, errors, life));
	if (rc == 0) {
		struct start s = {.program = program,
				  .name = name,
				  .stream = stream[1],
				  .errors = errors[1],
				  .life = life[1]};
		rc = il__os_apart(spawn, &s, program->cpus, program->cpu_count);
		close(stream[1]);
		close(errors[1]);
		close(life[1]);
		if (rc < 0) {
			il__process_close(child);
		} else {
			child->pid = s.pid;
			child->process = s.handle;
		}
	}
	if (rc == 0)
		return 0;
	return il__refuse(rc == -EAGAIN ? -ENOMEM : rc,
			  "process pool: no worker could be started from %.*s: %s",
			  il__text_within(program->file, 100), program->file,
			  il__has_refused(rc) ? il_error_detail() : il__lack_words(rc));
}

void il__process_kill(const struct il__child *child)
{
	if (il__os_process_signal(child->process, child->pid, SIGKILL) == 0)
		return;
	/* A sandbox forbids it, or we have changed our user: what it lives by ends, which it cannot survive. */
	shutdown(child->life, SHUT_RDWR);
	shutdown(child->stream, SHUT_RDWR);
}
