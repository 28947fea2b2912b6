/*
 * future_ref.c: references to futures. Any thread; whoever drops the last one frees it.
 */
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/sanitizer.h"
#include "future.h"

il_future *il_future_ref(il_future *f)
{
	if (f)
		atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void il_future_unref(il_future *f)
{
	if (!f || !il__drop_reference(&f->refs))
		return;
	/* Never done: its producer gave it up, or it is the other process's. */
	while (f->callbacks) {
		struct il__callback *callback = f->callbacks;
		f->callbacks = callback->next;
		il__free(callback);
	}
	il__free(f->why);
	if (!il__inherited(f->generation))
		pthread_mutex_destroy(&f->lock);
	if (f->ops->free)
		f->ops->free(f);
	else
		il__free(f);
}
