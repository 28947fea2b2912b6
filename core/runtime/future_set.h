/*
 * future_set.h: several futures that are watched together. Each member has a watcher, which fires under its
 * future's lock, one lock at a time, so no order of locks can matter. Any thread; owe and paid: the loop's.
 */
#ifndef IL_CORE_RUNTIME_FUTURE_SET_H
#define IL_CORE_RUNTIME_FUTURE_SET_H

#include "future.h"
#include "wakeup.h"

struct il__future_member {
	struct il__watcher watcher;
	il_future *future;
	struct il__future_set *set;
	struct il__future_member *next_done; /* as_completed: done, not yielded yet */
	bool yielded;                        /* is not watched any more, and may be freed */
	bool owed;                           /* to the task that waits now */
};

struct il__future_set {
	size_t count;
	struct il__future_member *members;              /* freed by whoever has made the set */
	void (*on_member)(struct il__future_member *m); /* it is done */
};

/* Refuses what cannot be waited for: a NULL, a negative timeout, what was inherited and is not done. */
int il__future_set_check(il_future *const *fs, size_t count, il_time timeout, const char *function);
/* The members of fs, each once, in the order of fs. -ENOMEM. */
int il__future_set_make(struct il__future_set *set, il_future *const *fs, size_t count);
/* Watches the members; on_member is called for those done already, too. Under the future's lock if it is
 * completed later, so that unwatch waits for it. */
void il__future_set_watch(struct il__future_set *set);
/* No on_member is called after it. */
void il__future_set_unwatch(struct il__future_set *set);
/* Before a wait that ends with one of the members, or with all: refuses one that could never end, because
 * this thread is the only worker of the pool that has the calls. */
int il__future_set_prepare(const struct il__future_set *set, bool all, il_time deadline,
			   struct il__wakeup *wakeup, const char *function);
/* As il__future_lend, of those that are not done. */
void il__future_set_lend(const struct il__future_set *set, struct il__wakeup *wakeup);
/* While the task (NULL: a plain thread) waits, each member that is not done owes its result. */
void il__future_set_owe(struct il__future_set *set, il_task *task);
void il__future_set_paid(struct il__future_set *set, il_task *task);
/* How many are done; those that were yielded, too. */
int il__future_set_done(const struct il__future_set *set);
void il__future_set_tell(struct il__report *r, const struct il__future_set *set);

#endif
