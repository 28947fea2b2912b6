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
};

void il__parker_init(struct il__parker *p);
/* 0 or -ETIMEDOUT; patience may be NULL. */
int il__parker_wait(struct il__parker *p, il_time deadline, struct il__patience *patience);
void il__parker_wake(struct il__parker *p);

#endif
