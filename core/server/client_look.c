/*
 * client_look.c: whether a client has something for its handler, without taking it: for a select. Loop's thread only.
 */
#include "client.h"
#include "client_receive.h"

/* Receives what has come: how many bytes, or the code of il_stream_read_now. */
static int look_further(il_client *c)
{
	int n = il__client_make_room(c);

	if (n == 0)
		n = il_stream_read_now(c->stream, c->buffer + c->end, il__client_room_left(c));
	if (n > 0) {
		c->end += (size_t)n;
		c->rules->received.bytes += (size_t)n;
	}
	return n;
}

/* Whether it is full of what is no packet, as the next call will say. */
static bool client_is_full(const il_client *c)
{
	return !il__client_room_left(c) && c->capacity == c->rules->room && c->begin == 0;
}

/* What is no packet is told by the next receive, and who knows what is refused until then. */
static bool client_finds(il_client *c)
{
	const bool known = c->found;
	const int rc = il__client_find_packet(c);

	if (rc < 0 && !known)
		c->found_why = il__keep_refusal(il__client_refuse_packet(c->rules, rc));
	return rc;
}

int il__client_look(il_client *c)
{
	size_t taken = 0;
	int n;

	c->unlooked = false;
	if (il__client_is_closed(c))
		return 1;
	if (c->ops)
		return c->ended || c->ops->ready(c);
	il__client_release_packet(c);
	if (!c->found && il__client_is_overdue(c))
		il__client_expire(c);
	do {
		if (client_finds(c) || c->ended || client_is_full(c))
			return 1;
		if (!c->asking && c->begin < c->end && c->rules->request_timeout != IL_FOREVER)
			il__client_begin_request(c);
		n = look_further(c);
		taken += n > 0 ? (size_t)n : 0;
	} while (n > 0 && taken < c->rules->room);
	c->unlooked = n > 0;
	if (n > 0)
		return 0;
	if (n == -EAGAIN || n == -ENOMEM)
		return n == -EAGAIN ? 0 : n;
	if (n != -EBADF && n != -EBUSY && n != -EPERM)
		il__client_has_ended(c, n);
	return 1;
}
