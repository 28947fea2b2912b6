/*
 * stack_use.c: paints stacks, and looks how much paint is gone. Every stack of such a pool is painted when it is cut, and
 * what was used of it when its next task begins: so what a task has used can be seen until then. Loop's thread only.
 */
#include "stack_use.h"
#include "../base/sanitizer.h"

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define IL__MEMCHECK 1
#endif
#endif

static const uintptr_t PAINT = (uintptr_t)UINT64_C(0xa55aa55aa55aa55a);

/* Memcheck takes what lies below a stack pointer for nobody's. */
static void stack_paint(char *low, const char *end)
{
#ifdef IL__MEMCHECK
	VALGRIND_MAKE_MEM_UNDEFINED(low, (size_t)(end - low));
#endif
	for (uintptr_t *word = (uintptr_t *)(void *)low; (char *)(word + 1) <= end; word++)
		*word = PAINT;
}

/* It also reads the frames of a task that is away, which a sanitizer guards. */
static IL__RACY size_t stack_unused(const char *low, const char *top)
{
	const volatile uintptr_t *word = (const volatile uintptr_t *)(const void *)low;
	size_t unused;

#ifdef IL__MEMCHECK
	VALGRIND_DISABLE_ERROR_REPORTING;
#endif
	while ((const char *)word < top && *word == PAINT)
		word++;
	unused = (size_t)((const char *)word - low);
#ifdef IL__MEMCHECK
	VALGRIND_MAKE_MEM_DEFINED(&unused, sizeof unused); /* though it follows from such words */
	VALGRIND_ENABLE_ERROR_REPORTING;
#endif
	return unused;
}

void il__stack_paint(const struct il__stacks *pool, const struct il__stack *stack)
{
	stack_paint(il__stack_low(pool, stack), stack->top);
}

size_t il__stack_used(const struct il__stacks *pool, const struct il__stack *stack)
{
	return pool->size - stack_unused(il__stack_low(pool, stack), stack->top);
}

void il__stack_begin(struct il__stacks *pool, const struct il__stack *stack)
{
	size_t used = il__stack_used(pool, stack);

	if (used > pool->most_used)
		pool->most_used = used;
	stack_paint(stack->top - used, stack->top);
}
