/*
 * os_dynamic.h: what the dynamic section of a loaded object points to. Any thread, where dl_iterate_phdr shows the object.
 */
#ifndef IL_CORE_BASE_OS_DYNAMIC_H
#define IL_CORE_BASE_OS_DYNAMIC_H

#include <link.h>

/* Some loaders have added the object's address, others have not. */
static inline const void *il__dynamic_part(const struct dl_phdr_info *object, ElfW(Addr) value)
{
	return (const void *)(value < object->dlpi_addr ? object->dlpi_addr + value : value);
}

#endif
