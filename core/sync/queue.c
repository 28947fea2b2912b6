/*
 * queue.c: queues of waiters. The loop's thread only.
 */
#include "queue.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/report.h"
#include "../runtime/task.h"

static bool queue_leave_queue(il_task *task, void *for_waker)
{
	(void)for_waker;
	il__list_remove(&task->waiter.link);
	return true;
}

int il__queue_wait(struct il__list *queue, il_task *task, void *for_waker,
		   const struct il__wait *wait)
{
	il__list_push(queue, &task->waiter.link);
	return il__task_park(task, queue_leave_queue, for_waker, wait);
}

void il__queue_tell(struct il__report *r, const struct il__list *queue)
{
	enum { MOST = 1000 };
	size_t n = 0;

	for (const struct il__list *node = queue->next; node != queue && n < MOST;
	     node = node->next)
		n++;
	il__report(r, ", %zu%s wait", n, n < MOST ? "" : " or more");
}

void il__queue_check_empty(const struct il__list *queue, const char *function)
{
	if (!il__list_empty(queue))
		il__fatal("%s: %zu task(s) wait for it; cancel and join them, or wake them, first",
			  function, il__list_length(queue));
}
