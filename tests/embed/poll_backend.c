/*
 * poll_backend.c: a backend of one's own, as docs/backends.md builds it: the six primitives over poll(2),
 * and the four services wrapped to count their calls. It is registered, found by its name, runs a
 * handler that uses descriptors, timers, threads and a portal, and then proves that il_sleep,
 * il_event_create, il_run_in_thread and the creation of a portal went through the vtable.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll */
#endif
#include "../core/check.h"

#include <interloop.h>
#include <interloop/backend.h>

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the driver ---- */

/* [state] */
struct driver {
	il_loop *loop;
	il_time deadline;          /* of the one timer; IL_FOREVER: it is not armed */
	struct il_watch **watches; /* NULL: forgotten in this turn, the place is free after it */
	struct pollfd *fds;        /* as many */
	size_t count, capacity;
	bool running;
};
/* [state] */

/* [open] */
static int driver_open(void **self, void *native, il_loop *loop)
{
	struct driver *d;

	if (native)
		return il_driver_refuse(-ENOTSUP, "poll: there is no loop to attach to");
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->deadline = IL_FOREVER;
	*self = d;
	return 0;
}

static void driver_close(void *self)
{
	struct driver *d = self;

	free(d->watches);
	free(d->fds);
	free(d);
}
/* [open] */

/* [timer] */
static int driver_timer(void *self, il_time deadline)
{
	struct driver *d = self;

	d->deadline = deadline;
	return 0;
}

/* How long poll may sleep; NULL: forever. */
static struct timespec *until_timer(const struct driver *d, struct timespec *left)
{
	il_time delay = d->deadline - il_now();

	if (d->deadline == IL_FOREVER)
		return NULL;
	delay = delay > 0 ? delay : 0;
	left->tv_sec = (time_t)(delay / IL_SEC(1));
	left->tv_nsec = (long)(delay % IL_SEC(1));
	return left;
}
/* [timer] */

/* [watch] */
static int driver_watch(void *self, struct il_watch *w, unsigned mask)
{
	struct driver *d = self;
	size_t place = (uintptr_t)w->driver; /* ours to use: 1 + its index */

	if (!mask && place) {
		d->watches[place - 1] = NULL; /* no upcall for it from now on */
		w->driver = NULL;
	}
	if (!mask || place)
		return 0; /* what is asked for stands in w->mask */
	if (d->count == d->capacity) {
		size_t capacity = d->capacity ? 2 * d->capacity : 8;
		void *fds = realloc(d->fds, capacity * sizeof(*d->fds));
		void *watches = fds ? realloc(d->watches, capacity * sizeof(void *)) : NULL;
		d->fds = fds ? fds : d->fds;
		d->watches = watches ? watches : d->watches;
		if (!watches)
			return -ENOMEM;
		d->capacity = capacity;
	}
	d->watches[d->count] = w;
	w->driver = (void *)(uintptr_t)++d->count;
	return 0;
}
/* [watch] */

/* [run] */
static void fill_in(struct driver *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->count; i++) {
		struct il_watch *w = d->watches[i];
		if (!w)
			continue;
		d->watches[n] = w;
		d->fds[n].fd = w->fd;
		d->fds[n].events = (short)((w->mask & IL_READABLE ? POLLIN : 0) |
					   (w->mask & IL_WRITABLE ? POLLOUT : 0));
		w->driver = (void *)(uintptr_t)++n;
	}
	d->count = n;
}

static void report(struct driver *d, size_t i)
{
	struct il_watch *w = d->watches[i];
	short events = d->fds[i].revents;
	unsigned mask =
	    (events & POLLIN ? IL_READABLE : 0u) | (events & POLLOUT ? IL_WRITABLE : 0u);

	if (!events || !w) /* an upcall before this one may have forgotten it */
		return;
	if (events & (POLLERR | POLLHUP | POLLNVAL))
		mask = w->mask; /* whoever waits shall see it from the system call */
	if (mask & w->mask)
		il_driver_on_ready(d->loop, w, mask & w->mask);
}

static int driver_run(void *self)
{
	struct driver *d = self;
	struct timespec left;

	d->running = true;
	while (d->running) {
		size_t polled;
		int ready;

		fill_in(d);
		polled = d->count; /* upcalls may add watches behind these */
		ready = ppoll(d->fds, (nfds_t)polled, until_timer(d, &left), NULL);
		if (ready < 0 && errno != EINTR)
			return -errno;
		for (size_t i = 0; ready > 0 && i < polled && d->running; i++)
			report(d, i);
		if (d->running && d->deadline <= il_now()) {
			d->deadline = IL_FOREVER; /* it fires once */
			il_driver_on_timer(d->loop);
		}
	}
	return 0;
}

static void driver_stop(void *self)
{
	struct driver *d = self;

	d->running = false;
}
/* [run] */

/* ---- the services, wrapped ---- */

/* [services] */
static struct {
	int sleep, create_event, run_in_thread, create_threads_portal;
} calls;

static int counted_sleep(il_loop *loop, il_time delay)
{
	calls.sleep++;
	return il_core_sleep(loop, delay);
}

static int counted_create_event(il_loop *loop, il_event **event)
{
	calls.create_event++;
	return il_core_create_event(loop, event);
}

