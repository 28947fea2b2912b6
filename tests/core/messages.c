/* messages.c: a message that is put off is handled in the next turn, not once more in the same. */
#include "../../core/runtime/loop.h"
#include "check.h"

#include <interloop.h>
#include <interloop/virtual.h>

enum { TIMES = 5 };

static struct il__message message;
static uint64_t last_turn;
static int times;

static void put_off(struct il__message *m, il_loop *loop)
{
	CHECK(loop->turns.count > last_turn);
	last_turn = loop->turns.count;
	if (++times < TIMES)
		il__loop_handle_later(loop, m);
}

static int wait_for_the_last(void *arg)
{
	il_loop *loop = il_loop_current();

	(void)arg;
	message.handle = put_off;
	CHECK(il__inbox_post(loop->inbox, &message) == 0);
	while (times < TIMES)
		CHECK(il_yield() == 0);
	return 0;
}

int main(void)
{
	CHECK(il_run(il_virtual(), wait_for_the_last, NULL) == 0);
	return 0;
}
