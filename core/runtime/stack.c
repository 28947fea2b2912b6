/*
 * stack.c: tasks with their guarded stacks, cut from slabs so that a million of them need few
 * mappings, given out last in, first out so that a warm one comes first. Loop's thread only.
 * Invariants: below each stack that was ever given out lies a guard; of the free ones those without
 * pages lie at the bottom.
 */
#include "stack.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "stack_use.h"
#include "task.h"

#include <sys/mman.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define IL__VALGRIND 1
#endif
#endif

enum { SLAB_STACKS = 64, KEPT_WARM = 256, TRIMMED_A_TURN = 8 };

/* A slab of large stacks has fewer, down to one: address space is scarce where pointers have 32 bits. */
static const size_t SLAB_BYTES = (size_t)32 << 20;
static const size_t STACK_MIN = (size_t)16 << 10;
static const size_t GUARD_MAX = (size_t)256 << 20;

struct il__slab {
	struct il__slab *next;
	char *memory;       /* their stacks */
	size_t used;        /* cut so far */
	size_t mprotected;  /* guards that took a mapping */
	unsigned *valgrind; /* what it calls the stacks */
	il_task tasks[];
};

static size_t whole_pages(size_t size)
{
	size_t page = il__os_page_size();

	return (size + page - 1) / page * page;
}

int il__stack_check_size(size_t size, const char *option)
{
	if (size >= STACK_MIN && size <= IL__STACK_MAX)
		return 0;
	return il__refuse(-EINVAL, "%s is %zu; it must be from %zu to %zu", option, size, STACK_MIN,
			  IL__STACK_MAX);
}

void il__stacks_plan(struct il__stacks *pool, size_t stack_size, size_t guard_size)
{
	size_t page = il__os_page_size();

	*pool =
	    (struct il__stacks){.size = whole_pages(stack_size), .guard = whole_pages(guard_size)};
	/* An odd number of pages apart: a multiple of a power of two would put what all tasks touch into
	 * a few sets of the TLB. */
	if ((pool->size + pool->guard) / page % 2 == 0)
		pool->guard += page;
	pool->per_slab = SLAB_BYTES / (pool->size + pool->guard);
	if (pool->per_slab > SLAB_STACKS)
		pool->per_slab = SLAB_STACKS;
	if (pool->per_slab == 0)
		pool->per_slab = 1;
}

int il__stacks_init(struct il__stacks *pool, size_t stack_size, size_t guard_size)
{
	int rc = il__stack_check_size(stack_size, "il_loop_options: stack_size");

	if (rc < 0)
		return rc;
	if (guard_size > GUARD_MAX)
		return il__refuse(-EINVAL,
				  "il_loop_options: guard_size is %zu; it must be at most %zu",
				  guard_size, GUARD_MAX);
	il__stacks_plan(pool, stack_size, guard_size);
	return 0;
}

static size_t stack_stride(const struct il__stacks *pool)
{
	return pool->size + pool->guard;
}

static struct il__slab *make_slab(struct il__stacks *pool)
{
	struct il__slab *slab = il__alloc_lines(
	    sizeof *slab + pool->per_slab * (sizeof slab->tasks[0] + sizeof *slab->valgrind));
	size_t size = stack_stride(pool) * pool->per_slab;

	if (!slab) {
		il__refuse(-ENOMEM, "task stacks: out of memory");
		return NULL;
	}
	slab->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slab->memory == MAP_FAILED) {
		il__refuse(
		    -ENOMEM,
		    "task stacks: no address space for %zu bytes: %s; lower stack_size, or raise "
		    "RLIMIT_AS or vm.max_map_count",
		    size, strerror(errno));
		il__free_lines(slab);
		return NULL;
	}
#ifdef MADV_NOHUGEPAGE
	madvise(slab->memory, size, MADV_NOHUGEPAGE);
#endif
	slab->valgrind = (unsigned *)(void *)&slab->tasks[pool->per_slab];
	slab->next = pool->slabs;
	pool->slabs = slab;
	return slab;
}

