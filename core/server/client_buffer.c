/*
 * client_buffer.c: room for what a client sends. The buffer is moved together or grows only when it is full and holds
 * an incomplete packet; so each byte is moved at most once while its packet comes, and memory is bounded by
 * max_packet. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "client.h"
#include "client_receive.h"

static int client_buffer_grow(il_client *c)
{
	size_t most = c->rules->room;
	size_t capacity = c->capacity ? c->capacity : c->rules->receive_buffer / 2;
	unsigned char *buffer;

	if (c->capacity == most) {
		il__client_receive_no_more(c);
		return il__refuse(-EMSGSIZE,
				  "il_client_receive: no packet in %zu bytes, the limit is %zu",
				  c->capacity - 1, c->parse.limit);
	}
	capacity = capacity > most / 2 ? most : capacity * 2;
	buffer = il__realloc(c->buffer, capacity);
	if (!buffer)
		return il__refuse(-ENOMEM, "il_client_receive: out of memory");
	c->buffer = buffer;
	c->rules->buffered += capacity - c->capacity;
	c->capacity = capacity;
	return 0;
}

void il__client_drop_buffer(il_client *c)
{
	il__free(c->buffer);
	c->buffer = NULL;
	c->rules->buffered -= c->capacity;
	c->begin = c->end = c->capacity = 0;
}

int il__client_make_room(il_client *c)
{
	if (c->begin && (c->begin == c->end || il__client_room_left(c) < c->capacity / 2)) {
		memmove(c->buffer, c->buffer + c->begin, c->end - c->begin);
		c->end -= c->begin;
		c->begin = 0;
	}
	return il__client_room_left(c) ? 0 : client_buffer_grow(c);
}
