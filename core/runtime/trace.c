/*
 * trace.c: il_trace_start and il_trace_stop, and a trace that the environment asks for. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/trace.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/os_process.h"
#include "thread_state.h"
#include "trace.h"

#include <interloop/trace.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENTS = 32768, EVENTS_MAX = 1 << 24 };

int il_trace_start(int fd, const il_trace_options *options)
{
	size_t events = options && options->events ? options->events : EVENTS;
	int flags = fcntl(fd, F_GETFL), rc;

	if (flags < 0)
		return il__refuse(-EBADF, "il_trace_start: descriptor %d is not open", fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return il__refuse(-EBADF, "il_trace_start: descriptor %d is not open for writing",
				  fd);
	if (events > EVENTS_MAX)
		return il__refuse(-EINVAL, "il_trace_options: events is %zu; it must be at most %d",
				  events, EVENTS_MAX);
	rc = il__trace_begin(fd, events);
	if (rc < 0)
		return rc;
	if (il__self.loop)
		il__trace_now(); /* it is met here, in the middle of what it does */
	return 0;
}

int il_trace_stop(void)
{
	return il__trace_end();
}

/* ---- $INTERLOOP_TRACE ---- */

static atomic_bool asked;
static int file = -1;

void il__trace_not_from_environment(void)
{
	atomic_store(&asked, true);
}

static void file_close(void)
{
	if (file >= 0)
		close(file);
	file = -1;
}

static void trace_finish(void)
{
	int rc = il_trace_stop();

	if (rc < 0 && rc != -EALREADY)
		il__log(IL_LOG_WARNING, "INTERLOOP_TRACE: %s", il_error_detail());
	file_close();
}

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return il__refuse(-errno, "%s could not be made: %s", path, strerror(errno));
	il__os_above_stdio(&fd);
	return fd;
}

static int start_from(const char *path)
{
	int rc;

	file = open_file(path);
	if (file < 0)
		return file;
	rc = il_trace_start(file, NULL);
	if (rc == 0)
		atexit(trace_finish);
	else
		file_close();
	return rc;
}

void il__trace_from_environment(void)
{
	const char *path;

	if (atomic_load_explicit(&asked, memory_order_relaxed) || atomic_exchange(&asked, true))
		return;
	path = secure_getenv("INTERLOOP_TRACE");
	if (path && *path && start_from(path) < 0) {
		il__log(IL_LOG_WARNING, "INTERLOOP_TRACE: nothing is traced: %s",
			il_error_detail());
		il__forget_refusal();
	}
}

/* The trace is the parent's; the child may give the file's number to another one. */
static void trace_forget(void)
{
	il__trace_not_from_environment();
	file_close();
}

IL__AT_FORK(NULL, trace_forget);
