/*
 * blocking_portal.c: a loop in a thread of its own, with a portal into it. The thread is joined by
 * il_blocking_portal_stop, or by a start that gives up. Its main task waits until the portal is stopped;
 * a SIGINT cancels that task, and so the portal closes in a cancelled scope.
 */
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/backend.h"
#include "../runtime/sigint.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "portal.h"

#include <interloop/future.h>

#include <stdio.h>

struct il__blocking {
	const il_backend *backend;
	il_loop_options options;
	char name[16];
	pthread_t thread;
	il_future *up;     /* the loop runs, or could not */
	il_future *down;   /* the loop is closed; the thread ends at once */
	il_portal *portal; /* by the thread, before `up` */
	bool sigint;       /* it owns SIGINT */
	char why[200];     /* the thread's il_error_detail, before `up` */
};

/* ---- the thread ---- */

static int blocking_serve(void *arg)
{
	struct il__blocking *b = arg;
	il_portal *p;
	int rc = il_loop_create_threads_portal(il_loop_current(), &p);

	if (rc < 0)
		return rc;
	p->blocking = b;
	b->portal = il_portal_ref(p);
	if (b->sigint)
		il__sigint_aim(il_loop_current());
	il_future_set_result(b->up, 0);
	il_portal_sleep_until_stopped(p);
	return il_portal_close(p);
}

static void *blocking_thread_main(void *arg)
{
	struct il__blocking *b = arg;
	il_loop *loop;
	int rc;

	il__os_thread_name(b->name, NULL);
	rc = il_loop_open(&loop, b->backend, &b->options);
	if (rc == 0) {
		rc = il_loop_run(loop, blocking_serve, b);
		if (!il_future_done(b->up))
			snprintf(b->why, sizeof b->why, "%s", il_error_detail());
		il_loop_destroy(loop);
	} else {
		snprintf(b->why, sizeof b->why, "%s", il_error_detail());
	}
	if (!il_future_done(b->up))
		il_future_set_result(b->up, rc < 0 ? rc : -ESHUTDOWN);
	il_future_set_result(b->down, 0);
	return NULL;
}

static void free_blocking(struct il__blocking *b)
{
	il_future_unref(b->up);
	il_future_unref(b->down);
	il__free(b);
}

/* Waits for the thread's end, parking a task; its last instructions are waited for in place. True: a
 * SIGINT came, and nobody has told. */
static bool blocking_join(struct il__blocking *b)
{
	bool unreported;

	il_future_join(il_future_ref(b->down));
	pthread_join(b->thread, NULL);
	unreported = b->sigint && il__sigint_restore(b);
	free_blocking(b);
	return unreported;
}

/* ---- start and stop ---- */

static int blocking_make(struct il__blocking **out, const il_backend *backend,
			 const il_blocking_portal_options *options)
{
	struct il__blocking *b = il__calloc(1, sizeof *b);

	if (!b)
		return il__refuse(-ENOMEM, "il_blocking_portal_start: out of memory");
	b->backend = backend;
	if (options)
		b->options = options->loop;
	b->options.handle_sigint = false;
	snprintf(b->name, sizeof b->name, "%s",
		 options && options->name ? options->name : "interloop");
	if (il_future_create(&b->up) < 0 || il_future_create(&b->down) < 0) {
		free_blocking(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

/* The thread must come up before it can be told to end. As blocking_join. */
static bool blocking_give_up(struct il__blocking *b)
{
	il_portal *p = NULL;
	bool unreported;

	if (il_future_join(il_future_ref(b->up)) == 0) {
		p = b->portal;
		il_portal_stop(p, true);
	}
	unreported = blocking_join(b);
	il_portal_unref(p);
	return unreported;
}

static int refuse_sigint(void)
{
	return il__refuse(-EINTR, "il_blocking_portal_start: SIGINT while the thread came up");
}

int il_blocking_portal_start(il_portal **p, const il_backend *backend,
			     const il_blocking_portal_options *options)
{
	struct il__blocking *b = NULL;
	bool interrupted;
	il_task *task;
	int rc = il__may_wait("il_blocking_portal_start", &task);

	if (rc < 0)
		return rc;
	if (!p)
		return il__refuse(-EINVAL, "il_blocking_portal_start: p is NULL");
	if (!backend)
		return il__refuse_no_backend("il_blocking_portal_start");
	if (task && (rc = il__task_check(task)) < 0)
		return rc;
	if ((rc = blocking_make(&b, backend, options)) < 0)
		return rc;
	b->sigint = options && options->handle_sigint && il__os_is_main_thread() &&
		    il__sigint_is_default() && il__sigint_install(b);
	rc = il__os_thread_start(&b->thread, 0, blocking_thread_main, b);
	if (rc < 0) {
		interrupted = b->sigint && il__sigint_restore(b);
		free_blocking(b);
		return interrupted ? refuse_sigint() : rc;
	}
	rc = il_future_wait(b->up, IL_FOREVER);
	if (rc == 0 && b->sigint && il__sigint_report(b))
		rc = refuse_sigint();
	if (rc < 0) {
		if (blocking_give_up(b) || rc == -EINTR)
			return refuse_sigint();
		if (task)
			il__task_cancelled(task); /* the reason */
		return rc;
	}
	rc = il_future_result(b->up, 0);
	if (rc < 0) {
		il__refuse(rc, "%s", b->why);
		return blocking_join(b) ? refuse_sigint() : rc;
	}
	*p = b->portal;
	return 0;
}

int il_blocking_portal_stop(il_portal *p)
{
	il_task *task;
	bool unreported;
	int rc;

	if (!p || !p->blocking)
		return il__refuse(-EINVAL, "il_blocking_portal_stop: not a blocking portal");
	if (il__inherited(p->generation))
		return il__refuse(-ESHUTDOWN,
				  "il_blocking_portal_stop: the portal was inherited across fork");
	if (il__portal_is_own_loop(p))
		return il__refuse(-EDEADLK,
				  "il_blocking_portal_stop: called in the portal's own thread; use "
				  "il_portal_stop there");
	rc = il__may_wait("il_blocking_portal_stop", &task);
	if (rc < 0)
		return rc;
	if (atomic_exchange(&p->joined, true))
		return il__refuse(-EALREADY, "il_blocking_portal_stop: called before; it is "
					     "called once, by whoever started the portal");
	il_portal_stop(p, false);
	unreported = blocking_join(p->blocking);
	il_portal_unref(p);
	return unreported ? il__refuse(-EINTR, "il_blocking_portal_stop: SIGINT stopped the portal")
			  : 0;
}
