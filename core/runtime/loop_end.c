/*
 * loop_end.c: the end of a loop: refuse new work, let what is alive end, close or detach. Loop's thread
 * only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/os.h"
#include "errand.h"
#include "extension.h"
#include "inbox.h"
#include "loop.h"
#include "overflow.h"
#include "scope.h"
#include "source.h"
#include "thread_state.h"
#include "wake_timer.h"

void il__loop_refuse(il_loop *loop)
{
	if (loop->shut)
		return;
	loop->shut = true;
	il__list_each_safe (node, &loop->extensions) {
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		if (x->ops->shutdown)
			x->ops->shutdown(x, loop);
	}
	il__scope_cancel(&loop->scope, "the loop is shutting down");
}

/* Nothing is alive: give back what the loop holds. */
static int loop_release(il_loop *loop)
{
	struct il__message *m;
	int warning = 0;

	il__errands_look(loop, IL__LOOK_LAST);
	il__loops_remove(loop);
	il__inbox_close(loop->inbox, &loop->backlog_end);
	while ((m = il__loop_next_message(loop)))
		m->handle(m, loop);
	while (!il__list_empty(&loop->extensions)) {
		struct il__list *node = il__list_pop(&loop->extensions);
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		int rc = x->ops->closing(x, loop);
		if (rc < 0)
			warning = rc;
	}
	il__loop_watch_own(loop, 0);
	loop->backend->driver.close(loop->driver);
	loop->closed = true;
	if (loop->reports_overflow) /* whatever thread frees it: the alternate stack is this one's */
		il__overflow_end();
	loop->reports_overflow = false;
	return warning;
}

/* Runs the loop until nothing is alive. What a task waits for would be given back under it. */
static int loop_drain(il_loop *loop)
{
	int rc;

	if (!loop->ledger.lives)
		return 0;
	loop->draining = true;
	loop->ending = loop->tasks;
	rc = il__loop_drive(loop);
	if (loop->ledger.lives)
		il__fatal("il_loop_close: the driver of %s failed while tasks waited on it: %s",
			  il_backend_name(loop->backend), il__system_words(rc));
	return rc;
}

int il_loop_close(il_loop *loop)
{
	il_loop *outer = il__self.loop;
	int rc, warning;

	if (!loop)
		return il__refuse(-EINVAL, "il_loop_close: loop is NULL");
	if (il__inherited(loop->generation))
		return il__refuse(-ESHUTDOWN, "il_loop_close: the loop was inherited across fork");
	if (!loop->own || !pthread_equal(loop->thread, pthread_self()))
		return il__refuse(
		    -EPERM, loop->own ? "il_loop_close: the loop was opened in another thread"
				      : "il_loop_close: an attached loop ends with il_loop_detach");
	if (loop->closed)
		return 0;
	if (loop->running || loop->closing || (outer && (loop->ledger.lives || loop->backlog)))
		return il__refuse(-EBUSY, "il_loop_close: %s",
				  loop->running   ? "the loop runs"
				  : loop->closing ? "it is called by what it calls itself"
						  : "it has to run once more to end "
						    "its tasks, but a loop runs in "
						    "this thread");
	if (il__self.no_wait && (loop->ledger.lives || loop->backlog)) /* nor could its tasks */
		return il__refuse(-EPERM, "il_loop_close: tasks are left, which end only while the "
					  "loop runs, and a callback may not wait");
	loop->closing = true;
	il__self.loop = loop;
	loop->turning = true;
	il__loop_refuse(loop);
	loop->turning = false;
	il__self.loop = outer;
	rc = loop_drain(loop);
	il__self.loop = loop;
	warning = loop_release(loop);
	il__self.loop = outer;
	return rc < 0 ? rc : warning;
}

void il_loop_destroy(il_loop *loop)
{
	int rc;

	if (!loop || il__inherited(loop->generation))
		return;
	if (!loop->own)
		il__fatal("il_loop_destroy: an attached loop ends with il_loop_detach");
	rc = il_loop_close(loop);
	if (!loop->closed)
		il__fatal("il_loop_destroy: %s", rc < 0 ? il_error_detail() : "the loop is open");
	il__loop_free(loop);
}

