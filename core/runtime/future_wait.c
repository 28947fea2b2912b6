/*
 * future_wait.c: il_futures_wait: until one of several futures is done, one has failed, or all are done. Tasks
 * and plain threads.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "future.h"
#include "future_set.h"
#include "loop.h"
#include "task.h"
#include "wakeup.h"

struct wait {
	struct il__future_set set; /* first */
	struct il__wakeup wakeup;
	il_return_when when;
	bool one_by_one;    /* virtual time: whoever is done does not owe any more */
	atomic_size_t left; /* until the wakeup fires; who brings it to 0 fires it */
};

static bool futures_failed(const il_future *f)
{
	return !il_future_cancelled(f) && f->result < 0;
}

static void on_wait_member(struct il__future_member *m)
{
	struct wait *w = il__container_of(m->set, struct wait, set);
	size_t left = atomic_load_explicit(&w->left, memory_order_relaxed), less;

	do {
		if (left == 0)
			return;
		less = w->one_by_one || w->when == IL_FIRST_COMPLETED ||
			       (w->when == IL_FIRST_FAILURE && futures_failed(m->future))
			   ? 0
			   : left - 1;
	} while (!atomic_compare_exchange_weak_explicit(&w->left, &left, less, memory_order_acq_rel,
							memory_order_relaxed));
	if (less == 0)
		il__wakeup_fire(&w->wakeup);
}

static void futures_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);

	il__future_set_tell(r, &il__container_of(s, const struct wait, wakeup)->set);
}

static int wait_owed(struct wait *w, il_time deadline)
{
	int rc;

	il__future_set_owe(&w->set, w->wakeup.task);
	w->wakeup.wait.tell = futures_tell_wait;
	rc = il__wakeup_wait(&w->wakeup, deadline);
	il__future_set_paid(&w->set, w->wakeup.task);
	return rc;
}

static int futures_wait_for(struct wait *w, il_time deadline)
{
	int rc = 0;

	il__future_set_watch(&w->set);
	/* What is done already needs no wait, and may be asked anywhere. */
	if (atomic_load_explicit(&w->left, memory_order_acquire) > 0)
		rc = wait_owed(w, deadline);
	il__future_set_unwatch(&w->set);
	/* No watcher can fire any more; if one has, its message must not be left behind. */
	if (atomic_load_explicit(&w->left, memory_order_acquire) == 0)
		il__wakeup_wait_shielded(&w->wakeup);
	return rc;
}

static bool futures_enough(const struct wait *w)
{
	size_t done = (size_t)il__future_set_done(&w->set);

	if (w->when == IL_FIRST_COMPLETED)
		return done > 0 || w->set.count == 0;
	for (size_t i = 0; w->when == IL_FIRST_FAILURE && i < w->set.count; i++)
		if (il_future_done(w->set.members[i].future) &&
		    futures_failed(w->set.members[i].future))
			return true;
	return done == w->set.count;
}

/* Before a round of waiting: only those that are not done are waited for. False: all are. Who was done before this
 * looked is to be counted after it, for nobody watches it; nor whoever was in a round before, which may have been one by
 * one where this is not. */
static bool begin_round(struct wait *w)
{
	size_t left = w->set.count;

	w->one_by_one = w->wakeup.loans || (w->wakeup.task && w->wakeup.task->loop->own_clock);
	for (size_t i = 0; i < w->set.count; i++) {
		struct il__future_member *m = &w->set.members[i];
		m->yielded = m->yielded || (w->one_by_one && il_future_done(m->future));
		left -= m->yielded;
	}
	atomic_init(&w->left, left);
	return left > 0;
}

static int wait_rounds(struct wait *w, il_time timeout)
{
	il_time deadline = timeout == IL_FOREVER ? IL_FOREVER : il_deadline(timeout);
	int rc = 0;

	while (rc == 0 && !futures_enough(w)) {
		rc = il__wakeup_init(&w->wakeup, "il_futures_wait");
		if (rc == 0)
			rc = il__future_set_prepare(&w->set, w->when == IL_ALL_COMPLETED, timeout,
						    &w->wakeup, "il_futures_wait");
		if (rc == 0 && w->wakeup.task)
			rc = il__task_check(w->wakeup.task);
		if (rc == 0)
			il__future_set_lend(&w->set, &w->wakeup);
		if (rc == 0 && begin_round(w) && !futures_enough(w))
			rc = futures_wait_for(w, deadline);
		il__wakeup_leave(&w->wakeup);
	}
	return rc;
}

int il_futures_wait(il_future *const *fs, size_t count, il_return_when when, il_time timeout)
{
	struct wait w = {.when = when};
	int rc = il__future_set_check(fs, count, timeout, "il_futures_wait");

	if (rc < 0)
		return rc;
	if (when > IL_ALL_COMPLETED)
		return il__refuse(-EINVAL, "il_futures_wait: unknown il_return_when %d", (int)when);
	if (il__future_set_make(&w.set, fs, count) < 0)
		return il__refuse(-ENOMEM, "il_futures_wait: out of memory");
	w.set.on_member = on_wait_member;
	if (timeout > 0)
		rc = wait_rounds(&w, timeout);
	if (rc == 0 || rc == -ETIMEDOUT)
		rc = il__future_set_done(&w.set);
	il__free(w.set.members);
	return rc;
}
