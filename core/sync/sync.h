/*
 * sync.h: what the objects of this floor share: the loop they belong to, queues of waiting tasks.
 *
 * Tasks queue by their own links. Whoever wakes one unlinks it first; the woken task does not
 * touch the queue. So an object may be freed as soon as nobody is in its queues, and nothing is
 * allocated in order to wait.
 *
 * What is only held (a lock, a permit, a token) is given on when a cancellation came between the
 * hand-over and the run, as in the yield after taking a free one; what has happened (an event, a
 * notification, an item) is kept.
 */
#ifndef IL_CORE_SYNC_H
#define IL_CORE_SYNC_H

#include "../runtime/runtime.h"

#include <interloop/channel.h>
#include <interloop/event.h>
#include <interloop/sync.h>

/* ---- the loop that an object belongs to ---- */

/*
 * Bound when made in a loop's thread, else by the first task that may wait. The loop is compared,
 * never read: it may be gone, though not while a task of it waits here. It is atomic so that a call
 * from a wrong thread can be refused; the release that binds pairs with the acquire in refuse.
 */
struct il__home {
	_Atomic(il_loop *) loop;
	const struct il__thread *thread; /* the loop's, compared only */
	unsigned generation;
};

/* Belongs to the loop, whose thread this is, or with NULL to nobody yet. */
static inline void il__home_init(struct il__home *home, il_loop *loop)
{
	home->thread = &il__self;
	home->generation = il__generation;
	atomic_init(&home->loop, loop);
}

/* The rest of il__home_task; task may be NULL. */
il_task *il__home_bind(struct il__home *home, il_task *task, const char *function, int *rc);

/* The calling task, and binds the object to its loop; NULL: *rc tells why it may not. */
static inline il_task *il__home_task(struct il__home *home, const char *function, int *rc)
{
	il_task *task = il__task_current(function, rc);

	if (il__likely(task &&
		       atomic_load_explicit(&home->loop, memory_order_relaxed) == task->loop))
		return task;
	return il__home_bind(home, task, function, rc);
}

/* Not in the object's running loop: 0 in its thread all the same, else -EPERM or -ESHUTDOWN. */
int il__home_refuse(const struct il__home *home, const char *function);

/* For calls that do not wait: 0, or why they may not be made here. */
static inline int il__home_check(const struct il__home *home, const char *function)
{
	il_loop *loop = atomic_load_explicit(&home->loop, memory_order_relaxed);

	return il__likely(!loop || loop == il__self.loop) ? 0 : il__home_refuse(home, function);
}

/* ---- waiting tasks ---- */

/* Its abort_arg is what it has for its waker. */
static inline il_task *il__queued(struct il__list *node)
{
	return il__container_of(node, il_task, link);
}

/* Parks the current task at the end of the queue until it is woken from there, or cancelled. */
int il__queue_wait(struct il__list *queue, il_task *task, void *for_waker, const char *function);
size_t il__queue_length(const struct il__list *queue);
/* For a destroy: stops the program if somebody waits. */
void il__queue_check_empty(const struct il__list *queue, const char *function);

/* Wakes the first one; false: nobody waits. */
static inline bool il__queue_wake(struct il__list *queue, int rc)
{
	struct il__list *node = il__list_pop(queue);

	if (!node)
		return false;
	il__task_wake(il__queued(node), rc);
	return true;
}

static inline void il__queue_wake_all(struct il__list *queue, int rc)
{
	while (il__queue_wake(queue, rc))
		;
}

/* ---- numbers ---- */

/* A size_t that was a negative number before the call. */
static inline bool il__was_negative(size_t n)
{
	return n > PTRDIFF_MAX;
}

/* ---- who has borrowed a token of a limiter, or waits for one (borrowers.c) ---- */

struct il__borrower {
	const void *who; /* NULL: an empty place */
	bool holds;      /* false: it waits */
};

struct il__borrowers {
	struct il__borrower *places; /* open addressing, a power of two of them */
	size_t capacity, count;
};

/* 0; -EALREADY: it is in; -ENOMEM. */
int il__borrowers_add(struct il__borrowers *set, const void *who, bool holds);
/* NULL: not in. Valid until the next add or remove. */
struct il__borrower *il__borrowers_find(const struct il__borrowers *set, const void *who);
void il__borrowers_remove(struct il__borrowers *set, struct il__borrower *place);

/* ---- a limiter from inside: for calls in worker threads (executor/run_in_thread.c) ---- */

/*
 * Who waits for a token: a task, or a call, which has `ops`. The calls that no task comes before are offered:
 * a worker that is through with a call of this limiter may give its token to the first of them, and run
 * it, without the loop; which hears of it from the answer, and tells the limiter by il__limiter_pass.
 */
struct il__applicant {
	struct il__list link;
	const void *borrower;
	const struct il__applicant_ops *ops; /* NULL: a task */
	il_task *task;
	bool offered;
};

struct il__applicant_ops {
	void (*offer)(struct il__applicant *a);
	bool (*retract)(struct il__applicant *a); /* false: it has been taken */
	bool (*admit)(struct il__applicant *a); /* it has a token; false: it needs none any more */
};

/* For a->borrower, in a task of the limiter's loop. 1: has a token; 0: waits; or why it may not. */
int il__limiter_apply(il_limiter *limiter, struct il__applicant *a, const char *function);
/* One that waits does not any more. False: it has been taken. */
bool il__limiter_withdraw(il_limiter *limiter, struct il__applicant *a);
/* `to` was taken by a worker, with this borrower's token. -EALREADY: it had none. */
int il__limiter_pass(il_limiter *limiter, const void *borrower, struct il__applicant *to);
/* Those that were offered, in order: kept by the pool that has the workers, under its lock. */
struct il__list *il__limiter_line(il_limiter *limiter);

/* ---- a lock from inside: for conditions ---- */

struct il_lock {
	struct il__home home;
	il_task *owner; /* NULL: free or broken; then nobody waits */
	struct il__owned owned;
	struct il__list waiters;    /* tasks, each with an int: its result, once it has the lock */
	struct il__list conditions; /* struct il_condition: who wait there can hope for nothing when
				     * the lock breaks */
	bool fast, broken;
};

struct il_condition {
	il_lock *lock;
	bool own_lock;
	struct il__list link;    /* lock->conditions */
	struct il__list waiters; /* likewise */
};

void il__lock_give(il_lock *lock, il_task *task); /* the lock is free */
void il__lock_pass(il_lock *lock); /* from its owner to the first waiter, or to nobody */

#endif
