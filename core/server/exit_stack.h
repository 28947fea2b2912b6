/*
 * exit_stack.h: what a service or a task has to undo, last in, first out.
 */
#ifndef IL_CORE_SERVER_EXIT_STACK_H
#define IL_CORE_SERVER_EXIT_STACK_H

#include <interloop/server.h>

struct il__exit {
	il_fn *run;
	void *arg;
	bool shielded; /* else it has to see the scopes as they are */
};

struct il_exit_stack {
	il_loop *loop;
	const void *opener; /* il__task_identity; NULL: a server's */
	struct il__exit *exits;
	size_t count, capacity;
	bool closing;
	struct il__exit first[8];
};

void il__exit_stack_init(il_exit_stack *stack, il_loop *loop);
/* Runs all, last in first out, in the task that took it. rc, or if that is no failure the first error; what is
 * not returned is logged. */
int il__exit_stack_close(il_exit_stack *stack, int rc);

#endif
