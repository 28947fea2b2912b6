/*
 * portal.c: portals: open, stop and close. Any thread may call; what runs, runs in the
 * loop's thread. Invariant: the gate counts every accepted call until it has ended, and
 * adding to a closed gate is impossible, so a closed portal whose count is 0 will never run anything
 * again.
 */
#include "portal.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../runtime/extension.h"
#include "../runtime/host.h"
#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/scope.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"
#include "soon_memory.h"

/* ---- references ---- */

il_portal *il_portal_ref(il_portal *p)
{
	if (p)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void il_portal_unref(il_portal *p)
{
	if (!p || !il__drop_reference(&p->refs))
		return;
	il__inbox_unref(p->inbox);
	il__free(p);
}

bool il__portal_is_own_loop(const il_portal *p)
{
	return il__self.loop && il__self.loop->inbox == p->inbox;
}

/* ---- the gate ---- */

enum { CLOSED = 1, ONE_CALL = 2 };

static bool is_closed(const il_portal *p)
{
	return atomic_load(&p->gate) & CLOSED;
}

bool il__portal_is_own_thread(const il_portal *p)
{
	return pthread_equal(p->thread, pthread_self());
}

static int portal_refuse_closed(const char *function)
{
	return il__refuse(-ESHUTDOWN, "%s: the portal is stopped or closed, or its loop has ended",
			  function);
}

int il__portal_enter_gate(il_portal *p, const char *function)
{
	size_t gate = atomic_load_explicit(&p->gate, memory_order_relaxed);

	if (il__inherited(p->generation))
		return il__refuse(-ESHUTDOWN, "%s: the portal was inherited across fork", function);
	do {
		if (gate & CLOSED)
			return portal_refuse_closed(function);
	} while (!atomic_compare_exchange_weak_explicit(
	    &p->gate, &gate, gate + ONE_CALL, memory_order_relaxed, memory_order_relaxed));
	return 0;
}

/* Closed and empty: the loop is not held for it any more. */
static void portal_finish(il_portal *p)
{
	il_loop *loop = p->loop;

	if (p->finished)
		return;
	p->finished = true;
	il__list_remove(&p->link);
	il__scope_fini_root(&p->scope);
	il__host_left(p->scope.parent);
	il__queue_wake_all(&p->closers, 0);
	/* The last call may end between the closing of the gate and the message that tells of it. */
	il__queue_wake_all(&p->sleepers, 0);
	il__paid(&loop->ledger, IL__OWED_PORTAL);
	il_portal_unref(p); /* the loop's */
}

/* Takes what has left off the count. Seq_cst, as the closing: whoever comes second sees the first. True:
 * these were the last, and the portal may be gone. */
static bool portal_uncount(il_portal *p)
{
	size_t leaving = p->leaving * (size_t)ONE_CALL;

	p->leaving = 0;
	if (!leaving || atomic_fetch_sub(&p->gate, leaving) != (CLOSED | leaving))
		return false;
	portal_finish(p);
	return true;
}

/* The count matters once the portal is closed, which stop_here tells; before that other threads write it
 * all the time, so that looking at it is dear, and it is set right for many at once. */
void il__portal_leave_gate(il_portal *p)
{
	const unsigned many = 32;

	if (++p->leaving == many || p->stopping)
		portal_uncount(p);
}

/* If the portal was closed meanwhile and this was its last call, the loop must finish it. */
void il__portal_abandon_gate(il_portal *p)
{
	il_portal_ref(p);
	if (atomic_fetch_sub(&p->gate, ONE_CALL) == (CLOSED | ONE_CALL))
		il_portal_stop(p, false);
	il_portal_unref(p);
}

/* ---- stop ---- */

/* In the loop's thread: after the gate was closed. */
static void stop_here(il_portal *p, bool cancel)
{
	if (p->finished)
		return;
	il__queue_wake_all(&p->sleepers, 0);
	if (cancel)
		il__scope_cancel(&p->scope, "the portal was stopped");
	p->stopping = true;
	if (!portal_uncount(p) && atomic_load(&p->gate) == CLOSED)
		portal_finish(p);
}

static void on_stop(struct il__message *m, il_loop *loop)
{
	il_portal *p = il__container_of(m, il_portal, stop);

	(void)loop;
	atomic_store(&p->stop_queued, false);
	stop_here(p, atomic_load(&p->stop_cancels));
	il_portal_unref(p);
}

int il_portal_stop(il_portal *p, bool cancel_remaining)
{
	if (!p)
		return il__refuse(-EINVAL, "il_portal_stop: the portal is NULL");
	if (il__inherited(p->generation))
		return il__refuse(-ESHUTDOWN,
				  "il_portal_stop: the portal was inherited across fork");
	atomic_fetch_or(&p->gate, CLOSED);
	if (cancel_remaining)
		atomic_store(&p->stop_cancels, true);
	if (il__portal_is_own_loop(p)) {
		stop_here(p, cancel_remaining);
	} else if (!atomic_exchange(&p->stop_queued, true)) {
		il_portal_ref(p);
		if (il__inbox_post(p->inbox, &p->stop) < 0)
			il_portal_unref(p); /* the loop has ended, and the portal with it */
	}
	return 0;
}

static size_t portal_calls(const il_portal *p)
{
	return atomic_load_explicit(&p->gate, memory_order_relaxed) / 2 - p->leaving;
}

static void portal_tell_wait(struct il__report *r, const il_task *task)
{
	il__report(r, "%zu calls have not ended", portal_calls(task->waiter.arg));
}

static const struct il__wait sleep_wait = {"il_portal_sleep_until_stopped", portal_tell_wait};

int il_portal_sleep_until_stopped(il_portal *p)
{
	int rc;
	il_task *task = il__task_current("il_portal_sleep_until_stopped", &rc);

	if (!task)
		return rc;
	if (!p)
		return il__refuse(-EINVAL, "il_portal_sleep_until_stopped: the portal is NULL");
	if (il__inherited(p->generation))
		return il__refuse(
		    -ESHUTDOWN,
		    "il_portal_sleep_until_stopped: the portal was inherited across fork");
	if (!il__portal_is_own_loop(p))
		return il__refuse(-EPERM, "il_portal_sleep_until_stopped: the calling task belongs "
					  "to another loop");
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	if (is_closed(p)) {
		il__task_yield(task);
		return il__task_check(task);
	}
	return il__queue_wait(&p->sleepers, task, p, &sleep_wait);
}

/* ---- close ---- */

static const struct il__wait close_wait = {"il_portal_close", portal_tell_wait};

static bool cancel_rest(il_task *task, void *arg)
{
	il_portal *p = arg;

	(void)task;
	il__scope_cancel(&p->scope, "the closing of the portal was cancelled");
	return false;
}

int il_portal_close(il_portal *p)
{
	il_task *task;

	if (!p)
		return il__refuse(-EINVAL, "il_portal_close: the portal is NULL");
	if (il__inherited(p->generation))
		return il__refuse(-ESHUTDOWN,
				  "il_portal_close: the portal was inherited across fork");
	task = il__portal_is_own_loop(p) && !il__self.no_wait ? il__self.loop->current : NULL;
	for (struct il__cancel_scope *s = task ? task->scope : NULL; s; s = s->parent)
		if (s == &p->scope && !p->finished)
			return il__refuse(
			    -EDEADLK, "il_portal_close: called from a task of that portal, which "
				      "it would wait for");
	il_portal_stop(p, task && il__task_cancelled(task));
	if (task && !p->finished) {
		il__list_push(&p->closers, &task->waiter.link);
		il__task_park(task, cancel_rest, p, &close_wait);
	}
	il_portal_unref(p);
	return 0;
}

/* ---- creation, and the loop's end ---- */

struct portals {
	struct il__extension extension;
	struct il__list list;
};

static void refuse_portals(struct il__extension *x, il_loop *loop)
{
	struct portals *portals = il__container_of(x, struct portals, extension);

	(void)loop;
	il__list_each_safe (node, &portals->list)
		il_portal_stop(il__container_of(node, il_portal, link), false);
}

static void cut_portals(struct il__extension *x, const struct il__cancel_scope *host)
{
	struct portals *portals = il__container_of(x, struct portals, extension);

	il__list_each_safe (node, &portals->list) {
		il_portal *p = il__container_of(node, il_portal, link);
		if (p->scope.parent == host)
			il_portal_stop(p, true);
	}
}

static int close_portals(struct il__extension *x, il_loop *loop)
{
	(void)loop;
	il__free(il__container_of(x, struct portals, extension));
	il__soon_memory_free();
	return 0;
}

static void tell_portals(struct il__extension *x, struct il__report *r)
{
	struct portals *portals = il__container_of(x, struct portals, extension);

	il__list_each (node, &portals->list) {
		const il_portal *p = il__container_of(node, il_portal, link);
		il__report_indent(r, 1);
		il__report(r, "portal%s: %zu calls have not ended", p->stopping ? ", stopping" : "",
			   portal_calls(p));
		il__report_line_end(r);
	}
}

static const struct il__extension_ops portals_ops = {
    .tell = tell_portals,
    .shutdown = refuse_portals,
    .cut = cut_portals,
    .closing = close_portals,
};

static struct portals *get_portals(il_loop *loop)
{
	struct il__extension *x = il__loop_extension(loop, &portals_ops);
	struct portals *portals;

	if (x)
		return il__container_of(x, struct portals, extension);
	portals = il__calloc(1, sizeof *portals);
	if (!portals)
		return NULL;
	il__list_init(&portals->list);
	il__loop_extend(loop, &portals->extension, &portals_ops);
	return portals;
}

int il_core_create_threads_portal(il_loop *loop, il_portal **portal)
{
	struct il__cancel_scope *scope;
	struct portals *portals;
	il_portal *p;
	int rc;

	if (!loop || !portal)
		return il__refuse(-EINVAL, "il_loop_create_threads_portal: %s is NULL",
				  loop ? "portal" : "loop");
	scope = il__host_scope(loop);
	if (loop->shut || scope->cancelled)
		return il__refuse(-ESHUTDOWN, "il_loop_create_threads_portal: %s",
				  loop->shut ? "the loop is shut down" : "the host has crashed");
	portals = get_portals(loop);
	p = portals ? il__calloc(1, sizeof *p) : NULL;
	if (!p)
		return il__refuse(-ENOMEM, "il_loop_create_threads_portal: out of memory");
	rc = il__owe(&loop->ledger, IL__OWED_PORTAL);
	if (rc < 0) {
		il__free(p);
		return rc;
	}
	atomic_init(&p->refs, 2); /* the creator's, and the loop's until it is finished */
	atomic_init(&p->gate, 0);
	p->generation = loop->generation;
	p->thread = loop->thread;
	p->inbox = il__inbox_ref(loop->inbox);
	p->stop.handle = on_stop;
	p->loop = loop;
	il__list_init(&p->sleepers);
	il__list_init(&p->closers);
	il__scope_init_root(&p->scope, loop, scope);
	il__host_joined(scope);
	il__list_push(&portals->list, &p->link);
	*portal = p;
	return 0;
}

/* ---- for calls that wait ---- */

int il__portal_may_wait(il_portal *p, il_fn *fn, const char *function, il_task **task)
{
	if (!p || !fn)
		return il__refuse(-EINVAL, "%s: %s is NULL", function, p ? "fn" : "the portal");
	if (il__inherited(p->generation))
		return il__refuse(-ESHUTDOWN, "%s: the portal was inherited across fork", function);
	if (is_closed(p))
		return portal_refuse_closed(function);
	if (il__portal_is_own_thread(p))
		return il__refuse(
		    -EDEADLK,
		    "%s: called in the thread of the portal's loop, which would wait for "
		    "itself; call the function, or use the _soon form",
		    function);
	return il__may_wait(function, task);
}
