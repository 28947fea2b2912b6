/*
 * loop.c: making a loop, its own or an adopted one, and the services of its backend. Loop's thread only.
 */
#include "loop.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "backend.h"
#include "context.h"
#include "gdb.h"
#include "inbox.h"
#include "ledger.h"
#include "overflow.h"
#include "scope.h"
#include "slow_task.h"
#include "stack.h"
#include "thread_state.h"
#include "timer.h"
#include "trace.h"
#include "wake_timer.h"

/* The frames of a program with sanitizers are larger. */
static size_t default_stack(void)
{
	return (size_t)(il__sanitized ? 256 : 64) << 10;
}

/* ---- the core's descriptors ---- */

static void on_wake(struct il__source *source, il_loop *loop, unsigned mask)
{
	(void)source;
	(void)mask;
	loop->wake_seen = true;
	il__loop_interrupt(loop);
}

/* ---- open ---- */

static int loop_check_options(struct il_loop_options *to, const il_loop_options *from)
{
	*to = from ? *from : (il_loop_options){0};
	if (to->shutdown_timeout < 0)
		return il__refuse(-EINVAL, "il_loop_options: shutdown_timeout is negative");
	if (to->timer_slack < 0)
		return il__refuse(-EINVAL, "il_loop_options: timer_slack is negative");
	if (to->slow_task < 0)
		return il__refuse(-EINVAL, "il_loop_options: slow_task is negative");
	if (!to->slow_task)
		to->slow_task = il__slow_task_from_environment();
	if (!to->stack_size)
		to->stack_size = default_stack();
	if (!to->guard_size)
		to->guard_size = IL__GUARD_SIZE;
	if (!to->queue_limit)
		to->queue_limit = 65536;
	if (!to->thread_limit)
		to->thread_limit = 40;
	if (!to->lookup_limit)
		to->lookup_limit = 64;
	return il__check_limits("il_loop_options",
				(const struct il__limit[]){{"queue_limit", to->queue_limit},
							   {"thread_limit", to->thread_limit},
							   {"lookup_limit", to->lookup_limit},
							   {NULL, 0}});
}

void il__loop_meet_other(il_loop *loop, il_fn *fn)
{
	il_fn **met = &loop->met[(uintptr_t)fn / 16 % IL__LOOP_MET];

	loop->last_met = fn;
	if (*met == fn)
		return;
	*met = fn;
	il__context_choose();
}

void il__loop_free(il_loop *loop)
{
	il__wake_timer_close(loop);
	if (loop->inbox)
		il__inbox_unref(loop->inbox);
	il__special_stacks_fini(&loop->stacks);
	il__stacks_fini(&loop->stacks);
	il__timers_fini(&loop->timers);
	il__ledger_fini(&loop->ledger);
	if (loop->reports_overflow) /* it did not even open */
		il__overflow_end();
	il__free(loop);
}

/* What needs neither options nor resources. */
static void loop_init(il_loop *loop, const il_backend *backend, bool own)
{
	loop->backend = backend;
	loop->for_gdb = &il_gdb_layout;
	loop->generation = il__generation;
	loop->thread = pthread_self();
	loop->own = own;
	loop->wake_timer.source.watch.fd = -1;
	loop->batch = 16;
	loop->errands.guard = IL_FOREVER;
	loop->backlog_end = &loop->backlog;
	il__list_init(&loop->ready);
	il__list_init(&loop->watched);
	il__list_init(&loop->extensions);
	il__ledger_init(&loop->ledger);
	loop->own_clock = backend->driver.now != NULL;
	il__scope_init_root(&loop->scope, loop, NULL);
}

/* What may fail: il__loop_free gives back as much of it as was taken. */
static int loop_equip(il_loop *loop, const il_loop_options *options)
{
	int rc;

	if ((rc = loop_check_options(&loop->options, options)) < 0 ||
	    (rc = il__context_check()) < 0 ||
	    (rc = il__stacks_init(&loop->stacks, loop->options.stack_size,
				  loop->options.guard_size)) < 0 ||
	    (rc = il__inbox_create(&loop->inbox, loop->options.queue_limit, loop->own_clock)) < 0 ||
	    (rc = il__wake_timer_open(loop)) < 0)
		return rc;
	if (il__overflow_wanted(loop->options.report_overflow)) {
		rc = il__overflow_begin();
		if (rc < 0)
			return rc;
		loop->reports_overflow = true;
	}
	loop->stacks.measured = loop->options.measure_stacks;
	if (!loop->own_clock) /* what happens is not the loop's to choose */
		loop->options.seed = loop->options.step_limit = 0;
	loop->random = loop->options.seed;
	loop->scripted = loop->options.seed || loop->options.step_limit || loop->options.slow_task;
	if (loop->options.slow_task)
		il__context_need(IL__CONTEXT_SLOW);
	loop->wake.watch.fd = il__inbox_fd(loop->inbox);
	loop->wake.ready = on_wake;
	return 0;
}

