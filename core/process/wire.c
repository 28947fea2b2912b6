/*
 * wire.c: functions by module and offset. Any thread; the loader's own lock orders the rest.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "wire.h"
#include "../base/error.h"
#include "module.h"
#include "names.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

/* The first module that it fits: the one around `address`, or if that is 0 the one at `base`, or if that
 * is 0 the program. */
struct search {
	uintptr_t address, base;
	uintptr_t offset;   /* of what has to be executable */
	const char *module; /* the result: "" is the program; NULL: none */
	uint64_t build;
	bool first, program, executable;
};

static int wire_look(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;
	bool program = s->first, fits; /* the program comes first, whatever it is called */

	(void)size;
	s->first = false;
	if (s->address)
		fits = il__module_contains(info, s->address, PF_X);
	else
		fits = s->base ? info->dlpi_addr == s->base : program;
	if (!fits)
		return 0;
	s->module = program ? "" : info->dlpi_name;
	s->program = program;
	s->base = info->dlpi_addr;
	s->build = il__module_build(info);
	s->executable = il__module_contains(info, s->base + s->offset, PF_X);
	return 1;
}

static int name_in_module(il_fn *fn, struct il__wire_function *name)
{
	struct search s = {.address = (uintptr_t)fn, .first = true};

	if (il__names_recall(fn, name))
		return 0;
	dl_iterate_phdr(wire_look, &s);
	if (!s.module)
		return il__refuse(
		    -ENOENT, "process pool: the function is in no module that a file backs, and "
			     "has no name of il_function_register");
	if (!name)
		return 0;
	name->path[0] = 0;
	if (s.module[0] && !realpath(s.module, name->path)) {
		/* It is loaded, so it was there: only a lack says nothing about it. */
		int rc = errno == ENOMEM || errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
		return il__refuse(rc, "process pool: the function's module %s is not there: %s",
				  s.module, il__system_words(-errno));
	}
	name->offset = (uintptr_t)fn - s.base;
	name->build = s.build;
	il__names_remember(fn, name, s.program);
	return 0;
}

int il__wire_name(il_fn *fn, struct il__wire_function *name)
{
	const char *registered = il_function_name(fn);
	int rc;

	if (!registered) {
		if (name)
			name->name[0] = 0;
		return name_in_module(fn, name);
	}
	if (!name)
		return 0;
	memcpy(name->name, registered, strlen(registered) + 1);
	rc = name_in_module(fn, name);
	if (rc < 0) { /* its name is enough */
		name->offset = name->build = 0;
		name->path[0] = 0;
	}
	return 0;
}

static int find_in_module(const struct il__wire_function *name, il_fn **fn)
{
	struct search s = {.offset = (uintptr_t)name->offset, .first = true};
	struct link_map *map;
	uintptr_t address;

	if (name->path[0]) { /* loaded already or not: this keeps it */
		void *module = dlopen(name->path, RTLD_NOW | RTLD_LOCAL);
		if (!module || dlinfo(module, RTLD_DI_LINKMAP, &map) < 0)
			return -ENOENT;
		s.base = map->l_addr;
	}
	dl_iterate_phdr(wire_look, &s);
	if (!s.module || !s.executable || s.build != name->build)
		return -ENOENT;
	address = s.base + s.offset;
	memcpy(fn, &address, sizeof address);
	return 0;
}

int il__wire_find(const struct il__wire_function *name, il_fn **fn)
{
	if (name->offset && find_in_module(name, fn) == 0)
		return 0;
	*fn = il_function_find(name->name);
	return *fn ? 0 : -ENOENT;
}
