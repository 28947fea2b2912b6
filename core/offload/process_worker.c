/*
 * process_worker.c: the worker's side. A process started with IL__WORKER_VARIABLE serves frames from that
 * descriptor until the stream ends, and never gets to main, or not past
 * il_process_worker_main_if_needed. One thread, blocking.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "process_wire.h"

#include <interloop/process.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if __has_include(<sys/auxv.h>)
#include <sys/auxv.h>
#endif

static bool main_serves;
static int stream = -1;

bool il__process_main_serves(void)
{
	return main_serves;
}

bool il__process_is_secure(void)
{
#ifdef AT_SECURE
	return getauxval(AT_SECURE) != 0;
#else
	return getuid() != geteuid() || getgid() != getegid();
#endif
}

/* False: the stream ended. */
static bool read_all(void *to, size_t size)
{
	char *at = to;

	while (size > 0) {
		ssize_t n = read(stream, at, size);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		}
	}
	return true;
}

static bool write_all(const void *from, size_t size)
{
	const char *at = from;

	while (size > 0) {
		ssize_t n = send(stream, at, size, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		}
	}
	return true;
}

static bool serve_one(void)
{
	struct il__wire_function name;
	struct il__wire_header h;
	void *arg = NULL;
	il_fn *fn;
	bool known, sent;

	if (!read_all(&h, sizeof h) || h.version != IL__WIRE_VERSION ||
	    h.path >= sizeof name.path || !read_all(name.path, h.path))
		return false;
	name.path[h.path] = 0;
	name.offset = h.offset;
	name.build = h.build;
	if (h.size && !(arg = malloc(h.size))) {
		fprintf(stderr, "no memory for an argument of %llu bytes\n",
			(unsigned long long)h.size);
		_exit(127);
	}
	if (h.size && !read_all(arg, h.size))
		return false;
	known = il__wire_find(&name, &fn) == 0;
	h.rc = known ? fn(arg) : -ENOENT;
	fflush(NULL);
	if (h.type == IL__WIRE_INIT)
		h.size = 0;
	h.type = known ? IL__WIRE_REPLY : IL__WIRE_UNKNOWN;
	h.path = 0;
	sent = write_all(&h, sizeof h) && write_all(arg, h.size);
	free(arg);
	return sent;
}

#if defined(F_SETSIG) && defined(O_ASYNC)
static void on_stream(int number)
{
	struct pollfd p = {.fd = stream, .events = POLLIN};

	(void)number;
	if (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)))
		_exit(0);
}

/* The end of the stream is the end of a call that runs, too: nobody is left to kill it. Other events of
 * the stream come while nothing runs, so no function of a call meets their signal. */
static void end_with_stream(void)
{
	struct sigaction action = {.sa_handler = on_stream, .sa_flags = SA_RESTART};

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGRTMAX, &action, NULL) == 0 && fcntl(stream, F_SETSIG, SIGRTMAX) == 0 &&
	    fcntl(stream, F_SETOWN, getpid()) == 0)
		fcntl(stream, F_SETFL, O_ASYNC);
}
#else
static void end_with_stream(void)
{
}
#endif

static _Noreturn void serve(void)
{
	end_with_stream();
	while (serve_one())
		;
	_exit(0);
}

/* A child that a function forks must not keep the stream open when the worker dies. */
static void leave_stream(void)
{
	close(stream);
}

/* Before main: whether this process is a worker. The variable is not handed on. */
__attribute__((constructor)) static void take_over(void)
{
	const char *value = getenv(IL__WORKER_VARIABLE);
	struct stat st;
	char kind, name[16] = "";
	int fd;

	if (!value || il__process_is_secure() ||
	    sscanf(value, "%d:%c:%15s", &fd, &kind, name) < 2 || fstat(fd, &st) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return;
	il__os_thread_name(name, NULL);
	unsetenv(IL__WORKER_VARIABLE);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	stream = fd;
	pthread_atfork(NULL, NULL, leave_stream);
	if (kind == 'c')
		serve();
}

void il_process_worker_main_if_needed(void)
{
	main_serves = true;
	if (stream >= 0)
		serve();
}
