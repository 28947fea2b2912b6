/*
 * wakeup.c: one wait for one event, of a task or of a plain thread alike. Fired by any thread: in the
 * loop's own it wakes the task directly, from another through the loop's inbox. `fired` is the loop
 * thread's; a plain thread has its parker instead.
 */
#include "wakeup.h"
#include "../base/base.h"
#include "../base/parker.h"
#include "inbox.h"
#include "ledger.h"
#include "loop.h"
#include "task.h"
#include "thread_state.h"

static void wakeup_on_message(struct il__message *m, il_loop *loop)
{
	struct il__wakeup *s = il__container_of(m, struct il__wakeup, message);

	(void)loop;
	s->fired = true;
	il__task_wake(s->task, 0);
}

int il__wakeup_init(struct il__wakeup *s, const char *function)
{
	int rc = il__may_wait(function, &s->task);

	if (rc < 0)
		return rc;
	s->message.handle = wakeup_on_message;
	s->fired = false;
	s->local = false;
	s->loans = NULL;
	s->others = false;
	s->wait = (struct il__wait){.call = function};
	s->inbox = s->task ? s->task->loop->inbox : NULL;
	il__parker_init(&s->parker);
	return 0;
}

void il__wakeup_fire(struct il__wakeup *s)
{
	if (il__unlikely(s->loans != NULL))
		il__loans_end(s->loans);
	if (!s->task) {
		il__parker_wake(&s->parker);
	} else if (il__self.loop == s->task->loop) {
		s->fired = true;
		il__task_wake(s->task, 0);
	} else {
		/* Once posted, the waiter may be gone, and its loop with it. */
		il__inbox_post(s->inbox, &s->message);
	}
}

void il__wakeup_fire_soon(struct il__wakeup *s)
{
	if (s->task && il__self.loop != s->task->loop)
		il__inbox_post_soon(s->inbox, &s->message);
	else
		il__wakeup_fire(s);
}

static void wakeup_owe(const struct il__wakeup *s)
{
	if (!s->local)
		il__owe(&s->task->loop->ledger, IL__OWED_EVENT);
}

static void wakeup_paid(const struct il__wakeup *s)
{
	if (!s->local)
		il__paid(&s->task->loop->ledger, IL__OWED_EVENT);
}

static int wakeup_wait(struct il__wakeup *s, il_time deadline)
{
	int rc;

	if (!s->task)
		return il__parker_wait(&s->parker, deadline, &il__self.patience);
	if (s->fired)
		return 0;
	wakeup_owe(s);
	rc = il__task_park_until(s->task, il__abort_freely, NULL, &s->wait, deadline);
	wakeup_paid(s);
	return rc;
}

int il__wakeup_wait(struct il__wakeup *s, il_time deadline)
{
	int rc;

	if (il__likely(!s->loans))
		return wakeup_wait(s, deadline);
	il__loans_begin(s->loans, s->task || s->others || deadline != IL_FOREVER);
	rc = wakeup_wait(s, deadline);
	if (rc < 0)
		il__loans_end(s->loans);
	return rc;
}

void il__wakeup_wait_shielded(struct il__wakeup *s)
{
	if (il__unlikely(s->loans != NULL))
		il__loans_begin(s->loans, s->task || s->others);
	if (!s->task) {
		il__parker_wait(&s->parker, IL_FOREVER, &il__self.patience);
		return;
	}
	wakeup_owe(s);
	while (!s->fired)
		il__task_park(s->task, NULL, NULL, &s->wait);
	wakeup_paid(s);
}
