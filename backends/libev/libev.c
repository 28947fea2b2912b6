/*
 * libev.c: the seven primitives on libev. A watcher that was stopped makes no call any more, so its
 * memory goes at once. A loop of our own is never the default one, which would reap every child of
 * the process. A watch is an ev_io whose data is the il_watch. Loop's thread only.
 */
#include "../driver.h"

#include <interloop/libev.h>

#include <errno.h>
#include <ev.h>
#include <stdlib.h>

struct driver {
	struct ev_loop *native;
	ev_timer timer;  /* its data is the il_loop, as that of the next */
	ev_prepare soon; /* never started, only fed */
	bool owner;
};

_Static_assert((int)IL_READABLE == (int)EV_READ && (int)IL_WRITABLE == (int)EV_WRITE,
	       "one set of bits serves both");

static void on_timer(struct ev_loop *native, ev_timer *timer, int events)
{
	(void)native;
	(void)events;
	il_driver_on_timer(timer->data);
}

static void on_soon(struct ev_loop *native, ev_prepare *soon, int events)
{
	(void)native;
	(void)events;
	il_driver_on_soon(soon->data);
}

/* An error comes as EV_READ | EV_WRITE. */
static void on_io(struct ev_loop *native, ev_io *watcher, int events)
{
	struct il_watch *w = watcher->data;

	(void)native;
	il_driver_on_ready(w->loop, w, (unsigned)(events & watcher->events));
}

static int driver_open(void **self, void *native, il_loop *loop)
{
	struct driver *d = calloc(1, sizeof(*d));
	int rc = native ? 0 : il_driver_probe(1); /* without, libev would do with poll or select */

	if (!d || rc < 0) {
		free(d);
		return d ? rc : -ENOMEM;
	}
	d->owner = !native;
	/* NOSIGMASK: signals that the application adds do not change the thread's mask. */
	d->native = native ? native : ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
	if (!d->native) {
		free(d);
		return il_driver_refuse(-ENOTSUP, "libev: ev_loop_new found no way of polling; "
						  "look at $LIBEV_FLAGS");
	}
	ev_init(&d->timer, on_timer);
	ev_init(&d->soon, on_soon);
	ev_set_priority(&d->soon, EV_MINPRI); /* after all that was polled with it */
	d->timer.data = d->soon.data = loop;
	*self = d;
	return 0;
}

static void driver_close(void *self)
{
	struct driver *d = self;

	ev_timer_stop(d->native, &d->timer);
	ev_clear_pending(d->native, &d->soon);
	if (d->owner)
		ev_loop_destroy(d->native);
	free(d);
}

static int driver_run(void *self)
{
	struct driver *d = self;

	ev_run(d->native, 0);
	return 0;
}

static void driver_stop(void *self)
{
	struct driver *d = self;

	ev_break(d->native, EVBREAK_ALL); /* a callback may have run the loop within our run */
}

static int driver_timer(void *self, il_time deadline)
{
	struct driver *d = self;
	il_time delay = deadline > 0 ? deadline - il_now() : 0;

	ev_timer_stop(d->native, &d->timer);
	if (deadline == IL_FOREVER)
		return 0;
	ev_now_update(d->native); /* stale since the last poll */
	ev_timer_set(&d->timer, (double)(delay > IL_USEC(1) ? delay : IL_USEC(1)) / 1e9, 0.);
	ev_timer_start(d->native, &d->timer);
	return 0;
}

static int driver_soon(void *self)
{
	struct driver *d = self;

	ev_feed_event(d->native, &d->soon, EV_CUSTOM);
	return 0;
}

static int driver_watch(void *self, struct il_watch *w, unsigned mask)
{
	struct driver *d = self;
	ev_io *watcher = w->driver;

	if (watcher) {
		ev_io_stop(d->native, watcher);
	} else if (mask) {
		w->driver = watcher = malloc(sizeof(*watcher));
		if (!watcher)
			return -ENOMEM;
		ev_init(watcher, on_io);
		watcher->data = w;
	}
	if (mask) {
		/* Set before every start: it tells libev that the number may be another file now. */
		ev_io_set(watcher, w->fd, (int)mask);
		ev_io_start(d->native, watcher);
	} else {
		free(watcher);
		w->driver = NULL;
	}
	return 0;
}

static int driver_renew(void *self)
{
	struct driver *d = self;

	ev_loop_fork(d->native);
	return 0;
}

static void *driver_native(void *self)
{
	struct driver *d = self;

	return d->native;
}

DRIVER_BACKEND("libev", .native = driver_native, .renew = driver_renew, .soon = driver_soon);
DRIVER_ENTRIES(libev, struct ev_loop);
