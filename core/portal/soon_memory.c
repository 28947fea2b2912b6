/*
 * soon_memory.c: the memory of posted calls. Who posts allocates, the loop frees: for an allocator that is the dear
 * way round, dearer than all the rest of a post. So a thread that posts cuts its calls from a block of its
 * own, one beside the other, which the loop then reads in one go; a block whose calls have all ended is
 * used again. Any thread. Invariant: `left` counts the calls of a block that may still be cut or have not
 * ended; who brings it to 0 has the block.
 */
#include "soon_memory.h"
#include "../base/base.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "portal_soon.h"

enum { CALLS = 63, KEPT = 1024 };

struct il__soon_block {
	_Alignas(IL__LINE) atomic_uint left;
	struct il__soon_block *next; /* in the store */
	_Alignas(IL__LINE) struct il__soon calls[CALLS];
};

_Static_assert(sizeof(struct il__soon) <= IL__LINE, "a call fits a line of the cache");

/* Empty blocks. */
static struct {
	pthread_mutex_t lock;
	struct il__soon_block *first;
	unsigned count;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* This thread's. */
static IL__THREAD_LOCAL struct {
	struct il__soon_block *block; /* NULL: none */
	unsigned cut;
} own;

static struct il__soon_block *soon_memory_fetch(void)
{
	struct il__soon_block *block;

	pthread_mutex_lock(&store.lock);
	block = store.first;
	if (block) {
		store.first = block->next;
		store.count--;
	}
	pthread_mutex_unlock(&store.lock);
	return block;
}

static void put_away(struct il__soon_block *block)
{
	pthread_mutex_lock(&store.lock);
	if (store.count < KEPT) {
		block->next = store.first;
		store.first = block;
		store.count++;
		block = NULL;
	}
	pthread_mutex_unlock(&store.lock);
	il__free_lines(block);
}

/* True: these were the last, and the block is the caller's. */
static bool count_off(struct il__soon_block *block, unsigned calls)
{
	/* What was read of the others' calls comes before the block is written again. */
	return atomic_fetch_sub_explicit(&block->left, calls, memory_order_acq_rel) == calls;
}

/* ---- a thread's end, and a fork ---- */

static pthread_key_t end_key;
static bool has_end_key; /* the system has few: without one the last block of a thread is lost */
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static void let_go(void *arg)
{
	(void)arg;
	if (own.block && own.cut < CALLS && count_off(own.block, CALLS - own.cut))
		il__free_lines(
		    own.block); /* perhaps there is no loop any more to empty the store */
	own.block = NULL;
}

static void make_end_key(void)
{
	has_end_key = pthread_key_create(&end_key, let_go) == 0;
}

IL__AT_FORK(&store.lock, NULL);

/* ---- taking and giving back ---- */

static bool next_block(void)
{
	struct il__soon_block *block = soon_memory_fetch();

	if (!block)
		block = il__malloc_lines(sizeof *block);
	if (!block)
		return false;
	if (!own.block) {
		pthread_once(&end_once, make_end_key);
		if (has_end_key)
			pthread_setspecific(end_key, &own);
	}
	atomic_init(&block->left, CALLS);
	own.block = block;
	own.cut = 0;
	return true;
}

struct il__soon *il__soon_memory_take(void)
{
	struct il__soon *soon;

	if ((!own.block || own.cut == CALLS) && !next_block())
		return NULL;
	soon = &own.block->calls[own.cut++];
	soon->block = own.block;
	return soon;
}

void il__soon_memory_give(struct il__soon *soon)
{
	if (count_off(soon->block, 1))
		put_away(soon->block);
}

void il__soon_memory_free(void)
{
	struct il__soon_block *block;

	while ((block = soon_memory_fetch()))
		il__free_lines(block);
}
