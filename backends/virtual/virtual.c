/*
 * virtual.c: a loop whose clock stands while anything can run, and jumps to the next deadline when
 * nothing can. Its descriptors are polled every turn, so worker threads and portals work; while one of
 * them owes a result the core sets the timer for no time that is still to come. Loop's thread only.
 */
#include "../driver.h"

#include <interloop/virtual.h>

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * Slot i of both arrays is one watch; w->driver is 1 + i. A watch that was forgotten leaves a hole
 * (fd -1, which poll skips) until the next turn begins, so slots stand still during the upcalls.
 */
struct driver {
	il_loop *loop;
	il_time now, deadline;
	struct pollfd *fds;
	struct il_watch **watches;
	size_t count, capacity;
	bool running;
};

static int driver_open(void **self, void *native, il_loop *loop)
{
	struct driver *d;

	if (native)
		return il_driver_refuse(-ENOTSUP, "virtual: there is no loop to attach to; "
						  "open one with il_loop_open or il_run");
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->now = IL_SEC(1);
	d->deadline = IL_FOREVER;
	*self = d;
	return 0;
}

static void driver_close(void *self)
{
	struct driver *d = self;

	free(d->fds);
	free(d->watches);
	free(d);
}

static void close_holes(struct driver *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (!d->watches[i])
			continue;
		d->fds[kept] = d->fds[i];
		d->watches[kept] = d->watches[i];
		kept++;
		d->watches[kept - 1]->driver = (void *)(uintptr_t)kept;
	}
	d->count = kept;
}

static void report(struct driver *d, size_t i)
{
	unsigned asked = (unsigned)d->fds[i].events, got = (unsigned)d->fds[i].revents;
	unsigned mask = 0;

	if (got & (POLLERR | POLLHUP | POLLNVAL))
		got = asked;
	if (got & asked & POLLIN)
		mask |= IL_READABLE;
	if (got & asked & POLLOUT)
		mask |= IL_WRITABLE;
	if (d->watches[i] && mask)
		il_driver_on_ready(d->loop, d->watches[i], mask);
}

static int driver_run(void *self)
{
	struct driver *d = self;

	d->running = true;
	while (d->running) {
		size_t polled;
		int ready;

		close_holes(d);
		polled = d->count;
		ready = poll(d->fds, (nfds_t)polled, d->deadline == IL_FOREVER ? -1 : 0);
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready == 0 && d->deadline > d->now)
			d->now = d->deadline;
		/* Watches added by the upcalls come after `polled`. */
		for (size_t i = 0; ready > 0 && i < polled && d->running; i++)
			report(d, i);
		if (d->running && d->deadline <= d->now) {
			d->deadline = IL_FOREVER;
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

static int driver_timer(void *self, il_time deadline)
{
	struct driver *d = self;

	d->deadline = deadline;
	return 0;
}

static int grow(struct driver *d)
{
	size_t capacity = d->capacity ? 2 * d->capacity : 8;
	struct pollfd *fds = realloc(d->fds, capacity * sizeof(*fds));
	struct il_watch **watches;

	if (!fds)
		return -ENOMEM;
	d->fds = fds;
	watches = realloc(d->watches, capacity * sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	d->watches = watches;
	d->capacity = capacity;
	return 0;
}

static int driver_watch(void *self, struct il_watch *w, unsigned mask)
{
	struct driver *d = self;
	size_t slot = (uintptr_t)w->driver;

	if (!slot) {
		if (!mask)
			return 0;
		if (d->count == d->capacity && grow(d) < 0)
			return -ENOMEM;
		slot = ++d->count;
		d->fds[slot - 1] = (struct pollfd){.fd = w->fd};
		d->watches[slot - 1] = w;
		w->driver = (void *)(uintptr_t)slot;
	}
	d->fds[slot - 1].events =
	    (short)((mask & IL_READABLE ? POLLIN : 0) | (mask & IL_WRITABLE ? POLLOUT : 0));
	if (!mask) {
		d->fds[slot - 1].fd = -1;
		d->watches[slot - 1] = NULL;
		w->driver = NULL;
	}
	return 0;
}

static il_time driver_now(void *self)
{
	struct driver *d = self;

	return d->now;
}

DRIVER_BACKEND("virtual", .now = driver_now);

const il_backend *il_virtual(void)
{
	return &backend;
}
