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

static int destroy(void *native)
{
	int rc = uv_loop_close(native);

	if (rc == 0)
		free(native);
	return rc;
}

const struct il_native il_native = {
    .backend = il_libuv,
    .create = create,
    .attach = attach,
    .run = run,
    .stop = stop,
    .after = after,
    .destroy = destroy,
};
