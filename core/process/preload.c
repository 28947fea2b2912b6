/*
 * preload.c: workers of a program that knows nothing of the library, for a plugin of it
 * brought it along. There the library is not loaded when a worker starts, and the host's main would
 * run again. So the worker's loader is told to load it first: the module that this code is in, be
 * it libinterloop or the plugin itself.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/error.h"
#include "../base/escape.h"
#include "../base/memory.h"
#include "module.h"
#include "pool.h"
#include "wire.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#if __has_include(<sys/auxv.h>)
#include <sys/auxv.h>
#endif

#define VARIABLE "LD_PRELOAD"

/* ASan has to be the first module, and would end the worker. */
void __asan_init(void) __attribute__((weak));

/* Modules are in the order of loading. Those that a program starts with come before its loader, or
 * but for a few that are needed by what they need; those that it opens come after. */
struct search {
	uintptr_t here, loader;
	const char *name;
	bool program, after_loader, found;
};

static int preload_look(struct dl_phdr_info *module, size_t size, void *arg)
{
	struct search *s = arg;

	(void)size;
	s->after_loader |= !s->program && module->dlpi_addr == s->loader;
	s->found = il__module_contains(module, s->here, PF_X);
	s->name = module->dlpi_name;
	if (s->found)
		return 1;
	s->program = false;
	return 0;
}

static bool preloaded; /* this is such a worker */

static struct search find_here(void)
{
	struct search s = {.here = (uintptr_t)il__preload_take, .program = true};

#ifdef AT_BASE
	s.loader = getauxval(AT_BASE);
#endif
	dl_iterate_phdr(preload_look, &s);
	return s;
}

int il__preload_take(char **variable)
{
	const char *others = getenv(VARIABLE);
	struct search s = find_here();
	char *path;
	int n;

	*variable = NULL;
	if (!s.found || s.program || __asan_init || !(preloaded || (s.loader && s.after_loader)))
		return 0;
	path = il__take_text(realpath(s.name, NULL));
	if (!path || strpbrk(path, ": ")) {
		il__free(path);
		return il__refuse(
		    -ENOTSUP,
		    "il_process_pool_create: the program has loaded the library while "
		    "it ran, and a worker cannot load it from %.*s: it is not there, or "
		    "its path has a blank or a colon",
		    il__text_within(s.name, 100), s.name);
	}
	others = others ? others : "";
	n = asprintf(variable, VARIABLE "=%s%s%s", path, others[0] ? ":" : "", others);
	il__free(path);
	*variable = n < 0 ? NULL : il__take_text(*variable);
	return !*variable ? il__refuse(-ENOMEM, "il_process_pool_create: out of memory") : 0;
}

void il__preload_undo(void)
{
	const char *value = getenv(VARIABLE);
	struct search s = find_here();
	size_t length = s.found && !s.program ? strlen(s.name) : 0;

	if (!value || !length || strncmp(value, s.name, length) != 0)
		return;
	preloaded = true;
	if (value[length] == ':')
		setenv(VARIABLE, value + length + 1, 1);
	else
		unsetenv(VARIABLE);
}
