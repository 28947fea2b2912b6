/*
 * stack.h: guarded stacks, the warm one first. Loop's thread only.
 */
#ifndef IL_CORE_STACK_H
#define IL_CORE_STACK_H

#include "../base/base.h"

/* Part of a task, so that its pages need not be touched in order to keep it. */
struct il__stack {
	char *top; /* the guard is pool->size below it */
	struct il__stack *next;
	unsigned valgrind_id;
	unsigned short colour;
	bool given_back; /* its pages */
};

struct il__stacks {
	struct il__stack *free; /* last in, first out: the warm one first */
	struct il__slab *slabs;
	size_t size;  /* of a stack, guard excluded, whole pages */
	size_t guard; /* of the guard below it, likewise */
	size_t per_slab;
	size_t made;
	size_t free_count, low; /* now, and the least since `turns` was 0 */
	unsigned turns;
	struct il__stack *cold; /* the next whose pages are given back */
};

/* -EINVAL: il_error_detail() names the option of il_loop_options. */
int il__stacks_init(struct il__stacks *pool, size_t stack_size, size_t guard_size);
void il__stacks_fini(struct il__stacks *pool);
struct il__stack *il__stack_get(
    struct il__stacks *pool); /* NULL: il_error_detail() names the limit */
void il__stack_put(struct il__stacks *pool, struct il__stack *stack);
static inline char *il__stack_low(const struct il__stacks *pool, const struct il__stack *stack)
{
	return stack->top - pool->size;
}
/* Once a turn: gives the pages of stacks that many tasks at once have left back to the system, a few at a time. */
void il__stacks_rest(struct il__stacks *pool);

#endif
