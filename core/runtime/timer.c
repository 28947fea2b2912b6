/*
 * timer.c: the loop's one heap of timers, ordered by (deadline, order of asking), four children a node.
 * The keys lie in the heap's array, so that sifting touches no timer but to tell it its place. Loop's
 * thread only.
 */
#include "runtime.h"

#include <stdlib.h>

static bool before(const struct il__timer_entry *a, const struct il__timer_entry *b)
{
	return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

static void place(struct il__timers *timers, size_t i, const struct il__timer_entry *entry)
{
	timers->heap[i] = *entry;
	entry->timer->index = i + 1;
}

static void sift_up(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	while (i > 0) {
		size_t parent = (i - 1) / 4;
		if (!before(&entry, &timers->heap[parent]))
			break;
		place(timers, i, &timers->heap[parent]);
		i = parent;
	}
	place(timers, i, &entry);
}

static void sift_down(struct il__timers *timers, size_t i, struct il__timer_entry entry)
{
	for (;;) {
		size_t first = 4 * i + 1, least = first;
		if (first >= timers->count)
			break;
		for (size_t c = first + 1; c < first + 4 && c < timers->count; c++)
			if (before(&timers->heap[c], &timers->heap[least]))
				least = c;
		if (!before(&timers->heap[least], &entry))
			break;
		place(timers, i, &timers->heap[least]);
		i = least;
	}
	place(timers, i, &entry);
}

int il__timer_arm(il_loop *loop, struct il__timer *timer, il_time deadline)
{
	struct il__timers *timers = &loop->timers;

	il__timer_disarm(loop, timer);
	if (timers->count == timers->capacity) {
		size_t capacity = timers->capacity ? 2 * timers->capacity : 64;
		struct il__timer_entry *heap = realloc(timers->heap, capacity * sizeof *heap);
		if (!heap)
			return il__refuse(-ENOMEM, "timers: out of memory for %zu of them",
					  capacity);
		timers->heap = heap;
		timers->capacity = capacity;
	}
	sift_up(timers, timers->count++,
		(struct il__timer_entry){
		    .deadline = deadline, .order = timers->order++, .timer = timer});
	if (!loop->turning)
		il__loop_kick(loop); /* the turn sets the loop's timer */
	return 0;
}

void il__timer_disarm(il_loop *loop, struct il__timer *timer)
{
	struct il__timers *timers = &loop->timers;
	struct il__timer_entry last;
	size_t i = timer->index;

	if (!i)
		return;
	timer->index = 0;
	i--;
	last = timers->heap[--timers->count];
	if (i == timers->count)
		return;
	if (i > 0 && before(&last, &timers->heap[(i - 1) / 4]))
		sift_up(timers, i, last);
	else
		sift_down(timers, i, last);
}

il_time il__timers_next(const struct il__timers *timers)
{
	return timers->count ? timers->heap[0].deadline : IL_FOREVER;
}

void il__timers_expire(il_loop *loop)
{
	struct il__timers *timers = &loop->timers;
	il_time now;

	if (!timers->count)
		return;
	now = il__loop_now(loop);
	while (timers->count && timers->heap[0].deadline <= now) {
		struct il__timer *timer = timers->heap[0].timer;
		il__timer_disarm(loop, timer);
		timer->fire(timer);
	}
}
