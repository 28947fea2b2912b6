/*
 * stack_special.c: stacks of other sizes than the loop's, for tasks that ask for one (il_task_options): a pool each
 * power of two, made when it is first asked for. Loop's thread only. Invariant: stack->special is 1 + the place of
 * its pool, so that a stack finds back to it.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "stack.h"

enum { SMALLEST = 14, SIZES = 8 * sizeof(size_t) - SMALLEST };

struct il__special_stacks {
	struct il__stacks
	    *of_size[SIZES]; /* 2 to the power of SMALLEST + i; NULL: not asked for yet */
};

struct il__stacks *il__special_pool(struct il__stacks *plain, const struct il__stack *stack)
{
	return plain->special->of_size[stack->special - 1];
}

static unsigned special_place(size_t size)
{
	unsigned i = 0;

	while ((size_t)1 << (SMALLEST + i) < size)
		i++;
	return i;
}

static void special_make(struct il__stacks *plain, unsigned place)
{
	struct il__stacks *pool = il__malloc(sizeof *pool);

	if (!pool) {
		il__refuse(-ENOMEM, "task stacks: out of memory");
		return;
	}
	il__stacks_plan(pool, (size_t)1 << (SMALLEST + place), plain->guard);
	pool->plain = plain;
	pool->measured = plain->measured;
	pool->place = (unsigned char)(place + 1);
	plain->special->of_size[place] = pool;
}

struct il__stacks *il__stacks_of_size(struct il__stacks *plain, size_t size)
{
	unsigned place = special_place(size);

	if (!size)
		return plain;
	if (!plain->special)
		plain->special = il__calloc(1, sizeof *plain->special);
	if (!plain->special) {
		il__refuse(-ENOMEM, "task stacks: out of memory");
		return NULL;
	}
	if (!plain->special->of_size[place])
		special_make(plain, place);
	return plain->special->of_size[place];
}

void il__special_stacks_fini(struct il__stacks *plain)
{
	for (size_t i = 0; plain->special && i < SIZES; i++)
		if (plain->special->of_size[i]) {
			il__stacks_fini(plain->special->of_size[i]);
			il__free(plain->special->of_size[i]);
		}
	il__free(plain->special);
	plain->special = NULL;
}

size_t il__stacks_most_used(const struct il__stacks *plain)
{
	size_t most = plain->measured ? il__stacks_most_of_pool(plain) : 0;

	for (size_t i = 0; plain->measured && plain->special && i < SIZES; i++) {
		const struct il__stacks *pool = plain->special->of_size[i];
		size_t used = pool ? il__stacks_most_of_pool(pool) : 0;
		most = used > most ? used : most;
	}
	return most;
}

/* They are few, and may be large: what is free after so many turns is given back. */
void il__special_stacks_rest(struct il__stacks *plain)
{
	for (size_t i = 0; i < SIZES && !plain->measured; i++) {
		struct il__stacks *pool = plain->special->of_size[i];
		for (struct il__stack *s = pool ? pool->free : NULL; s && !s->given_back;
		     s = s->next) {
			il__os_discard(il__stack_low(pool, s), pool->size);
			s->given_back = true;
		}
	}
}
