/*
 * stack_use.h: how much of their stacks tasks use: of a loop with options.measure_stacks. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_STACK_USE_H
#define IL_CORE_RUNTIME_STACK_USE_H

#include "stack.h"

/* Of a stack that was just cut. */
void il__stack_paint(const struct il__stacks *pool, const struct il__stack *stack);
/* A task begins on it: notes what the one before has used, and paints that anew. */
void il__stack_begin(struct il__stacks *pool, const struct il__stack *stack);
/* Bytes that the task on it has used so far, or if there is none, the last one. */
size_t il__stack_used(const struct il__stacks *pool, const struct il__stack *stack);

#endif
