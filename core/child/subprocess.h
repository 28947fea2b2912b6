/*
 * subprocess.h: a child process, between the files that start it, wait for it and run it to its end.
 * Loop's thread only.
 */
#ifndef IL_CORE_CHILD_SUBPROCESS_H
#define IL_CORE_CHILD_SUBPROCESS_H

#include "../base/list.h"
#include "../base/os_process.h"
#include "../io/fd.h"

#include <interloop/subprocess.h>

enum { IL__SUBPROCESS_TERMINAL = 3, IL__SUBPROCESS_STREAMS };

struct il_process {
	il_loop *loop; /* NULL: it was closed */
	unsigned generation;
	struct il__os_child child;
	struct il__source source; /* child.fd; watched while somebody waits */
	struct il__fd_owner owner;
	struct il__list waiters;
	il_stream *streams[IL__SUBPROCESS_STREAMS]; /* its pipes, and our side of its terminal */
	bool kill_group;                            /* its group is killed with it */
	bool ended;                                 /* and reaped, unless it is held */
	bool held; /* so that nobody gets its number, which is its group's too */
	int result;
};

/* Prepares to be told of the end of p->child; there is an il__fd_prepare before. */
void il__subprocess_watch(il_process *p, il_loop *loop);

#endif
