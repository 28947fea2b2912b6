/*
 * future_set.c: watching several futures, for il_futures_wait and il_as_completed. Any thread.
 */
#include "future_set.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "task.h"
#include "thread_state.h"

#include <stdlib.h>

static int futures_compare(const void *a, const void *b)
{
	const il_future *x = *(il_future *const *)a, *y = *(il_future *const *)b;

	return (x > y) - (x < y);
}

int il__future_set_make(struct il__future_set *set, il_future *const *fs, size_t count)
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

static void member_fire(struct il__watcher *w, il_future *f)
{
	struct il__future_member *m = il__container_of(w, struct il__future_member, watcher);

	(void)f;
	m->set->on_member(m);
}

void il__future_set_watch(struct il__future_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct il__future_member *m = &set->members[i];
		il_future *f = m->future;
		if (m->yielded)
			continue;
		m->watcher.fire = member_fire;
		/* An inherited one is done, and nobody's lock is to be trusted. */
		if (il__inherited(f->generation) || !il__future_watch(f, &m->watcher))
			set->on_member(m);
	}
}

void il__future_set_unwatch(struct il__future_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct il__future_member *m = &set->members[i];
		if (m->yielded || il__inherited(m->future->generation))
			continue;
		il__future_unwatch(m->future, &m->watcher);
	}
}

int il__future_set_prepare(const struct il__future_set *set, bool all, il_time deadline,
			   struct il__wakeup *wakeup, const char *function)
{
	size_t left = 0, stuck = 0, local = 0;

	for (size_t i = 0; i < set->count; i++) {
		il_future *f = set->members[i].future;
		if (set->members[i].yielded || il_future_done(f))
			continue;
		left++;
		stuck += f->ops->deadlock && f->ops->deadlock(f);
		local += il__future_is_local(f, wakeup->task);
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

void il__future_set_lend(const struct il__future_set *set, struct il__wakeup *wakeup)
{
	for (size_t i = 0; il__self.account && i < set->count; i++)
		if (!set->members[i].yielded && !il_future_done(set->members[i].future))
			il__future_lend(set->members[i].future, wakeup);
}

void il__future_set_owe(struct il__future_set *set, il_task *task)
{
	for (size_t i = 0; task && i < set->count; i++) {
		struct il__future_member *m = &set->members[i];
		m->owed = !m->yielded && !il_future_done(m->future);
		if (m->owed)
			il__future_owe(m->future, task);
	}
}

void il__future_set_paid(struct il__future_set *set, il_task *task)
{
	for (size_t i = 0; task && i < set->count; i++)
		if (set->members[i].owed)
			il__future_paid(set->members[i].future, task);
}

int il__future_set_check(il_future *const *fs, size_t count, il_time timeout, const char *function)
{
	if (timeout < 0)
		return il__refuse(-EINVAL, "%s: the timeout is negative", function);
	if (!il__is_items(fs, count))
		return il__refuse_items(function, "the array", fs, "the number of futures", count);
	for (size_t i = 0; i < count; i++) {
		if (!fs[i])
			return il__refuse(-EINVAL, "%s: future %zu is NULL", function, i);
		if (il__inherited(fs[i]->generation) && !il_future_done(fs[i]))
			return il__refuse(-ESHUTDOWN, "%s: future %zu was inherited across fork",
					  function, i);
	}
	return 0;
}

int il__future_set_done(const struct il__future_set *set)
{
	int done = 0;

	for (size_t i = 0; i < set->count; i++)
		done += set->members[i].yielded || il_future_done(set->members[i].future);
	return done;
}

void il__future_set_tell(struct il__report *r, const struct il__future_set *set)
{
	enum { FEW = 8 };

	il__report(r, "%d of %zu futures are done", il__future_set_done(set), set->count);
	for (size_t i = 0, told = 0; i < set->count && told < FEW; i++) {
		const struct il__future_member *m = &set->members[i];
		if (m->yielded || il_future_done(m->future))
			continue;
		il__report(r, "; %zu: ", i);
		il__future_tell(r, m->future);
		told++;
	}
}
