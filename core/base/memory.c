/*
 * memory.c: every allocation of the core. The allocator is set before the first one, and is never changed after
 * it, so that what it gave goes back to it. Any thread.
 */
#include "memory.h"
#include "base.h"

#include <stdint.h>
#include <stdlib.h>

static il_allocator allocator; /* malloc NULL: the C library's */
static atomic_bool used;       /* written once; it orders nothing: setting comes before threads */

int il__memory_from(const il_allocator *a)
{
	static const il_allocator of_the_c_library;

	if (atomic_load_explicit(&used, memory_order_relaxed))
		return -EBUSY;
	allocator = a ? *a : of_the_c_library;
	return 0;
}

static void note_use(void)
{
	if (il__unlikely(!atomic_load_explicit(&used, memory_order_relaxed)))
		atomic_store_explicit(&used, true, memory_order_relaxed);
}

void *il__malloc(size_t size)
{
	note_use();
	return il__unlikely(allocator.malloc) ? allocator.malloc(size, allocator.arg)
					      : malloc(size);
}

void *il__calloc(size_t count, size_t size)
{
	void *memory;

	if (!il__is_array(count, size))
		return NULL;
	note_use();
	if (il__likely(!allocator.malloc))
		return calloc(count, size);
	memory = allocator.malloc(count * size, allocator.arg);
	return memory ? memset(memory, 0, count * size) : NULL;
}

void *il__realloc(void *memory, size_t size)
{
	note_use();
	if (il__likely(!allocator.malloc))
		return realloc(memory, size);
	return memory ? allocator.realloc(memory, size, allocator.arg)
		      : allocator.malloc(size, allocator.arg);
}

char *il__strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = il__malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

char *il__take_text(char *text)
{
	char *copy = text ? il__strdup(text) : NULL;

	free(text);
	return copy;
}

void il__free(void *memory)
{
	if (il__likely(!allocator.malloc))
		free(memory);
	else if (memory)
		allocator.free(memory, allocator.arg);
}

/* ---- whole lines of the cache ---- */

/* A user's allocator aligns as malloc does: the address that it gave stands before the line. */
static void *memory_align(size_t size)
{
	char *memory = allocator.malloc(size + IL__LINE + sizeof(void *), allocator.arg);
	uintptr_t line;

	if (!memory)
		return NULL;
	line = ((uintptr_t)memory + sizeof(void *) + IL__LINE - 1) / IL__LINE * IL__LINE;
	memcpy((void *)(line - sizeof(void *)), &memory, sizeof memory);
	return (void *)line;
}

void *il__malloc_lines(size_t size)
{
	size_t whole = (size + IL__LINE - 1) / IL__LINE * IL__LINE;

	if (whole < size || whole > PTRDIFF_MAX)
		return NULL;
	note_use();
	return il__likely(!allocator.malloc) ? aligned_alloc(IL__LINE, whole) : memory_align(whole);
}

void *il__alloc_lines(size_t size)
{
	void *memory = il__malloc_lines(size);

	return memory ? memset(memory, 0, size) : NULL;
}

void il__free_lines(void *memory)
{
	if (memory && il__unlikely(allocator.malloc))
		memcpy(&memory, (char *)memory - sizeof(void *), sizeof memory);
	il__free(memory);
}
