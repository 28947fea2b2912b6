/*
 * kept.c: what a stream has read ahead: bytes, and the descriptors that came with them. The system does not say
 * with which of the bytes that it gave at a time they came. So they are had with the first of these that a call
 * takes which receives descriptors, and are closed when other calls have taken all of these bytes. Invariant:
 * lots are in order, and their places count from the first kept byte. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "stream.h"

#include <unistd.h>

enum { KEPT_AT_FIRST = 4096 }; /* bytes */

struct il__kept_fds {
	struct il__kept_fds *next;
	size_t first, last; /* of the bytes */
	int count;
	int fds[];
};

/* ---- bytes ---- */

int il__stream_reserve(il_stream *s, size_t more, const char *function)
{
	size_t have = s->kept_end - s->kept_begin, capacity = s->kept_capacity;
	char *bytes;

	if (s->kept_capacity - s->kept_end >= more)
		return 0;
	if (s->kept_begin) {
		memmove(s->kept, s->kept + s->kept_begin, have);
		s->kept_begin = 0;
		s->kept_end = have;
	}
	if (capacity - have >= more)
		return 0;
	if (more > SIZE_MAX / 2 - have)
		return il__refuse(-ENOMEM, "%s: %zu bytes are more than memory has", function,
				  more);
	capacity = capacity ? capacity : KEPT_AT_FIRST;
	while (capacity < have + more)
		capacity *= 2;
	bytes = il__realloc(s->kept, capacity);
	if (!bytes)
		return il__refuse(-ENOMEM, "%s: out of memory to keep %zu bytes", function,
				  capacity);
	s->kept = bytes;
	s->kept_capacity = capacity;
	return 0;
}

int il__stream_keep(il_stream *s, const void *data, size_t size, const char *function)
{
	int rc = il__stream_reserve(s, size, function);

	if (rc < 0)
		return rc;
	memcpy(s->kept + s->kept_end, data, size);
	s->kept_end += size;
	return 0;
}

/* ---- descriptors ---- */

int il__kept_fds_add(il_stream *s, size_t first, size_t size, const struct il__os_fds *got,
		     const char *function)
{
	const size_t bytes = (size_t)got->count * sizeof got->fds[0];
	struct il__kept_fds **last = &s->kept_fds, *lot = il__malloc(sizeof *lot + bytes);

	if (!lot) {
		for (int i = 0; i < got->count; i++)
			close(got->fds[i]);
		return il__refuse(-ENOMEM, "%s: out of memory to keep %d descriptors", function,
				  got->count);
	}
	while (*last)
		last = &(*last)->next;
	lot->next = NULL;
	lot->first = first;
	lot->last = first + size - 1;
	lot->count = got->count;
	memcpy(lot->fds, got->fds, bytes);
	*last = lot;
	return 0;
}

size_t il__kept_fds_bound(const il_stream *s, size_t max)
{
	const struct il__kept_fds *second = s->kept_fds ? s->kept_fds->next : NULL;

	return second && second->first < max ? second->first : max;
}

static void take_lot(struct il__kept_fds **link, int *fds, int room, int *count)
{
	struct il__kept_fds *lot = *link;

	for (int i = 0; i < lot->count; i++) {
		if (*count < room)
			fds[(*count)++] = lot->fds[i];
		else
			close(lot->fds[i]);
	}
	*link = lot->next;
	il__free(lot);
}

int il__kept_fds_take(il_stream *s, size_t size, int *fds, int room)
{
	struct il__kept_fds **link = &s->kept_fds;
	int count = 0;

	while (*link) {
		struct il__kept_fds *lot = *link;
		if (lot->last < size || (room && lot->first < size)) {
			take_lot(link, fds, room, &count);
			continue;
		}
		lot->first = lot->first > size ? lot->first - size : 0;
		lot->last -= size;
		link = &lot->next;
	}
	return count;
}

/* ---- both ---- */

int il__op_lacks_room(const struct il__op *op)
{
	return il__refuse(
	    -EMFILE,
	    "%s: descriptors came that found no room in this process and are lost; the "
	    "bytes that they came with are kept",
	    op->function);
}

int il__stream_take_kept(il_stream *s, void *data, size_t max, int *fds, int *count)
{
	size_t n = s->kept_end - s->kept_begin;

	if (n > max)
		n = max;
	if (il__unlikely(s->kept_fds)) {
		int room = count ? *count : 0;
		if (count)
			n = il__kept_fds_bound(s, n);
		room = il__kept_fds_take(s, n, fds, room);
		if (count)
			*count = room;
	} else if (count) {
		*count = 0;
	}
	memcpy(data, s->kept + s->kept_begin, n);
	s->kept_begin += n;
	return (int)n;
}

void il__stream_free(il_stream *s)
{
	struct il__layer_ref *ref;

	while ((ref = s->layers)) {
		s->layers = ref->next;
		if (ref->layer.unref)
			IL__GUARDED(ref->layer.unref(ref->layer.self));
		il__free(ref);
	}
	il__free(s->kept);
	il__free_lines(s);
}
