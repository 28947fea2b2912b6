/*
 * wakeup.h: one wait of a task or a plain thread for one event.
 */
#ifndef IL_CORE_RUNTIME_WAKEUP_H
#define IL_CORE_RUNTIME_WAKEUP_H

#include "../base/parker.h"
#include "inbox.h"
#include "loan.h"
#include "wait.h"

/*
 * On the waiter's stack, or in memory that outlives its wait. Prepared by the waiter, fired at most once by any
 * thread, waited for by the waiter only. The waiter must not leave before it was fired, or before it made sure
 * (under the lock of whoever fires, or by an exchange with it) that it never will be.
 */
struct il__wakeup {
	struct il__message message;
	il_task *task;           /* NULL: a plain thread, which waits on parker */
	struct il__inbox *inbox; /* the task's loop; borrowed: the task keeps the loop alive */
	struct il__parker parker;
	struct il__loan *loans; /* of a worker that waits for tasks of other loops */
	bool others;            /* and for others than these */
	bool fired;             /* tasks: loop's thread only */
	/* Only a task of the same loop can fire it, or a worker who owes it that: for the report of a deadlock. */
	bool local;
	/* Of the function that `init` was given; whoever knows what is waited for sets `tell`. */
	struct il__wait wait;
};

/* For `tell`: the wakeup that a task waits for. */
static inline const struct il__wakeup *il__wakeup_of(const struct il__wait *wait)
{
	return il__container_of(wait, const struct il__wakeup, wait);
}

/* 0, or why this place may not wait. */
int il__wakeup_init(struct il__wakeup *s, const char *function);
void il__wakeup_fire(struct il__wakeup *s);
void il__wakeup_fire_soon(struct il__wakeup *s); /* likewise, by il__inbox_post_soon */
/*
 * 0: fired. -ETIMEDOUT, -ECANCELED: that came first. It may be fired all the same, then or later: the
 * caller must withdraw from whoever fires it, or call il__wakeup_wait_shielded if that is too late.
 */
int il__wakeup_wait(struct il__wakeup *s, il_time deadline);
void il__wakeup_wait_shielded(struct il__wakeup *s);

/* Last, of a wakeup that has loans. */
static inline void il__wakeup_leave(struct il__wakeup *s)
{
	if (il__unlikely(s->loans != NULL))
		il__loans_drop(s->loans);
	s->loans = NULL;
}

#endif
