/*
 * future_callbacks.c: running the callbacks of futures that are done. Any thread, no lock held.
 *
 * A callback may complete another future, whose callbacks run inside it, and so on. A task's stack does not bear
 * many of them, so below a depth they are put off: the outermost run of this thread has them called, first put
 * off, first called, before it returns. Invariants: the queue is empty unless a run is on the stack; what is put
 * off of a future comes before what is asked of it later in the same thread.
 */
#include "../base/error.h"
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
	rc = callback->fn(f, callback->arg);
	if (rc < 0)
		il__log(IL_LOG_WARNING, "a callback of il_future_on_done failed: %s",
			il_strerror(rc));
	il__self.no_wait = before;
	il__free(callback);
}

/* What another thread has completed has nothing in this thread's queue. */
static bool has_put_off(const il_future *f)
{
	return atomic_load_explicit(&f->completer, memory_order_relaxed) == &il__self && f->put_off;
}

static void put_off(il_future *f, struct il__callback *callbacks)
{
	struct il__put_off *queue = &il__self.put_off;

	if (!queue->first)
		queue->end = &queue->first;
	*queue->end = callbacks;
	for (struct il__callback *c = callbacks; c; c = c->next) {
		c->future = il_future_ref(f);
		f->put_off++;
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
		f->put_off--;
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
