/*
 * condition.c: conditions. Who waits is in the condition's queue until notified, then in its
 * lock's; it parks once and wakes with the lock in hand, whatever the result. Its result is fixed
 * when it changes queues, so a cancellation after a notification loses nothing. Loop's thread
 * only.
 */
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "home.h"
#include "lock.h"
#include "queue.h"

int il_condition_create(il_condition **condition, il_lock *lock)
{
	il_condition *c;
	int rc;

	if (!condition)
		return il__refuse(-EINVAL, "il_condition_create: condition is NULL");
	rc = lock ? il__home_check(&lock->home, "il_condition_create") : 0;
	if (rc < 0)
		return rc;
	c = il__malloc(sizeof *c);
	if (!c)
		return il__refuse(-ENOMEM, "il_condition_create: no memory");
	c->own_lock = !lock;
	rc = lock ? 0 : il_lock_create(&lock);
	if (rc < 0) {
		il__free(c);
		return rc;
	}
	c->lock = lock;
	c->visits = 0;
	c->gone = false;
	il__list_push(&lock->conditions, &c->link);
	il__list_init(&c->waiters);
	*condition = c;
	return 0;
}

void il_condition_destroy(il_condition *condition)
{
	if (!condition)
		return;
	if (!il__home_is_inherited(&condition->lock->home)) {
		il__queue_check_empty(&condition->waiters, "il_condition_destroy");
		il__list_remove(&condition->link);
		condition->gone = condition->visits > 0;
	}
	if (condition->own_lock)
		il_lock_destroy(condition->lock);
	if (!condition->gone)
		il__free(condition);
}

il_lock *il_condition_lock(il_condition *condition)
{
	return condition ? condition->lock : NULL;
}

int il_condition_acquire(il_condition *condition)
{
	return il_lock_acquire(il_condition_lock(condition));
}

int il_condition_acquire_nowait(il_condition *condition)
{
	return il_lock_acquire_nowait(il_condition_lock(condition));
}

int il_condition_release(il_condition *condition)
{
	return il_lock_release(il_condition_lock(condition));
}

/* The calling task if it holds the lock. */
static il_task *condition_holder(il_condition *c, const char *function, int *rc)
{
	il_task *task;

	if (!c) {
		*rc = il__refuse(-EINVAL, "%s: condition is NULL", function);
		return NULL;
	}
	task = il__home_task(&c->lock->home, function, rc);
	if (task && c->lock->owner != task) {
		*rc = il__refuse(-EALREADY,
				 "%s: the calling task does not hold the condition's lock; "
				 "il_condition_acquire first",
				 function);
		return NULL;
	}
	return task;
}

/* ---- waiting ---- */

static bool condition_give_up(il_task *task, void *arg)
{
	struct il__lock_wish *w = arg;

	il__list_remove(&task->waiter.link);
	if (!w->lock->owner) {
		il__lock_give(w->lock, task);
		return true;
	}
	w->result = -ECANCELED;
	il__list_push(&w->lock->waiters, &task->waiter.link);
	return false;
}

/* Whoever cannot give up any more has been notified. */
static void condition_tell(struct il__report *r, const il_task *task)
{
	const struct il__lock_wish *w = task->waiter.arg;

	if (task->waiter.abort)
		il__report(r, "a notification");
	else
		il__lock_tell(r, w->lock);
}

static const struct il__wait condition_wait = {"il_condition_wait", condition_tell};

int il_condition_wait(il_condition *condition)
{
	int rc;
	il_task *task = condition_holder(condition, "il_condition_wait", &rc);
	struct il__lock_wish w = {.result = 0};

	if (!task)
		return rc;
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	w.lock = condition->lock;
	il__list_push(&condition->waiters, &task->waiter.link);
	il__lock_pass(w.lock);
	return il__task_park(task, condition_give_up, &w, &condition_wait);
}

int il_condition_wait_for(il_condition *condition, il_fn *predicate, void *arg)
{
	int rc;
	il_task *task;

	if (!predicate)
		return il__refuse(-EINVAL, "il_condition_wait_for: predicate is NULL");
	task = condition_holder(condition, "il_condition_wait_for", &rc);
	if (!task)
		return rc;
	rc = il__task_check(task);
	condition->visits++;
	while (rc == 0) {
		const bool own = il__disown_refusal();
		rc = il__after_refusal(il__guarded_fn(predicate, arg), own);
		if (rc != 0)
			break;
		if (!condition->gone)
			rc = il_condition_wait(condition);
		else if ((rc = il__task_check(task)) == 0)
			il__fatal("il_condition_wait_for: the condition was destroyed before the "
				  "predicate held; join the tasks that wait for it first");
	}
	if (--condition->visits == 0 && condition->gone)
		il__free(condition);
	return rc;
}

/* ---- notifying ---- */

static int condition_notify(il_condition *condition, size_t n, const char *function)
{
	int rc;
	struct il__list *node;

	if (!condition_holder(condition, function, &rc))
		return rc;
	rc = il__check_limit(function, "n", n);
	if (rc < 0)
		return rc;
	while (n-- > 0 && (node = il__list_pop(&condition->waiters))) {
		il__queued(node)->abort = NULL; /* its result is fixed */
		il__list_push(&condition->lock->waiters, node);
	}
	return 0;
}

int il_condition_notify(il_condition *condition, size_t n)
{
	return condition_notify(condition, n, "il_condition_notify");
}

int il_condition_notify_all(il_condition *condition)
{
	return condition_notify(condition, SIZE_MAX, "il_condition_notify_all");
}

il_condition_statistics il_condition_get_statistics(const il_condition *condition)
{
	il_condition_statistics s = {0};

	if (!condition)
		return s;
	s.waiting = il__list_length(&condition->waiters);
	s.lock = il_lock_get_statistics(condition->lock);
	return s;
}
