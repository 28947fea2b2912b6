/* harness_libevent.c: libevent as the conformance tests see it. */
#include "harness.h"

#include <event2/event.h>
#include <interloop/libevent.h>

static void *create(void)
{
	return event_base_new();
}

static int attach(il_loop **loop, void *native, const il_loop_options *options)
{
	return il_libevent_attach(loop, native, options);
}

static void run(void *native)
{
	event_base_dispatch(native);
}

static void stop(void *native)
{
	event_base_loopbreak(native);
}

struct call {
	struct event *timer;
	void (*fn)(void *arg);
	void *arg;
};

static void fire(evutil_socket_t fd, short events, void *arg)
{
	struct call *call = arg;

	(void)fd;
	(void)events;
	event_free(call->timer);
	call->fn(call->arg);
	free(call);
}

static void after(void *native, il_time delay, void (*fn)(void *arg), void *arg)
{
	struct call *call = calloc(1, sizeof *call);
	struct timeval when = {.tv_sec = (time_t)(delay / IL_SEC(1)),
			       .tv_usec = (suseconds_t)(delay % IL_SEC(1) / 1000)};

	CHECK(call != NULL);
	call->fn = fn;
	call->arg = arg;
	call->timer = evtimer_new(native, fire, call);
	CHECK(call->timer != NULL);
	evtimer_add(call->timer, &when);
}

struct watch {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

static void on_event(evutil_socket_t fd, short events, void *arg)
{
	struct watch *watch = arg;

	(void)fd;
	CHECK_EQ(events, EV_READ);
	watch->fn(watch->arg);
}

static void *watch(void *native, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *watch = calloc(1, sizeof *watch);

	CHECK(watch != NULL);
	watch->fn = fn;
	watch->arg = arg;
	watch->event = event_new(native, fd, EV_READ | EV_PERSIST, on_event, watch);
	CHECK(watch->event != NULL && event_add(watch->event, NULL) == 0);
	return watch;
}

static void unwatch(void *arg)
{
	struct watch *watch = arg;

	event_free(watch->event);
	free(watch);
}

static void renew(void *native)
{
	CHECK_EQ(event_reinit(native), 0);
}

static int destroy(void *native)
{
	int left =
	    event_base_get_num_events(native, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE);

	event_base_free(native);
	return left ? -EBUSY : 0;
}

const struct il_native il_native = {
    .name = "libevent",
    .backend = il_libevent,
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
