/*
 * lock.c: locks. A release makes the first waiter the owner at once, so a free lock has no
 * waiters. A task that ends with a lock breaks it: everybody who waits, or comes later, gets
 * -EOWNERDEAD. Loop's thread only.
 */
#include "lock.h"
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

/* The owner has ended. Nobody can ever notify the conditions again, so they break as well. */
static void lock_abandoned(struct il__owned *owned, il_task *task)
{
	il_lock *lock = il__container_of(owned, il_lock, owned);

	(void)task;
	lock->owner = NULL;
	lock->broken = true;
	il__queue_wake_all(&lock->waiters, -EOWNERDEAD);
	il__list_each (node, &lock->conditions) {
		il_condition *c = il__container_of(node, il_condition, link);
		il__queue_wake_all(&c->waiters, -EOWNERDEAD);
	}
}

int il_lock_create_with(il_lock **lock, unsigned flags)
{
	il_lock *l;

	if (!lock)
		return il__refuse(-EINVAL, "il_lock_create: lock is NULL");
	if (flags & ~IL_FAST_ACQUIRE)
		return il__refuse(-EINVAL,
				  "il_lock_create_with: unknown flag in 0x%x; there is "
				  "IL_FAST_ACQUIRE",
				  flags);
	l = il__calloc(1, sizeof *l);
	if (!l)
		return il__refuse(-ENOMEM, "il_lock_create: no memory");
	il__home_init(&l->home, il__self.loop);
	il__list_init(&l->owned.link);
	l->owned.abandoned = lock_abandoned;
	il__list_init(&l->waiters);
	il__list_init(&l->conditions);
	l->fast = flags & IL_FAST_ACQUIRE;
	*lock = l;
	return 0;
}

int il_lock_create(il_lock **lock)
{
	return il_lock_create_with(lock, 0);
}

static void lock_check_unused(il_lock *lock)
{
	il__queue_check_empty(&lock->waiters, "il_lock_destroy");
	if (lock->owner && !il_lock_held(lock))
		il__fatal(
		    "il_lock_destroy: another task%s%s holds it; wait until it has released it",
		    lock->owner->base->name[0] ? ", " : "", lock->owner->base->name);
	if (!il__list_empty(&lock->conditions))
		il__fatal(
		    "il_lock_destroy: a condition still uses it; destroy the condition first");
}

void il_lock_destroy(il_lock *lock)
{
	if (!lock)
		return;
	if (!il__home_is_inherited(&lock->home)) {
		lock_check_unused(lock);
		il__list_remove(&lock->owned.link);
	}
	il__free(lock);
}

/* ---- ownership ---- */

void il__lock_give(il_lock *lock, il_task *task)
{
	lock->owner = task;
	il__list_push(&task->base->owned, &lock->owned.link);
}

void il__lock_pass(il_lock *lock)
{
	struct il__list *node = il__list_pop(&lock->waiters);

	il__list_remove(&lock->owned.link);
	lock->owner = NULL;
	if (node) {
		struct il__waiter *next = il__queued(node);
		const struct il__lock_wish *wish = next->arg;
		il__lock_give(lock, il__waiter_task(next));
		il__waiter_wake(next, wish->result);
	}
}

/* 0: it is free. */
static int lock_look(const il_lock *lock, const il_task *task, const char *function)
{
	if (lock->broken)
		return il__refuse(
		    -EOWNERDEAD,
		    "%s: a task that held the lock ended without releasing it; what it "
		    "protects may be half done: make both anew",
		    function);
	if (lock->owner == task)
		return il__refuse(-EALREADY, "%s: the calling task holds the lock already",
				  function);
	return lock->owner ? -EAGAIN : 0;
}

void il__lock_tell(struct il__report *r, const il_lock *lock)
{
	char room[IL__TASK_TITLE];

	il__report(r, "lock %p, which %s has", (const void *)lock,
		   lock->owner ? il__task_title(lock->owner, room) : "nobody");
	il__queue_tell(r, &lock->waiters);
}

static void lock_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__lock_wish *wish = task->waiter.arg;

	il__lock_tell(r, wish->lock);
}

static const struct il__wait lock_wait = {"il_lock_acquire", lock_tell_wait};

