/*
 * dies.h: misuse that no result can report stops the program with a sentence. Runs it in a child process.
 */
#ifndef IL_TESTS_DIES_H
#define IL_TESTS_DIES_H

#include "in_child.h"

#include <signal.h>

/* Checks that fn(arg) aborts and that the sentence on stderr has the text. fn may open loops. */
static inline void il_test_dies(il_fn *fn, void *arg, const char *text)
{
	char said[1024];
	int status = status_in_child(fn, arg, said, sizeof said);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(said, text))
		il_test_fail(__FILE__, __LINE__, "status %#x, and it said \"%s\", expected \"%s\"",
			     (unsigned)status, said, text);
}

#endif
