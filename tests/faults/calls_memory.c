/*
 * calls_memory.c: memory, which also counts the library's live blocks.
 */
#include "shim.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's own, below the names that stand here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static void *noted(void *block, const void *caller)
{
	fault_live_add(block, caller);
	return block;
}

FAULT_EXPORT void *malloc(size_t size)
{
	if (fault_hit(CALL_MEMORY, FAULT_CALLER))
		return NULL;
	return noted(__libc_malloc(size), FAULT_CALLER);
}

FAULT_EXPORT void *calloc(size_t count, size_t size)
{
	if (fault_hit(CALL_MEMORY, FAULT_CALLER))
		return NULL;
	return noted(__libc_calloc(count, size), FAULT_CALLER);
}

FAULT_EXPORT void *realloc(void *block, size_t size)
{
	void *moved;

	if (fault_hit(CALL_MEMORY, FAULT_CALLER))
		return NULL;
	fault_live_remove(block);
	moved = __libc_realloc(block, size);
	noted(moved ? moved : block, FAULT_CALLER);
	return moved;
}

FAULT_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	if (fault_hit(CALL_MEMORY, FAULT_CALLER))
		return NULL;
	return noted(__libc_memalign(alignment, size), FAULT_CALLER);
}

FAULT_EXPORT void free(void *block)
{
	fault_live_remove(block);
	__libc_free(block);
}

FAULT_EXPORT char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = fault_hit(CALL_MEMORY, FAULT_CALLER) ? NULL : __libc_malloc(size);

	noted(copy, FAULT_CALLER);
	return copy ? memcpy(copy, text, size) : NULL;
}

FAULT_EXPORT int asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int n;

	if (fault_hit(CALL_MEMORY, FAULT_CALLER))
		return -1;
	va_start(arguments, format);
	n = vasprintf(text, format, arguments);
	va_end(arguments);
	if (n >= 0)
		noted(*text, FAULT_CALLER);
	return n;
}

/* Not by dlsym, which may come here. */
FAULT_EXPORT void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (fault_hit(CALL_MMAP, FAULT_CALLER))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

FAULT_EXPORT int mprotect(void *at, size_t size, int protection)
{
	if (fault_hit(CALL_MPROTECT, FAULT_CALLER))
		return -1;
	return (int)syscall(SYS_mprotect, at, size, protection);
}

FAULT_EXPORT int madvise(void *at, size_t size, int advice)
{
	if (fault_hit(CALL_MADVISE, FAULT_CALLER))
		return -1;
	return (int)syscall(SYS_madvise, at, size, advice);
}
