/*
 * loop_watch.c: what keeps a loop visiting us. Loop's thread only. Invariant: the core's descriptors are
 * watched exactly while the loop is own and open, or something on it is alive (a task, an open portal, an
 * offloaded call) or was taken from the inbox and not handled yet, so that a host's loop ends by itself.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/os.h"
#include "extension.h"
#include "inbox.h"
#include "loop.h"
#include "source.h"

#include <unistd.h>

il_time il__loop_now(il_loop *loop)
{
	return loop->own_clock ? loop->backend->driver.now(loop->driver) : il__os_now();
}

il_time il__loop_waited(il_loop *loop, uint64_t since)
{
	return loop->own_clock ? il__loop_now(loop) - (il_time)since : il__ticks_ago(since);
}

int il__loop_watch_own(il_loop *loop, unsigned mask)
{
	int rc = il__source_watch(loop, &loop->wake, mask);

	if (rc == 0 && loop->wake_timer.source.watch.fd >= 0)
		rc = il__source_watch(loop, &loop->wake_timer.source, mask);
	if (rc < 0 && mask)
		il__loop_watch_own(loop, 0); /* one alone would keep a host's loop forever */
	return rc;
}

static void loop_set_watching(il_loop *loop, bool watching)
{
	loop->watching = watching;
	atomic_store_explicit(&loop->entry.visited, watching, memory_order_relaxed);
}

int il__loop_watch_again(il_loop *loop)
{
	struct il__source *own[] = {&loop->wake, &loop->wake_timer.source};
	int rc = 0;

	for (size_t i = 0; i < 2 && rc == 0; i++) {
		struct il_watch *w = &own[i]->watch;
		if (w->mask)
			rc = loop->backend->driver.watch(loop->driver, w, w->mask);
	}
	if (rc < 0) {
		il__loop_watch_own(loop, 0);
		loop_set_watching(loop, false);
	}
	return rc;
}

void il__loop_resume(il_loop *loop)
{
	il__list_each (node, &loop->watched) {
		struct il_watch *w = &il__container_of(node, struct il__source, link)->watch;
		loop->backend->driver.watch(loop->driver, w, w->mask);
	}
	il__loop_kick(loop);
}

int il__loop_update_watch(il_loop *loop)
{
	bool wanted = loop->own || loop->ledger.lives > 0 || loop->on_empty || loop->backlog;
	int rc;

	if (wanted == loop->watching)
		return 0;
	if (!wanted) {
		il__errands_look(loop, IL__LOOK_LAST);
		il__list_each_safe (node, &loop->extensions) {
			struct il__extension *x =
			    il__container_of(node, struct il__extension, link);
			if (x->ops->idle)
				x->ops->idle(x, loop);
		}
	}
	rc = il__loop_watch_own(loop, wanted ? IL_READABLE : 0);
	if (rc < 0 && wanted)
		return il__refuse(rc, "the native loop refused the wake descriptor: %s",
				  il__system_words(rc));
	loop_set_watching(loop, wanted);
	return 0;
}

void il__loop_kick(il_loop *loop)
{
	if (loop->turning || loop->wake_signalled || loop->closed)
		return;
	loop->wake_signalled = true;
	il__inbox_signal(loop->inbox);
}
