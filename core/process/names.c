/*
 * names.c: what functions were called to other processes, remembered. The search for one walks the
 * modules and, for all but the program's own, resolves a path. Any thread.
 *
 * The program itself stays where it is. Of another module the loader's counters tell whether it is still the
 * same one: they change with each dlopen and dlclose. A table of fixed size, no memory of its own: a newer
 * function takes the place of an older one. Who finds it busy searches, as does a forked child for ever after,
 * if a thread that it does not have was busy there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "names.h"
#include "../base/base.h"
#include "../base/load.h"

#include <link.h>
#include <stddef.h>

enum { PLACES = 64, PATH_KEPT = 256 };

static struct place {
	il_fn *fn; /* NULL: empty */
	struct il__loaded loaded;
	uint64_t offset, build;
	char path[PATH_KEPT];
} places[PLACES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct il__fork_lock fork_lock = {.lock = &lock};

static void add_fork_lock(void)
{
	il__hold_at_fork(&fork_lock);
}
IL__AT_LOAD(add_fork_lock, IL__LOADED);

static struct place *place_of(il_fn *fn)
{
	uint64_t hash = (uint64_t)(uintptr_t)fn * UINT64_C(0x9E3779B97F4A7C15);

	return &places[hash >> 58];
}

void il__loaded_note(struct il__loaded *loaded, const struct dl_phdr_info *info, size_t size)
{
	loaded->known = size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs;
	if (loaded->known) {
		loaded->adds = info->dlpi_adds;
		loaded->subs = info->dlpi_subs;
	}
}

static int note_first(struct dl_phdr_info *info, size_t size, void *arg)
{
	il__loaded_note(arg, info, size);
	return 1;
}

static bool is_still_there(const struct il__loaded *then)
{
	struct il__loaded now = {.known = false};

	if (then->program)
		return true;
	dl_iterate_phdr(note_first, &now);
	return now.known && now.adds == then->adds && now.subs == then->subs;
}

bool il__names_recall(il_fn *fn, struct il__wire_function *name)
{
	const struct place *p = place_of(fn);
	bool found;

	if (pthread_mutex_trylock(&lock) != 0)
		return false;
	found = p->fn == fn && is_still_there(&p->loaded);
	if (found && name) {
		name->offset = p->offset;
		name->build = p->build;
		memcpy(name->path, p->path, strlen(p->path) + 1);
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void il__names_remember(il_fn *fn, const struct il__wire_function *name,
			const struct il__loaded *loaded)
{
	struct place *p = place_of(fn);
	size_t length = strlen(name->path);

	if (length >= PATH_KEPT || (!loaded->program && !loaded->known) ||
	    pthread_mutex_trylock(&lock) != 0)
		return;
	p->fn = fn;
	p->loaded = *loaded;
	p->offset = name->offset;
	p->build = name->build;
	memcpy(p->path, name->path, length + 1);
	pthread_mutex_unlock(&lock);
}
