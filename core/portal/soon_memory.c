/*
 * soon_memory.c: the memory of posted calls. Who posts allocates, the loop frees: for an allocator that is the dear
 * way round, dearer than all the rest of a post. So a thread that posts cuts its calls from a sheet of its
 * own, one beside the other, which the loop then reads in one go; a sheet whose calls have all ended is
 * used again. Any thread. Invariant: `left` counts the calls of a sheet that may still be cut or have not
 * ended; who brings it to 0 has the sheet.
 */
#include "soon_memory.h"
#include "../base/base.h"
#include "../base/load.h"
#include "../base/memory.h"
#include "portal_soon.h"

enum { CALLS = 63, KEPT = 1024 };

struct il__sheet {
	_Alignas(IL__LINE) atomic_uint left;
	struct il__sheet *next; /* in the store */
	_Alignas(IL__LINE) struct il__soon calls[CALLS];
};

_Static_assert(sizeof(struct il__soon) <= IL__LINE, "a call fits a line of the cache");

/* Empty sheets. */
static struct {
	pthread_mutex_t lock;
	struct il__sheet *first;
	unsigned count;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* This thread's. */
static IL__THREAD_LOCAL struct {
	struct il__sheet *sheet; /* NULL: none */
	unsigned cut;
} own;

static struct il__sheet *fetch(void)
{
	struct il__sheet *sheet;

	pthread_mutex_lock(&store.lock);
	sheet = store.first;
	if (sheet) {
		store.first = sheet->next;
		store.count--;
	}
	pthread_mutex_unlock(&store.lock);
	return sheet;
}

static void put_away(struct il__sheet *sheet)
{
	pthread_mutex_lock(&store.lock);
	if (store.count < KEPT) {
		sheet->next = store.first;
		store.first = sheet;
		store.count++;
		sheet = NULL;
	}
	pthread_mutex_unlock(&store.lock);
	il__free_lines(sheet);
}

/* True: these were the last, and the sheet is the caller's. */
static bool count_off(struct il__sheet *sheet, unsigned calls)
{
	/* What was read of the others' calls comes before the sheet is written again. */
	return atomic_fetch_sub_explicit(&sheet->left, calls, memory_order_acq_rel) == calls;
}

/* ---- a thread's end, and a fork ---- */

static pthread_key_t end_key;
static bool has_end_key; /* the system has few: without one the last sheet of a thread is lost */
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static void let_go(void *arg)
{
	(void)arg;
	if (own.sheet && own.cut < CALLS && count_off(own.sheet, CALLS - own.cut))
		il__free(own.sheet); /* perhaps there is no loop any more to empty the store */
	own.sheet = NULL;
}

static void make_end_key(void)
{
	has_end_key = pthread_key_create(&end_key, let_go) == 0;
}

static struct il__fork_lock fork_lock = {.lock = &store.lock};

static void add_fork_lock(void)
{
	il__hold_at_fork(&fork_lock);
}
IL__AT_LOAD(add_fork_lock, IL__LOADED);

/* ---- taking and giving back ---- */

static bool next_sheet(void)
{
	struct il__sheet *sheet = fetch();

	if (!sheet)
		sheet = il__malloc_lines(sizeof *sheet);
	if (!sheet)
		return false;
	if (!own.sheet) {
		pthread_once(&end_once, make_end_key);
		if (has_end_key)
			pthread_setspecific(end_key, &own);
	}
	atomic_init(&sheet->left, CALLS);
	own.sheet = sheet;
	own.cut = 0;
	return true;
}

struct il__soon *il__spare_take(void)
{
	struct il__soon *soon;

	if ((!own.sheet || own.cut == CALLS) && !next_sheet())
		return NULL;
	soon = &own.sheet->calls[own.cut++];
	soon->sheet = own.sheet;
	return soon;
}

void il__spare_give(struct il__soon *soon)
{
	if (count_off(soon->sheet, 1))
		put_away(soon->sheet);
}

void il__spare_free(void)
{
	struct il__sheet *sheet;

	while ((sheet = fetch()))
		il__free_lines(sheet);
}
