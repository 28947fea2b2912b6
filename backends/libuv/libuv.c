/*
 * libuv.c: the seven primitives on libuv. Every handle closes asynchronously, so its memory belongs
 * to its close callback; one that is closing makes no upcall. A host may close all of its loop's,
 * ours too (uv_walk): such a one makes no callback of ours. A watch is a uv_poll_t whose data is
 * the il_watch. Loop's thread only.
 */
#include "../driver.h"

#include <interloop/libuv.h>

#include <stdlib.h>
#include <uv.h>

struct driver {
	il_loop *loop;
	uv_timer_t *timer;
	uv_loop_t *native;
	uv_loop_t own;    /* when it is ours */
	uv_check_t *soon; /* NULL: not asked for yet */
};

_Static_assert((int)IL_READABLE == (int)UV_READABLE && (int)IL_WRITABLE == (int)UV_WRITABLE,
	       "one set of bits serves both");

static void on_timer(uv_timer_t *timer)
{
	il_driver_on_timer(timer->data);
}

static void on_soon(uv_check_t *soon)
{
	uv_check_stop(soon);
	il_driver_on_soon(soon->data);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct il_watch *w = handle->data;

	if (status < 0) { /* libuv stopped the handle, but the core still counts on it */
		events = (int)w->mask;
		uv_poll_start(handle, events, on_poll);
	}
	il_driver_on_ready(w->loop, w, (unsigned)events & w->mask);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

/* libuv is through with what is referenced no more; the host's may come after the reaper's turn. */
static void reap(uv_handle_t *reaper)
{
	uv_handle_t *lost = reaper->data;

	if (uv_has_ref(lost)) {
		uv_timer_init(lost->loop, (uv_timer_t *)reaper);
		uv_close(reaper, reap);
	} else {
		free(lost);
		free(reaper);
	}
}

static void let_go(void *memory)
{
	uv_handle_t *handle = memory, *reaper;

	if (!handle)
		return;
	if (!uv_is_closing(handle)) {
		uv_close(handle, on_closed);
	} else if ((reaper = malloc(sizeof(uv_timer_t)))) {
		reaper->data = handle;
		reap(reaper);
	}
}

/* In place of one that the host has closed, if it has. */
static int timer_make(struct driver *d)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	uv_timer_init(d->native, timer); /* cannot fail */
	timer->data = d->loop;
	let_go(d->timer);
	d->timer = timer;
	return 0;
}

static int driver_open(void **self, void *native, il_loop *loop)
{
	struct driver *d = calloc(1, sizeof(*d));
	int rc = 0;

	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->native = native ? native : &d->own;
	/* libuv aborts where it cannot make what all its loops share. */
	if (!native && (rc = il_driver_probe(6)) == 0)
		rc = uv_loop_init(&d->own);
	if (rc == 0 && (rc = timer_make(d)) < 0 && !native)
		uv_loop_close(&d->own);
	if (rc < 0) {
		free(d);
		return rc;
	}
	il_driver_watches_once(loop);
	*self = d;
	return 0;
}

static void close_leftover(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void driver_close(void *self)
{
	struct driver *d = self;

	if (d->native != &d->own) {
		let_go(d->soon);
		let_go(d->timer);
		free(d);
		return;
	}
	/* All that is left, also what the application put on our loop: it would never close. A stop that was
	 * asked for since the last run ends this one before it has begun. */
	do {
		uv_walk(d->native, close_leftover, NULL);
		uv_run(d->native, UV_RUN_DEFAULT);
	} while (uv_loop_close(d->native) == UV_EBUSY);
	free(d->soon);
	free(d->timer);
	free(d);
}

static int driver_run(void *self)
{
	uv_run(((struct driver *)self)->native, UV_RUN_DEFAULT);
	return 0;
}

static void driver_stop(void *self)
{
	uv_stop(((struct driver *)self)->native);
}

/* libuv counts whole milliseconds, rounded down; the deadline is rounded up, so we are not early. */
static int driver_timer(void *self, il_time deadline)
{
	struct driver *d = self;
	uint64_t due = deadline > 0 ? (uint64_t)(deadline / IL_MSEC(1)) + 1 : 0, now;
	int rc;

	if (deadline == IL_FOREVER)
		return uv_timer_stop(d->timer);
	if (uv_is_closing((uv_handle_t *)d->timer) && (rc = timer_make(d)) < 0)
		return rc;
	uv_update_time(d->native); /* stale since the last poll */
	now = uv_now(d->native);
	return uv_timer_start(d->timer, on_timer, due > now ? due - now : 1, 0);
}

/* Check handles come after each poll. */
static int driver_soon(void *self)
{
	struct driver *d = self;

	if (!d->soon && (d->soon = malloc(sizeof(*d->soon)))) {
		uv_check_init(d->native, d->soon); /* cannot fail */
		d->soon->data = d->loop;
	}
	if (!d->soon || uv_is_closing((uv_handle_t *)d->soon))
		return -ECANCELED;
	return uv_check_start(d->soon, on_soon);
}

static int driver_watch(void *self, struct il_watch *w, unsigned mask)
{
	uv_poll_t *poll = w->driver;
	int rc = 0;

	if (poll && (!mask || uv_is_closing((uv_handle_t *)poll))) {
		let_go(poll);
		poll = NULL;
	}
	if (mask && !poll) {
		poll = malloc(sizeof(*poll));
		rc = poll ? uv_poll_init(((struct driver *)self)->native, poll, w->fd) : -ENOMEM;
		if (rc < 0) {
			free(poll);
			poll = NULL;
		}
	}
	w->driver = poll;
	if (!poll)
		return rc;
	poll->data = w;
	rc = uv_poll_start(poll, (int)mask, on_poll);
	return rc < 0 ? (driver_watch(self, w, 0), rc) : 0;
}

static int driver_renew(void *self)
{
	return uv_loop_fork(((struct driver *)self)->native);
}

static void *driver_native(void *self)
{
	return ((struct driver *)self)->native;
}

DRIVER_BACKEND("libuv", .native = driver_native, .renew = driver_renew, .soon = driver_soon);
DRIVER_ENTRIES(libuv, uv_loop_t);
