/*
 * loop.c: the life of a loop: open or attach, run, refuse, close or detach. Loop's thread only. Invariant:
 * the core's descriptors are watched exactly while the loop is own and open, or something on it is
 * alive (a task, an open portal, an offloaded call), so that a host's loop ends by itself.
 */
#include "runtime.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_STACK ((size_t)256 << 10)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DEFAULT_STACK ((size_t)256 << 10)
#endif
#endif
#ifndef DEFAULT_STACK
#define DEFAULT_STACK ((size_t)64 << 10)
#endif

/* ---- what keeps the loop watched ---- */

il_time il__loop_now(il_loop *loop)
{
	return loop->backend->driver.now ? loop->backend->driver.now(loop->driver) : il__os_now();
}

int il__source_watch(il_loop *loop, struct il__source *source, unsigned mask)
{
	if (source->watch.mask == mask)
		return 0;
	int rc = loop->backend->driver.watch(loop->driver, &source->watch, mask);
	if (rc == 0)
		source->watch.mask = mask;
	return rc;
}

static int watch_own(il_loop *loop, unsigned mask)
{
	int rc = il__source_watch(loop, &loop->wake, mask);

	if (rc == 0 && loop->timer.watch.fd >= 0)
		rc = il__source_watch(loop, &loop->timer, mask);
	return rc;
}

static int update_watch(il_loop *loop)
{
	bool wanted = loop->own || loop->alive > 0 || loop->on_empty;
	int rc;

	if (wanted == loop->watching)
		return 0;
	if (!wanted)
		il__list_each_safe (node, &loop->extensions) {
			struct il__extension *x =
			    il__container_of(node, struct il__extension, link);
			if (x->idle)
				x->idle(x, loop);
		}
	rc = watch_own(loop, wanted ? IL_READABLE : 0);
	if (rc < 0 && wanted)
		return il__refuse(rc, "the native loop refused the wake descriptor: %s",
				  il_strerror(rc));
	loop->watching = wanted;
	return 0;
}

void il__loop_kick(il_loop *loop)
{
	if (loop->turning || loop->wake_signalled || loop->closed)
		return;
	loop->wake_signalled = true;
	il__inbox_signal(loop->inbox);
}

int il__loop_hold(il_loop *loop)
{
	int rc;

	if (loop->alive++ > 0)
		return 0;
	rc = update_watch(loop);
	if (rc < 0)
		loop->alive--;
	return rc;
}

void il__loop_release(il_loop *loop)
{
	if (--loop->alive == 0)
		il__loop_kick(loop);
}

int il__loop_hold_call(il_loop *loop)
{
	int rc = il__loop_hold(loop);

	if (rc == 0)
		loop->inflight++;
	return rc;
}

void il__loop_release_call(il_loop *loop)
{
	loop->inflight--;
	il__loop_release(loop);
}

void il__loop_extend(il_loop *loop, struct il__extension *x)
{
	il__list_push(&loop->extensions, &x->link);
}

static void on_wake(struct il__source *source, il_loop *loop, unsigned mask)
{
	(void)source;
	(void)mask;
	loop->wake_signalled = true;
	il__loop_interrupt(loop);
}

/* It stays readable until the turn that follows sets it anew. */
static void on_timerfd(struct il__source *source, il_loop *loop, unsigned mask)
{
	(void)source;
	(void)mask;
	loop->timer_fired = true;
	il__timers_expire(loop);
}

/* ---- open ---- */

static int check_options(struct il_loop_options *to, const il_loop_options *from)
{
	*to = from ? *from : (il_loop_options){0};
	if (to->shutdown_timeout < 0)
		return il__refuse(-EINVAL, "il_loop_options: shutdown_timeout is negative");
	if (!to->stack_size)
		to->stack_size = DEFAULT_STACK;
	if (!to->queue_limit)
		to->queue_limit = 65536;
	if (!to->thread_limit)
		to->thread_limit = 40;
	return 0;
}

static int open_timer(il_loop *loop)
{
	const char *kind = getenv("INTERLOOP_TIMER");

	loop->timer.watch.fd = -1;
	loop->timer.ready = on_timerfd;
	if (loop->backend->driver.now || (kind && strcmp(kind, "native") == 0))
		return 0;
	int fd = il__os_timer_open();
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return il__refuse(fd, "il_loop: no descriptor for the timer: %s", il_strerror(fd));
	loop->timer.watch.fd = fd >= 0 ? fd : -1;
	return 0;
}

