/*
 * wake_timer.c: when a loop is woken for its timers, and by what: a descriptor of the core's own, which is late by
 * microseconds, else the driver's timer, late by up to milliseconds. Loop's thread only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* secure_getenv */
#endif
#include "wake_timer.h"
#include "../base/error.h"
#include "../base/load.h"
#include "../base/os.h"
#include "loop.h"
#include "timer.h"

#include <stdlib.h>

enum { MANY_TIMERS = 64 };

/* ---- how early ---- */

/*
 * When the core's own timer is set for. Few timers: ahead of the next by as much as the system is late to wake
 * us; what then is left of the time passes in polls that do not wait. Many that are due shortly one after
 * another: once in PACE for all of them, for a wake-up costs more than they do.
 */
static il_time wake_timer_aim(il_loop *loop)
{
	struct il__wake_timer *w = &loop->wake_timer;
	const il_time PACE = IL_USEC(60);
	il_time next = il__timers_next(&loop->timers), paced = loop->timers.expired + PACE;

	w->aim = IL_FOREVER;
	if (loop->timers.count > MANY_TIMERS)
		return next < paced && !loop->timers.late ? paced : next;
	if (next == IL_FOREVER || next <= loop->timers.expired) /* also any time long past */
		return next;
	w->aim = next;
	return next - w->lead;
}

static void adjust_lead(struct il__wake_timer *w, il_time aim, il_time woken)
{
	const il_time LEAD_MAX = IL_USEC(60);

	if (aim == IL_FOREVER || aim == w->lead_aim)
		return;
	w->lead_aim = aim;
	w->lead += woken > aim ? (woken - aim) / 4 : -w->lead / 16;
	if (w->lead > LEAD_MAX)
		w->lead = LEAD_MAX;
}

/* ---- setting it ---- */

/*
 * The timer of the core's own wakes for a deadline that was given up, but is not set twice a wait.
 * False: the native loop had no memory for its timer; to be asked again in the next turn.
 */
bool il__wake_timer_set(il_loop *loop)
{
	struct il__wake_timer *w = &loop->wake_timer;
	il_time next;

	if (w->source.watch.fd >= 0) {
		next = wake_timer_aim(loop);
		if (loop->errands.guard < next) {
			next = loop->errands.guard;
			w->aim = IL_FOREVER;
		}
		if (next < w->set || w->fired) {
			w->set = next;
			w->fired = false;
			il__os_timer_set(w->source.watch.fd, next);
		}
		return true;
	}
	next = il__timers_next(&loop->timers);
	if (loop->own_clock && loop->ledger.results > 0 &&
	    next > loop->backend->driver.now(loop->driver))
		next = IL_FOREVER; /* a worker's time is not ours to skip; what is due skips none */
	if (next == w->set)
		return true;
	if (loop->backend->driver.timer(loop->driver, next) < 0)
		return false;
	w->set = next;
	return true;
}

void il__wake_timer_again(il_loop *loop)
{
	struct il__wake_timer *w = &loop->wake_timer;

	if (w->source.watch.fd >= 0 || w->set == IL_FOREVER)
		return;
	if (loop->backend->driver.timer(loop->driver, w->set) < 0)
		w->set = IL_FOREVER; /* the next turn asks again */
}

bool il_driver_needs_timer(const il_loop *loop)
{
	return loop && loop->wake_timer.source.watch.fd < 0;
}

void il__wake_timer_spent(il_loop *loop)
{
	loop->wake_timer.set = IL_FOREVER;
}

/* ---- its descriptor ---- */

/* It stays readable until the turn that follows sets it anew. */
static void on_timerfd(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__wake_timer *w = &loop->wake_timer;
	const il_time aim = w->aim; /* what expires may set it anew */

	(void)source;
	(void)mask;
	w->fired = true;
	il__timers_expire(loop);
	adjust_lead(w, aim, loop->timers.expired);
}

static bool native_timer;

/* Not when a loop is opened: that may be in a thread of ours, and the environment is the program's. */
static void read_environment(void)
{
	const char *kind = secure_getenv("INTERLOOP_TIMER");

	native_timer = kind && strcmp(kind, "native") == 0;
}
IL__AT_LOAD(read_environment, IL__LOADED);

int il__wake_timer_open(il_loop *loop)
{
	struct il__wake_timer *w = &loop->wake_timer;
	int fd;

	w->set = IL_FOREVER;
	w->source.watch.fd = -1;
	w->source.ready = on_timerfd;
	if (loop->own_clock || native_timer)
		return 0;
	fd = il__os_timer_open();
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return il__refuse(fd, "il_loop: no descriptor for the timer: %s",
				  il__lack_words(fd));
	w->source.watch.fd = fd >= 0 ? fd : -1;
	return 0;
}

void il__wake_timer_close(il_loop *loop)
{
	if (loop->wake_timer.source.watch.fd >= 0)
		il__os_timer_close(loop->wake_timer.source.watch.fd);
}
