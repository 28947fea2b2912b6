/*
 * select.c: waiting for the first of several cases. All are asked in the order of the array; if none is ready each
 * goes into the queue of what it waits for, and the task parks. Invariants: the first that is handed something
 * decides, and from then on none of them is in a queue; a task that was given up (cancelled, or late) has none
 * there either. Where only one may wait, no two of them do. What is undone in the task only (rest) asks whether the
 * select is over. Some cases call out: a transport's functions, or a protocol's `find`, which may set an event or send
 * an item. What that changes is not missed: between the last answer of the others and their places in the queues
 * nobody calls out. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/report.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/wakeup.h"
#include "case.h"

#include <limits.h>

_Static_assert(sizeof(il_case) == 32 + 16 * sizeof(void *) || sizeof(void *) != 8,
	       "il_case has a fixed layout");
_Static_assert(offsetof(struct il__case, ops) == 0, "il__case() puts the operations first");

/* ---- the cases ---- */

static bool case_is_on(const il_case *c)
{
	return c->object || c->fd >= 0;
}

static const struct il__case_ops *case_ops(il_case *c)
{
	return il__case_inside(c)->ops;
}

static bool case_calls_out(il_case *c)
{
	return case_ops(c)->calls_out && case_ops(c)->calls_out(c);
}

/* 1: it has happened; 0; or the code of the call. */
static inline int case_take(struct il__select *s, il_case *c)
{
	int rc = case_ops(c)->take(c, s->task);

	if (rc > 0)
		s->happened = c;
	return rc;
}

static void case_on_woken(struct il__waiter *w, int rc)
{
	il__case_happened(il__container_of(w, struct il__case, waiter), rc);
}

void il__case_join(il_case *c, struct il__list *queue, void *for_waker)
{
	struct il__waiter *w = &il__case_inside(c)->waiter;

	w->arg = for_waker;
	il__list_push(queue, &w->link);
}

void il__case_leave(il_case *c, il_task *task)
{
	(void)task;
	il__list_remove(&il__case_inside(c)->waiter.link);
}

/* ---- the places where only one may wait ---- */

static struct il__place **select_list_of(const struct il__select *s, uintptr_t at)
{
	const uint32_t mixed = (uint32_t)(at ^ at >> 16 >> 16) * UINT32_C(2654435761);

	return &il__case_places(&s->cases[(mixed >> 7) % s->count])->first;
}

int il__select_occupy(struct il__select *s, struct il__place *place, uintptr_t at, unsigned mask)
{
	struct il__place **list = select_list_of(s, at);

	for (const struct il__place *other = *list; other; other = other->next)
		if (other->at == at && other->mask & mask)
			return il__refuse(-EBUSY,
					  "il_select: two cases wait for the same direction "
					  "of one descriptor or object; one a direction");
	*place = (struct il__place){.next = *list, .at = at, .mask = mask};
	*list = place;
	return 0;
}

static int select_check_places(struct il__select *s)
{
	int rc = 0;

	for (size_t i = 0; i < s->count; i++)
		il__case_places(&s->cases[i])->first = NULL;
	for (size_t i = 0; rc == 0 && i < s->count; i++)
		if (case_is_on(&s->cases[i]) && case_ops(&s->cases[i])->occupy)
			rc = case_ops(&s->cases[i])->occupy(&s->cases[i], s);
	return rc;
}

/* ---- the queues ---- */

/* It has begun to wait. */
static bool case_has_entered(const struct il__select *s, il_case *c)
{
	return case_is_on(c) && il__case_inside(c)->select == s;
}

static void select_dequeue(struct il__select *s)
{
	if (!s->queued)
		return;
	s->queued = false;
	for (size_t i = 0; i < s->count; i++) {
		il_case *c = &s->cases[i];
		if (case_has_entered(s, c) && case_ops(c)->dequeue)
			case_ops(c)->dequeue(c, s->task);
	}
}

/* In the select's task, once none of them waits. */
static void select_rest(struct il__select *s)
{
	for (size_t i = 0; i < s->count; i++) {
		il_case *c = &s->cases[i];
		if (case_has_entered(s, c) && case_ops(c)->rest)
			case_ops(c)->rest(c, s->task);
	}
}

