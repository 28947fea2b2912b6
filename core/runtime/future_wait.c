/*
 * future_wait.c: several futures at once: il_futures_wait and il_as_completed. Each member is watched; the
 * watchers fire under their futures' locks, one lock at a time, so no order of locks can matter.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "future.h"
#include "loop.h"
#include "task.h"
#include "wakeup.h"

#include <stdlib.h>

/* ---- watching a set ---- */

struct member {
	struct il__watcher watcher;
	il_future *future;
	struct set *set;
	struct member *next_done; /* as_completed: done, not yielded yet */
	bool yielded;
	bool owed; /* to the task that waits now */
};

struct set {
	size_t count;
	struct member *members;
	void (*on_member)(struct member *m); /* under the future's lock */
};

static int futures_compare(const void *a, const void *b)
{
	const il_future *x = *(il_future *const *)a, *y = *(il_future *const *)b;

	return (x > y) - (x < y);
}

/* The members of fs, each once, in the order of fs. */
static int make_members(struct set *set, il_future *const *fs, size_t count)
{
	il_future **sorted = il__malloc((count + 1) * sizeof *sorted);
	size_t unique = 0;

	set->members = il__calloc(count + 1, sizeof *set->members);
	set->count = 0;
	if (!sorted || !set->members) {
		il__free(sorted);
		il__free(set->members);
		return -ENOMEM;
	}
	if (count)
		memcpy(sorted, fs, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, futures_compare);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || sorted[i] != sorted[unique - 1])
			sorted[unique++] = sorted[i];
	/* Each counts where it is met first. */
	bool *met = il__calloc(unique + 1, sizeof *met);
	for (size_t i = 0; met && i < count; i++) {
		il_future **at = bsearch(&fs[i], sorted, unique, sizeof *sorted, futures_compare);
		if (met[at - sorted])
			continue;
		met[at - sorted] = true;
		set->members[set->count].future = fs[i];
		set->members[set->count++].set = set;
	}
	il__free(sorted);
	if (!met) {
		il__free(set->members);
		return -ENOMEM;
	}
	il__free(met);
	return 0;
}

static void futures_fire(struct il__watcher *w, il_future *f)
{
	struct member *m = il__container_of(w, struct member, watcher);

	(void)f;
	m->set->on_member(m);
}

/* Watches the members; on_member is called for those done already, too. */
static void futures_watch(struct set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct member *m = &set->members[i];
		il_future *f = m->future;
		if (m->yielded)
			continue;
		m->watcher.fire = futures_fire;
		il__list_init(&m->watcher.link);
		if (il__inherited(f->generation)) { /* done, and nobody's lock is to be trusted */
			set->on_member(m);
			continue;
		}
		pthread_mutex_lock(&f->lock);
		if (il_future_done(f))
			set->on_member(m);
		else
			il__list_push(&f->watchers, &m->watcher.link);
		pthread_mutex_unlock(&f->lock);
	}
}

static void futures_unwatch(struct set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct member *m = &set->members[i];
		if (m->yielded || il__inherited(m->future->generation))
			continue;
		pthread_mutex_lock(&m->future->lock);
		il__list_remove(&m->watcher.link);
		pthread_mutex_unlock(&m->future->lock);
	}
}

/*
 * Before a wait that ends with one of the members, or with all: refuses one that could never end, because
 * this thread is the only worker of the pool that has the calls.
 */
static int futures_prepare(const struct set *set, bool all, il_time deadline,
			   struct il__wakeup *wakeup, const char *function)
{
	size_t left = 0, stuck = 0, local = 0;

	for (size_t i = 0; i < set->count; i++) {
		il_future *f = set->members[i].future;
		if (set->members[i].yielded || il_future_done(f))
			continue;
		left++;
		stuck += f->ops->deadlock && f->ops->deadlock(f);
		local += f->ops->local && f->ops->local(f);
	}
	wakeup->local = local == left;
	if (deadline == IL_FOREVER && stuck > 0 && (all || stuck == left))
		return il__refuse(
		    -EDEADLK,
		    "%s: it would wait for itself: a call is the calling task, or is queued behind "
		    "the caller, its pool's only worker; give it a timeout, or the pool more "
		    "workers",
		    function);
	return 0;
}

