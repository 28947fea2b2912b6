/*
 * memory.h: the core's memory: from the C library, or from the allocator that the program has set. Any thread.
 */
#ifndef IL_CORE_BASE_MEMORY_H
#define IL_CORE_BASE_MEMORY_H

#include <interloop/base.h>

#include <stddef.h>

/* 0; -EBUSY: there is memory of another one. */
int il__memory_from(const il_allocator *a);

void *il__malloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *il__calloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));
void *il__realloc(void *memory, size_t size) __attribute__((alloc_size(2)));
char *il__strdup(const char *text) __attribute__((malloc));
/* A copy of text that the C library has allocated, which it frees; NULL of NULL. */
char *il__take_text(char *text);
void il__free(void *memory);

enum { IL__LINE = 64 };

/* From the beginning of a line of the cache: for what lies cold and has its hot members first. */
void *il__alloc_lines(size_t size);  /* zeroed */
void *il__malloc_lines(size_t size); /* as it comes */
void il__free_lines(void *memory);

#endif
