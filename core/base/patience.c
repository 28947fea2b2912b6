/*
 * patience.c: waiting awake a little. To wake a sleeping thread costs several microseconds, a sched_yield
 * well under one, so who waits for another thread yields a few times before it sleeps. How often is
 * learnt from how it went: each success allows more, each failure half, and where yielding itself takes
 * long, because others want the processor, it is left alone for a while that doubles. One thread's.
 */
#include "base.h"

#include <sched.h>

enum { YIELDS_MAX = 64, YIELDS_FIRST = 8, PAUSE_FIRST = 16, PAUSE_MAX = 4096 };

static void give_up(struct il__patience *p)
{
	p->pause = p->pause ? p->pause * 2 : PAUSE_FIRST;
	if (p->pause > PAUSE_MAX)
		p->pause = PAUSE_MAX;
	p->skip = p->pause;
	p->yields = YIELDS_FIRST / 2;
}

bool il__patience_wait(struct il__patience *p, bool (*ready)(void *arg), void *arg)
{
	unsigned tried = 0;
	il_time begin;

	if (p->skip) {
		p->skip--;
		return false;
	}
	if (!p->yields)
		p->yields = YIELDS_FIRST;
	begin = il__os_now();
	do {
		sched_yield();
		if (ready(arg)) {
			/* A yield that took a time slice was no bargain, even if it worked. */
			if (il__os_now() - begin > IL_USEC(100)) {
				give_up(p);
			} else {
				p->pause = 0;
				p->yields = p->yields + p->yields / 2 + 1;
				if (p->yields > YIELDS_MAX)
					p->yields = YIELDS_MAX;
			}
			return true;
		}
	} while (++tried < p->yields && (tried % 4 || il__os_now() - begin < IL_USEC(50)));
	p->yields /= 2;
	if (p->yields < 2 || il__os_now() - begin > IL_USEC(100))
		give_up(p);
	return false;
}