static int case_enqueue(struct il__select *s, il_case *c)
{
	struct il__case *w = il__case_inside(c);

	w->select = s;
	w->waiter = (struct il__waiter){.state = IL__TASK_STAND_IN, .woken = case_on_woken};
	il__list_init(&w->waiter.link);
	s->queued = true;
	return case_ops(c)->enqueue(c, s->task);
}

/* Does it with those of the first `count` that call out, or with the others, until one has happened. */
static int select_each(struct il__select *s, size_t count, bool out,
		       int (*act)(struct il__select *, il_case *))
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count && !s->happened; i++) {
		il_case *c = &s->cases[i];
		if (case_is_on(c) && case_calls_out(c) == out)
			rc = act(s, c);
	}
	return rc;
}

/* Those behind the last that calls out were asked after it. */
static int select_enqueue(struct il__select *s)
{
	size_t out = 0; /* up to and with that one */
	int rc;

	for (size_t i = 0; i < s->count; i++) {
		il__case_inside(&s->cases[i])->select = NULL;
		if (case_is_on(&s->cases[i]) && case_calls_out(&s->cases[i]))
			out = i + 1;
	}
	rc = select_each(s, out, false, case_take);
	if (rc == 0)
		rc = select_each(s, s->count, false, case_enqueue);
	if (rc == 0)
		rc = select_each(s, out, true, case_enqueue);
	if (rc == 0 && out && !s->happened && il__task_cancelled(s->task)) /* by what was called */
		rc = -ECANCELED;
	return rc < 0 ? rc : 0;
}

void il__case_happened(struct il__case *w, int rc)
{
	struct il__select *s = w->select;

	if (il__select_is_over(s))
		return;
	s->happened = il__case_outside(w);
	s->happened->rc = rc;
	select_dequeue(s);
	il__task_wake(s->task, 0);
}

void il__case_news(struct il__select *s)
{
	s->news = true;
	il__task_wake(s->task, 0);
}

/* The task is cancelled, or late. */
static bool select_give_up(il_task *task, void *arg)
{
	struct il__select *s = arg;

	(void)task;
	s->over = true;
	select_dequeue(s);
	return true;
}

/* ---- the call ---- */

static int select_check_arguments(const il_case *cases, size_t count, il_time timeout)
{
	if ((count && !cases) || count > INT_MAX || timeout < 0)
		return il__refuse(-EINVAL, "il_select: %s",
				  timeout < 0 ? "the timeout is negative"
				  : cases     ? "more cases than an int can count"
					      : "the cases are NULL");
	for (size_t i = 0; i < count; i++)
		if (cases[i].kind != IL__CASE_KIND)
			return il__refuse(
			    -EINVAL,
			    "il_select: case %zu is of no known kind; make it by one of "
			    "il_case_...",
			    i);
	return 0;
}

/* Whether this task, or this place, may wait for all of them. */
static int select_check(struct il__select *s, il_time timeout)
{
	int rc = 0;

	s->task = timeout ? il__task_current("il_select", &rc) : il__task_here();
	if (timeout && !s->task)
		return rc;
	for (size_t i = 0; rc == 0 && i < s->count; i++)
		if (case_is_on(&s->cases[i]))
			rc = case_ops(&s->cases[i])->check(&s->cases[i], s->task);
	if (rc == 0 && s->count > 1)
		rc = select_check_places(s);
	if (rc == 0 && s->task)
		rc = il__task_check(s->task);
	return rc;
}

/* Takes the first that is ready. 1: there is one; 0; or the code of the call. */
static int select_take(struct il__select *s)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->count; i++) {
		il_case *c = &s->cases[i];
		if (case_is_on(c))
			rc = case_take(s, c);
	}
	return rc;
}

/* There is news: likewise, of those cases that take a look to know whether they happen. To be looked at they may call
 * out, and so another happens: that one has taken what it waited for, a look takes nothing. */
