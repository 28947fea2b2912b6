/*
 * event.c: events, the simplest thing to wait for. Waiting and setting are the hot path: a set
 * hands the event straight to its waiters, without a visit to the loop. Loop's thread only; an
 * event made outside a loop is anybody's until a task waits for it.
 */
#include "event.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "case.h"
#include "home.h"
#include "queue.h"

struct il_event {
	struct il__home home;
	bool set;
	struct il__list waiters; /* empty once set */
};

static int event_create(il_event **event, il_loop *loop)
{
	il_event *e = il__malloc(sizeof *e);

	if (!e)
		return il__refuse(-ENOMEM, "il_event_create: no memory");
	il__home_init(&e->home, loop);
	e->set = false;
	il__list_init(&e->waiters);
	*event = e;
	return 0;
}

int il_core_create_event(il_loop *loop, il_event **event)
{
	int rc = 0;

	if (!loop || !event)
		return il__refuse(-EINVAL, "il_loop_create_event: %s is NULL",
				  loop ? "event" : "loop");
	if (il__unlikely(loop != il__self.loop)) /* maybe one that does not run yet */
		rc = il__loop_check_thread(loop, "il_loop_create_event");
	return rc < 0 ? rc : event_create(event, loop);
}

int il_event_create(il_event **event)
{
	il_loop *loop = il__self.loop;

	if (!event)
		return il__refuse(-EINVAL, "il_event_create: event is NULL");
	return loop ? loop->backend->create_event(loop, event) : event_create(event, NULL);
}

void il_event_destroy(il_event *event)
{
	if (!event)
		return;
	if (!il__home_is_inherited(&event->home))
		il__queue_check_empty(&event->waiters, "il_event_destroy");
	il__free(event);
}

int il_event_set(il_event *event)
{
	int rc;

	if (!event)
		return il__refuse(-EINVAL, "il_event_set: event is NULL");
	rc = il__home_check(&event->home, "il_event_set");
	if (rc < 0)
		return rc;
	event->set = true;
	il__queue_wake_all(&event->waiters, 0);
	return 0;
}

void il__event_clear(il_event *event)
{
	event->set = false;
}

bool il_event_is_set(const il_event *event)
{
	return event && event->set;
}

static void event_tell(struct il__report *r, const il_event *event)
{
	il__report(r, "event %p", (const void *)event);
	il__queue_tell(r, &event->waiters);
}

static void event_tell_wait(struct il__report *r, const il_task *task)
{
	event_tell(r, task->waiter.arg);
}

static const struct il__wait event_wait = {"il_event_wait", event_tell_wait};

int il_event_wait(il_event *event)
{
	int rc;
	il_task *task;

	if (!event)
		return il__refuse(-EINVAL, "il_event_wait: event is NULL");
	task = il__home_task(&event->home, "il_event_wait", &rc);
	if (!task)
		return rc;
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	if (!event->set)
		return il__queue_wait(&event->waiters, task, event, &event_wait);
	il__task_yield(task);
	return il__task_cancelled(task) ? -ECANCELED : 0;
}

/* ---- in a select ---- */

static int event_case_check(il_case *c, il_task *task)
{
	il_event *event = c->object;

	return il__case_home(&event->home, task);
}

static int event_case_take(il_case *c, il_task *task)
{
	(void)task;
	c->rc = 0;
	return il_event_is_set(c->object);
}

static int event_case_enqueue(il_case *c, il_task *task)
{
	il_event *event = c->object;

	(void)task;
	il__case_join(c, &event->waiters, NULL);
	return 0;
}

static void event_case_tell(struct il__report *r, il_case *c)
{
	event_tell(r, c->object);
}

static const struct il__case_ops event_case = {
    .tell = event_case_tell,
    .check = event_case_check,
    .take = event_case_take,
    .enqueue = event_case_enqueue,
    .dequeue = il__case_leave,
};

il_case il_case_event(il_event *event)
{
	return il__case(&event_case, event);
}
