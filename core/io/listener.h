/*
 * listener.h: listeners: sockets that accept streams. Loop's thread only.
 */
#ifndef IL_CORE_IO_LISTENER_H
#define IL_CORE_IO_LISTENER_H

#include "stream.h"

#include <interloop/stream.h>

#include <sys/stat.h>

struct il__socket_file {
	char *path; /* absolute, malloc'ed; NULL: none */
	struct stat file;
};

/* Takes the sockets over, and the file of a Unix one; on failure closes and removes them. */
int il__listener_create(il_listener **listener, il_loop *loop, const int *fds, int count,
			enum il__stream_kind kind, struct il__socket_file *file);
/* il_listener_open_unix, where the path may have meant another place: `absolute` is what it means. */
int il__listener_open_unix(il_listener **listener, const char *path, const char *absolute,
			   const il_listen_options *options);

/* ================= the file of a Unix socket (unix_path.c) ======================================= */

struct il__path_lock {
	int fd;
	char *name;
};

/* What the path means now, malloc'ed; NULL: out of memory. */
char *il__path_absolute(const char *path);
/* Held by one at a time who makes a listener of that path. -EADDRINUSE: somebody does; -ENOMEM. */
int il__path_lock(struct il__path_lock *lock, const char *path);
void il__path_unlock(struct il__path_lock *lock);
/* Removes this file. 0 also if the path is another file now, or none; or why it cannot be removed. */
int il__path_remove(const char *path, const struct stat *file);

#endif
