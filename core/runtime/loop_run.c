/*
 * loop_run.c: running an own loop until its main task has ended, or, at the loop's end, until nothing is
 * alive; and what a turn ends with. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/guard.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "errand.h"
#include "extension.h"
#include "loop.h"
#include "sigint.h"
#include "task.h"
#include "thread_state.h"

/* Somebody has cancelled it already, or a scope that it is in. */
static bool loop_is_cancelled(const il_task *task)
{
	for (const struct il__cancel_scope *s = task->scope; s; s = s->parent)
		if (s->cancelled)
			return true;
	return false;
}

bool il__loop_interrupt(il_loop *loop)
{
	struct il__main *m = loop->main;

	if (!m || !m->task || !il__sigint_taken(loop))
		return false;
	m->interrupted = !loop_is_cancelled(m->task);
	il__task_cancel(m->task);
	return true;
}

static void main_ended(il_task *task, int rc)
{
	struct il__main *m = task->base->owner;

	m->task = NULL;
	m->result = rc;
	m->why = il__keep_refusal(rc);
	/* A SIGINT that came in this very turn wants no more than has happened. */
	if (rc == -ECANCELED)
		il__sigint_taken(task->loop);
}

void il__loop_end_turn(il_loop *loop)
{
	void (*on_empty)(il_loop *, void *) = loop->on_empty;

	if (loop->stopping)
		return;
	if (!loop->own) {
		if (on_empty && loop->ledger.lives == 0 && !loop->backlog) {
			loop->on_empty = NULL;
			il__loop_update_watch(loop);
			IL__GUARDED(on_empty(
			    loop, loop->on_empty_arg)); /* it may detach: the loop is gone */
			return;
		}
		il__loop_update_watch(loop);
		return;
	}
	if (loop->draining ? loop->ledger.lives == 0 : !loop->main->task) {
		loop->stopping = true;
		loop->backend->driver.stop(loop->driver);
	} else if (il__unlikely(loop->own_clock)) {
		il__loop_check_deadlock(loop);
	}
}

static void notify_extensions(il_loop *loop, bool runs)
{
	il__list_each_safe (node, &loop->extensions) {
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		void (*tell)(struct il__extension *, il_loop *) =
		    runs ? x->ops->resumed : x->ops->paused;
		if (tell)
			tell(x, loop);
	}
}

int il__loop_drive(il_loop *loop)
{
	il_loop *outer = il__self.loop;
	int rc;

	loop->running = true;
	atomic_store_explicit(&loop->entry.visited, true, memory_order_relaxed);
	loop->stopping = false;
	loop->wake_signalled = loop->wake_seen = false;
	loop->steps = 0;
	il__loop_kick(loop);
	il__self.loop = loop;
	notify_extensions(loop, true);
	/* An application that stops our native loop only pauses it. */
	while ((rc = loop->backend->driver.run(loop->driver)) == 0 && !loop->stopping) {
		il__loop_resume(loop);
		il__wake_timer_again(loop);
	}
	il__errands_look(loop, IL__LOOK_LAST);
	notify_extensions(loop, false);
	il__self.loop = outer;
	loop->running = false;
	atomic_store_explicit(&loop->entry.visited, false, memory_order_relaxed);
	loop->stopping = true;
	return rc;
}

static int run_main(il_loop *loop, il_fn *main, void *arg)
{
	struct il__main m = {.result = 0};
	struct il__task_setup options = {.scope = &loop->scope,
					 .own_scope = true,
					 .ended = main_ended,
					 .owner = &m,
					 .locals = il__self.locals};
	int rc;

	m.task = il__task_spawn(loop, main, arg, &options);
	if (!m.task)
		return -ENOMEM;
	m.task->base->is_main = true;
	loop->main = &m;
	rc = il__loop_drive(loop);
	loop->main = NULL;
	if (m.task && m.task->base->begun)
		il__fatal("il_loop_run: the driver of %s failed while tasks waited on it: %s",
			  il_backend_name(loop->backend), il__system_words(rc));
	if (m.task)
		il__task_discard(m.task); /* the loop did not even start */
	if (rc < 0)
		il__refuse(rc, "il_loop_run: the driver of %s failed: %s",
			   il_backend_name(loop->backend), il__system_words(rc));
	else if ((rc = m.failure))
		il__refuse(rc, "il_loop_run: %s", m.report);
	else if (m.interrupted && m.result == -ECANCELED)
		rc = il__no_words(-EINTR);
	else
		return il__refuse_again(m.result, m.why);
	il__free(m.why);
	return rc;
}

int il_loop_run(il_loop *loop, il_fn *main, void *arg)
{
	bool handling;
	int rc;

	if (!loop || !main)
		return il__refuse(-EINVAL, "il_loop_run: loop or main is NULL");
	if (il__inherited(loop->generation))
		return il__refuse(-ESHUTDOWN, "il_loop_run: the loop was inherited across fork");
	if (!loop->own || !pthread_equal(loop->thread, pthread_self()))
		return il__refuse(-EPERM, loop->own
					      ? "il_loop_run: the loop was opened in another thread"
					      : "il_loop_run: an attached loop is run by its host");
	if (il__self.loop || loop->running)
		return il__refuse(-EBUSY, "il_loop_run: a loop already runs in this thread");
	if (il__self.no_wait) /* nor could its tasks */
		return il__refuse(-EPERM, "il_loop_run: a callback may not wait");
	if (loop->shut)
		return il__refuse(-ESHUTDOWN, "il_loop_run: the loop is closed");
	handling = loop->options.handle_sigint && il__sigint_install(loop);
	if (handling)
		il__sigint_aim(loop);
	rc = run_main(loop, main, arg);
	if (handling && il__sigint_restore(loop))
		raise(SIGINT); /* it came when main had ended */
	return rc;
}

int il_run(const il_backend *backend, il_fn *main, void *arg)
{
	il_loop_options options = {0};
	il_loop *loop;
	char *why;
	int rc;

	if (!main)
		return il__refuse(-EINVAL, "il_run: main is NULL");
	if (il__self.loop)
		return il__refuse(-EBUSY, "il_run: a loop already runs in this thread");
	options.handle_sigint = il__os_is_main_thread() && il__sigint_is_default();
	rc = il_loop_open(&loop, backend, &options);
	if (rc < 0)
		return rc;
	rc = il_loop_run(loop, main, arg);
	why = il__keep_refusal(rc);
	il_loop_destroy(loop);
	return il__refuse_again(rc, why);
}
