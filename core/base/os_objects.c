/*
 * os_objects.c: what else is loaded into the process, as libraries that the program or a plugin of it brings
 * along. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "os.h"

#include <dlfcn.h>

#if IL__LINUX
#include <link.h>
#endif

#if IL__LINUX
static int take_count(struct dl_phdr_info *info, size_t size, void *count)
{
	(void)size;
	*(unsigned long *)count = (unsigned long)info->dlpi_adds;
	return 1; /* the first will do: all tell the same */
}

unsigned long il__os_loaded_count(void)
{
	unsigned long count = 0;

	dl_iterate_phdr(take_count, &count);
	return count;
}
#else
unsigned long il__os_loaded_count(void)
{
	static atomic_ulong calls;

	return atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
}
#endif

void *il__os_loaded_symbol(const char *object, const char *symbol)
{
#ifdef RTLD_NOLOAD
	void *handle = dlopen(object, RTLD_LAZY | RTLD_NOLOAD); /* kept: it stays loaded */

	return handle ? dlsym(handle, symbol) : NULL;
#else
	(void)object;
	return dlsym(RTLD_DEFAULT, symbol);
#endif
}
