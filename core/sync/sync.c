/*
 * sync.c: which thread may use an object of this floor, and its queues of waiting tasks. The loop's
 * thread only, but for il__home_init and the refusals.
 */
#include "sync.h"

int il__home_refuse(const struct il__home *home, const char *function)
{
	(void)atomic_load_explicit(&home->loop, memory_order_acquire);
	if (il__inherited(home->generation))
		return il__refuse(-ESHUTDOWN,
				  "%s: the object was inherited across fork; make a new one in "
				  "the child",
				  function);
	/* Between two runs of an own loop, or after its end. */
	if (!il__self.loop && home->thread == &il__self)
		return 0;
	return il__refuse(-EPERM,
			  "%s: the object belongs to another loop's thread; get there with "
			  "il_portal_run_sync or il_portal_run_coroutine",
			  function);
}

il_task *il__home_bind(struct il__home *home, il_task *task, const char *function, int *rc)
{
	if (!task)
		return NULL;
	if (!atomic_load_explicit(&home->loop, memory_order_relaxed)) {
		home->thread = &il__self;
		home->generation = il__generation;
		atomic_store_explicit(&home->loop, task->loop, memory_order_release);
		return task;
	}
	*rc = il__home_refuse(home, function);
	return NULL;
}

static bool leave_queue(il_task *task, void *for_waker)
{
	(void)for_waker;
	il__list_remove(&task->link);
	return true;
}

int il__queue_wait(struct il__list *queue, il_task *task, void *for_waker, const char *function)
{
	il__list_push(queue, &task->link);
	return il__task_park(task, leave_queue, for_waker, function);
}

size_t il__queue_length(const struct il__list *queue)
{
	size_t n = 0;

	il__list_each (node, queue)
		n++;
	return n;
}

void il__queue_check_empty(const struct il__list *queue, const char *function)
{
	if (!il__list_empty(queue))
		il__fatal("%s: %zu task(s) wait for it; cancel and join them, or wake them, first",
			  function, il__queue_length(queue));
}
