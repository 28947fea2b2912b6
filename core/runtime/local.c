/*
 * local.c: task-local values, as an array that is shared until somebody writes: to inherit is to take a
 * reference. A set that more than one holds is never changed, so any thread may read its own
 * reference without a lock; only the count is shared.
 */
#include "local.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/sanitizer.h"
#include "loop.h"
#include "thread_state.h"

struct il__locals {
	atomic_uint refs;
	size_t count, capacity;
	struct {
		il_local *key;
		void *value;
	} items[];
};

struct il__locals *il__locals_ref(struct il__locals *locals)
{
	if (locals)
		atomic_fetch_add_explicit(&locals->refs, 1, memory_order_relaxed);
	return locals;
}

void il__locals_unref(struct il__locals *locals)
{
	if (locals && il__drop_reference(&locals->refs))
		il__free(locals);
}

/* A plain thread's own values go with it. */
static pthread_key_t thread_key;
static bool has_thread_key; /* the system has few */
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

static void drop_thread_locals(void *self)
{
	(void)self;
	il__locals_unref(il__self.locals);
	il__self.locals = NULL;
}

static void make_thread_key(void)
{
	has_thread_key = pthread_key_create(&thread_key, drop_thread_locals) == 0;
}

/* Where the caller's values are kept: its task, or else its plain call or its thread. */
static struct il__locals **locals_place(void)
{
	il_loop *loop = il__self.loop;

	return loop && loop->current && il__self.no_wait < IL__PLAIN_CALL
		   ? &loop->current->base->locals
		   : &il__self.locals;
}

struct il__locals *il__locals_current(void)
{
	return *locals_place();
}

/* A set that only the caller holds, with room for one more. */
static struct il__locals *locals_writable(struct il__locals *old)
{
	size_t count = old ? old->count : 0;
	bool own = old && atomic_load_explicit(&old->refs, memory_order_acquire) == 1;
	struct il__locals *locals;

	if (own && count < old->capacity)
		return old;
	locals = il__malloc(sizeof *locals + (count + 4) * sizeof locals->items[0]);
	if (!locals)
		return NULL;
	atomic_init(&locals->refs, 1);
	locals->count = count;
	locals->capacity = count + 4;
	if (count)
		memcpy(locals->items, old->items, count * sizeof locals->items[0]);
	il__locals_unref(old);
	return locals;
}

int il_local_set(il_local *key, void *value)
{
	struct il__locals **at = locals_place(), *locals;
	size_t i;

	if (!key)
		return il__refuse(-EINVAL, "il_local_set: key is NULL");
	locals = locals_writable(*at);
	if (!locals)
		return il__refuse(-ENOMEM, "il_local_set: out of memory");
	*at = locals;
	if (at == &il__self.locals) {
		pthread_once(&thread_once, make_thread_key);
		if (has_thread_key)
			pthread_setspecific(thread_key, &il__self);
	}
	for (i = 0; i < locals->count && locals->items[i].key != key; i++)
		;
	if (i == locals->count) {
		locals->items[i].key = key;
		locals->count++;
	}
	locals->items[i].value = value;
	return 0;
}

void *il_local_get(il_local *key)
{
	struct il__locals *locals = il__locals_current();

	for (size_t i = 0; locals && i < locals->count; i++)
		if (locals->items[i].key == key)
			return locals->items[i].value;
	return NULL;
}
