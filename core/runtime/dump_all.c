/*
 * dump_all.c: il_dump, to which every loop of the process adds its part. Any thread, under the lock of all loops, which
 * is held while a part is written: so no loop can end, and no two write, meanwhile.
 *
 * A report posts a message to each loop whose thread is another, and waits a second for them all. The message lies in
 * the loop, so it outlives a report that has given up, and serves whatever reports are open when it comes.
 */
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/load.h"
#include "../base/os.h"
#include "../base/report.h"
#include "inbox.h"
#include "loop.h"
#include "loops.h"
#include "thread_state.h"
#include "wakeup.h"

#include <interloop/inspect.h>

#define PATIENCE IL_SEC(1)

/* One il_dump, on its caller's stack. */
struct dump {
	struct il__list link; /* open ones */
	uint64_t id;
	struct il__report report;
	struct il__wakeup wakeup;
	bool may_wait; /* here; else the wakeup is not there */
	bool waits;    /* to be fired once all have added theirs; under the lock */
};

/* Under the lock. */
static struct il__list dumps = {&dumps, &dumps};
static struct il__report_part *parts;

void il__report_add_part(struct il__report_part *part)
{
	part->next = parts;
	parts = part;
}

/* ---- under the lock ---- */

static il_loop *loop_of(struct il__list *node)
{
	return il__container_of(node, il_loop, entry.link);
}

/* Whether every loop that has to has added its part. */
static bool dump_is_full(const struct dump *d, const struct il__loops *loops)
{
	il__list_each (node, &loops->list)
		if (loop_of(node)->entry.served < d->id)
			return false;
	return true;
}

static void dumps_fire(struct il__loops *loops)
{
	il__list_each (node, &dumps) {
		struct dump *d = il__container_of(node, struct dump, link);
		if (!d->waits || !dump_is_full(d, loops))
			continue;
		d->waits = false;
		il__wakeup_fire(&d->wakeup);
	}
}

/* In the loop's thread. */
static void loop_serve(il_loop *loop, struct il__loops *loops)
{
	il__list_each (node, &dumps) {
		struct dump *d = il__container_of(node, struct dump, link);
		if (loop->entry.served < d->id)
			il__loop_tell(&d->report, loop);
	}
	loop->entry.served = loops->dumps;
	dumps_fire(loops);
}

static void loop_on_message(struct il__message *m, il_loop *loop)
{
	struct il__loops *loops = il__loops_lock();

	(void)m;
	loop->entry.posted = false;
	if (!il__list_empty(&loop->entry.link)) /* else it is being closed */
		loop_serve(loop, loops);
	il__loops_unlock();
}

/* In a forked child nobody waits for them. */
static void dumps_forget(void)
{
	il__list_init(&dumps);
}

IL__AT_FORK(NULL, dumps_forget);

static void dumps_begin(void)
{
	il__loops_on_remove(dumps_fire);
}
IL__AT_LOAD(dumps_begin, IL__LOADED);

/* ---- il_dump ---- */

/* Whose thread this is, also between two runs. */
static bool loop_is_here(const il_loop *loop)
{
	return il__self.loop ? il__self.loop == loop
			     : loop->own && pthread_equal(loop->thread, pthread_self());
}

/* Under the lock. Those that nobody runs would not come to it. */
static void dump_ask(il_loop *loop, struct dump *d, struct il__loops *loops)
{
	struct il__loop_entry *e = &loop->entry;

	if (loop_is_here(loop)) {
		loop_serve(loop, loops);
	} else if (!atomic_load_explicit(&e->visited, memory_order_relaxed)) {
		il__loop_tell_from_outside(&d->report, loop, "its native loop is not run for it");
		e->served = d->id;
	} else if (!e->posted) {
		e->message.handle = loop_on_message;
		e->posted = il__inbox_post(loop->inbox, &e->message) == 0;
	}
}

/* Whether there is something to wait for. */
static bool dump_begin(struct dump *d, int fd)
{
	struct il__loops *loops;
	bool waits;

	il__report_begin(&d->report, fd);
	loops = il__loops_lock();
	d->id = ++loops->dumps;
	d->waits = false;
	il__list_push(&dumps, &d->link);
	il__list_each (node, &loops->list)
		dump_ask(loop_of(node), d, loops);
	waits = d->waits = d->may_wait && !dump_is_full(d, loops);
	il__loops_unlock();
	return waits;
}

/* No loop adds anything from here on. Gives whether the wakeup was, or never will be, fired. */
static bool dump_end(struct dump *d)
{
	const char *why = d->may_wait ? "it does not come to it within a second"
				      : "it is another thread's, and here nobody may wait for it";
	struct il__loops *loops = il__loops_lock();
	bool fired;

	fired = !d->waits;
	d->waits = false;
	il__list_remove(&d->link);
	il__list_each (node, &loops->list)
		if (loop_of(node)->entry.served < d->id)
			il__loop_tell_from_outside(&d->report, loop_of(node), why);
	il__loops_unlock();
	/* Not under the lock: whoever forks takes it and theirs in any order. */
	for (struct il__report_part *part = parts; part; part = part->next)
		part->tell(&d->report);
	return fired;
}

/* Where a timer would take memory the task asks again and again; its loop runs meanwhile. */
static int dump_wait_awake(struct il__wakeup *w)
{
	const il_time end = il__os_now() + PATIENCE;

	while (!w->fired && il__os_now() < end)
		il__task_yield(w->task);
	return w->fired ? 0 : -ETIMEDOUT;
}

/* Cancelled or not. */
static int dump_wait(struct il__wakeup *w)
{
	il_time now = w->task ? il__loop_now(w->task->loop) : il__os_now();
	int rc;

	if (w->task && !il__timer_has_room(w->task->loop))
		return dump_wait_awake(w);
	do
		rc = il__wakeup_wait(w, il__deadline_from(now, PATIENCE));
	while (rc == -ECANCELED);
	return rc;
}

/* Not in a callback, or in a loop's thread outside a task; and not by the clock of virtual time. */
static bool dump_may_wait(struct dump *d)
{
	struct il__refusal before = il__refusal;
	il_task *task = NULL;
	bool may = il__may_wait("il_dump", &task) == 0 && !(task && task->loop->own_clock) &&
		   il__wakeup_init(&d->wakeup, "il_dump") == 0;

	il__refusal = before;
	return may;
}

int il_dump(int fd)
{
	struct dump d;
	bool waits;
	int rc, saved = errno;

	if (fd < 0)
		return il__refuse(-EINVAL, "il_dump: the descriptor is negative");
	d.may_wait = dump_may_wait(&d);
	waits = dump_begin(&d, fd);
	rc = waits ? dump_wait(&d.wakeup) : 0;
	if (dump_end(&d) && waits && rc < 0) /* fired at that very moment */
		il__wakeup_wait_shielded(&d.wakeup);
	rc = il__report_end(&d.report);
	errno = saved;
	return rc < 0 ? il__refuse(rc, "il_dump: descriptor %d does not take it: %s", fd,
				   il__system_words(rc))
		      : 0;
}
