/* messages.c: a message that is put off is handled in the next turn, not once more in the same; and as long as one is there
 * the loop has something to do. */
#include "../../core/runtime/loop.h"
#include "check.h"

#include <interloop.h>
#include <interloop/virtual.h>

enum { TIMES = 5 };

static struct il__message message;
static il_event *event;
static uint64_t last_turn;
static int times;

static void put_off(struct il__message *m, il_loop *loop)
{
	CHECK(loop->turns.count > last_turn);
	last_turn = loop->turns.count;
	if (++times < TIMES)
		il__loop_handle_later(loop, m);
	else
		CHECK(il_event_set(event) == 0);
}

static int wait_for_the_last(void *arg)
{
	il_loop *loop = il_loop_current();

	(void)arg;
	CHECK(il_event_create(&event) == 0);
	message.handle = put_off;
	CHECK(il__inbox_post(loop->inbox, &message) == 0);
	CHECK(il_event_wait(event) == 0); /* nothing but the message will set it */
	CHECK(times == TIMES);
	il_event_destroy(event);
	return 0;
}

static void ignore(struct il__message *m, il_loop *loop)
{
	(void)m;
	(void)loop;
}

/* As a host's loop, in which nothing lives any more. */
static int leave_one(void *arg)
{
	il_loop *loop = il_loop_current();
	const size_t lives = loop->ledger.lives;

	(void)arg;
	message.handle = ignore;
	il__loop_handle_later(loop, &message);
	loop->own = false;
	loop->ledger.lives = 0;
	CHECK(il__loop_update_watch(loop) == 0 && loop->watching);
	loop->own = true;
	loop->ledger.lives = lives;
	return 0;
}

int main(void)
{
	CHECK(il_run(il_virtual(), wait_for_the_last, NULL) == 0);
	CHECK(il_run(il_virtual(), leave_one, NULL) == 0);
	return 0;
}