static void free_loop(il_loop *loop)
{
	if (loop->timer.watch.fd >= 0)
		il__os_timer_close(loop->timer.watch.fd);
	if (loop->inbox)
		il__inbox_unref(loop->inbox);
	il__stacks_fini(&loop->stacks);
	il__timers_fini(&loop->timers);
	free(loop);
}

static int make_loop(il_loop **out, const il_backend *backend, const il_loop_options *options,
		     bool own)
{
	il_loop *loop;
	int rc;

	if (!backend)
		return il__refuse(-ENOENT, "no backend: %s",
				  il__backend_not_found()[0] ? il__backend_not_found()
							     : "it is NULL; ask il_backend_find");
	loop = calloc(1, sizeof *loop);
	if (!loop)
		return il__refuse(-ENOMEM, "il_loop: out of memory");
	il__watch_fork();
	loop->backend = backend;
	loop->generation = il__generation;
	loop->thread = pthread_self();
	loop->own = own;
	loop->timer.watch.fd = -1;
	loop->armed = IL_FOREVER;
	loop->batch = 16;
	loop->backlog_end = &loop->backlog;
	il__list_init(&loop->ready);
	il__list_init(&loop->extensions);
	il__list_init(&loop->crowds);
	il__scope_init_root(&loop->scope, loop, NULL);
	if ((rc = check_options(&loop->options, options)) < 0 ||
	    (rc = il__stacks_init(&loop->stacks, loop->options.stack_size)) < 0 ||
	    (rc = il__inbox_create(&loop->inbox, loop->options.queue_limit)) < 0 ||
	    (rc = open_timer(loop)) < 0) {
		free_loop(loop);
		return rc;
	}
	loop->random = loop->options.seed;
	loop->wake.watch.fd = il__inbox_fd(loop->inbox);
	loop->wake.ready = on_wake;
	*out = loop;
	return 0;
}

