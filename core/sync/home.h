/*
 * home.h: the loop that an object of this floor belongs to.
 */
#ifndef IL_CORE_SYNC_HOME_H
#define IL_CORE_SYNC_HOME_H

#include "../base/fork.h"
#include "../runtime/loop.h"

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

/* In a forked child: who waits for it, and what it is linked with, stayed with the parent. It only
 * frees. What belongs to nobody yet left nothing there. */
static inline bool il__home_is_inherited(const struct il__home *home)
{
	return atomic_load_explicit(&home->loop, memory_order_relaxed) &&
	       il__inherited(home->generation);
}

#endif
