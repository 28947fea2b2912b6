/*
 * patience.c: waiting awake a little. To wake a sleeping thread costs several microseconds, a sched_yield
 * well under one, so who waits for another thread yields a few times before it sleeps. How often is
 * learnt from how it went: each success allows more, each failure half.
 *
 * Where others want the processor too, a yield costs a time slice, thousands of times more than it can
 * save. That is a thing of the whole process: the first thread that meets it keeps all of them from
 * yielding for a while, which doubles until a trial goes well. Any thread.
 */
#include "patience.h"
#include "base.h"
#include "os.h"

#include <sched.h>

enum { YIELDS_MAX = 64, YIELDS_FIRST = 8, SKIP_FIRST = 16, SKIP_MAX = 4096 };

static const il_time WAIT_MAX = IL_USEC(50), SLICE = IL_USEC(100);
static const il_time PAUSE_FIRST = IL_MSEC(20), PAUSE_MAX = IL_SEC(1);

/* No yields before `until`, for it was crowded `pause` long before. Relaxed: hints that order nothing. */
static _Atomic il_time contention_until, contention_pause;

static void meet_contention(il_time now)
{
	il_time pause = atomic_load_explicit(&contention_pause, memory_order_relaxed) * 2;

	if (pause < PAUSE_FIRST)
		pause = PAUSE_FIRST;
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	atomic_store_explicit(&contention_pause, pause, memory_order_relaxed);
	atomic_store_explicit(&contention_until, now + pause, memory_order_relaxed);
}

/* It has gone well for as long as it was paused. */
static void forget_contention(il_time now)
{
	il_time pause = atomic_load_explicit(&contention_pause, memory_order_relaxed);

	if (il__unlikely(pause) &&
	    now > atomic_load_explicit(&contention_until, memory_order_relaxed) + pause)
		atomic_store_explicit(&contention_pause, 0, memory_order_relaxed);
}

static void patience_succeed(struct il__patience *p)
{
	p->pause = 0;
	p->yields += p->yields / 2 + 1;
	if (p->yields > YIELDS_MAX)
		p->yields = YIELDS_MAX;
}

static void patience_fail(struct il__patience *p)
{
	p->yields /= 2;
	if (p->yields >= 2)
		return;
	p->pause = p->pause ? p->pause * 2 : SKIP_FIRST;
	if (p->pause > SKIP_MAX)
		p->pause = SKIP_MAX;
	p->skip = p->pause;
	p->yields = YIELDS_FIRST / 2;
}

bool il__patience_wait(struct il__patience *p, bool (*ready)(void *arg), void *arg)
{
	unsigned tried = 0;
	il_time begin, last, now;

	if (p->skip) {
		p->skip--;
		return false;
	}
	begin = now = il__os_now();
	if (begin < atomic_load_explicit(&contention_until, memory_order_relaxed))
		return false;
	if (!p->yields)
		p->yields = YIELDS_FIRST;
	do {
		bool came;
		last = now;
		sched_yield();
		came = ready(arg);
		now = il__os_now();
		if (il__unlikely(now - last > SLICE)) {
			meet_contention(now);
			return came;
		}
		if (came) {
			forget_contention(now);
			patience_succeed(p);
			return true;
		}
	} while (++tried < p->yields && now - begin < WAIT_MAX);
	patience_fail(p);
	return false;
}
