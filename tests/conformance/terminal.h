/*
 * terminal.h: a terminal of a test's own. _GNU_SOURCE.
 */
#ifndef IL_TESTS_TERMINAL_H
#define IL_TESTS_TERMINAL_H

#include "harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

/* fd[1] is the terminal, raw; fd[0] its controlling side. */
static inline void open_terminal(int fd[2])
{
	struct termios raw;
	char name[64];

	fd[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(fd[0] >= 0);
	CHECK_EQ(grantpt(fd[0]), 0);
	CHECK_EQ(unlockpt(fd[0]), 0);
	CHECK_EQ(ptsname_r(fd[0], name, sizeof name), 0);
	fd[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(fd[1] >= 0);
	CHECK_EQ(tcgetattr(fd[1], &raw), 0);
	cfmakeraw(&raw);
	CHECK_EQ(tcsetattr(fd[1], TCSANOW, &raw), 0);
}

#endif
