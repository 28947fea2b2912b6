/*
 * semaphore.c: semaphores. A release hands its permit to the first waiter, so a value above 0 means
 * that nobody waits. Loop's thread only; one made outside a loop is anybody's until a task waits.
 */
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

#include <interloop/semaphore.h>

struct il_semaphore {
	struct il__home home;
	size_t value, max;
	size_t handed; /* tasks that have a permit and have not returned with it yet */
	bool fast;
	bool gone; /* destroyed meanwhile: the last of those frees it */
	struct il__list waiters;
};

int il_semaphore_create_with(il_semaphore **semaphore, size_t initial, size_t max, unsigned flags)
{
	il_semaphore *s;

	if (!semaphore)
		return il__refuse(-EINVAL, "il_semaphore_create: semaphore is NULL");
	if (flags & ~IL_FAST_ACQUIRE)
		return il__refuse(-EINVAL,
				  "il_semaphore_create_with: unknown flag in 0x%x; there is "
				  "IL_FAST_ACQUIRE",
				  flags);
	if (il__was_negative(initial) || (il__was_negative(max) && max != SIZE_MAX) ||
	    initial > max)
		return il__refuse(
		    -EINVAL,
		    "il_semaphore_create: initial is %td and max %td; 0 <= initial <= "
		    "max is expected",
		    (ptrdiff_t)initial, (ptrdiff_t)max);
	s = il__malloc(sizeof *s);
	if (!s)
		return il__refuse(-ENOMEM, "il_semaphore_create: no memory");
	il__home_init(&s->home, il__self.loop);
	s->value = initial;
	s->max = max;
	s->handed = 0;
	s->fast = flags & IL_FAST_ACQUIRE;
	s->gone = false;
	il__list_init(&s->waiters);
	*semaphore = s;
	return 0;
}

int il_semaphore_create(il_semaphore **semaphore, size_t initial, size_t max)
{
	return il_semaphore_create_with(semaphore, initial, max, 0);
}

void il_semaphore_destroy(il_semaphore *semaphore)
{
	if (!semaphore)
		return;
	if (!il__home_is_inherited(&semaphore->home)) {
		il__queue_check_empty(&semaphore->waiters, "il_semaphore_destroy");
		semaphore->gone = semaphore->handed > 0;
		if (semaphore->gone)
			return;
	}
	il__free(semaphore);
}

static void semaphore_give_back(il_semaphore *s)
{
	struct il__list *node = il__list_pop(&s->waiters);

	if (!node) {
		s->value++;
		return;
	}
	s->handed += il__waiter_looks_back(il__queued(node));
	il__waiter_wake(il__queued(node), 0);
}

static void semaphore_tell(struct il__report *r, const il_semaphore *s)
{
	il__report(r, "a permit of semaphore %p", (const void *)s);
	il__queue_tell(r, &s->waiters);
}

static void semaphore_tell_wait(struct il__report *r, const il_task *task)
{
	semaphore_tell(r, task->waiter.arg);
}

static const struct il__wait semaphore_wait = {"il_semaphore_acquire", semaphore_tell_wait};

int il_semaphore_acquire(il_semaphore *semaphore)
{
	int rc;
	il_task *task;

	if (!semaphore)
		return il__refuse(-EINVAL, "il_semaphore_acquire: semaphore is NULL");
	task = il__home_task(&semaphore->home, "il_semaphore_acquire", &rc);
	if (!task)
		return rc;
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	if (semaphore->value > 0) {
		semaphore->value--;
		if (semaphore->fast)
			return 0;
		semaphore->handed++;
		il__task_yield(task);
	} else {
		rc = il__queue_wait(&semaphore->waiters, task, semaphore, &semaphore_wait);
		if (rc < 0)
			return rc;
	}
	semaphore->handed--;
	rc = il__task_cancelled(task) ? -ECANCELED : 0;
	if (semaphore->gone && !semaphore->handed)
		il__free(semaphore);
	else if (rc < 0)
		semaphore_give_back(semaphore);
	return rc;
}

int il_semaphore_acquire_nowait(il_semaphore *semaphore)
{
	int rc;

	if (!semaphore)
		return il__refuse(-EINVAL, "il_semaphore_acquire_nowait: semaphore is NULL");
	rc = il__home_check(&semaphore->home, "il_semaphore_acquire_nowait");
	if (rc < 0)
		return rc;
	if (semaphore->value == 0)
		return il__refuse(-EAGAIN, "il_semaphore_acquire_nowait: there is no permit left");
	semaphore->value--;
	return 0;
}

int il_semaphore_release(il_semaphore *semaphore)
{
	int rc;

	if (!semaphore)
		return il__refuse(-EINVAL, "il_semaphore_release: semaphore is NULL");
	rc = il__home_check(&semaphore->home, "il_semaphore_release");
	if (rc < 0)
		return rc;
	if (semaphore->value == semaphore->max)
		return il__refuse(-EINVAL,
				  "il_semaphore_release: all %zu permits are there already; it was "
				  "released more often than acquired",
				  semaphore->max);
	semaphore_give_back(semaphore);
	return 0;
}

size_t il_semaphore_value(const il_semaphore *semaphore)
{
	return semaphore ? semaphore->value : 0;
}

il_semaphore_statistics il_semaphore_get_statistics(const il_semaphore *semaphore)
{
	il_semaphore_statistics s = {0};

	if (!semaphore)
		return s;
	s.value = semaphore->value;
	s.max = semaphore->max;
	s.waiting = il__list_length(&semaphore->waiters);
	return s;
}

/* ---- in a select ---- */

static int semaphore_case_check(il_case *c, il_task *task)
{
	il_semaphore *s = c->object;

	return il__case_home(&s->home, task);
}

static int semaphore_case_take(il_case *c, il_task *task)
{
	il_semaphore *s = c->object;

	(void)task;
	if (s->value == 0)
		return 0;
	s->value--;
	c->rc = 0;
	return 1;
}

static int semaphore_case_enqueue(il_case *c, il_task *task)
{
	il_semaphore *s = c->object;

	(void)task;
	il__case_join(c, &s->waiters, NULL);
	return 0;
}

static void semaphore_case_tell(struct il__report *r, il_case *c)
{
	semaphore_tell(r, c->object);
}

static const struct il__case_ops semaphore_case = {
    .tell = semaphore_case_tell,
    .check = semaphore_case_check,
    .take = semaphore_case_take,
    .enqueue = semaphore_case_enqueue,
    .dequeue = il__case_leave,
};

il_case il_case_semaphore(il_semaphore *semaphore)
{
	return il__case(&semaphore_case, semaphore);
}
