/*
 * names.h: names of functions, once they were found.
 */
#ifndef IL_CORE_PROCESS_NAMES_H
#define IL_CORE_PROCESS_NAMES_H

#include "wire.h"

/* Fills in offset, build and path, if fn is remembered and its module is the same; `name` may be NULL. */
bool il__names_recall(il_fn *fn, struct il__wire_function *name);
/* `stays`: its module is the program's own, which is never unloaded. */
void il__names_remember(il_fn *fn, const struct il__wire_function *name, bool stays);

#endif
