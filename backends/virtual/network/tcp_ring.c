/*
 * tcp_ring.c: the bytes that one end of a connection keeps: a ring that grows as it is filled. No state; Loop's thread.
 */
#include "../../../core/base/memory.h"
#include "tcp.h"

#include <string.h>

enum { RING_FIRST = 1024 };

/* The pieces of the ring that hold these bytes: one, or two of them. */
static size_t ring_piece(const struct il__sim_ring *r, uint64_t at, size_t size, size_t *place)
{
	*place = (size_t)(at & (r->capacity - 1));
	return size < r->capacity - *place ? size : r->capacity - *place;
}

void il__sim_ring_put(struct il__sim_ring *r, uint64_t at, const void *data, size_t size)
{
	size_t place, n = ring_piece(r, at, size, &place);

	memcpy(r->bytes + place, data, n);
	memcpy(r->bytes, (const char *)data + n, size - n);
}

void il__sim_ring_get(const struct il__sim_ring *r, uint64_t at, void *data, size_t size)
{
	size_t place, n = ring_piece(r, at, size, &place);

	memcpy(data, r->bytes + place, n);
	memcpy((char *)data + n, r->bytes, size - n);
}

void il__sim_ring_copy(struct il__sim_ring *to, const struct il__sim_ring *from, uint64_t at,
		       size_t size)
{
	size_t place, n;

	for (; size; size -= n, at += n) {
		n = ring_piece(from, at, size, &place);
		il__sim_ring_put(to, at, from->bytes + place, n);
	}
}

int il__sim_ring_reserve(struct il__sim_ring *r, uint64_t begin, uint64_t end, size_t more)
{
	struct il__sim_ring larger = {.capacity = r->capacity ? r->capacity : RING_FIRST};
	const size_t kept = (size_t)(end - begin);

	while (larger.capacity < kept + more)
		larger.capacity *= 2;
	if (larger.capacity == r->capacity)
		return 0;
	larger.bytes = il__malloc(larger.capacity);
	if (!larger.bytes)
		return -ENOMEM;
	if (kept)
		il__sim_ring_copy(&larger, r, begin, kept);
	il__free(r->bytes);
	*r = larger;
	return 0;
}
