/*
 * os_program.h: the program's surroundings.
 */
#ifndef IL_CORE_BASE_OS_PROGRAM_H
#define IL_CORE_BASE_OS_PROGRAM_H

#include "base.h"

/* The working directory for fchdir(), close-on-exec and above stdio, or a negated errno code. */
int il__os_directory_open(void);
unsigned il__os_umask(void); /* by a thread that may set it */
/* A path that starts the file that runs, whatever its name means by now. */
int il__os_program(char *path, size_t size);
/* In a constructor, with its arguments: what follows the prefix in the first argument after the
 * program's name. False: it begins otherwise, or there is more of it. */
bool il__os_argument(int argc, char **argv, const char *prefix, char *rest, size_t size);

#endif