/* The lock is free, or another task's. */
static int lock_take(il_lock *lock, il_task *task)
{
	int rc = il__task_check(task);

	if (rc < 0)
		return rc;
	if (!lock->owner) {
		il__lock_give(lock, task);
		if (lock->fast)
			return 0;
		il__task_yield(task);
	} else {
		rc = il__queue_wait(&lock->waiters, task, &(struct il__lock_wish){.lock = lock},
				    &lock_wait);
		if (rc < 0)
			return rc;
	}
	if (!il__task_cancelled(task))
		return 0;
	il__lock_pass(lock);
	return -ECANCELED;
}

int il_lock_acquire(il_lock *lock)
{
	int rc;
	il_task *task;

	if (!lock)
		return il__refuse(-EINVAL, "il_lock_acquire: lock is NULL");
	task = il__home_task(&lock->home, "il_lock_acquire", &rc);
	if (!task)
		return rc;
	rc = lock_look(lock, task, "il_lock_acquire");
	return rc < 0 && rc != -EAGAIN ? rc : lock_take(lock, task);
}

int il_lock_acquire_nowait(il_lock *lock)
{
	int rc;
	il_task *task;

	if (!lock)
		return il__refuse(-EINVAL, "il_lock_acquire_nowait: lock is NULL");
	task = il__home_task(&lock->home, "il_lock_acquire_nowait", &rc);
	if (!task)
		return rc;
	rc = lock_look(lock, task, "il_lock_acquire_nowait");
	if (rc == 0)
		il__lock_give(lock, task);
	else if (rc == -EAGAIN)
		il__refuse(rc, "il_lock_acquire_nowait: another task holds the lock");
	return rc;
}

int il_lock_release(il_lock *lock)
{
	int rc;
	il_task *task;

	if (!lock)
		return il__refuse(-EINVAL, "il_lock_release: lock is NULL");
	task = il__home_task(&lock->home, "il_lock_release", &rc);
	if (!task)
		return rc;
	if (lock->owner != task)
		return il__refuse(-EALREADY,
				  "il_lock_release: the calling task does not hold the lock");
	il__lock_pass(lock);
	return 0;
}

/* ---- looking at it ---- */

bool il_lock_locked(const il_lock *lock)
{
	return lock && lock->owner;
}

bool il_lock_held(const il_lock *lock)
{
	il_loop *loop = il__self.loop;

	return lock && lock->owner && loop && loop->current == lock->owner;
}

const char *il_lock_owner(const il_lock *lock)
{
	return lock && lock->owner ? lock->owner->base->name : NULL;
}

il_lock_statistics il_lock_get_statistics(const il_lock *lock)
{
	il_lock_statistics s = {0};

	if (!lock)
		return s;
	s.locked = lock->owner != NULL;
	s.broken = lock->broken;
	s.owner = il_lock_owner(lock);
	s.waiting = il__list_length(&lock->waiters);
	return s;
}

/* ---- in a select ---- */

static int lock_case_check(il_case *c, il_task *task)
{
	il_lock *lock = c->object;
	int rc = task ? 0 : il__refuse_place("il_select of a lock");

	return rc < 0 ? rc : il__case_home(&lock->home, task);
}

/* A lock that cannot be had is ready: with that code. */
static int lock_case_take(il_case *c, il_task *task)
{
	il_lock *lock = c->object;

	c->rc = lock_look(lock, task, "il_select");
	if (c->rc == 0)
		il__lock_give(lock, task);
	return c->rc != -EAGAIN;
}

static int lock_case_enqueue(il_case *c, il_task *task)
{
	static struct il__lock_wish wish; /* nobody looks at its lock */
	il_lock *lock = c->object;

	(void)task;
	il__case_join(c, &lock->waiters, &wish);
	return 0;
}

static void lock_case_tell(struct il__report *r, il_case *c)
{
	il__lock_tell(r, c->object);
}

static const struct il__case_ops lock_case = {
    .tell = lock_case_tell,
    .check = lock_case_check,
    .take = lock_case_take,
    .enqueue = lock_case_enqueue,
    .dequeue = il__case_leave,
};

il_case il_case_lock(il_lock *lock)
{
	return il__case(&lock_case, lock);
}
