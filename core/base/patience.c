/*
 * patience.c: waiting awake a little. To wake a sleeping thread costs 5 to 100 us, depending on the machine and on how
 * deep its processors sleep; a sched_yield costs well under one. So who waits for another thread yields for as long as
 * two wake-ups take before it sleeps: then it also meets a partner who is just being woken, and two that fell asleep
 * find back. Waiting as long as what it may save costs twice the best at most.
 *
 * What a wake-up costs here and now is measured by those that sleep (parker.c). How long a thread waits is learnt
 * from how it went: each success allows half more, each failure half. Who has failed for good tries again in epochs, a
 * millisecond each, fewer and fewer of them: the same for all threads, since two who try at different times only ever
 * meet a sleeping partner.
 *
 * Where others want the processor too, a yield costs a time slice, thousands of times more than it can
 * save. That is a thing of the whole process: who meets it twice in a short time (once may be the host's doing) keeps
 * all threads from yielding for a while, which doubles until a trial goes well. Any thread.
 */
#include "patience.h"
#include "base.h"
#include "os.h"

#include <sched.h>

/* Every 4th epoch at first, and every 64th in the end. In every 1024th all sleep: who stays awake measures nothing, and
 * would never learn that wake-ups have become cheaper. */
enum { EPOCH_SHIFT = 20, LEVEL_FIRST = 2, LEVEL_MAX = 6, RENEWED = 10, SLOW_MAX = 4 };
enum { YIELDS_MAX = 4096 }; /* where the clock stands still */

static const il_time BUDGET_MIN = IL_USEC(2), BUDGET_MAX = IL_USEC(50);
static const il_time WORTH_MIN = IL_USEC(5);
static const il_time TRIAL_MIN = IL_USEC(20), TRIAL_MAX = IL_USEC(150);
static const il_time SLICE = IL_USEC(200), SLICES_WITHIN = IL_MSEC(20);
static const il_time PAUSE_FIRST = IL_MSEC(20), PAUSE_MAX = IL_SEC(1);

/* ---- what a wake-up costs ---- */

/* Near the median of what was measured: a thread that waited for a processor counts as one, however long it waited.
 * Relaxed, as all here: hints that order nothing. */
static _Atomic il_time wake_cost = IL_USEC(10);

void il__patience_measured(il_time wake)
{
	il_time cost = atomic_load_explicit(&wake_cost, memory_order_relaxed);

	cost += wake > cost ? cost / 8 + 1 : -(cost / 8);
	if (cost < TRIAL_MAX)
		atomic_store_explicit(&wake_cost, cost, memory_order_relaxed);
}

static il_time clamp(il_time t, il_time min, il_time max)
{
	return t < min ? min : t > max ? max : t;
}

/* ---- others that want the processor ---- */

/* No yields before `until`, for it was crowded `pause` long before. */
static _Atomic il_time contention_until, contention_pause, slice_seen;

/* From begin to now. What several threads met at the same time counts once. */
static void meet_slice(il_time begin, il_time now)
{
	il_time pause = atomic_load_explicit(&contention_pause, memory_order_relaxed);
	il_time until = atomic_load_explicit(&contention_until, memory_order_relaxed);
	il_time before = atomic_exchange_explicit(&slice_seen, now, memory_order_relaxed);

	if (begin < before)
		return;
	if (now > until + pause) /* long ago */
		pause = 0;
	if (!pause && (!before || now - before > SLICES_WITHIN))
		return;
	pause = clamp(pause * 2, PAUSE_FIRST, PAUSE_MAX);
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

/* ---- one thread's ---- */

static void patience_fail(struct il__patience *p, uint64_t epoch)
{
	p->slow = 0;
	p->budget /= 2;
	if (!p->level && p->budget >= BUDGET_MIN)
		return;
	p->level = !p->level ? LEVEL_FIRST : p->level < LEVEL_MAX ? p->level + 1 : LEVEL_MAX;
	p->epoch = epoch;
	p->budget = 0;
}

/* A wait that was no shorter than a wake-up saved nothing. Some are borne with, for the partner may be about to
 * stay awake, too. */
static void patience_succeed(struct il__patience *p, il_time waited, il_time wake, uint64_t epoch)
{
	if (waited < clamp(wake / 2, WORTH_MIN, TRIAL_MAX)) {
		p->level = p->slow = 0;
		p->budget = clamp(p->budget + p->budget / 2, BUDGET_MIN,
				  clamp(2 * wake, BUDGET_MAX, TRIAL_MAX));
	} else if (++p->slow == SLOW_MAX) {
		patience_fail(p, epoch);
	}
}

bool il__patience_wait(struct il__patience *p, bool (*ready)(void *arg), void *arg)
{
	const il_time begin = il__os_now();
	const uint64_t epoch = (uint64_t)begin >> EPOCH_SHIFT;
	unsigned left = YIELDS_MAX;
	il_time wake, last, now = begin;

	if (!(epoch & ((1u << RENEWED) - 1)))
		return false;
	if (p->level && (epoch == p->epoch || epoch & ((1u << p->level) - 1)))
		return false;
	if (begin < atomic_load_explicit(&contention_until, memory_order_relaxed))
		return false;
	wake = atomic_load_explicit(&wake_cost, memory_order_relaxed);
	if (!p->budget)
		p->budget = clamp(2 * wake, TRIAL_MIN, TRIAL_MAX);
	do {
		bool came;
		last = now;
		sched_yield();
		came = ready(arg);
		now = il__os_now();
		if (il__unlikely(now - last > SLICE)) {
			meet_slice(last, now);
			return came;
		}
		if (came) {
			forget_contention(now);
			patience_succeed(p, now - begin, wake, epoch);
			return true;
		}
	} while (--left && now - begin < p->budget);
	patience_fail(p, epoch);
	return false;
}
