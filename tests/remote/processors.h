/*
 * processors.h: included first in interloop-worker and core/remote where these are compiled for program.c: a machine with more
 * processors than a thread pool has workers by default.
 */
#ifndef IL_TESTS_REMOTE_PROCESSORS_H
#define IL_TESTS_REMOTE_PROCESSORS_H

#include <unistd.h>

enum { PROCESSORS = 40 };

#define sysconf(name) ((name) == _SC_NPROCESSORS_ONLN ? (long)PROCESSORS : sysconf(name))

#endif
