/*
 * in_child.h: what may end the program, or needs a process of its own, runs in a forked child.
 */
#ifndef IL_TESTS_IN_CHILD_H
#define IL_TESTS_IN_CHILD_H

#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* fn(arg) in a child, which exits with its result; waits for its end and returns its status. `said` gets what it
 * wrote to stderr. */
static inline int status_in_child(il_fn *fn, void *arg, char *said, size_t size)
{
	const struct rlimit no_core = {0, 0};
	size_t used = 0;
	int fd[2] = {-1, -1}, status = 0;
	ssize_t n;
	pid_t child;

	CHECK_EQ(pipe(fd), 0);
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(50);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		_exit(fn(arg));
	}
	CHECK(child > 0);
	close(fd[1]);
	while (used < size - 1 &&
	       ((n = read(fd[0], said + used, size - 1 - used)) > 0 || (n < 0 && errno == EINTR)))
		used += n > 0 ? (size_t)n : 0;
	said[used] = '\0';
	close(fd[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Likewise; returns what fn returned, -1 where something else ended the child. A failure is to be written to stderr,
 * and returned as 1: CHECK is the parent's. */
static inline int in_child(il_fn *fn, void *arg, char *said, size_t size)
{
	int status = status_in_child(fn, arg, said, size);
	size_t used = strlen(said);

	if (WIFSIGNALED(status))
		snprintf(said + used, size - used, " (signal %d)", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Checks that fn(arg) returns 0 in a child. */
#define CHECK_IN_CHILD(fn, arg)                                                                 \
	do {                                                                                    \
		char said_[1024];                                                               \
		int rc_ = in_child((fn), (arg), said_, sizeof said_);                           \
		if (rc_ != 0)                                                                   \
			il_test_fail(__FILE__, __LINE__, "%s in a child: %d, \"%s\"", #fn, rc_, \
				     said_);                                                    \
	} while (0)

/* In the child: says why and makes it fail. */
#define CHILD_CHECK(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(STDERR_FILENO, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, \
				il_error_detail());                                                \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

#endif
