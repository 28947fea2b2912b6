/*
 * thread_state.c: what the library knows about the calling thread, and the rules about who may wait where.
 */
#include "thread_state.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/os.h"
#include "loop.h"
#include "sigint.h"

IL__THREAD_LOCAL struct il__thread il__self;

/* The child's only thread is the one that forked: its loop stays with the parent. */
static void forget_loop(void)
{
	if (il__self.loop)
		il__self.orphaned = true;
	il__self.loop = NULL;
	il__self.no_wait = 0;
	il__self.scope = NULL;
	il__sigint_after_fork();
}

IL__AT_FORK(NULL, forget_loop);

/* ---- a thread that ends ---- */

static pthread_key_t end_key;
static bool has_end_key; /* the system has few */
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

/* It went through the stacks of all tasks and of the native loop: nothing can go on. */
static void on_thread_end(void *self)
{
	const il_loop *loop = il__self.loop;

	(void)self;
	if (loop && (loop->running || loop->turning))
		il__fatal("pthread_exit was called in a loop's thread, by a task or by a function "
			  "that runs there as a plain call; return from it instead: only the "
			  "function of a worker thread may end its thread");
}

static void make_end_key(void)
{
	has_end_key = pthread_key_create(&end_key, on_thread_end) == 0;
}

void il__watch_thread_end(void)
{
	pthread_once(&end_once, make_end_key);
	if (has_end_key)
		pthread_setspecific(end_key, &il__self);
}

/* ---- who may wait where ---- */

int il__refuse_place(const char *function)
{
	if (il__self.orphaned && !il__self.loop)
		return il__refuse(-ESHUTDOWN,
				  "%s: the loop of this thread stayed with the parent process; "
				  "after fork open a new one",
				  function);
	if (!il__self.loop)
		return il__refuse(
		    -EPERM,
		    "%s: this thread runs no loop; call it in a task, or reach the loop "
		    "through a portal",
		    function);
	return il__refuse(
	    -EPERM,
	    "%s: called in the loop's thread outside a task, which may not wait; start a "
	    "task for it",
	    function);
}

int il__may_wait(const char *function, il_task **task)
{
	il_loop *loop = il__self.loop;

	*task = NULL;
	if (il__self.no_wait || (loop && !loop->current))
		return loop ? il__refuse_place(function)
			    : il__refuse(-EPERM, "%s: a callback may not wait", function);
	if (loop)
		*task = loop->current;
	return 0;
}

int il__loop_check_thread(il_loop *loop, const char *function)
{
	if (il__inherited(loop->generation))
		return il__refuse(-ESHUTDOWN, "%s: the object was inherited across fork", function);
	if (il__self.loop == loop ||
	    (!il__self.loop && pthread_equal(loop->thread, pthread_self())))
		return 0;
	return il__refuse(-EPERM, "%s: the object belongs to the thread of its loop; use a portal",
			  function);
}

int il__loop_here(il_loop **loop, const char *function)
{
	*loop = il__self.loop;
	if (!*loop)
		return il__refuse_place(function);
	return il__loop_check_thread(*loop, function);
}

il_loop *il_loop_current(void)
{
	return il__self.loop;
}

il_time il_now(void)
{
	return il__self.loop ? il__loop_now(il__self.loop) : il__os_now();
}

il_time il_deadline(il_time delay)
{
	return il__deadline_from(il_now(), delay);
}
