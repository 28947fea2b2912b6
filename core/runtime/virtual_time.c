/*
 * virtual_time.c: what only a loop whose clock is its own can know: that every task sleeps forever, and
 * that a test has run away. Both cancel the main task; il_loop_run tells why. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/escape.h"
#include "../base/list.h"
#include "host.h"
#include "ledger.h"
#include "loop.h"
#include "task.h"

#include <stdio.h>

static void virtual_give_up(il_loop *loop, int rc)
{
	struct il__main *m = loop->main;

	if (!m || !m->task || m->failure)
		il__fatal(
		    "virtual time: %s, though they were cancelled: somebody waits in a shield",
		    rc == -EDEADLK ? "every task is still asleep forever"
				   : "the tasks go on after step_limit");
	m->failure = rc;
	if (loop->options.step_limit)
		loop->ending = loop->steps / loop->options.step_limit + loop->tasks;
	il__task_cancel(m->task);
}

void il__loop_step(il_loop *loop)
{
	const uint64_t limit = loop->options.step_limit;

	if (++loop->steps % limit || (loop->main && !loop->main->task))
		return; /* a run whose main task has ended is about to end itself */
	/* Each that was cancelled may take as many to end. */
	if ((!loop->main || loop->main->failure) && loop->steps / limit <= loop->ending)
		return;
	if (loop->main)
		snprintf(loop->main->report, sizeof loop->main->report,
			 "virtual time: step_limit of %llu task steps is used up",
			 (unsigned long long)limit);
	virtual_give_up(loop, -ETIMEDOUT);
}

/* The detail that is left for whoever ran the loop: it has room for a few tasks. */
struct virtual_report {
	char *text;
	size_t size, used;
	size_t left; /* tasks that are not named yet */
	bool full;
};

static __attribute__((format(printf, 2, 3))) void virtual_add(struct virtual_report *r,
							      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	il__text_format(r->text + r->used, r->size - r->used, format, args);
	va_end(args);
	r->used += strlen(r->text + r->used);
}

/* Whole, or not at all: then, and for those that come after it, how many there are. */
static void virtual_report_task(struct virtual_report *r, const il_task *task,
				const struct il__host *host)
{
	char room[IL__TASK_TITLE], more[32] = "", words[IL__DETAIL];
	struct virtual_report entry = {.text = words, .size = sizeof words};
	const bool first = r->left == task->loop->tasks;

	virtual_add(&entry, "%s%s%s%s waits in %s", first ? ": " : ", ", host ? host->name : "",
		    host ? "/" : "", il__task_title(task, room), task->base->wait->call);
	if (r->left > 1)
		snprintf(more, sizeof more, ", and %zu more", r->left - 1);
	r->full = r->used + entry.used + strlen(more) >= r->size;
	if (r->full)
		virtual_add(r, first ? ": %zu tasks" : ", and %zu more", r->left);
	else
		virtual_add(r, "%s", words);
	r->left--;
}

/* "every task is asleep forever: worker in il_event_wait, ..."; a task of a host is host/task. */
static void virtual_report(il_loop *loop, char *text, size_t size)
{
	struct virtual_report r = {.text = text, .size = size, .left = loop->tasks};

	virtual_add(&r, "every task is asleep forever");
	if (loop->held) /* who releases them could wake somebody */
		virtual_add(&r, " (%zu messages are held)", loop->held);
	for (struct il__cancel_scope *s = &loop->scope; s; s = il__scope_next(s))
		il__list_each (node, &s->tasks)
			if (!r.full)
				virtual_report_task(&r, il__container_of(node, il_task, scope_link),
						    il__host_of(s));
}

void il__loop_check_deadlock(il_loop *loop)
{
	if (loop->timers.count || il__ledger_is_open(&loop->ledger) || !loop->tasks ||
	    loop->backlog || !il__list_empty(&loop->ready) || il__loop_interrupt(loop))
		return;
	if (loop->main && !loop->main->failure)
		virtual_report(loop, loop->main->report, sizeof loop->main->report);
	virtual_give_up(loop, -EDEADLK);
}
