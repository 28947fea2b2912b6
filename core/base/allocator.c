/*
 * allocator.c: the program chooses where memory comes from. Any thread, before there are others.
 */
#include "error.h"
#include "memory.h"

int il_set_allocator(const il_allocator *a)
{
	if (a && (!a->malloc || !a->realloc || !a->free))
		return il__refuse(-EINVAL,
				  "il_set_allocator: malloc, realloc or free is NULL; give "
				  "all three, or NULL for the C library's");
	if (il__memory_from(a) < 0)
		return il__refuse(-EBUSY, "il_set_allocator: the library has allocated memory "
					  "already; set the allocator before any other call");
	return 0;
}
