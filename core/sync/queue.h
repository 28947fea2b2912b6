/*
 * queue.h: queues of waiters: tasks, and cases of a select (case.h).
 *
 * Waiters queue by their own links. Whoever wakes one unlinks it first; the woken task does not
 * touch the queue. So an object may be destroyed as soon as nobody is in its queues, and nothing is
 * allocated in order to wait.
 *
 * What is only held (a lock, a permit, a token) is given on when a cancellation came between the
 * hand-over and the run, as in the yield after taking a free one; what has happened (an event, a
 * notification, an item) is kept.
 */
#ifndef IL_CORE_SYNC_QUEUE_H
#define IL_CORE_SYNC_QUEUE_H

#include "../base/list.h"
#include "../runtime/task.h"

/* Its `arg` is what it has for its waker. */
static inline struct il__waiter *il__queued(struct il__list *node)
{
	return il__container_of(node, struct il__waiter, link);
}

/* Parks the current task at the end of the queue until it is woken from there, or cancelled. */
int il__queue_wait(struct il__list *queue, il_task *task, void *for_waker,
		   const struct il__wait *wait);
/* ", 3 wait", for dumps. Each who waits tells of the queue, so a long one is not counted to its end. */
struct il__report;
void il__queue_tell(struct il__report *r, const struct il__list *queue);
/* For a destroy: stops the program if somebody waits. */
void il__queue_check_empty(const struct il__list *queue, const char *function);

/* Whether it looks at the object once more: a task does, a case does not. */
static inline bool il__waiter_looks_back(const struct il__waiter *w)
{
	return w->state != IL__TASK_STAND_IN;
}

/* Wakes the first one; false: nobody waits. */
static inline bool il__queue_wake(struct il__list *queue, int rc)
{
	struct il__list *node = il__list_pop(queue);

	if (!node)
		return false;
	il__waiter_wake(il__queued(node), rc);
	return true;
}

static inline void il__queue_wake_all(struct il__list *queue, int rc)
{
	while (il__queue_wake(queue, rc))
		;
}

#endif