/* While the task waits, each member that is not done owes its result. */
static void owe_members(struct set *set, il_task *task)
{
	for (size_t i = 0; task && i < set->count; i++) {
		struct member *m = &set->members[i];
		m->owed = !m->yielded && !il_future_done(m->future);
		if (m->owed)
			il__future_owe(m->future, task);
	}
}

static void paid_members(struct set *set, il_task *task)
{
	for (size_t i = 0; task && i < set->count; i++)
		if (set->members[i].owed)
			il__future_paid(set->members[i].future, task);
}

static int check_futures(il_future *const *fs, size_t count, il_time timeout, const char *function)
{
	if ((count && !fs) || timeout < 0)
		return il__refuse(-EINVAL, "%s: %s", function,
				  timeout < 0 ? "the timeout is negative" : "the array is NULL");
	for (size_t i = 0; i < count; i++) {
		if (!fs[i])
			return il__refuse(-EINVAL, "%s: future %zu is NULL", function, i);
		if (il__inherited(fs[i]->generation) && !il_future_done(fs[i]))
			return il__refuse(-ESHUTDOWN, "%s: future %zu was inherited across fork",
					  function, i);
	}
	return 0;
}

/* ---- il_futures_wait ---- */

struct wait {
	struct set set; /* first */
	struct il__wakeup wakeup;
	il_return_when when;
	bool one_by_one;    /* virtual time: whoever is done does not owe any more */
	atomic_size_t left; /* until the wakeup fires; who brings it to 0 fires it */
};

static bool futures_failed(const il_future *f)
{
	return !il_future_cancelled(f) && f->result < 0;
}

static void on_wait_member(struct member *m)
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

static int count_done(const struct set *set)
{
	int done = 0;

	for (size_t i = 0; i < set->count; i++)
		done += il_future_done(set->members[i].future);
	return done;
}

static void set_tell(struct il__report *r, const struct set *set)
{
	enum { FEW = 8 };

	il__report(r, "%d of %zu futures are done", count_done(set), set->count);
	for (size_t i = 0, told = 0; i < set->count && told < FEW; i++) {
		il_future *f = set->members[i].future;
		if (!f || il_future_done(f))
			continue;
		il__report(r, "; %zu: ", i);
		il__future_tell(r, f);
		told++;
	}
}

static void futures_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);

	set_tell(r, &il__container_of(s, const struct wait, wakeup)->set);
}

static int wait_owed(struct wait *w, il_time deadline)
{
	int rc;

	owe_members(&w->set, w->wakeup.task);
	w->wakeup.wait.tell = futures_tell_wait;
	rc = il__wakeup_wait(&w->wakeup, deadline);
	paid_members(&w->set, w->wakeup.task);
	return rc;
}

static int futures_wait_for(struct wait *w, il_time deadline)
{
	int rc = 0;

	futures_watch(&w->set);
	/* What is done already needs no wait, and may be asked anywhere. */
	if (atomic_load_explicit(&w->left, memory_order_acquire) > 0)
		rc = wait_owed(w, deadline);
	futures_unwatch(&w->set);
	/* No watcher can fire any more; if one has, its message must not be left behind. */
	if (atomic_load_explicit(&w->left, memory_order_acquire) == 0)
		il__wakeup_wait_shielded(&w->wakeup);
	return rc;
}

static bool futures_enough(const struct wait *w)
{
	size_t done = (size_t)count_done(&w->set);

	if (w->when == IL_FIRST_COMPLETED)
		return done > 0 || w->set.count == 0;
	for (size_t i = 0; w->when == IL_FIRST_FAILURE && i < w->set.count; i++)
		if (il_future_done(w->set.members[i].future) &&
		    futures_failed(w->set.members[i].future))
			return true;
	return done == w->set.count;
}

/* Before a round of waiting: only those that are not done are waited for. False: all are. Who was done before this
 * looked is to be counted after it, for nobody watches it. */
