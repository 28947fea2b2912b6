/*
 * handles.c: a server's calls by the handles that it has given them: a table with chains, which grows with the calls. The
 * portal's thread.
 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a: whoever can choose handles is the server, which can stop answering just as well. */
static size_t hash(const char *handle)
{
	uint64_t h = 14695981039346656037u;

	for (; *handle; handle++)
		h = (h ^ (unsigned char)*handle) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

static struct il__remote_out **bucket(const struct il__remote_handles *handles, const char *handle)
{
	return &handles->buckets[hash(handle) & (handles->room - 1)];
}

static void push(struct il__remote_handles *handles, struct il__remote_out *out)
{
	struct il__remote_out **head = bucket(handles, out->handle);

	out->same = *head;
	*head = out;
}

static void grow(struct il__remote_handles *handles)
{
	struct il__remote_handles larger = {.count = handles->count, .room = handles->room * 2};
	struct il__remote_out *out, *next;

	larger.buckets = calloc(larger.room, sizeof(struct il__remote_out *));
	if (!larger.buckets)
		return;
	for (size_t i = 0; i < handles->room; i++)
		for (out = handles->buckets[i]; out; out = next) {
			next = out->same;
			push(&larger, out);
		}
	free(handles->buckets);
	*handles = larger;
}

void il__remote_handles_add(struct il__remote_handles *handles, struct il__remote_out *out)
{
	if (handles->count == handles->room)
		grow(handles);
	push(handles, out);
	handles->count++;
}

struct il__remote_out *il__remote_handles_find(const struct il__remote_handles *handles,
					       const char *handle)
{
	struct il__remote_out *out = handle ? *bucket(handles, handle) : NULL;

	while (out && strcmp(out->handle, handle) != 0)
		out = out->same;
	return out;
}

void il__remote_handles_remove(struct il__remote_handles *handles, struct il__remote_out *out)
{
	struct il__remote_out **at = bucket(handles, out->handle);

	while (*at != out)
		at = &(*at)->same;
	*at = out->same;
	handles->count--;
}
