/*
 * timer.c: the loop's one heap of timers, ordered by (deadline, order of asking), four children a node,
 * which share a line of the cache. Sifting touches the heap's array and the table of places, never a
 * timer: with a million of them each would be a miss. Loop's thread only.
 */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64, CHILDREN = 4, FIRST = 64 };

_Static_assert(CHILDREN * sizeof(struct il__timer_entry) == LINE, "children share a line");

static bool before(const struct il__timers *timers, const struct il__timer_entry *a,
		   const struct il__timer_entry *b)
{
	return a->deadline != b->deadline
		   ? a->deadline < b->deadline
		   : timers->slots[a->slot].order < timers->slots[b->slot].order;
}

static void place(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	timers->heap[i] = entry;
	timers->places[entry.slot] = (uint32_t)i;
}

static void sift_up(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	while (i > 0) {
		size_t parent = (i - 1) / CHILDREN;
		if (!before(timers, &entry, &timers->heap[parent]))
			break;
		place(timers, i, timers->heap[parent]);
		i = parent;
	}
	place(timers, i, entry);
}

static void sift_down(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	for (;;) {
		size_t first = CHILDREN * i + 1, least = first;
		if (first >= timers->count)
			break;
		for (size_t c = first + 1; c < first + CHILDREN && c < timers->count; c++)
			if (before(timers, &timers->heap[c], &timers->heap[least]))
				least = c;
		if (!before(timers, &timers->heap[least], &entry))
			break;
		place(timers, i, timers->heap[least]);
		i = least;
	}
	place(timers, i, entry);
}

/* ---- memory ---- */

/* heap[1] is where a line begins. */
static struct il__timer_entry *heap_of(void *memory)
{
	return (struct il__timer_entry *)memory + CHILDREN - 1;
}

static void *memory_of(struct il__timer_entry *heap)
{
	return heap ? heap - (CHILDREN - 1) : NULL;
}

static int grow(struct il__timers *timers)
{
	size_t capacity = timers->capacity ? 2 * timers->capacity : FIRST;
	void *memory = capacity < UINT32_MAX / 2
			   ? aligned_alloc(LINE, (capacity + CHILDREN) * sizeof *timers->heap)
			   : NULL;
	uint32_t *places;
	struct il__timer_slot *slots;

	if (!memory)
		goto no_memory;
	if (timers->count)
		memcpy(heap_of(memory), timers->heap, timers->count * sizeof *timers->heap);
	free(memory_of(timers->heap));
	timers->heap = heap_of(memory);
	places = realloc(timers->places, capacity * sizeof *places);
	if (!places)
		goto no_memory;
	timers->places = places;
	slots = realloc(timers->slots, capacity * sizeof *slots);
	if (!slots)
		goto no_memory;
	timers->slots = slots;
	timers->capacity = capacity;
	return 0;
no_memory:
	return il__refuse(-ENOMEM, "timers: out of memory for %zu of them", capacity);
}

void il__timers_fini(struct il__timers *timers)
{
	free(memory_of(timers->heap));
	free(timers->places);
	free(timers->slots);
}

/* ---- slots ---- */

static uint32_t take_slot(struct il__timers *timers, struct il__timer *timer)
{
	uint32_t slot = timers->spare;

	if (slot == timers->used)
		timers->spare = (uint32_t)++timers->used;
	else
		timers->spare = timers->places[slot];
	timers->slots[slot] = (struct il__timer_slot){.timer = timer, .order = timers->order++};
	timer->index = (size_t)slot + 1;
	return slot;
}

static void give_slot(struct il__timers *timers, struct il__timer *timer)
{
	uint32_t slot = (uint32_t)(timer->index - 1);

	timers->slots[slot].timer = NULL;
	timers->places[slot] = timers->spare;
	timers->spare = slot;
	timer->index = 0;
}

/* ---- for the loop ---- */

int il__timer_arm(il_loop *loop, struct il__timer *timer, il_time deadline)
{
	struct il__timers *timers = &loop->timers;
	int rc;

	il__timer_disarm(loop, timer);
	if (timers->count == timers->capacity && (rc = grow(timers)) < 0)
		return rc;
	sift_up(timers, timers->count++,
		(struct il__timer_entry){.deadline = deadline, .slot = take_slot(timers, timer)});
	if (!loop->turning)
		il__loop_kick(loop); /* the turn sets the loop's timer */
	return 0;
}

void il__timer_disarm(il_loop *loop, struct il__timer *timer)
{
	struct il__timers *timers = &loop->timers;
	struct il__timer_entry last;
	size_t i;

	if (!timer->index)
		return;
	i = timers->places[timer->index - 1];
	last = timers->heap[--timers->count];
	if (i < timers->count) {
		if (i > 0 && before(timers, &last, &timers->heap[(i - 1) / CHILDREN]))
			sift_up(timers, i, last);
		else
			sift_down(timers, i, last);
	}
	give_slot(timers, timer);
}

il_time il__timers_next(const struct il__timers *timers)
{
	return timers->count ? timers->heap[0].deadline : IL_FOREVER;
}

static struct il__timer *first(const struct il__timers *timers)
{
	return timers->slots[timers->heap[0].slot].timer;
}

/* The next ones are among these, and lie where nobody has looked for long. */
static void prefetch(const struct il__timers *timers)
{
	for (size_t i = 0; i <= CHILDREN && i < timers->count; i++)
		__builtin_prefetch(timers->slots[timers->heap[i].slot].timer);
}

void il__timers_expire(il_loop *loop)
{
	struct il__timers *timers = &loop->timers;
	il_time now;

	if (!timers->count)
		return;
	timers->expired = now = il__loop_now(loop);
	while (timers->count && timers->heap[0].deadline <= now) {
		struct il__timer *timer = first(timers);
		il__timer_disarm(loop, timer);
		prefetch(timers);
		timer->fire(timer);
	}
}