static bool begin_round(struct wait *w)
{
	size_t left = w->set.count;

	w->one_by_one = w->wakeup.task && w->wakeup.task->loop->own_clock;
	for (size_t i = 0; w->one_by_one && i < w->set.count; i++) {
		struct member *m = &w->set.members[i];
		m->yielded = m->yielded || il_future_done(m->future);
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
			rc = futures_prepare(&w->set, w->when == IL_ALL_COMPLETED, timeout,
					     &w->wakeup, "il_futures_wait");
		if (rc == 0 && w->wakeup.task)
			rc = il__task_check(w->wakeup.task);
		if (rc == 0 && begin_round(w) && !futures_enough(w))
			rc = futures_wait_for(w, deadline);
	}
	return rc;
}

int il_futures_wait(il_future *const *fs, size_t count, il_return_when when, il_time timeout)
{
	struct wait w = {.when = when};
	int rc = check_futures(fs, count, timeout, "il_futures_wait");

	if (rc < 0)
		return rc;
	if (when > IL_ALL_COMPLETED)
		return il__refuse(-EINVAL, "il_futures_wait: unknown il_return_when %d", (int)when);
	if (make_members(&w.set, fs, count) < 0)
		return il__refuse(-ENOMEM, "il_futures_wait: out of memory");
	w.set.on_member = on_wait_member;
	if (timeout > 0)
		rc = wait_rounds(&w, timeout);
	if (rc == 0 || rc == -ETIMEDOUT)
		rc = count_done(&w.set);
	il__free(w.set.members);
	return rc;
}

/* ---- il_as_completed ---- */

struct il_as_completed {
	struct set set; /* first */
	unsigned generation;
	pthread_mutex_t lock;            /* taken inside a future's lock */
	struct member *done, **done_end; /* under lock, in the order of completion */
	struct il__wakeup *waiter;       /* under lock */
	size_t pending;                  /* the owner's */
	il_time deadline;
};

static void on_iter_member(struct member *m)
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
	int rc = check_futures(fs, count, timeout, "il_as_completed_open");

	if (rc < 0 || !out)
		return rc < 0 ? rc : il__refuse(-EINVAL, "il_as_completed_open: it is NULL");
	it = il__calloc(1, sizeof *it);
	if (!it || make_members(&it->set, fs, count) < 0) {
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
	futures_watch(&it->set);
	*out = it;
	return 0;
}

/* Takes the next done member, or leaves a wakeup to be fired by the next one. */
static struct member *futures_take(il_as_completed *it, struct il__wakeup *waiter)
{
	struct member *m;

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

	set_tell(r, &il__container_of(s, const struct next, wakeup)->it->set);
}

static int wait_next(il_as_completed *it, struct member **m)
{
	struct next next = {.it = it};
	bool withdrawn;
	int rc = il__wakeup_init(&next.wakeup, "il_as_completed_next");

	if (rc == 0)
		rc = futures_prepare(&it->set, false, it->deadline, &next.wakeup,
				     "il_as_completed_next");
	if (rc == 0 && next.wakeup.task)
		rc = il__task_check(next.wakeup.task);
	if (rc < 0 || (*m = futures_take(it, &next.wakeup)))
		return rc;
	owe_members(&it->set, next.wakeup.task);
	next.wakeup.wait.tell = next_tell_wait;
	rc = il__wakeup_wait(&next.wakeup, it->deadline);
	paid_members(&it->set, next.wakeup.task);
	if (rc < 0) {
		pthread_mutex_lock(&it->lock);
		withdrawn = it->waiter == &next.wakeup;
		it->waiter = NULL;
		pthread_mutex_unlock(&it->lock);
		if (!withdrawn)
			il__wakeup_wait_shielded(&next.wakeup);
		return rc; /* what is done comes with the next call */
	}
	/* The firing thread still holds the lock for a moment: take() waits for it. */
	*m = futures_take(it, NULL);
	return 0;
}

int il_as_completed_next(il_as_completed *it, il_future **f)
{
	struct member *m;
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
	futures_unwatch(&it->set);
	for (size_t i = 0; i < it->set.count; i++)
		if (!it->set.members[i].yielded)
			il_future_unref(it->set.members[i].future);
	if (!il__inherited(it->generation))
		pthread_mutex_destroy(&it->lock);
	il__free(it->set.members);
	il__free(it);
}
