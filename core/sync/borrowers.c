/*
 * borrowers.c: the set of a limiter's borrowers, by address: open addressing with linear probing,
 * at most three quarters full. A removal closes the gap, so there are no tombstones and a set that
 * breathes stays fast. It grows and never shrinks: a steady load allocates nothing. Loop's thread
 * only.
 */
#include "borrowers.h"
#include "../base/error.h"
#include "../base/memory.h"

/* Fibonacci hashing: addresses differ in their middle bits, the product mixes them upwards. */
static size_t borrowers_ideal(const void *who, size_t capacity)
{
	uint64_t h = (uint64_t)(uintptr_t)who * UINT64_C(0x9E3779B97F4A7C15);

	return (size_t)(h >> 32) & (capacity - 1);
}

/* Where it is, or the empty place where it belongs. */
static struct il__borrower *borrowers_locate(struct il__borrower *places, size_t capacity,
					     const void *who)
{
	size_t i = borrowers_ideal(who, capacity);

	while (places[i].who && places[i].who != who)
		i = (i + 1) & (capacity - 1);
	return &places[i];
}

static int borrowers_grow(struct il__borrowers *set)
{
	size_t capacity = set->capacity ? set->capacity * 2 : 16;
	struct il__borrower *places = il__calloc(capacity, sizeof *places);

	if (!places)
		return il__refuse(-ENOMEM,
				  "il_limiter_acquire: no memory for one more than %zu borrowers",
				  set->count);
	for (size_t i = 0; i < set->capacity; i++)
		if (set->places[i].who)
			*borrowers_locate(places, capacity, set->places[i].who) = set->places[i];
	il__free(set->places);
	set->places = places;
	set->capacity = capacity;
	return 0;
}

int il__borrowers_add(struct il__borrowers *set, const void *who, bool holds)
{
	struct il__borrower *place;

	if (set->count + 1 > set->capacity / 4 * 3) {
		int rc = il__borrowers_find(set, who) ? -EALREADY : borrowers_grow(set);
		if (rc < 0)
			return rc;
	}
	place = borrowers_locate(set->places, set->capacity, who);
	if (place->who)
		return -EALREADY;
	place->who = who;
	place->holds = holds;
	set->count++;
	return 0;
}

struct il__borrower *il__borrowers_find(const struct il__borrowers *set, const void *who)
{
	struct il__borrower *place;

	if (set->count == 0)
		return NULL;
	place = borrowers_locate(set->places, set->capacity, who);
	return place->who ? place : NULL;
}

void il__borrowers_remove(struct il__borrowers *set, struct il__borrower *place)
{
	size_t mask = set->capacity - 1;
	size_t gap = (size_t)(place - set->places);

	for (size_t i = (gap + 1) & mask; set->places[i].who; i = (i + 1) & mask) {
		size_t home = borrowers_ideal(set->places[i].who, set->capacity);
		/* It may move back to the gap unless that lies before its ideal place. */
		if (((i - home) & mask) >= ((i - gap) & mask)) {
			set->places[gap] = set->places[i];
			gap = i;
		}
	}
	set->places[gap] = (struct il__borrower){0};
	set->count--;
}
