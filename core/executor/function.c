/*
 * function.c: functions by name. Any thread: entries are only ever added, under the lock, and read
 * without it.
 */
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"

#include <interloop/function.h>

struct entry {
	struct entry *next;
	il_fn *fn;
	char name[IL_FUNCTION_NAME_MAX + 1];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct entry *) entries; /* released by register, acquired by whoever looks */
IL__AT_FORK(&lock, NULL);

static const struct entry *function_look(const char *name, il_fn *fn)
{
	const struct entry *e = atomic_load_explicit(&entries, memory_order_acquire);

	while (e && !(name && strcmp(e->name, name) == 0) && !(fn && e->fn == fn))
		e = e->next;
	return e;
}

static int function_add(const char *name, il_fn *fn)
{
	struct entry *e = il__calloc(1, sizeof *e);

	if (!e)
		return il__refuse(-ENOMEM, "il_function_register: out of memory");
	e->fn = fn;
	memcpy(e->name, name, strlen(name));
	e->next = atomic_load_explicit(&entries, memory_order_relaxed);
	atomic_store_explicit(&entries, e, memory_order_release);
	return 0;
}

int il_function_register(const char *name, il_fn *fn)
{
	const struct entry *e;
	int rc = 0;

	if (!name || !name[0] || strlen(name) > IL_FUNCTION_NAME_MAX || !fn)
		return il__refuse(-EINVAL,
				  "il_function_register: fn is NULL, or the name is empty or "
				  "longer than %d bytes",
				  IL_FUNCTION_NAME_MAX);
	pthread_mutex_lock(&lock);
	e = function_look(name, fn);
	if (!e)
		rc = function_add(name, fn);
	else if (e->fn != fn || strcmp(e->name, name) != 0)
		rc = il__refuse(-EALREADY,
				"il_function_register: %s: the name is another function's, or the "
				"function has another name",
				name);
	pthread_mutex_unlock(&lock);
	return rc;
}

il_fn *il_function_find(const char *name)
{
	const struct entry *e = name ? function_look(name, NULL) : NULL;

	return e ? e->fn : NULL;
}

const char *il_function_name(il_fn *fn)
{
	const struct entry *e = fn ? function_look(NULL, fn) : NULL;

	return e ? e->name : NULL;
}

const char *il_function_next(const char *name)
{
	const struct entry *e =
	    name ? function_look(name, NULL) : atomic_load_explicit(&entries, memory_order_acquire);

	if (name && e)
		e = e->next;
	return e ? e->name : NULL;
}
