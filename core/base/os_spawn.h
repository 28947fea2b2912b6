/*
 * os_spawn.h: a child process, between the files that prepare it (os_spawn.c, os_search.c) and start it: by
 * clone (os_clone.c), or else by posix_spawn (os_posix_spawn.c).
 */
#ifndef IL_CORE_BASE_OS_SPAWN_H
#define IL_CORE_BASE_OS_SPAWN_H

#include "os_process.h"

#if defined(__GLIBC__) && !defined(IL_PORTABLE)
#define IL__GLIBC(major, minor) __GLIBC_PREREQ(major, minor)
#else
#define IL__GLIBC(major, minor) 0
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* The names under which the program is tried, ends in NULL; the caller frees it. NULL: no memory. */
char **il__os_program_names(const struct il__os_spawn *s);

/* All that it needs, taken before it is started. */
struct il__os_start {
	struct il__os_spawn spawn; /* whose descriptors can be put in place in order */
	char **names;
	int extra[IL__OS_SPAWN_FDS], count; /* copies of descriptors */
};

int il__os_start_prepare(struct il__os_start *start, const struct il__os_spawn *s);
void il__os_start_finish(struct il__os_start *start);

/* Starts it with a pidfd from its first moment. False: that cannot be done here. Else *rc is 0, or why there
 * is no such process: then nobody has heard of it. The descriptors are in place already. */
bool il__os_clone(pid_t *pid, int *pidfd, const struct il__os_spawn *s, char *const *names,
		  int *rc);

int il__os_posix_spawn(pid_t *pid, const struct il__os_spawn *s, char *const *names);

#endif
