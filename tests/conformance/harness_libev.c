/* harness_libev.c: libev as the conformance tests see it. */
#include "harness.h"

#include <interloop/libev.h>

/* ev.h casts its watchers in ways that strict warnings do not like. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>

static void *create(void)
{
	return ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
}

static int attach(il_loop **loop, void *native, const il_loop_options *options)
{
	return il_libev_attach(loop, native, options);
}

static void run(void *native)
{
	ev_run(native, 0);
}

static void stop(void *native)
{
	ev_break(native, EVBREAK_ALL);
}

struct call {
	ev_timer timer;
	void (*fn)(void *arg);
	void *arg;
};

static void fire(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct call *call = timer->data;

	(void)loop;
	(void)events;
	call->fn(call->arg);
	free(call);
}

static void after(void *native, il_time delay, void (*fn)(void *arg), void *arg)
{
	struct call *call = calloc(1, sizeof *call);

	CHECK(call != NULL);
	call->fn = fn;
	call->arg = arg;
	ev_now_update(native);
	ev_timer_init(&call->timer, fire, (double)delay / 1e9, 0.);
	call->timer.data = call;
	ev_timer_start(native, &call->timer);
}

struct watch {
	ev_io io;
	struct ev_loop *loop;
	void (*fn)(void *arg);
	void *arg;
};

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct watch *watch = io->data;

	(void)loop;
	CHECK_EQ(events, EV_READ);
	watch->fn(watch->arg);
}

static void *watch(void *native, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *watch = calloc(1, sizeof *watch);

	CHECK(watch != NULL);
	watch->loop = native;
	watch->fn = fn;
	watch->arg = arg;
	ev_io_init(&watch->io, on_io, fd, EV_READ);
	watch->io.data = watch;
	ev_io_start(native, &watch->io);
	return watch;
}

static void unwatch(void *arg)
{
	struct watch *watch = arg;

	ev_io_stop(watch->loop, &watch->io);
	free(watch);
}

static void renew(void *native)
{
	ev_loop_fork(native);
}

static int destroy(void *native)
{
	/* ev_run tells whether a watcher is still active. */
	int rc = ev_run(native, EVRUN_NOWAIT) ? -EBUSY : 0;

	ev_loop_destroy(native);
	return rc;
}
#pragma GCC diagnostic pop

const struct il_native il_native = {
    .name = "libev",
    .backend = il_libev,
    .create = create,
    .attach = attach,
    .run = run,
    .stop = stop,
    .after = after,
    .watch = watch,
    .unwatch = unwatch,
    .renew = renew,
    .destroy = destroy,
};
