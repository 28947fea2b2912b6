/*
 * errand.c: what a turn puts off to its end. A turn that has many tasks submit calls wakes one worker for all of
 * them, when it has nothing better to do; and while it looks after them, that worker wakes no other. The
 * loop looks again in each turn, and when it sleeps, after GUARD: so a call waits no longer than that for
 * a worker, or its result for the loop. A turn that descriptors have brought may hold its calls back once, for the
 * next one to add to them; not where a host decides when that is.
 *
 * A loop that comes late to look, for it was kept in a turn, in a callback or by its host, lets go of what it looks
 * after, and is not trusted for a while. Loop's thread only.
 */
#include "errand.h"
#include "../base/base.h"
#include "../base/os.h"
#include "loop.h"

/* Put off for so long it is looked at within the turn; so late it was too late. */
static const il_time PUT_OFF = IL_USEC(150), TOO_LATE = IL_MSEC(1), GUARD = IL_USEC(40);
static const il_time PAUSE_FIRST = IL_MSEC(20), PAUSE_MAX = IL_SEC(1);

bool il__errand_put_off(il_loop *loop, il__look_fn *look, void *arg, bool *added)
{
	struct il__errands *e = &loop->errands;

	*added = false;
	if (!loop->turning || loop->stopping || loop->wake_timer.source.watch.fd < 0)
		return false;
	if (!e->since)
		e->since = il__os_now();
	if (il__unlikely(e->since < e->distrusted))
		return false;
	for (size_t i = 0; i < e->count; i++)
		if (e->at[i].arg == arg)
			return true;
	if (e->count == IL__ERRANDS_MAX)
		return false;
	e->at[e->count].look = look;
	e->at[e->count++].arg = arg;
	*added = true;
	return true;
}

/* Whether it was too late. */
static bool learn(struct il__errands *e, il_time now)
{
	const bool late = now - e->since > TOO_LATE;

	if (il__unlikely(late)) {
		e->pause = e->pause * 2 < PAUSE_FIRST ? PAUSE_FIRST : e->pause * 2;
		e->pause = e->pause < PAUSE_MAX ? e->pause : PAUSE_MAX;
		e->distrusted = now + e->pause;
	} else if (il__unlikely(e->pause) && now > e->distrusted + e->pause) {
		e->pause = 0;
	}
	return late;
}

void il__errands_look(il_loop *loop, enum il__look when)
{
	struct il__errands *e = &loop->errands;
	const il_time now = il__os_now();
	size_t kept = 0;

	if (e->since && learn(e, now))
		when = IL__LOOK_LAST;
	e->held = false;
	for (size_t i = 0; i < e->count; i++) {
		enum il__looked left = e->at[i].look(e->at[i].arg, when);
		e->held |= left == IL__LOOK_HELD;
		if (left != IL__LOOK_DONE)
			e->at[kept++] = e->at[i];
	}
	e->count = kept;
	if (!kept)
		e->guard = IL_FOREVER;
	e->since = kept ? now : 0; /* in the next turn it counts as put off */
}

void il__errands_check(il_loop *loop, il_time now)
{
	if (loop->errands.since && now - loop->errands.since > PUT_OFF)
		il__errands_look(loop, IL__LOOK);
}

bool il__errands_guard(il_loop *loop)
{
	struct il__errands *e = &loop->errands;
	const il_time now = il__os_now();

	if (e->heard || e->guard == IL_FOREVER) {
		e->guard = now + GUARD;
		e->heard = false;
	} else if (now >= e->guard) { /* they take long: it is told of each */
		il__errands_look(loop, IL__LOOK_LAST);
		e->guard = IL_FOREVER;
	}
	return e->guard != IL_FOREVER;
}
