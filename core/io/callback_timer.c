/*
 * callback_timer.c: a time at which a callback is called: one of the loop's timers. While it is set it keeps the
 * loop, and while it is called, for it may be set anew then, or gone afterwards. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/timer.h"
#include "../runtime/wake_timer.h"
#include "callback.h"

#include <interloop/watch.h>

struct il_timer {
	struct il__callback callback;
	struct il__timer timer;
	bool set;
	void (*due)(void *arg);
	void *arg;
};

static int timer_run(void *arg)
{
	const il_timer *t = arg;

	t->due(t->arg);
	return 0;
}

static void timer_fire(struct il__timer *timer)
{
	il_timer *t = il__container_of(timer, il_timer, timer);
	struct il__callbacks *all = t->callback.all;

	if (il__timer_put_off(t->callback.loop, timer))
		return;
	t->set = false;
	il__plain_call(timer_run, t, t->callback.locals, t->callback.scope);
	il__callback_let_go(all);
}

static void timer_disarm(struct il__callback *callback)
{
	il_timer *t = il__container_of(callback, il_timer, callback);

	if (!t->set)
		return;
	il__timer_disarm(callback->loop, &t->timer);
	t->set = false;
	il__callback_let_go(callback->all);
}

int il_timer_open(il_timer **timer, void (*due)(void *arg), void *arg)
{
	static const char function[] = "il_timer_open";
	il_timer *t;
	int rc;

	if (!timer || !due)
		return il__refuse(-EINVAL, "%s: %s", function,
				  timer ? "the callback is NULL"
					: "NULL where the timer is to be stored");
	t = il__calloc(1, sizeof *t);
	if (!t)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	t->timer.fire = timer_fire;
	t->due = due;
	t->arg = arg;
	rc = il__callback_open(&t->callback, timer_disarm, function);
	if (rc < 0)
		il__free(t);
	else
		*timer = t;
	return rc;
}

int il_timer_set(il_timer *timer, il_time deadline)
{
	int rc;

	if (!timer)
		return il__refuse(-EINVAL, "il_timer_set: the timer is NULL");
	rc = il__callback_check(&timer->callback, "il_timer_set");
	if (rc < 0)
		return rc;
	if (deadline == IL_FOREVER) {
		timer_disarm(&timer->callback);
		return 0;
	}
	if (!timer->set && (rc = il__callback_keep(timer->callback.all)) < 0)
		return rc;
	rc = il__timer_arm(timer->callback.loop, &timer->timer, deadline);
	if (rc == 0)
		timer->set = true;
	else if (!timer->set) /* one that was set stays so */
		il__callback_let_go(timer->callback.all);
	if (timer->callback.loop->turning)
		il__wake_timer_set(timer->callback.loop); /* who sets it may run the native loop */
	return rc;
}

void il_timer_close(il_timer *timer)
{
	if (!timer)
		return;
	il__callback_close(&timer->callback, "il_timer_close");
	il__free(timer);
}
