/*
 * event.c: events, the simplest thing to wait for. Waiting and setting are the hot path: a set
 * hands the event straight to its waiters, without a visit to the loop. Loop's thread only; an
 * event made outside a loop is anybody's until a task waits for it.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "home.h"
#include "queue.h"

#include <interloop/event.h>

struct il_event {
	struct il__home home;
	bool set;
	struct il__list waiters; /* tasks; empty once set */
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

bool il_event_is_set(const il_event *event)
{
	return event && event->set;
}

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
		return il__queue_wait(&event->waiters, task, NULL, "il_event_wait");
	il__task_yield(task);
	return il__task_cancelled(task) ? -ECANCELED : 0;
}
