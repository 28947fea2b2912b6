/*
 * from_thread.c: from a worker thread back into the loop of the task that waits for it. The worker's
 * il__working.caller is that task; it lives as long as the call does.
 */
#include "../base/error.h"
#include "../executor/caller.h"
#include "portal_run.h"

#include <interloop/thread.h>

static int call_back(il_fn *fn, void *arg, bool as_task, const char *function)
{
	struct il__caller *caller = il__working.caller;
	struct il__portal_run r = {.fn = fn, .arg = arg, .as_task = as_task, .caller = caller};

	if (!fn)
		return il__refuse(-EINVAL, "%s: fn is NULL", function);
	if (!caller)
		return il__refuse(-EPERM, "%s: no task waits for this thread; use a portal",
				  function);
	return il__portal_run_wait(&r, caller->inbox, function);
}

int il_from_thread_run(il_fn *fn, void *arg)
{
	return call_back(fn, arg, true, "il_from_thread_run");
}

int il_from_thread_run_sync(il_fn *fn, void *arg)
{
	return call_back(fn, arg, false, "il_from_thread_run_sync");
}

int il_from_thread_check_cancelled(void)
{
	struct il__caller *caller = il__working.caller;

	if (!caller)
		return il__refuse(-EPERM,
				  "il_from_thread_check_cancelled: no task waits for this thread");
	return il__no_words(
	    atomic_load_explicit(&caller->cancelled, memory_order_relaxed) ? -ECANCELED : 0);
}
