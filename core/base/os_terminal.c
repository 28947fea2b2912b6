/*
 * os_terminal.c: a new terminal (a pseudo-terminal): our side, which is read and written by us, and the other one,
 * for a child. Any thread may enter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "os.h"
#include "os_process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#if IL__LINUX
#define OPENPT_CLOEXEC O_CLOEXEC
#else
#define OPENPT_CLOEXEC 0 /* it may be refused */
#endif

static int terminal_name(int ours, char name[IL__OS_TERMINAL_NAME])
{
#if IL__LINUX
	int rc = ptsname_r(ours, name, IL__OS_TERMINAL_NAME);

	return rc > 0 ? -rc : rc;
#else
	const char *text = ptsname(ours);

	return text && snprintf(name, IL__OS_TERMINAL_NAME, "%s", text) < IL__OS_TERMINAL_NAME
		   ? 0
		   : -ENOTTY;
#endif
}

int il__os_terminal_open(int *ours, int *theirs, char name[IL__OS_TERMINAL_NAME],
			 unsigned short rows, unsigned short columns)
{
	const struct winsize size = {.ws_row = rows, .ws_col = columns};
	int rc;

	*ours = il__os_made(posix_openpt(O_RDWR | O_NOCTTY | OPENPT_CLOEXEC));
	if (*ours < 0)
		return *ours;
	rc = il__os_cloexec_nonblock(*ours);
	if (rc == 0 && (grantpt(*ours) < 0 || unlockpt(*ours) < 0))
		rc = -errno;
	if (rc == 0)
		rc = terminal_name(*ours, name);
	if (rc == 0)
		rc = *theirs = il__os_made(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (rc >= 0 && ioctl(*theirs, TIOCSWINSZ, &size) < 0) {
		rc = -errno;
		close(*theirs);
	}
	if (rc < 0)
		close(*ours);
	return rc < 0 ? rc : 0;
}
