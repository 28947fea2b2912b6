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

static int destroy(void *native)
{
	int left =
	    event_base_get_num_events(native, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE);

	event_base_free(native);
	return left ? -EBUSY : 0;
}

const struct il_native il_native = {
    .backend = il_libevent,
    .create = create,
    .attach = attach,
    .run = run,
    .stop = stop,
    .after = after,
    .destroy = destroy,
};
