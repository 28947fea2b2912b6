/*
 * stack.h: guarded stacks, the warm one first. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_STACK_H
#define IL_CORE_RUNTIME_STACK_H

#include "../base/base.h"

/* Part of a task, so that its pages need not be touched in order to keep it. */
struct il__stack {
	char *top; /* the guard is pool->size below it */
	struct il__stack *next;
	unsigned number; /* among those of the loop, from 1 */
	unsigned short colour;
	bool given_back;       /* its pages */
	unsigned char special; /* 0: one of the loop's plain pool; else see stack_special.c */
};

enum { IL__STACKS_PERIOD = 16384 }; /* turns, after which it is seen which stacks were not needed */

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
	struct il__stacks
	    *plain; /* the loop's pool, of which it is another size; NULL: it is that */
	struct il__special_stacks
	    *special;        /* of the plain pool: its other sizes; NULL: none was asked for */
	size_t numbered;     /* the plain pool's: of all sizes */
	unsigned char place; /* among the special ones, from 1; 0: it is the plain one */
	bool measured;       /* stack_use.c: they are painted, and keep their pages */
	size_t most_used;    /* of one, by a task that another has followed there */
};

/* -EINVAL: il_error_detail() names the option of il_loop_options. */
int il__stacks_init(struct il__stacks *pool, size_t stack_size, size_t guard_size);
/* Likewise, of sizes that were checked. */
void il__stacks_plan(struct il__stacks *pool, size_t stack_size, size_t guard_size);
void il__stacks_fini(struct il__stacks *pool);
struct il__stack *il__stack_get(
    struct il__stacks *pool); /* NULL: il_error_detail() names the limit */
void il__stack_put(struct il__stacks *pool, struct il__stack *stack);
/* The lowest usable byte of one of this very pool. */
static inline char *il__stack_low(const struct il__stacks *pool, const struct il__stack *stack)
{
	return stack->top - pool->size;
}
/* The pool of the smallest power of two that holds so much, made when it is first asked for; 0: the plain one. NULL:
 * il_error_detail() says why. */
struct il__stacks *il__stacks_of_size(struct il__stacks *plain, size_t size);
struct il__stacks *il__special_pool(struct il__stacks *plain, const struct il__stack *stack);
/* The pool that a stack of the loop belongs to. */
static inline struct il__stacks *il__stack_pool(struct il__stacks *plain,
						const struct il__stack *stack)
{
	return il__unlikely(stack->special) ? il__special_pool(plain, stack) : plain;
}
/* Most bytes of one stack, of any size, that a task has used; 0: they are not measured. */
size_t il__stacks_most_used(const struct il__stacks *plain);
size_t il__stacks_most_of_pool(const struct il__stacks *pool);
void il__special_stacks_fini(struct il__stacks *plain);
void il__special_stacks_rest(struct il__stacks *plain); /* once in many turns */
/* 0, or -EINVAL naming the option. */
int il__stack_check_size(size_t size, const char *option);
/* Gives the pages of stacks that many tasks at once have left back to the system, a few at a time. */
void il__stacks_trim(struct il__stacks *pool);
/* Once a turn. */
static inline void il__stacks_rest(struct il__stacks *pool)
{
	if (il__unlikely(++pool->turns >= IL__STACKS_PERIOD || pool->cold))
		il__stacks_trim(pool);
}

#endif
