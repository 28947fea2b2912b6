/* harness_libuv.c: libuv as the conformance tests see it. */
#include "harness.h"

#include <interloop/libuv.h>
#include <uv.h>

static void *create(void)
{
	uv_loop_t *uv = malloc(sizeof *uv);

	if (uv && uv_loop_init(uv) < 0) {
		free(uv);
		uv = NULL;
	}
	return uv;
}

static int attach(il_loop **loop, void *native, const il_loop_options *options)
{
	return il_libuv_attach(loop, native, options);
}

static void run(void *native)
{
	uv_run(native, UV_RUN_DEFAULT);
}

static void stop(void *native)
{
	uv_stop(native);
}

struct call {
	uv_timer_t timer;
	void (*fn)(void *arg);
	void *arg;
};

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void fire(uv_timer_t *timer)
{
	struct call *call = timer->data;

	uv_close((uv_handle_t *)timer, closed);
	call->fn(call->arg);
}

static void after(void *native, il_time delay, void (*fn)(void *arg), void *arg)
{
	struct call *call = calloc(1, sizeof *call);

	CHECK(call != NULL);
	call->fn = fn;
	call->arg = arg;
	call->timer.data = call;
	uv_timer_init(native, &call->timer);
	uv_timer_start(&call->timer, fire, (uint64_t)(delay / IL_MSEC(1)), 0);
}

struct watch {
	uv_poll_t poll;
	void (*fn)(void *arg);
	void *arg;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;

	CHECK_EQ(status, 0);
	CHECK_EQ(events, UV_READABLE);
	watch->fn(watch->arg);
}

static void *watch(void *native, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *watch = calloc(1, sizeof *watch);

	CHECK(watch != NULL);
	watch->fn = fn;
	watch->arg = arg;
	watch->poll.data = watch;
	CHECK_RC(uv_poll_init(native, &watch->poll, fd), 0);
	CHECK_RC(uv_poll_start(&watch->poll, UV_READABLE, on_poll), 0);
	return watch;
}

static void unwatch(void *arg)
{
	struct watch *watch = arg;

	uv_close((uv_handle_t *)&watch->poll, closed);
}

static void close_one(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void close_all(void *native)
{
	uv_walk(native, close_one, NULL);
}

static void renew(void *native)
{
	CHECK_RC(uv_loop_fork(native), 0);
}

static int destroy(void *native)
{
	int rc = uv_loop_close(native);

	if (rc == 0)
		free(native);
	return rc;
}

const struct il_native il_native = {
    .name = "libuv",
    .backend = il_libuv,
    .create = create,
    .attach = attach,
    .run = run,
    .stop = stop,
    .after = after,
    .watch = watch,
    .unwatch = unwatch,
    .close_all = close_all,
    .renew = renew,
    .destroy = destroy,
};
