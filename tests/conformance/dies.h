/*
 * dies.h: misuse that no result can report stops the program with a sentence. Runs it in a child process.
 */
#ifndef IL_TESTS_DIES_H
#define IL_TESTS_DIES_H

#include "harness.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Checks that fn(arg) aborts and that the sentence on stderr has the text. fn may open loops. */
static inline void il_test_dies(il_fn *fn, void *arg, const char *text)
{
	const struct rlimit no_core = {0, 0};
	char said[1024] = "";
	size_t used = 0;
	int fd[2] = {-1, -1}, status = 0;
	ssize_t n;
	pid_t child;

	CHECK_EQ(pipe(fd), 0);
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(fd[1], STDERR_FILENO);
		fn(arg);
		_exit(0);
	}
	CHECK(child > 0);
	close(fd[1]);
	while (used < sizeof said - 1 &&
	       ((n = read(fd[0], said + used, sizeof said - 1 - used)) > 0 ||
		(n < 0 && errno == EINTR)))
		used += n > 0 ? (size_t)n : 0;
	close(fd[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(said, text))
		il_test_fail(__FILE__, __LINE__, "status %#x, and it said \"%s\", expected \"%s\"",
			     (unsigned)status, said, text);
}

#endif
