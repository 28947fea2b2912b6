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
#include "os_dynamic.h"

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

/* What an object calls itself, or "". */
static const char *object_soname(const struct dl_phdr_info *info)
{
	const ElfW(Dyn) *d = NULL;
	const char *names = NULL;
	size_t at = 0;

	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_STRTAB)
			names = il__dynamic_part(info, d->d_un.d_ptr);
		else if (d->d_tag == DT_SONAME)
			at = d->d_un.d_val;
	return names && at ? names + at : "";
}

/* Its file with a longer version, too; or a file of any name, as the loader knows it. */
static int compare_name(struct dl_phdr_info *info, size_t size, void *object)
{
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash ? slash + 1 : info->dlpi_name;

	(void)size;
	return strncmp(name, object, strlen(object)) == 0 ||
	       strcmp(object_soname(info), object) == 0;
}

/* dlopen keeps its lock while constructors run, which may wait for who asks here. */
static bool is_loaded(const char *object)
{
	return dl_iterate_phdr(compare_name, (void *)(uintptr_t)object) != 0;
}
#else
unsigned long il__os_loaded_count(void)
{
	static atomic_ulong calls;

	return atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
}

static bool is_loaded(const char *object)
{
	(void)object;
	return true; /* perhaps */
}
#endif

void *il__os_loaded_symbol(const char *object, const char *symbol)
{
#ifdef RTLD_NOLOAD
	void *handle = NULL;

	if (is_loaded(object))
		handle = dlopen(object, RTLD_LAZY | RTLD_NOLOAD); /* kept: it stays loaded */
	return handle ? dlsym(handle, symbol) : NULL;
#else
	return is_loaded(object) ? dlsym(RTLD_DEFAULT, symbol) : NULL;
#endif
}
