/*
 * lock.h: a lock from inside: for conditions.
 */
#ifndef IL_CORE_SYNC_LOCK_H
#define IL_CORE_SYNC_LOCK_H

#include "../base/list.h"
#include "../runtime/task.h"
#include "home.h"

#include <interloop/sync.h>

struct il_lock {
	struct il__home home;
	il_task *owner; /* NULL: free or broken; then nobody waits */
	struct il__owned owned;
	struct il__list waiters;    /* each with a struct il__lock_wish */
	struct il__list conditions; /* struct il_condition: who wait there can hope for nothing when
				     * the lock breaks */
	bool fast, broken;
};

/* What a waiter in a queue waits with. */
struct il__lock_wish {
	int result; /* once it has the lock */
	il_lock *lock;
};

struct il_condition {
	il_lock *lock;
	bool own_lock;
	struct il__list link;    /* lock->conditions */
	struct il__list waiters; /* likewise */
	size_t visits;           /* of il_condition_wait_for */
	bool gone;               /* destroyed meanwhile: the last of those frees it */
};

/* "lock ADDRESS, which NAME has, 3 wait". */
void il__lock_tell(struct il__report *r, const il_lock *lock);
void il__lock_give(il_lock *lock, il_task *task); /* the lock is free */
void il__lock_pass(il_lock *lock); /* from its owner to the first waiter, or to nobody */

#endif
