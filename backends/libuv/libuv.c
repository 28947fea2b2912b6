/*
 * libuv.c: the six primitives on libuv. Every handle closes asynchronously, so its memory belongs to
 * its close callback; a handle that is closing makes no upcall any more. A watch is a uv_poll_t whose
 * data is the il_watch. Loop's thread only.
 */
#include <interloop/backend.h>
#include <interloop/libuv.h>

#include <stdlib.h>
#include <uv.h>

struct driver {
	uv_timer_t timer; /* first: its close callback frees the driver; its data is the il_loop */
	uv_loop_t *native;
	uv_loop_t own; /* when it is ours */
};

_Static_assert((int)IL_READABLE == (int)UV_READABLE && (int)IL_WRITABLE == (int)UV_WRITABLE,
	       "one set of bits serves both");

static void on_timer(uv_timer_t *timer)
{
	il_driver_on_timer(timer->data);
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

static int driver_open(void **self, void *native, il_loop *loop)
{
	struct driver *d = calloc(1, sizeof(*d));
	int rc = 0;

	if (!d)
		return -ENOMEM;
	d->native = native ? native : &d->own;
	/* libuv aborts where it cannot make what all its loops share. */
	if (!native && (rc = il_driver_probe(6)) == 0)
		rc = uv_loop_init(&d->own);
	if (rc < 0) {
		free(d);
		return rc;
	}
	uv_timer_init(d->native, &d->timer); /* cannot fail */
	d->timer.data = loop;
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
		uv_close((uv_handle_t *)&d->timer, on_closed);
		return;
	}
	/* All that is left, also what the application put on our loop: it would never close. */
	uv_walk(d->native, close_leftover, NULL);
	uv_run(d->native, UV_RUN_DEFAULT);
	uv_loop_close(d->native);
	free(d);
}

static int driver_run(void *self)
{
	struct driver *d = self;

	uv_run(d->native, UV_RUN_DEFAULT);
	return 0;
}

static void driver_stop(void *self)
{
	struct driver *d = self;

	uv_stop(d->native);
}

/* libuv counts whole milliseconds, rounded down; the deadline is rounded up, so we are not early. */
static int driver_timer(void *self, il_time deadline)
{
	struct driver *d = self;
	uint64_t due = deadline > 0 ? (uint64_t)(deadline / IL_MSEC(1)) + 1 : 0;
	uint64_t now;

	if (deadline == IL_FOREVER)
		return uv_timer_stop(&d->timer);
	uv_update_time(d->native); /* stale since the last poll */
	now = uv_now(d->native);
	return uv_timer_start(&d->timer, on_timer, due > now ? due - now : 1, 0);
}

static int poll_open(struct driver *d, struct il_watch *w)
{
	uv_poll_t *handle = malloc(sizeof(*handle));
	int rc = handle ? uv_poll_init(d->native, handle, w->fd) : -ENOMEM;

	if (rc < 0) {
		free(handle);
		return rc;
	}
	handle->data = w;
	w->driver = handle;
	return 0;
}

static int driver_watch(void *self, struct il_watch *w, unsigned mask)
{
	int rc = mask && !w->driver ? poll_open(self, w) : 0;

	if (!w->driver)
		return rc;
	if (mask)
		rc = uv_poll_start(w->driver, (int)mask, on_poll);
	if (!mask || rc < 0) {
		uv_close(w->driver, on_closed);
		w->driver = NULL;
	}
	return rc;
}

static void *driver_native(void *self)
{
	struct driver *d = self;

	return d->native;
}

static const il_backend backend = {
    .abi = IL_BACKEND_ABI,
    .name = "libuv",
    .driver = {.open = driver_open,
	       .close = driver_close,
	       .run = driver_run,
	       .stop = driver_stop,
	       .timer = driver_timer,
	       .watch = driver_watch,
	       .native = driver_native},
    .sleep = il_core_sleep,
    .create_event = il_core_create_event,
    .run_in_thread = il_core_run_in_thread,
    .create_threads_portal = il_core_create_threads_portal,
};

const il_backend *il_libuv(void)
{
	return &backend;
}

int il_libuv_attach(il_loop **loop, uv_loop_t *native, const il_loop_options *options)
{
	return il_loop_attach(loop, &backend, native, options);
}
