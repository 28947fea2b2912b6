/*
 * libevent.c: the seven primitives on libevent 2. An event that was freed makes no call any more, also
 * if it was active already. Nothing of libevent's own threading is used: other threads reach us
 * through the core's wake descriptor. A watch is a struct event whose argument is the il_watch.
 * Loop's thread only.
 */
#include "../driver.h"

#include <interloop/libevent.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

struct driver {
	struct event_base *native;
	struct event *timer, *soon; /* their argument is the il_loop */
	bool owner;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	il_driver_on_timer(arg);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	il_driver_on_soon(arg);
}

/* An error comes as EV_READ | EV_WRITE. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct il_watch *w = arg;

	(void)fd;
	il_driver_on_ready(
	    w->loop, w, (what & EV_READ ? IL_READABLE : 0u) | (what & EV_WRITE ? IL_WRITABLE : 0u));
}

/* libevent's default clock is up to 4 ms behind; the precise one costs a system call a turn. */
static struct event_base *base_new(bool precise)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	if (precise)
		event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static void driver_close(void *self)
{
	struct driver *d = self;

	if (d->timer)
		event_free(d->timer);
	if (d->soon)
		event_free(d->soon);
	if (d->owner && d->native)
		event_base_free(d->native);
	free(d);
}

static int driver_open(void **self, void *native, il_loop *loop)
{
	const char *version = event_get_version();
	struct driver *d;
	int rc;

	if (strncmp(version, "2.", 2) != 0)
		return il_driver_refuse(-ENOTSUP,
					"libevent: event_get_version() returns \"%s\": another "
					"library's event_* functions "
					"(libev has some) stand before libevent's; link "
					"-levent_core before -lev, or link "
					"neither and choose the backend by name at run time",
					version);
	rc = native
		 ? 0
		 : il_driver_probe(4); /* libevent ends the program where its pipe cannot be made */
	if (rc < 0)
		return rc;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->owner = !native;
	errno = ENOMEM;
	d->native = native ? native : base_new(il_driver_needs_timer(loop));
	if (d->native) {
		d->timer = event_new(d->native, -1, 0, on_timer, loop);
		d->soon = event_new(d->native, -1, 0, on_soon, loop);
	}
	if (!d->timer || !d->soon) {
		rc = -errno;
		driver_close(d);
		return rc;
	}
	*self = d;
	return 0;
}

static int driver_run(void *self)
{
	struct driver *d = self;

	return event_base_loop(d->native, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -EIO : 0;
}

static void driver_stop(void *self)
{
	struct driver *d = self;

	event_base_loopbreak(d->native);
}

static int driver_timer(void *self, il_time deadline)
{
	struct driver *d = self;
	il_time whole = deadline > 0 ? deadline - il_now() : 0;
	il_time delay = whole < IL_SEC(INT32_MAX) ? whole : IL_SEC(INT32_MAX); /* any time_t */
	il_time usec = delay > 0 ? delay / IL_USEC(1) + 1 : 1; /* rounded up, never 0 */
	struct timeval tv = {(time_t)(usec / 1000000), (suseconds_t)(usec % 1000000)};

	if (deadline == IL_FOREVER)
		return event_del(d->timer);
	event_base_update_cache_time(d->native); /* stale since the last poll */
	return event_add(d->timer, &tv) < 0 ? -ENOMEM : 0;
}

/* It goes behind what is active already. */
static int driver_soon(void *self)
{
	event_active(((struct driver *)self)->soon, EV_TIMEOUT, 0);
	return 0;
}

/* A watch that is there keeps its event: it may be set once more where there is no memory. */
static int driver_watch(void *self, struct il_watch *w, unsigned mask)
{
	struct driver *d = self;
	short what = (short)(EV_PERSIST | (mask & IL_READABLE ? EV_READ : 0) |
			     (mask & IL_WRITABLE ? EV_WRITE : 0));
	int rc = 0;

	if (w->driver)
		event_del(w->driver);
	if (mask) {
		errno = ENOMEM;
		if (w->driver)
			event_assign(w->driver, d->native, w->fd, what, on_ready, w);
		else
			w->driver = event_new(d->native, w->fd, what, on_ready, w);
		if (w->driver && event_add(w->driver, NULL) == 0)
			return 0;
		rc = -errno;
	}
	if (w->driver)
		event_free(w->driver);
	w->driver = NULL;
	return rc;
}

static int driver_renew(void *self)
{
	struct driver *d = self;

	event_reinit(d->native); /* -1 is about descriptors that the child has closed */
	return 0;
}

static void *driver_native(void *self)
{
	struct driver *d = self;

	return d->native;
}

DRIVER_BACKEND("libevent", .native = driver_native, .renew = driver_renew, .soon = driver_soon);
DRIVER_ENTRIES(libevent, struct event_base);
