/*
 * as_completed.c: il_as_completed: several futures, in the order in which they are done. Tasks and plain threads;
 * one at a time asks for the next.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "future.h"
#include "future_set.h"
#include "task.h"
#include "wakeup.h"

struct il_as_completed {
	struct il__future_set set; /* first */
	unsigned generation;
	pthread_mutex_t lock;                       /* taken inside a future's lock */
	struct il__future_member *done, **done_end; /* under lock, in the order of completion */
	struct il__wakeup *waiter;                  /* under lock */
	size_t pending;                             /* the owner's */
	il_time deadline;
};

static void on_iter_member(struct il__future_member *m)
{
	il_as_completed *it = il__container_of(m->set, il_as_completed, set);
	struct il__wakeup *waiter;

	pthread_mutex_lock(&it->lock);
	*it->done_end = m;
	it->done_end = &m->next_done;
	waiter = it->waiter;
	it->waiter = NULL;
	if (waiter)
		il__wakeup_fire(waiter);
	pthread_mutex_unlock(&it->lock);
}

int il_as_completed_open(il_as_completed **out, il_future *const *fs, size_t count, il_time timeout)
{
	il_as_completed *it;
	int rc = il__future_set_check(fs, count, timeout, "il_as_completed_open");

	if (rc < 0 || !out)
		return rc < 0 ? rc : il__refuse(-EINVAL, "il_as_completed_open: it is NULL");
	it = il__calloc(1, sizeof *it);
	if (!it || il__future_set_make(&it->set, fs, count) < 0) {
		il__free(it);
		return il__refuse(-ENOMEM, "il_as_completed_open: out of memory");
	}
	pthread_mutex_init(&it->lock, NULL);
	it->generation = il__generation;
	it->done_end = &it->done;
	it->pending = it->set.count;
	it->deadline = timeout == IL_FOREVER ? IL_FOREVER : il_deadline(timeout);
	it->set.on_member = on_iter_member;
	for (size_t i = 0; i < it->set.count; i++)
		il_future_ref(it->set.members[i].future);
	il__future_set_watch(&it->set);
	*out = it;
	return 0;
}

/* Takes the next done member, or leaves a wakeup to be fired by the next one. */
static struct il__future_member *futures_take(il_as_completed *it, struct il__wakeup *waiter)
{
	struct il__future_member *m;

	pthread_mutex_lock(&it->lock);
	m = it->done;
	if (m) {
		it->done = m->next_done;
		if (!it->done)
			it->done_end = &it->done;
	}
	it->waiter = m ? NULL : waiter;
	pthread_mutex_unlock(&it->lock);
	return m;
}

struct next {
	struct il__wakeup wakeup;
	il_as_completed *it;
};

static void next_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);

	il__future_set_tell(r, &il__container_of(s, const struct next, wakeup)->it->set);
}

/* The wakeup is left to be fired. */
static int await_next(struct next *next)
{
	il_as_completed *it = next->it;
	bool withdrawn;
	int rc;

	il__future_set_owe(&it->set, next->wakeup.task);
	next->wakeup.wait.tell = next_tell_wait;
	rc = il__wakeup_wait(&next->wakeup, it->deadline);
	il__future_set_paid(&it->set, next->wakeup.task);
	if (rc == 0)
		return 0;
	pthread_mutex_lock(&it->lock);
	withdrawn = it->waiter == &next->wakeup;
	it->waiter = NULL;
	pthread_mutex_unlock(&it->lock);
	if (!withdrawn)
		il__wakeup_wait_shielded(&next->wakeup);
	return rc; /* what is done comes with the next call */
}

static int wait_next(il_as_completed *it, struct il__future_member **m)
{
	struct next next = {.it = it};
	int rc = il__wakeup_init(&next.wakeup, "il_as_completed_next");

	if (rc == 0)
		rc = il__future_set_prepare(&it->set, false, it->deadline, &next.wakeup,
					    "il_as_completed_next");
	if (rc == 0 && next.wakeup.task)
		rc = il__task_check(next.wakeup.task);
	if (rc < 0)
		return rc;
	il__future_set_lend(&it->set, &next.wakeup);
	*m = futures_take(it, &next.wakeup);
	/* The firing thread still holds the lock for a moment: futures_take waits for it. */
	if (!*m && (rc = await_next(&next)) == 0)
		*m = futures_take(it, NULL);
	il__wakeup_leave(&next.wakeup);
	return rc;
}

int il_as_completed_next(il_as_completed *it, il_future **f)
{
	struct il__future_member *m;
	int rc = 0;

	if (!it || !f)
		return il__refuse(-EINVAL, "il_as_completed_next: it or f is NULL");
	if (it->pending == 0)
		return 0;
	if (il__inherited(it->generation))
		return il__refuse(-ESHUTDOWN, "il_as_completed_next: inherited across fork");
	m = futures_take(it, NULL);
	if (!m && il_now() >= it->deadline)
		rc = -ETIMEDOUT;
	else if (!m)
		rc = wait_next(it, &m);
	if (rc == -ETIMEDOUT)
		return il__refuse(-ETIMEDOUT, "%zu of %zu futures unfinished", it->pending,
				  it->set.count);
	if (rc < 0)
		return rc;
	it->pending--;
	*f = m->future;
	/* Its watcher has fired; the lock makes sure that who fired it is through. */
	if (!il__inherited(m->future->generation)) {
		pthread_mutex_lock(&m->future->lock);
		pthread_mutex_unlock(&m->future->lock);
	}
	m->yielded = true;
	il_future_unref(m->future);
	return 1;
}

size_t il_as_completed_pending(const il_as_completed *it)
{
	return it ? it->pending : 0;
}

void il_as_completed_close(il_as_completed *it)
{
	if (!it)
		return;
	il__future_set_unwatch(&it->set);
	for (size_t i = 0; i < it->set.count; i++)
		if (!it->set.members[i].yielded)
			il_future_unref(it->set.members[i].future);
	if (!il__inherited(it->generation))
		pthread_mutex_destroy(&it->lock);
	il__free(it->set.members);
	il__free(it);
}