static int make_loop(il_loop **out, const il_backend *backend, const il_loop_options *options,
		     bool own)
{
	const char *flaw;
	il_loop *loop;
	int rc;

	if (!backend)
		return il__refuse_no_backend("il_loop");
	flaw = il__backend_flaw(backend);
	if (flaw)
		return il__refuse(-EINVAL, "the backend cannot be used: %s", flaw);
	loop = il__calloc(1, sizeof *loop);
	if (!loop)
		return il__refuse(-ENOMEM, "il_loop: out of memory");
	il__watch_fork();
	il__watch_thread_end();
	il__trace_from_environment();
	il__context_choose();
	loop_init(loop, backend, own);
	rc = loop_equip(loop, options);
	if (rc < 0)
		il__loop_free(loop);
	else
		*out = loop;
	return rc;
}

static int open_loop(il_loop **out, const il_backend *backend, void *native,
		     const il_loop_options *options)
{
	il_loop *loop = NULL;
	int rc = make_loop(&loop, backend, options, native == NULL);

	if (rc < 0)
		return rc;
	rc = il__native_open(loop, native);
	if (rc < 0) {
		il__loop_free(loop);
		return il__pass_on(rc); /* the driver may have words for it */
	}
	if (loop->own && (rc = il__loop_watch_own(loop, IL_READABLE)) < 0) {
		backend->driver.close(loop->driver);
		il__loop_free(loop);
		return il__refuse(rc,
				  "il_loop_open: the native loop refused the wake descriptor: %s",
				  il__system_words(rc));
	}
	loop->watching = loop->own;
	if (loop->own_clock)
		loop->timers.expired = il__loop_now(loop);
	il__loops_add(loop);
	*out = loop;
	return 0;
}

int il_loop_open(il_loop **loop, const il_backend *backend, const il_loop_options *options)
{
	if (!loop)
		return il__refuse(-EINVAL, "il_loop_open: loop is NULL");
	return open_loop(loop, backend, NULL, options);
}

int il_loop_attach(il_loop **loop, const il_backend *backend, void *native,
		   const il_loop_options *options)
{
	int rc;

	if (!loop || !native)
		return il__refuse(-EINVAL, "il_loop_attach: the loop to adopt is NULL");
	if (il__self.loop)
		return il__refuse(
		    -EBUSY, "il_loop_attach: this thread has a loop already; one loop a thread");
	rc = open_loop(loop, backend, native, options);
	if (rc == 0)
		il__self.loop = *loop;
	return rc;
}

/* ---- small questions, and the services ---- */

const il_backend *il_loop_backend(const il_loop *loop)
{
	return loop ? loop->backend : NULL;
}

void *il_loop_native(il_loop *loop)
{
	if (!loop || loop->closed || !loop->backend->driver.native)
		return NULL;
	return loop->backend->driver.native(loop->driver);
}

static int check_loop(il_loop *loop, const char *function)
{
	if (!loop)
		return il__refuse(-EINVAL, "%s: loop is NULL", function);
	return il__loop_check_thread(loop, function);
}

int il_loop_sleep(il_loop *loop, il_time delay)
{
	int rc = check_loop(loop, "il_loop_sleep");

	return rc < 0 ? rc : loop->backend->sleep(loop, delay);
}

int il_loop_create_event(il_loop *loop, il_event **event)
{
	int rc = check_loop(loop, "il_loop_create_event");

	return rc < 0 ? rc : loop->backend->create_event(loop, event);
}

int il_loop_run_in_thread(il_loop *loop, il_fn *fn, void *arg)
{
	int rc = check_loop(loop, "il_loop_run_in_thread");

	return rc < 0 ? rc : loop->backend->run_in_thread(loop, fn, arg);
}

int il_loop_create_threads_portal(il_loop *loop, il_portal **portal)
{
	int rc = check_loop(loop, "il_loop_create_threads_portal");

	return rc < 0 ? rc : loop->backend->create_threads_portal(loop, portal);
}
