/*
 * unix_path.h: the file of a Unix socket: who may make it, and who removes it. Any thread.
 */
#ifndef IL_CORE_IO_UNIX_PATH_H
#define IL_CORE_IO_UNIX_PATH_H

#include <interloop/stream.h>

#include <sys/stat.h>

struct il__socket_file {
	char *path; /* absolute, malloc'ed, and behind it room for removing it; NULL: none */
	struct stat file;
};

struct il__path_lock {
	int fd;
	char *name;
};

/* What the path means now, malloc'ed; NULL: out of memory. */
char *il__path_absolute(const char *path);
/* Makes way for a socket: takes the path's lock, which one holds at a time, and removes a file that no
 * socket has any more. -EADDRINUSE: one has, or is about to; -EEXIST: another file; -ENOMEM. Not locked then. */
int il__path_claim(struct il__path_lock *lock, const il_address *address, const char *path,
		   const char *function);
void il__path_unlock(struct il__path_lock *lock);
/* Takes all the memory that removing the file will need. -ENOMEM. */
int il__socket_file_name(struct il__socket_file *f, const char *absolute);
/* Binds the socket and notes which file that has made; the path is locked. Or the system's error: then
 * there is none, or the log tells of it. */
int il__socket_file_bind(struct il__socket_file *f, int fd, const il_address *address,
			 const char *path, const char *function);
/* Removes the file of a socket that is being closed, and frees the path; a failure is logged. */
void il__socket_file_remove(struct il__socket_file *f, const char *function);

#endif
