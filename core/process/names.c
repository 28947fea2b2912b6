/*
 * names.c: what functions are called to other processes, remembered. The search for one walks the
 * modules and, for all but the program's own, resolves a path. Any thread.
 *
 * A table of fixed size, no memory of its own: a newer function takes the place of an older one. Who finds it
 * busy searches, as does a forked child forever after, if a thread that it does not have was busy there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "names.h"
#include "../base/fork.h"
#include "../base/os.h"
#include "module.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>

enum { PLACES = 64, PATH_KEPT = 256 };

/* By which a module is known to be the same as before: at one address there may be another by now. */
struct identity {
	uint64_t parts[4];
};

static struct place {
	il_fn *fn; /* NULL: empty */
	bool stays;
	struct identity module; /* else */
	uint64_t offset, build;
	char path[PATH_KEPT];
} places[PLACES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

IL__AT_FORK(&lock, NULL);

static struct place *place_of(il_fn *fn)
{
	uint64_t hash = (uint64_t)(uintptr_t)fn * UINT64_C(0x9E3779B97F4A7C15);

	return &places[hash >> 58];
}

#if defined(__GLIBC__) && defined(DLFO_STRUCT_HAS_EH_DBASE) && !defined(IL_PORTABLE)

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0;

	while (*text)
		hash = hash * 31 + (unsigned char)*text++;
	return hash;
}

/* Where it lies, its build, and the name that it was loaded by: what it is called depends on nothing else. The
 * loader finds it without a lock. False: its headers are not where linkers put them. */
static bool names_identify(il_fn *fn, struct identity *id)
{
	struct dl_find_object o;
	struct dl_phdr_info info = {.dlpi_addr = 0};
	const ElfW(Ehdr) * header;

	if (_dl_find_object((void *)(uintptr_t)fn, &o) != 0)
		return false;
	header = o.dlfo_map_start;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_phoff + header->e_phnum * sizeof(ElfW(Phdr)) > il__os_page_size())
		return false;
	info.dlpi_addr = o.dlfo_link_map->l_addr;
	info.dlpi_phdr = (const ElfW(Phdr) *)((uintptr_t)header + header->e_phoff);
	info.dlpi_phnum = header->e_phnum;
	*id = (struct identity){{(uintptr_t)o.dlfo_link_map, info.dlpi_addr,
				 il__module_build(&info), hash_of(o.dlfo_link_map->l_name)}};
	return true;
}

#else

/* The first module tells as much as any. */
static int note_counters(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct identity *id = arg;

	if (size < offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs)
		return -1;
	*id = (struct identity){{info->dlpi_adds, info->dlpi_subs}};
	return 1;
}

/* The loader's counters, which change with each dlopen and dlclose. False: it has none. */
static bool names_identify(il_fn *fn, struct identity *id)
{
	(void)fn;
	return dl_iterate_phdr(note_counters, id) > 0;
}

#endif

static bool is_still_there(const struct place *p)
{
	struct identity now;

	return p->stays ||
	       (names_identify(p->fn, &now) && memcmp(&now, &p->module, sizeof now) == 0);
}

bool il__names_recall(il_fn *fn, struct il__wire_function *name)
{
	const struct place *p = place_of(fn);
	bool found;

	if (pthread_mutex_trylock(&lock) != 0)
		return false;
	found = p->fn == fn && is_still_there(p);
	if (found && name) {
		name->offset = p->offset;
		name->build = p->build;
		memcpy(name->path, p->path, strlen(p->path) + 1);
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void il__names_remember(il_fn *fn, const struct il__wire_function *name, bool stays)
{
	struct identity module = {{0}};
	struct place *p = place_of(fn);
	size_t length = strlen(name->path);

	if (length >= PATH_KEPT || (!stays && !names_identify(fn, &module)) ||
	    pthread_mutex_trylock(&lock) != 0)
		return;
	p->fn = fn;
	p->stays = stays;
	p->module = module;
	p->offset = name->offset;
	p->build = name->build;
	memcpy(p->path, name->path, length + 1);
	pthread_mutex_unlock(&lock);
}
