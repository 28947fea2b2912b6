/*
 * module.h: a module of this process, as the loader shows it.
 */
#ifndef IL_CORE_PROCESS_MODULE_H
#define IL_CORE_PROCESS_MODULE_H

#include <stdbool.h>
#include <stdint.h>

struct dl_phdr_info;

/* Whether the address is in a segment with one of these PF_ flags. */
bool il__module_contains(const struct dl_phdr_info *module, uintptr_t address, unsigned flags);
/* A hash (FNV-1a) of its notes, which have the linker's build id. */
uint64_t il__module_build(const struct dl_phdr_info *module);

#endif
