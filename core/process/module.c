/*
 * module.c: a module of this process, as the loader shows it: its segments and its build. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_phdr_info */
#endif
#include "module.h"

#include <link.h>

bool il__module_contains(const struct dl_phdr_info *info, uintptr_t address, unsigned flags)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
		if (segment->p_type == PT_LOAD && (segment->p_flags & flags) && address >= begin &&
		    address < begin + segment->p_memsz)
			return true;
	}
	return false;
}

uint64_t il__module_build(const struct dl_phdr_info *info)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *note = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + note->p_vaddr;
		if (note->p_type != PT_NOTE || !il__module_contains(info, begin, PF_R))
			continue;
		for (size_t n = 0; n < note->p_memsz; n++)
			hash = (hash ^ ((const unsigned char *)begin)[n]) * UINT64_C(1099511628211);
	}
	return hash;
}