static int counted_run_in_thread(il_loop *loop, il_fn *fn, void *arg)
{
	calls.run_in_thread++;
	return il_core_run_in_thread(loop, fn, arg);
}

static int counted_create_threads_portal(il_loop *loop, il_portal **portal)
{
	calls.create_threads_portal++;
	return il_core_create_threads_portal(loop, portal);
}
/* [services] */

/* [backend] */
static const il_backend backend = {
    .abi = IL_BACKEND_ABI,
    .name = "poll",
    .driver = {.open = driver_open,
	       .close = driver_close,
	       .run = driver_run,
	       .stop = driver_stop,
	       .timer = driver_timer,
	       .watch = driver_watch},
    .sleep = counted_sleep, /* or il_core_sleep itself; all four: IL_CORE_SERVICES */
    .create_event = counted_create_event,
    .run_in_thread = counted_run_in_thread,
    .create_threads_portal = counted_create_threads_portal,
};
/* [backend] */

/* ---- a handler that uses all of it ---- */

static int square(void *arg)
{
	int n = *(const int *)arg;

	CHECK(il_loop_current() == NULL); /* in a worker thread */
	return n * n;
}

static int set(void *arg)
{
	return il_event_set(arg);
}

struct outside {
	il_portal *portal;
	il_event *event;
	int pipe;
};

static void *outside_main(void *arg)
{
	struct outside *o = arg;

	CHECK(write(o->pipe, "x", 1) == 1);
	CHECK(il_portal_run_sync(o->portal, set, o->event) == 0);
	il_portal_unref(o->portal);
	return NULL;
}

/* A thread that the library knows nothing of writes to a pipe, then comes in by the portal. */
static int visit_from_outside(void)
{
	struct outside o;
	pthread_t thread;
	int fd[2];
	char byte;

	CHECK(pipe(fd) == 0);
	o.pipe = fd[1];
	CHECK(il_event_create(&o.event) == 0);
	CHECK(il_loop_create_threads_portal(il_loop_current(), &o.portal) == 0);
	il_portal_ref(o.portal);
	CHECK(pthread_create(&thread, NULL, outside_main, &o) == 0);
	CHECK(il_wait_readable(fd[0]) == 0);
	CHECK(read(fd[0], &byte, 1) == 1);
	CHECK(il_event_wait(o.event) == 0);
	CHECK(il_portal_close(o.portal) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	il_event_destroy(o.event);
	close(fd[0]);
	close(fd[1]);
	return 0;
}

static int wait_for_nothing(void *arg)
{
	return il_wait_readable(*(const int *)arg);
}

static char sent[1 << 20], received[sizeof(sent)]; /* more than the system buffers */

static int send_all(void *arg)
{
	int rc = il_stream_write_all(arg, sent, sizeof(sent));

	il_stream_close(arg);
	return rc;
}

/* A descriptor that does not become readable, both directions at once, a peer that hangs up. */
static int use_streams(void)
{
	il_stream *a, *b;
	il_group group;
	int fd;

	CHECK(il_stream_pair(&a, &b) == 0);
	fd = il_stream_fd(b);
	CHECK(il_fail_after(IL_MSEC(20), wait_for_nothing, &fd) == -ETIMEDOUT);
	memset(sent, 'x', sizeof(sent));
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, send_all, a) == 0);
	CHECK(il_stream_receive_exactly(b, received, sizeof(received)) == 0);
	CHECK(memcmp(sent, received, sizeof(sent)) == 0);
	CHECK(il_stream_read(b, received, sizeof(received)) == 0);
	CHECK(il_group_close(&group, 0) == 0);
	il_stream_destroy(a);
	il_stream_destroy(b);
	return 0;
}

static int handler(void *arg)
{
	il_time start = il_now();
	int n = 12;

	(void)arg;
	CHECK(il_sleep(IL_MSEC(10)) == 0);
	CHECK(il_now() - start >= IL_MSEC(10)); /* never early */
	CHECK(il_run_in_thread(square, &n) == 144);
	CHECK(visit_from_outside() == 0);
	return use_streams();
}

int main(void)
{
	/* [register] */
	CHECK(il_backend_register(&backend) == 0);
	CHECK(il_backend_find("poll") == &backend);
	CHECK(il_run(il_backend_find("poll"), handler, NULL) == 0);
	/* [register] */

	CHECK(calls.sleep == 1);
	CHECK(calls.create_event == 1);
	CHECK(calls.run_in_thread == 1);
	CHECK(calls.create_threads_portal == 1);

	CHECK(il_backend_register(&backend) == 0); /* once more is no error */
	il_backend same_name = backend, no_watch = backend, old = backend;
	CHECK(il_backend_register(&same_name) == -EALREADY);
	no_watch.name = "other";
	no_watch.driver.watch = NULL;
	CHECK(il_backend_register(&no_watch) == -EINVAL);
	old.name = "old";
	old.abi = IL_BACKEND_ABI + 1;
	CHECK(il_backend_register(&old) == -EINVAL);
	CHECK(il_run(&old, handler, NULL) == -EINVAL);
	CHECK(il_run(&no_watch, handler, NULL) == -EINVAL);
	printf("poll: sleep %d, create_event %d, run_in_thread %d, create_threads_portal %d\n",
	       calls.sleep, calls.create_event, calls.run_in_thread, calls.create_threads_portal);
	return 0;
}
