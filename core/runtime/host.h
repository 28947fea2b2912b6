/*
 * host.h: hosts: the tasks of one loop that a simulated network keeps apart, as if each host had a loop of its own. All of
 * them are inside its scope; so what a task of a host begins is its host's, root tasks and portals too, and what is begun
 * in a plain call that is made for one of them. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_HOST_H
#define IL_CORE_RUNTIME_HOST_H

#include "scope.h"

struct il__host {
	struct il__cancel_scope scope; /* a root of the loop; `of_host` */
	const char *name;
	size_t roots; /* what none of its tasks joins: its main one, il_loop_spawn's, portals */
	void (*left)(struct il__host *host); /* the last of them has ended */
};

/* Whose scope this is; NULL: no host's. */
struct il__host *il__host_of(const struct il__cancel_scope *scope);
/* The calling task's; or, in a plain call, whose it is made for. */
struct il__host *il__host_here(const il_loop *loop);
/* Where root tasks and portals that are made here begin: in that host's scope, or the loop's. */
struct il__cancel_scope *il__host_scope(il_loop *loop);
/* One more root task or portal of that scope; and one that has ended. Nothing in the loop's scope. */
void il__host_joined(struct il__cancel_scope *scope);
void il__host_left(struct il__cancel_scope *scope);
/* Likewise, as the `ended` of a root task. */
void il__host_task_left(il_task *root, int rc);

#endif
