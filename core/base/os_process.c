/*
 * os_process.c: a child process and what tells its end: without SIGCHLD, and without asking for anybody else's
 * child. A pidfd does that where the child has one, else a thread that waits for this one child. Any thread may
 * enter, one at a time for one child.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_process.h"
#include "memory.h"
#include "os.h"
#include "os_spawn.h"
#include "parker.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- its end ---- */

/* Of the thread that waits, which frees it: whoever asked may have left. */
struct watch {
	pid_t pid; /* 0: there is none after all; set before `begun` */
	int fd;
	struct il__parker begun;
};

static void *watch_main(void *arg)
{
	struct watch *watch = arg;
	siginfo_t info;

	il__os_thread_name("il-child", NULL);
	il__parker_wait(&watch->begun, IL_FOREVER, NULL);
	/* Leaves it to be reaped by who asked: its number stays its own until then. */
	while (watch->pid && waitid(P_PID, (id_t)watch->pid, &info, WEXITED | WNOWAIT) < 0 &&
	       errno == EINTR)
		;
	il__os_wake_write(watch->fd);
	close(watch->fd);
	il__free(watch);
	return NULL;
}

/* Before there is a child to wait for. */
static int start_thread(struct il__os_child *child, struct watch **begun)
{
	struct watch *watch = il__malloc(sizeof *watch);
	int fd[2], rc;

	if (!watch)
		return -ENOMEM;
	rc = il__os_pipe(fd);
	if (rc == 0) {
		watch->fd = fd[1];
		il__parker_init(&watch->begun);
		rc = il__os_thread_start(&child->thread, 0, watch_main, watch);
		if (rc == 0) {
			child->fd = fd[0];
			child->threaded = true;
			*begun = watch;
			return 0;
		}
		close(fd[0]);
		close(fd[1]);
	}
	il__free(watch);
	return rc;
}

/* The fallback. */
static int start_watched(struct il__os_child *child, const struct il__os_start *start)
{
	struct watch *watch = NULL;
	int rc = start_thread(child, &watch);

	if (rc < 0)
		return rc;
	rc = il__os_posix_spawn(&child->pid, &start->spawn, start->names);
	if (rc == 0)
		child->handle = il__os_process_open(child->pid);
	watch->pid = rc < 0 ? 0 : child->pid;
	il__parker_wake(&watch->begun); /* it may be gone now */
	if (rc < 0) {
		pthread_join(child->thread, NULL);
		close(child->fd);
	}
	return rc;
}

int il__os_child_spawn(struct il__os_child *child, const struct il__os_spawn *s)
{
	struct il__os_start start;
	int rc = il__os_start_prepare(&start, s);

	if (rc < 0)
		return rc;
	*child = (struct il__os_child){.handle = -1};
	if (il__os_clone(&child->pid, &child->handle, &start.spawn, start.names, &rc))
		child->fd = child->handle;
	else
		rc = start_watched(child, &start);
	il__os_start_finish(&start);
	return rc;
}

bool il__os_child_ended(const struct il__os_child *child, bool wait)
{
	struct pollfd p = {.fd = child->fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, wait ? -1 : 0);
	while (n < 0 && errno == EINTR);
	return wait || n > 0; /* who cannot wait here (no memory) waits as it reaps */
}

int il__os_child_look(const struct il__os_child *child, siginfo_t *info)
{
	return il__os_process_look(child->handle, child->pid, info);
}

int il__os_child_reap(struct il__os_child *child, siginfo_t *info)
{
	if (child->threaded)
		pthread_join(child->thread, NULL);
	child->threaded = false;
	return il__os_process_reap(child->handle, child->pid, true, info);
}

void il__os_child_close(struct il__os_child *child)
{
	if (child->threaded)
		pthread_detach(child->thread);
	if (child->handle >= 0 && child->handle != child->fd)
		close(child->handle);
	close(child->fd);
}

void il__os_process_name(pid_t pid, char name[16])
{
	char path[40];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, 15);
		close(fd);
	}
	name[n > 0 && name[n - 1] == '\n' ? n - 1 : n > 0 ? n : 0] = 0;
}

/* ---- this process ---- */

void il__os_end_after(int seconds)
{
#if IL__LINUX && \
    (!defined(__GLIBC__) || IL__GLIBC(2, 34)) /* before, timers had a library of their own */
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
