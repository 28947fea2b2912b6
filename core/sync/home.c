/*
 * home.c: which thread may use an object of this floor. The loop's thread only, but for il__home_init and the
 * refusals.
 */
#include "home.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../runtime/thread_state.h"

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
