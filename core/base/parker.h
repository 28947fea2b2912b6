/*
 * parker.h: how one plain thread sleeps until another wakes it.
 */
#ifndef IL_CORE_BASE_PARKER_H
#define IL_CORE_BASE_PARKER_H

#include "base.h"
#include "patience.h"

/* A wait of one plain thread for one wake-up: 0 idle, 1 woken. Any thread may wake, once; the waiter
 * may free it as soon as the wait returns. Released by wake, acquired by wait. */
struct il__parker {
	atomic_int word;
	il_time
	    woken_at; /* the waker's, before `word`: when it woke a sleeping thread; 0: it did not */
};

void il__parker_init(struct il__parker *p);
/* 0 or -ETIMEDOUT; patience may be NULL. */
int il__parker_wait(struct il__parker *p, il_time deadline, struct il__patience *patience);
/* Whether its thread does not sleep in the kernel, now. */
static inline bool il__parker_is_awake(struct il__parker *p)
{
	return atomic_load_explicit(&p->word, memory_order_relaxed) != 2;
}
void il__parker_wake(struct il__parker *p);

#endif
