/*
 * os_spawn.c: what has to be ready before a child process is started, whichever way that is. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_spawn.h"
#include "memory.h"
#include "os_process.h"

#include <fcntl.h>
#include <unistd.h>

/* They are put in place one after the other: none may lie where another goes, nor in its own place, where
 * it would stay close-on-exec: what is inherited is handed over, whatever flag somebody has set. */
static int place_descriptors(struct il__os_start *start)
{
	struct il__os_spawn *s = &start->spawn;

	for (int i = 0; i < s->count; i++) {
		int *fd = &s->fds[i], flags = *fd == IL__OS_INHERIT ? fcntl(i, F_GETFD) : 0;
		if (flags > 0 && (flags & FD_CLOEXEC))
			*fd = i;
		if (*fd < 0 || *fd >= s->count)
			continue;
		*fd = fcntl(*fd, F_DUPFD_CLOEXEC, s->count > 2 ? s->count : 3);
		if (*fd < 0)
			return -errno;
		start->extra[start->count++] = *fd;
	}
	return 0;
}

int il__os_start_prepare(struct il__os_start *start, const struct il__os_spawn *s)
{
	int rc;

	*start = (struct il__os_start){.spawn = *s};
	rc = place_descriptors(start);
	if (rc == 0) {
		start->names = il__os_program_names(s);
		rc = start->names ? 0 : -ENOMEM;
	}
	if (rc < 0)
		il__os_start_finish(start);
	return rc;
}

void il__os_start_finish(struct il__os_start *start)
{
	while (start->count > 0)
		close(start->extra[--start->count]);
	il__free(start->names);
}

int il__os_spawn(pid_t *pid, int *handle, const struct il__os_spawn *s)
{
	struct il__os_start start;
	int rc = il__os_start_prepare(&start, s);

	if (rc < 0)
		return rc;
	if (!il__os_clone(pid, handle, &start.spawn, start.names, &rc)) {
		rc = il__os_posix_spawn(pid, &start.spawn, start.names);
		*handle = rc < 0 ? -1 : il__os_process_open(*pid);
	}
	il__os_start_finish(&start);
	return rc;
}
