/*
 * future_callbacks.c: running the callbacks of futures that are done. Any thread, no lock held.
 *
 * A callback may complete another future, whose callbacks run inside it, and so on. A task's stack does not bear
 * many of them, so below a depth they are put off: the outermost run of this thread has them called, first put
 * off, first called, before it returns. Invariants: the queue is empty unless a run is on the stack; what is put
 * off of a future comes before what is asked of it later in the same thread.
 */
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "future.h"
#include "thread_state.h"

enum { DEPTH_MAX = 8 };

/* The log function is the user's, too, and may wait no more than the callback. */
static void callbacks_call(il_future *f, struct il__callback *callback)
{
	const unsigned before = il__self.no_wait; /* in a child that it forks it is 0 */
	int rc;

	il__self.no_wait++;
	IL__GUARDED(rc = callback->fn(f, callback->arg));
	if (rc < 0)
		il__log(IL_LOG_WARNING, "a callback of il_future_on_done failed: %s",
			il_strerror(rc));
	il__self.no_wait = before;
	il__free(callback);
}

/* By this thread, which sees its own part of the count; others have queues of their own. */
static bool has_put_off(const il_future *f)
{
	const struct il__callback *callback = il__self.put_off.first;

	if (atomic_load_explicit(&f->put_off, memory_order_relaxed) == 0)
		return false;
	while (callback && callback->future != f)
		callback = callback->next;
	return callback != NULL;
}

static void put_off(il_future *f, struct il__callback *callbacks)
{
	struct il__put_off *queue = &il__self.put_off;

	if (!queue->first)
		queue->end = &queue->first;
	*queue->end = callbacks;
	for (struct il__callback *c = callbacks; c; c = c->next) {
		c->future = il_future_ref(f);
		atomic_fetch_add_explicit(&f->put_off, 1, memory_order_relaxed);
		queue->end = &c->next;
	}
}

static void call_those_put_off(void)
{
	struct il__put_off *queue = &il__self.put_off;
	struct il__callback *callback;

	while ((callback = queue->first)) {
		il_future *f = callback->future;
		queue->first = callback->next;
		atomic_fetch_sub_explicit(&f->put_off, 1, memory_order_relaxed);
		callbacks_call(f, callback);
		il_future_unref(f);
	}
}

void il__callbacks_run(il_future *f, struct il__callback *callbacks)
{
	struct il__put_off *queue = &il__self.put_off;

	if (!callbacks)
		return;
	if (queue->depth == DEPTH_MAX || has_put_off(f)) {
		put_off(f, callbacks);
		return;
	}
	queue->depth++;
	while (callbacks) {
		struct il__callback *callback = callbacks;
		callbacks = callback->next;
		callbacks_call(f, callback);
	}
	if (queue->depth == 1)
		call_those_put_off();
	queue->depth--;
}
