/* wake_timer.c: how late the system wakes a loop is measured at what its timer was set for, also where a timer that was
 * due has set it anew.
 */
#include "../../core/base/os.h"
#include "../../core/runtime/loop.h"
#include "check.h"

static il_loop loop = {.turning = true, .errands.guard = IL_FOREVER};
static il_time deadline;
static int left = 3;

/* As il_timer_set in a callback. */
static void set_anew(struct il__timer *timer)
{
	if (left-- == 0)
		return;
	deadline = il__os_now() + IL_MSEC(1);
	CHECK(il__timer_arm(&loop, timer, deadline) == 0);
	CHECK(il__wake_timer_set(&loop));
}

int main(void)
{
	static const il_backend backend = {.abi = IL_BACKEND_ABI, .name = "test"};
	static struct il__timer timer = {.fire = set_anew};
	struct il__wake_timer *w = &loop.wake_timer;

	loop.backend = &backend;
	CHECK(il__wake_timer_open(&loop) == 0);
	if (w->source.watch.fd < 0) /* the loop's own timer is used */
		return 0;
	set_anew(&timer);
	for (il_time least = 0; left > 0; least = w->lead) {
		while (il__os_now() < deadline + IL_USEC(40)) /* it is that late, at least */
			;
		w->source.ready(&w->source, &loop, IL_READABLE);
		CHECK(w->lead > least || w->lead == IL_USEC(60));
	}
	il__wake_timer_close(&loop);
	il__timers_fini(&loop.timers);
	return 0;
}