int il_loop_shutdown(il_loop *loop, void (*empty)(il_loop *loop, void *arg), void *arg)
{
	int rc;

	if (!loop)
		return il__refuse(-EINVAL, "il_loop_shutdown: loop is NULL");
	rc = il__loop_check_thread(loop, "il_loop_shutdown");
	if (rc < 0)
		return rc;
	if (loop->own)
		return il__refuse(-EPERM, "il_loop_shutdown: an own loop ends with il_loop_close");
	if (loop->shut)
		return il__refuse(-EALREADY, "il_loop_shutdown: called before");
	loop->on_empty = empty;
	loop->on_empty_arg = arg;
	rc = il__loop_watch_again(loop);
	if (rc == 0)
		il__wake_timer_again(loop);
	if (rc == 0 && (empty || loop->ledger.lives)) /* else nobody would visit us to end */
		rc = il__loop_update_watch(loop);
	if (rc < 0) {
		loop->on_empty = NULL;
		il__loop_update_watch(loop); /* what lives shall go on */
		return il__refuse(
		    rc, "il_loop_shutdown: the native loop refused the wake descriptor: %s",
		    il__system_words(rc));
	}
	il__loop_refuse(loop);
	il__loop_update_watch(loop);
	il__loop_kick(loop);
	return 0;
}

/* In a forked child, in any thread: the tasks, and those who lock what they share with others,
 * stayed with the parent. The host gets its loop back; our memory stays, for whatever else was
 * inherited asks it whose it is. */
static int detach_in_child(il_loop *loop)
{
	int rc;

	if (loop->own)
		return il__refuse(-ESHUTDOWN, "il_loop_detach: an own loop stays with the parent");
	if (loop->closed)
		return 0;
	if (!loop->backend->driver.renew)
		return il__refuse(-ENOTSUP, "il_loop_detach: %s cannot renew a loop after fork",
				  loop->backend->name);
	rc = il__native_renew(loop);
	if (rc < 0)
		return il__refuse(rc,
				  "il_loop_detach: the loop could not be made this process's: %s",
				  il__system_words(rc));
	loop->shut = loop->closed = true;
	loop->stopping = true; /* a turn may be under way: it finds nothing more */
	loop->backlog = NULL;
	loop->backlog_end = &loop->backlog;
	il__list_init(&loop->ready);
	il__list_each_safe (node, &loop->watched)
		il__source_watch(loop, il__container_of(node, struct il__source, link), 0);
	loop->backend->driver.close(loop->driver);
	if (loop->wake_timer.source.watch.fd >= 0)
		il__os_timer_close(loop->wake_timer.source.watch.fd);
	il__inbox_unref(loop->inbox);
	return 0;
}

/* Whether nothing of the loop lives, and nothing of it is on the stack. */
static int detach_check(const il_loop *loop)
{
	if (loop->closing)
		return il__refuse(-EBUSY, "il_loop_detach: called by what it calls itself");
	if (loop->ledger.lives)
		return il__refuse(
		    -EBUSY,
		    "il_loop_detach: %zu tasks, open portals, offloaded calls or callbacks live; "
		    "use il_loop_shutdown and detach in its callback",
		    loop->ledger.lives);
	if (loop->turning || loop->backlog)
		return il__refuse(-EBUSY,
				  "il_loop_detach: %s; use il_loop_shutdown and detach in its "
				  "callback",
				  loop->turning ? "called by what a turn of the loop calls"
						: "what other threads sent is not handled yet");
	return 0;
}

int il_loop_detach(il_loop *loop)
{
	int rc;

	if (!loop)
		return il__refuse(-EINVAL, "il_loop_detach: loop is NULL");
	if (il__inherited(loop->generation))
		return detach_in_child(loop);
	rc = il__loop_check_thread(loop, "il_loop_detach");
	if (rc < 0)
		return rc;
	if (loop->own || loop->current)
		return il__refuse(-EPERM,
				  loop->own ? "il_loop_detach: an own loop ends with il_loop_close"
					    : "il_loop_detach: called in a task; let it end first");
	rc = detach_check(loop);
	if (rc < 0)
		return rc;
	loop->shut = loop->closing = true;
	loop->on_empty = NULL;
	loop_release(loop);
	il__self.loop = NULL;
	il__loop_free(loop);
	return 0;
}
