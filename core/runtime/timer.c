/*
 * timer.c: the loop's one heap of timers, ordered by (deadline, order of asking), four children a node,
 * which share a line of the cache. Sifting touches the heap's array and the table of places, never a
 * timer: with a million of them each would be a miss. Loop's thread only.
 */
#include "timer.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "loop.h"

enum { CHILDREN = 4, FIRST = 64, BURST = 16, BURSTS = 16 };

/* The place of one that is about to fire. */
#define DUE UINT32_MAX

_Static_assert(CHILDREN * sizeof(struct il__timer_entry) == IL__LINE, "children share a line");

static bool timer_before(const struct il__timer_entry *a, const struct il__timer_entry *b)
{
	bool earlier = a->deadline < b->deadline;

	return il__unlikely(a->deadline == b->deadline) ? (int32_t)(a->order - b->order) < 0
							: earlier;
}

static void timer_place(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	timers->heap[i] = entry;
	timers->places[entry.slot] = (uint32_t)i;
}

static void sift_up(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	while (i > 0) {
		size_t parent = (i - 1) / CHILDREN;
		if (!timer_before(&entry, &timers->heap[parent]))
			break;
		timer_place(timers, i, timers->heap[parent]);
		i = parent;
	}
	timer_place(timers, i, entry);
}