static int select_look(struct il__select *s)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && !s->happened && i < s->count; i++) {
		il_case *c = &s->cases[i];
		if (!case_is_on(c) || !case_ops(c)->look)
			continue;
		rc = case_ops(c)->look(c, s->task);
		if (rc > 0 && !s->happened)
			s->happened = c;
	}
	return rc < 0 ? rc : 0;
}

static int select_timed_out(const struct il__select *s)
{
	return il__refuse(-ETIMEDOUT, "il_select: none of %zu cases has happened in time",
			  s->count);
}

static void select_tell(struct il__report *r, const il_task *task)
{
	struct il__select *s = task->waiter.arg;

	il__report(r, "%zu cases", s->count);
	for (size_t i = 0; i < s->count; i++) {
		il_case *c = &s->cases[i];
		if (!case_is_on(c))
			continue;
		il__report(r, "; %zu: ", i);
		case_ops(c)->tell(r, c);
	}
}

static const struct il__wait parked = {"il_select", select_tell};

/* Until something has happened, or there is news, which may have come before; of futures it has come by the wakeup. */
static int select_park(struct il__select *s, il_time deadline)
{
	if (s->news || (s->wakes && s->wakeup.fired)) {
		il__task_yield(s->task);
		return 0;
	}
	if (s->wakes && il__unlikely(s->wakeup.loans != NULL))
		il__loans_begin(s->wakeup.loans, true);
	return il__task_park_until(s->task, select_give_up, s, &parked, deadline);
}

/* Nothing has happened. 0; or why it waits no more: news that there is always would keep it forever. */
static int select_check_end(const struct il__select *s, il_time deadline)
{
	if (il__task_cancelled(s->task)) /* since it was woken */
		return -ECANCELED;
	return s->news && deadline <= il__loop_now(s->task->loop) ? -ETIMEDOUT : 0;
}

/* Until a case happens, at once if one causes another; what is ready is taken, late or not. 0, or why none has. */
static int select_wait_until(struct il__select *s, il_time deadline)
{
	int rc = select_enqueue(s);
	bool others_ran = false;

	while (rc == 0 && !s->happened) {
		others_ran = true;
		rc = select_park(s, deadline);
		if (rc < 0 || s->happened)
			break;
		s->news = false;
		rc = select_look(s);
		if (rc == 0 && !s->happened)
			rc = select_check_end(s, deadline);
	}
	select_dequeue(s);
	select_rest(s);
	/* Another thread's message must not be left behind. */
	if (s->wakes && atomic_load_explicit(&s->fired, memory_order_acquire))
		il__wakeup_wait_shielded(&s->wakeup);
	if (s->wakes)
		il__wakeup_leave(&s->wakeup);
	if (!others_ran)
		il__task_yield(s->task);
	return s->happened ? 0 : rc;
}

static int select_wait(struct il__select *s, il_time timeout)
{
	il_time now = timeout == IL_FOREVER ? 0 : il__loop_now(s->task->loop);
	int rc = select_wait_until(s, il__deadline_from(now, timeout));

	if (rc == -ETIMEDOUT)
		return select_timed_out(s);
	if (rc == 0 && s->happened->rc < 0) /* who has closed it had no words for us */
		il__forget_refusal();
	return rc;
}

/* The wakeup is for who waits for another thread. */
static inline void select_init(struct il__select *s, il_case *cases, size_t count)
{
	s->task = NULL;
	s->cases = cases;
	s->count = count;
	s->happened = NULL;
	s->queued = s->over = s->news = s->wakes = false;
	atomic_init(&s->fired, false);
}

int il_select(il_case *cases, size_t count, il_time timeout)
{
	struct il__select s;
	int rc = select_check_arguments(cases, count, timeout);

	select_init(&s, cases, count);
	if (rc == 0)
		rc = select_check(&s, timeout);
	if (rc < 0)
		return rc;
	rc = select_take(&s);
	if (rc == 0 && timeout > 0)
		rc = select_wait(&s, timeout);
	else if (s.task)
		il__task_yield(s.task);
	if (s.happened)
		return (int)(s.happened - cases);
	return rc < 0 ? rc : select_timed_out(&s);
}
