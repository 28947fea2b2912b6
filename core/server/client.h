/*
 * client.h: a client, as the files of a server share it. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_CLIENT_H
#define IL_CORE_SERVER_CLIENT_H

#include "../base/list.h"
#include "../io/stream.h"
#include "server.h"

#include <interloop/server.h>

struct il__endpoint;

struct il_client {
	struct il__list link; /* server->clients */
	unsigned refs;
	il_server *server; /* NULL once its task has ended */
	il_loop *loop;
	il_stream *stream; /* lives as long as the client; closed: so is the client */
	void *data;

	bool received;     /* il_client_receive was called in this activation of the handler */
	bool receiving;    /* a call is in it */
	bool ended;        /* nothing more comes: the peer's end, or lost synchronisation */
	bool end_reported; /* il_client_receive has said so, or nobody asks: it is being finished */
	bool dropped;      /* its own handler has closed it */
	bool broken;       /* sending found the peer gone, or it reset the connection */
	bool idle;         /* receives, and has nothing of a packet: may be closed on shutdown */
	bool sending;      /* somebody owns the sending side */
	bool has_sent_packet; /* a whole packet has come */
	bool asking;          /* a request has begun, at `asked`, and is not complete */
	unsigned
	    packets_since_yield;   /* packets received and sent since its task has let others run */
	struct il__list senders;   /* who wait for the sending side */
	il_time connected, waited; /* when; how long for the packet that has not come yet */
	il_time asked;             /* while `asking` */

	/* [begin, begin + packet) belongs to the packet given last, [.., end) is to be parsed. */
	unsigned char *buffer; /* capacity bytes, the last for the zero; NULL: none yet */
	size_t begin, end, capacity, packet;
	unsigned char *mark; /* where a zero byte stands in for `marked`; NULL: nowhere */
	unsigned char marked;
	il_parse parse;
	char address[]; /* for people */
};

/* Makes a client of an accepted stream, which it takes over also on failure, and starts its task. */
int il__client_start(il_server *s, const struct il__endpoint *e, il_stream *stream);
/* Waits for the sending side, in order of asking. 0: it is the caller's, to release. */
int il__client_acquire(il_client *c);
void il__client_release(il_client *c);
/* 0 where a call about the client may be made. */
int il__client_check(const il_client *c, const char *function);

static inline int il__client_enter(const il_client *c, const char *function)
{
	return il__likely(c && il__self.loop == c->loop) ? 0 : il__client_check(c, function);
}

/* Asked once a packet: true when it is time to let others run, however much there is to do. */
static inline bool il__client_is_unfair(il_client *c)
{
	const unsigned most = 64;

	if (il__likely(++c->packets_since_yield < most))
		return false;
	c->packets_since_yield = 0;
	return true;
}

static inline bool il__client_is_closed(const il_client *c)
{
	return il__stream_is_closed(c->stream);
}

#endif
