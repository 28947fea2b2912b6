/*
 * loops.h: every loop of the process, and a report that each of them adds its part to, in its own thread. Any thread,
 * under one lock.
 */
#ifndef IL_CORE_RUNTIME_LOOPS_H
#define IL_CORE_RUNTIME_LOOPS_H

#include "../base/list.h"
#include "../base/report.h"
#include "inbox.h"

/* Part of a loop. */
struct il__loop_entry {
	struct il__list link; /* under the lock, as all but `visited` */
	unsigned number;      /* from 1 */
	uint64_t served;      /* the last report that it has added its part to */
	bool posted;          /* the message is under way */
	struct il__message message;
	/* Whether its native loop is run at all, as far as we know: written by the loop's thread. Relaxed. */
	atomic_bool visited;
};

struct il__loops {
	struct il__list list;
	uint64_t dumps; /* how many il_dump have begun */
};

extern IL__HIDDEN struct il__loops il__loops;

struct il__loops *il__loops_lock(void);
void il__loops_unlock(void);
void il__loops_add(il_loop *loop);
void il__loops_remove(il_loop *loop);
/* What is called then, under the lock; and after one was added, without it. By constructors. */
void il__loops_on_remove(void (*fn)(struct il__loops *loops));
void il__loops_on_add(void (*fn)(void));

/* What a floor above adds to every report, from any thread; it must not wait. Added by constructors, once. */
struct il__report_part {
	void (*tell)(struct il__report *r);
	struct il__report_part *next;
};

void il__report_add_part(struct il__report_part *part);

/* dump.c, the loop's thread: its tasks, and what its extensions have to say. */
void il__loop_tell(struct il__report *r, il_loop *loop);
/* Another thread's loop, which does not come to it: who keeps it busy. */
void il__loop_tell_from_outside(struct il__report *r, il_loop *loop, const char *why);

#endif
