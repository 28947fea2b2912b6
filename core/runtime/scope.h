/*
 * scope.h: cancel scopes: of a task, or a root of a loop or a portal. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_SCOPE_H
#define IL_CORE_RUNTIME_SCOPE_H

#include "../base/list.h"
#include "timer.h"

#include <interloop/scope.h>

enum { IL__SCOPE_NEW = 0, IL__SCOPE_ENTERED, IL__SCOPE_LEFT };

struct il__cancel_scope {
	unsigned char state;
	bool shield, cancelled, caught, expired;
	bool effective; /* cancelled, or not shielded and the parent is effective */
	bool has_deadline;
	bool of_group;          /* entered and left by its group only */
	bool fails_at_deadline; /* IL_FAIL_AT_DEADLINE */
	bool of_host;           /* the root of a host's tasks: host.h */
	bool stale;             /* in the loop's stale_scopes */
	il_task *task;          /* who entered it; NULL: a root of the loop or a portal */
	il_loop *loop;
	struct il__cancel_scope *parent;
	struct il__list sibling, children; /* scopes */
	struct il__list tasks;             /* tasks whose innermost scope this is */
	struct il__timer timer;
	il_time deadline;
	il_time until; /* the effective deadline: min(deadline, parent's unless shielded) */
	const char *reason;
	struct il__cancel_scope *next_stale;
};

/* Part of a loop: scopes whose change is to be carried down their trees. */
struct il__stale_scopes {
	struct il__cancel_scope *first, **end;
	bool under_way; /* one is being carried down */
};

static inline struct il__cancel_scope *il__scope_of(il_scope *s)
{
	return (struct il__cancel_scope *)(void *)s;
}

/* A root without a task (the loop's, a portal's), or a task's own. */
void il__scope_init_root(struct il__cancel_scope *s, il_loop *loop,
			 struct il__cancel_scope *parent);
int il__scope_enter_for(il_task *task, struct il__cancel_scope *s, il_time deadline,
			unsigned flags);
/* Whether it is over by now: where the thread was busy its deadline, or an outer one's, may have passed unnoticed. In a task. */
bool il__scope_is_over(struct il__cancel_scope *s);
int il__scope_exit_for(il_task *task, struct il__cancel_scope *s, int rc);
void il__scope_cancel(struct il__cancel_scope *s, const char *reason);
/* Of a root: as if it had never been cancelled, for those who begin in it from now on. */
void il__scope_restore(struct il__cancel_scope *s);
const char *il__scope_reason(
    const struct il__cancel_scope *s); /* why a cancelled scope is so; may be NULL */
/* Every scope of a loop, parents first: the one after s, from the loop's own on. NULL: s is the last. */
struct il__cancel_scope *il__scope_next(const struct il__cancel_scope *s);
/* Unlinks a root. Nothing may be left inside. */
void il__scope_fini_root(struct il__cancel_scope *s);

#endif
