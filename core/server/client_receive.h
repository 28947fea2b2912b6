/*
 * client_receive.h: among the files that receive for a client. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_CLIENT_RECEIVE_H
#define IL_CORE_SERVER_CLIENT_RECEIVE_H

#include "client.h"

/* client_receive.c: takes the zero byte back and lets go of the packet given last. */
void il__client_release_packet(il_client *c);
/* 1: c->parse has it; 0: more bytes are needed; negative: there is none, and c->parse tells how much of it is one.
 * `find` may rewrite the bytes, so what it has found is kept until it is taken. */
int il__client_find_packet(il_client *c);
/* What `find` failed with, in words. */
int il__client_refuse_packet(const struct il__client_rules *rules, int rc);
/* rc is why nothing more comes, which il_client_receive is to say in these words; 0: the peer's end. */
void il__client_has_ended(il_client *c, int rc);

/* It sends without end what is no packet of its own (il_protocol_bytes). */
bool il__client_is_overdue(const il_client *c);

/* Nothing more can be received. */
static inline void il__client_receive_no_more(il_client *c)
{
	c->ended = true;
	c->begin = c->end = 0;
}

/* client_buffer.c: room for one byte at least. 0, -EMSGSIZE or -ENOMEM. */
int il__client_make_room(il_client *c);
/* Nothing is in it. */
void il__client_drop_buffer(il_client *c);

/* One byte is kept for the zero after the last packet. */
static inline size_t il__client_room_left(const il_client *c)
{
	return c->capacity ? c->capacity - 1 - c->end : 0;
}

static inline void il__client_begin_request(il_client *c)
{
	c->asking = true;
	c->asked = il__loop_now(c->loop);
}

#endif