void il__stacks_fini(struct il__stacks *pool)
{
	size_t size = stack_stride(pool) * pool->per_slab;

	while (pool->slabs) {
		struct il__slab *slab = pool->slabs;
		pool->slabs = slab->next;
#ifdef IL__VALGRIND
		for (size_t i = 0; i < slab->used; i++)
			VALGRIND_STACK_DEREGISTER(slab->valgrind[i]);
#endif
		il__os_unguarded(slab->mprotected);
		munmap(slab->memory, size);
		il__free_lines(slab);
	}
	pool->free = NULL;
}

/* Cuts one more stack from the newest slab. */
static struct il__stack *stack_cut(struct il__stacks *pool)
{
	struct il__slab *slab = pool->slabs;
	struct il__stack *stack;
	char *low;
	int rc;

	if (!slab || slab->used == pool->per_slab) {
		slab = make_slab(pool);
		if (!slab)
			return NULL;
	}
	low = slab->memory + slab->used * stack_stride(pool);
	rc = il__os_guard(low, pool->guard);
	if (rc < 0)
		return NULL;
	slab->mprotected += rc == 0;
#ifdef IL__VALGRIND
	slab->valgrind[slab->used] =
	    VALGRIND_STACK_REGISTER(low + pool->guard, low + stack_stride(pool));
#endif
	stack = &slab->tasks[slab->used++].stack;
	stack->number = (unsigned)++(pool->plain ? pool->plain : pool)->numbered;
	stack->special = pool->place;
	stack->top = low + stack_stride(pool);
	/* The same offset in each page would put what all tasks touch into one set of the cache. */
	stack->colour = (unsigned short)(pool->made++ % 16 * IL__LINE);
	if (il__unlikely(pool->measured))
		il__stack_paint(pool, stack);
	return stack;
}

struct il__stack *il__stack_get(struct il__stacks *pool)
{
	struct il__stack *stack = pool->free;

	if (il__unlikely(!stack))
		return stack_cut(pool);
	pool->free = stack->next;
	if (--pool->free_count < pool->low)
		pool->low = pool->free_count;
	if (il__unlikely(stack == pool->cold))
		pool->cold = stack->next;
	stack->given_back = false;
	return stack;
}

void il__stack_put(struct il__stacks *pool, struct il__stack *stack)
{
	stack->next = pool->free;
	pool->free = stack;
	pool->free_count++;
}

/* ---- after a crowd ---- */

/* What was not taken in a whole period will not be missed, but for a reserve. */
static struct il__stack *find_cold(const struct il__stacks *pool)
{
	struct il__stack *stack = pool->free;

	if (pool->low <= KEPT_WARM)
		return NULL;
	for (size_t warm = pool->free_count - (pool->low - KEPT_WARM); warm > 0; warm--)
		stack = stack->next;
	return stack;
}

void il__stacks_trim(struct il__stacks *pool)
{
	for (int n = 0; pool->cold && n < TRIMMED_A_TURN; n++) {
		struct il__stack *stack = pool->cold;
		if (stack->given_back) {
			pool->cold = NULL; /* and so are those below it */
			break;
		}
		il__os_discard(il__stack_low(pool, stack), pool->size);
		stack->given_back = true;
		pool->cold = stack->next;
	}
	if (pool->turns < IL__STACKS_PERIOD)
		return;
	pool->turns = 0;
	if (!pool->cold && !pool->measured)
		pool->cold = find_cold(pool);
	pool->low = pool->free_count;
}

/* ---- what was used ---- */

size_t il__stacks_most_of_pool(const struct il__stacks *pool)
{
	size_t most = pool->most_used;

	for (const struct il__slab *slab = pool->slabs; slab; slab = slab->next)
		for (size_t i = 0; i < slab->used; i++) {
			size_t used = il__stack_used(pool, &slab->tasks[i].stack);
			most = used > most ? used : most;
		}
	return most;
}
