/*
 * os_origin.h: what a thread hands on to what it starts.
 */
#ifndef IL_CORE_BASE_OS_ORIGIN_H
#define IL_CORE_BASE_OS_ORIGIN_H

#include "base.h"

/* Processors, policy, niceness and the like: whether this thread's are those that the program had
 * when the library was loaded; and makes them so, as far as it may. */
bool il__os_is_as_loaded(void);
void il__os_be_as_loaded(void);
/* Pins this thread. -EINVAL: none of them is there. -ENOTSUP. */
int il__os_affinity(const int *cpus, size_t count);
/* What the control groups allow (os_quota.c), by the files below that root, "" is the system's.
 * INT_MAX: there is no limit. */
int il__os_cpu_quota(const char *root);
/* Runs fn where what it starts gets nothing of this thread's, in another one if need be; pinned,
 * unless cpus is NULL. fn's result, or why it was not run: it has words
 * where no thread could be made, and else none. */
int il__os_apart(int (*fn)(void *arg), void *arg, const int *cpus, size_t count);

#endif
