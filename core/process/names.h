/*
 * names.h: names of functions, once they were found.
 */
#ifndef IL_CORE_PROCESS_NAMES_H
#define IL_CORE_PROCESS_NAMES_H

#include "wire.h"

struct dl_phdr_info;

/* By what a module is known to be the same as before. */
struct il__loaded {
	bool program;                  /* the program's own: it stays */
	bool known;                    /* else the loader's counters, if it has any */
	unsigned long long adds, subs; /* modules that came, and went */
};

/* Of any module, in the walk in which the function is found. */
void il__loaded_note(struct il__loaded *loaded, const struct dl_phdr_info *info, size_t size);

/* Fills in offset, build and path, if fn is remembered and its module is the same; `name` may be NULL. */
bool il__names_recall(il_fn *fn, struct il__wire_function *name);
void il__names_remember(il_fn *fn, const struct il__wire_function *name,
			const struct il__loaded *loaded);

#endif