static void sift_down(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	for (;;) {
		size_t first = CHILDREN * i + 1, least = first;
		if (first >= timers->count)
			break;
		if (CHILDREN * (first + CHILDREN - 1) + 1 < timers->count)
			for (size_t c = 0; c < CHILDREN; c++) /* whichever is least, its children */
				__builtin_prefetch(&timers->heap[CHILDREN * (first + c) + 1]);
		for (size_t c = first + 1; c < first + CHILDREN && c < timers->count; c++)
			least = timer_before(&timers->heap[c], &timers->heap[least]) ? c : least;
		if (!timer_before(&timers->heap[least], &entry))
			break;
		timer_place(timers, i, timers->heap[least]);
		i = least;
	}
	timer_place(timers, i, entry);
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

static int timer_grow(struct il__timers *timers)
{
	size_t capacity = timers->capacity ? 2 * timers->capacity : FIRST;
	void *memory = capacity < UINT32_MAX / 2
			   ? il__malloc_lines((capacity + CHILDREN) * sizeof *timers->heap)
			   : NULL;
	uint32_t *places;
	struct il__timer **slots;

	if (!memory)
		goto no_memory;
	il__os_memory_is_large(memory, (capacity + CHILDREN) * sizeof *timers->heap);
	if (timers->count)
		memcpy(heap_of(memory), timers->heap, timers->count * sizeof *timers->heap);
	il__free_lines(memory_of(timers->heap));
	timers->heap = heap_of(memory);
	places = il__realloc(timers->places, capacity * sizeof *places);
	if (!places)
		goto no_memory;
	timers->places = places;
	slots = il__realloc(timers->slots, capacity * sizeof *slots);
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
	il__free_lines(memory_of(timers->heap));
	il__free(timers->places);
	il__free(timers->slots);
}

/* ---- slots ---- */

static uint32_t take_slot(struct il__timers *timers, struct il__timer *timer)
{
	uint32_t slot = timers->free_slot;

	if (slot == timers->used)
		timers->free_slot = (uint32_t)++timers->used;
	else
		timers->free_slot = timers->places[slot];
	timers->slots[slot] = timer;
	timer->index = (size_t)slot + 1;
	return slot;
}

static void give_slot(struct il__timers *timers, uint32_t slot)
{
	timers->slots[slot] = NULL;
	timers->places[slot] = timers->free_slot;
	timers->free_slot = slot;
}

/* ---- for the loop ---- */

/* Whether disarming it gives a slot back. */
static bool timer_is_placed(const struct il__timers *timers, const struct il__timer *timer)
{
	return timer->index && timers->places[timer->index - 1] != DUE;
}

/* Not `count`: those that are about to fire have slots too. */
bool il__timer_has_room(const il_loop *loop)
{
	return loop->timers.free_slot < loop->timers.capacity;
}

int il__timer_arm(il_loop *loop, struct il__timer *timer, il_time deadline)
{
	struct il__timers *timers = &loop->timers;
	int rc;

	if (!il__timer_has_room(loop) && !timer_is_placed(timers, timer) &&
	    (rc = timer_grow(timers)) < 0)
		return rc;
	il__timer_disarm(loop, timer);
	sift_up(timers, timers->count++,
		(struct il__timer_entry){.deadline = deadline,
					 .order = timers->order++,
					 .slot = take_slot(timers, timer)});
	if (!loop->turning)
		il__loop_kick(loop); /* the turn sets the loop's timer */
	return 0;
}

static void take_out(struct il__timers *timers, size_t i)
{
	struct il__timer_entry last = timers->heap[--timers->count];

	if (i == timers->count)
		return;
	if (i > 0 && timer_before(&last, &timers->heap[(i - 1) / CHILDREN]))
		sift_up(timers, i, last);
	else
		sift_down(timers, i, last);
}

void il__timer_disarm(il_loop *loop, struct il__timer *timer)
{
	struct il__timers *timers = &loop->timers;
	uint32_t slot = (uint32_t)(timer->index - 1);

	if (!timer->index)
		return;
	timer->index = 0;
	if (timers->places[slot] == DUE) {
		timers->slots[slot] = NULL;
		return;
	}
	take_out(timers, timers->places[slot]);
	give_slot(timers, slot);
}

il_time il__timer_deadline(const il_loop *loop, const struct il__timer *timer)
{
	const struct il__timers *timers = &loop->timers;
	uint32_t place = timer->index ? timers->places[timer->index - 1] : DUE;

	return place == DUE ? IL_FOREVER : timers->heap[place].deadline;
}

il_time il__timers_next(const struct il__timers *timers)
{
	return timers->count ? timers->heap[0].deadline : IL_FOREVER;
}

/* Some of those that are due, out of the heap, in order. Nobody has looked at a timer, and at what lies
 * around it, since it was armed: all are fetched before the first is fired. */
static size_t take_due(struct il__timers *timers, il_time now, uint32_t due[BURST])
{
	size_t n;

	for (n = 0; n < BURST && timers->count && timers->heap[0].deadline <= now; n++) {
		due[n] = timers->heap[0].slot;
		__builtin_prefetch(&timers->slots[due[n]]);
		take_out(timers, 0);
		timers->places[due[n]] = DUE;
	}
	for (size_t i = 0; i < n; i++) {
		const char *timer = (const char *)timers->slots[due[i]];
		__builtin_prefetch(timer);
		__builtin_prefetch(timer + IL__LINE);
	}
	return n;
}

static void timer_fire(struct il__timers *timers, const uint32_t *due, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct il__timer *timer = timers->slots[due[i]];
		give_slot(timers, due[i]);
		if (!timer)
			continue;
		timer->index = 0;
		timer->fire(timer);
	}
}

/* Behind all that are due, so whoever expires these does not meet it before. It has the place of one that fires. */
bool il__timer_put_off(il_loop *loop, struct il__timer *timer)
{
	return loop->timers.in_task && il__timer_arm(loop, timer, il__loop_now(loop)) == 0;
}

bool il__timers_expire(il_loop *loop)
{
	struct il__timers *timers = &loop->timers;
	uint32_t due[BURST];
	size_t n = BURST;

	timers->late = false;
	if (!timers->count)
		return false;
	timers->expired = il__loop_now(loop);
	for (int bursts = 0; n == BURST && bursts < BURSTS; bursts++) {
		n = take_due(timers, timers->expired, due);
		timer_fire(timers, due, n);
	}
	timers->late = n == BURST;
	return timers->late;
}