static int open_loop(il_loop **out, const il_backend *backend, void *native,
		     const il_loop_options *options)
{
	il_loop *loop = NULL;
	int rc = make_loop(&loop, backend, options, native == NULL);

	if (rc < 0)
		return rc;
	rc = backend->driver.open(&loop->driver, native, loop);
	if (rc < 0) {
		free_loop(loop);
		return rc;
	}
	if (loop->own && (rc = watch_own(loop, IL_READABLE)) < 0) {
		watch_own(loop, 0);
		backend->driver.close(loop->driver);
		free_loop(loop);
		return il__refuse(rc,
				  "il_loop_open: the native loop refused the wake descriptor: %s",
				  il_strerror(rc));
	}
	loop->watching = loop->own;
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

/* ---- run ---- */

/* Somebody has cancelled it already, or a scope that it is in. */
static bool is_cancelled(const il_task *task)
{
	for (const struct il__scope *s = task->scope; s; s = s->parent)
		if (s->cancelled)
			return true;
	return false;
}

bool il__loop_interrupt(il_loop *loop)
{
	struct il__main *m = loop->main;

	if (!m || !m->task || !il__sigint_taken(loop))
		return false;
	m->interrupted = !is_cancelled(m->task);
	il__task_cancel(m->task);
	return true;
}

static void main_ended(il_task *task, int rc)
{
	struct il__main *m = task->owner;

	m->task = NULL;
	m->result = rc;
	/* A SIGINT that came in this very turn wants no more than has happened. */
	if (rc == -ECANCELED)
		il__sigint_taken(task->loop);
}

void il__loop_settle(il_loop *loop)
{
	void (*on_empty)(il_loop *, void *) = loop->on_empty;

	if (loop->stopping)
		return;
	if (!loop->own) {
		if (on_empty && loop->alive == 0 && !loop->backlog) {
			loop->on_empty = NULL;
			update_watch(loop);
			on_empty(loop, loop->on_empty_arg); /* it may detach: the loop is gone */
			return;
		}
		update_watch(loop);
		return;
	}
	if (loop->draining ? loop->alive == 0 : !loop->main->task) {
		loop->stopping = true;
		loop->backend->driver.stop(loop->driver);
	} else {
		il__loop_check_deadlock(loop);
	}
}

static void tell_extensions(il_loop *loop, bool runs)
{
	il__list_each_safe (node, &loop->extensions) {
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		void (*tell)(struct il__extension *, il_loop *) = runs ? x->resumed : x->paused;
		if (tell)
			tell(x, loop);
	}
}

/* Runs the driver until settle stops it. */
static int run_driver(il_loop *loop)
{
	il_loop *outer = il__self.loop;
	int rc;

	loop->running = true;
	loop->stopping = false;
	loop->wake_signalled = false;
	loop->steps = 0;
	il__loop_kick(loop);
	il__self.loop = loop;
	tell_extensions(loop, true);
	do /* an application that stops our native loop only pauses it */
		rc = loop->backend->driver.run(loop->driver);
	while (rc == 0 && !loop->stopping);
	tell_extensions(loop, false);
	il__self.loop = outer;
	loop->running = false;
	loop->stopping = true;
	return rc;
}

static int run_main(il_loop *loop, il_fn *main, void *arg)
{
	struct il__main m = {.result = 0};
	struct il__task_options options = {.scope = &loop->scope,
					   .own_scope = true,
					   .ended = main_ended,
					   .owner = &m,
					   .locals = il__self.locals};
	int rc;

	m.task = il__task_spawn(loop, main, arg, &options);
	if (!m.task)
		return -ENOMEM;
	loop->main = &m;
	rc = run_driver(loop);
	loop->main = NULL;
	if (m.task && m.task->begun)
		il__fatal("il_loop_run: the driver of %s failed while tasks waited on it: %s",
			  il_backend_name(loop->backend), il_strerror(rc));
	if (m.task)
		il__task_discard(m.task); /* the loop did not even start */
	if (rc < 0)
		return il__refuse(rc, "il_loop_run: the driver of %s failed: %s",
				  il_backend_name(loop->backend), il_strerror(rc));
	if (m.failure)
		return il__refuse(m.failure, "il_loop_run: %s", m.report);
	return m.interrupted && m.result == -ECANCELED ? -EINTR : m.result;
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
	il_loop_destroy(loop);
	return rc;
}

/* ---- the end ---- */

void il__loop_refuse(il_loop *loop)
{
	if (loop->shut)
		return;
	loop->shut = true;
	il__list_each_safe (node, &loop->extensions) {
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		if (x->shutdown)
			x->shutdown(x, loop);
	}
	il__scope_cancel(&loop->scope, "the loop is shutting down");
}

/* Nothing is alive: give back what the loop holds. */
static int release(il_loop *loop)
{
	struct il__message *m;
	int warning = 0;

	il__inbox_close(loop->inbox, &loop->backlog_end);
	while ((m = loop->backlog)) {
		loop->backlog = m->next;
		m->handle(m, loop);
	}
	loop->backlog_end = &loop->backlog;
	while (!il__list_empty(&loop->extensions)) {
		struct il__list *node = il__list_pop(&loop->extensions);
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		int rc = x->closing(x, loop);
		if (rc < 0)
			warning = rc;
	}
	watch_own(loop, 0);
	loop->backend->driver.close(loop->driver);
	loop->closed = true;
	return warning;
}

int il_loop_close(il_loop *loop)
{
	il_loop *outer = il__self.loop;
	int rc = 0, warning;

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
	if (loop->running || (outer && (loop->alive || loop->backlog)))
		return il__refuse(-EBUSY, "il_loop_close: %s",
				  loop->running ? "the loop runs"
						: "it has to run once more to end "
						  "its tasks, but a loop runs in "
						  "this thread");
	il__self.loop = loop;
	loop->turning = true;
	il__loop_refuse(loop);
	loop->turning = false;
	il__self.loop = outer;
	if (loop->alive) {
		loop->draining = true;
		rc = run_driver(loop);
	}
	il__self.loop = loop;
	warning = release(loop);
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
	free_loop(loop);
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
	il__loop_refuse(loop);
	update_watch(loop);
	il__loop_kick(loop);
	return 0;
}

int il_loop_detach(il_loop *loop)
{
	int rc;

	if (!loop)
		return il__refuse(-EINVAL, "il_loop_detach: loop is NULL");
	rc = il__loop_check_thread(loop, "il_loop_detach");
	if (rc < 0)
		return rc;
	if (loop->own || loop->current)
		return il__refuse(-EPERM,
				  loop->own ? "il_loop_detach: an own loop ends with il_loop_close"
					    : "il_loop_detach: called in a task; let it end first");
	if (loop->alive || loop->turning || loop->backlog)
		return il__refuse(
		    -EBUSY,
		    "il_loop_detach: %zu tasks, open portals or offloaded calls live; use "
		    "il_loop_shutdown and detach in its callback",
		    loop->alive);
	loop->shut = true;
	loop->on_empty = NULL;
	release(loop);
	il__self.loop = NULL;
	free_loop(loop);
	return 0;
}

/* ---- small answers, and the services ---- */

const il_backend *il_loop_backend(const il_loop *loop)
{
	return loop->backend;
}

void *il_loop_native(il_loop *loop)
{
	return loop->backend->driver.native ? loop->backend->driver.native(loop->driver) : NULL;
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
