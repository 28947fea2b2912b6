/*
 * client.h: a client, as the files of servers and of clients share it: one that a server has accepted, one that
 * has connected, or one peer of a datagram server. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_CLIENT_H
#define IL_CORE_SERVER_CLIENT_H

#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/timer.h"

#include <interloop/layer.h>
#include <interloop/server.h>

struct il__endpoint;
struct il__case;

/* What has come and gone whole, for the statistics. */
struct il__traffic {
	uint64_t packets, bytes;
};

/* What clients have in common. A server's clients share its rules, a connected client has its own. */
struct il__client_rules {
	il_protocol protocol;
	bool endless;          /* il_protocol_bytes: no packet says where a request ends */
	bool quiet;            /* what a client does is logged as IL_LOG_DEBUG */
	bool ending;           /* who is idle is at its end: their server is being shut down */
	size_t max_packet;     /* most bytes of a packet */
	size_t room;           /* most bytes of a client's buffer */
	size_t receive_buffer; /* bytes that a buffer begins with */
	size_t buffered;       /* bytes of all their buffers */
	il_time idle_timeout, first_request_timeout, request_timeout, send_timeout;
	struct il__traffic received, sent;
};

/* How packets travel where there is no stream: the peers of a datagram server. NULL in a client: its stream
 * carries them as bytes. */
struct il__client_ops {
	/* Waits up to `until` for the next packet; task NULL: takes what is there. 1; 0: the peer is forgotten;
	 * -ETIMEDOUT; else as il_client_receive. */
	int (*receive)(il_client *c, il_packet *packet, il_task *task, il_time until);
	/* Sends a framed packet whole; its task has the sending side. As il_client_send. */
	int (*send)(il_client *c, const il_frame *frame, il_time until);
	/* Once: who receives or sends gets -EBADF, what was not received is dropped. Exception: at the end of its task
	 * (c->task is NULL) it is kept for the peer's next client. */
	void (*close)(il_client *c);
	/* Its task has ended, it is closed, and the server does not count it any more. */
	void (*left)(il_client *c);
	/* Whether receive would not wait. */
	bool (*ready)(const il_client *c);
	/* From now on this waiter stands where a receiver would: it is woken with 0 once receive may not wait, or with
	 * -EBADF. NULL: nobody does any more. */
	void (*watch)(il_client *c, struct il__waiter *waiter);
};

struct il_client {
	struct il__list link; /* server->clients */
	unsigned refs;
	il_server *server; /* NULL once its task has ended, and in a connected client */
	il_task *task;     /* that runs its handler; NULL: none does */
	il_loop *loop;
	struct il__client_rules
	    *rules;        /* the server's, or its own; NULL once its server may be gone */
	il_stream *stream; /* lives as long as the client; closed: so is the client */
	const struct il__client_ops *ops; /* NULL, or there is no stream */
	void *peer;                       /* of the ops */
	char *host;                       /* whom a layer expects at the other end; may be NULL */
	char *address;                    /* for people: in texts, or its own since a layer told */
	void *data;

	bool connected_here; /* not a server's: the rules are its own */
	bool accepted;       /* which side of a layer it is */
	bool closed;         /* by a call: what a layer brings is closed, too */
	bool received;       /* il_client_receive was called in this activation of the handler */
	bool receiving;      /* a call is in it */
	bool ended;          /* nothing more comes: the peer's end, or lost synchronisation */
	bool end_reported; /* il_client_receive has said so, or nobody asks: it is being finished */
	bool dropped;      /* its own handler has closed it */
	/* Sending found the peer gone, or receiving did. Where packets are datagrams: the last send failed. */
	bool broken;
	bool idle;            /* receives, and has nothing of a packet: may be closed on shutdown */
	bool sending;         /* somebody owns the sending side */
	bool has_sent_packet; /* a whole packet has come */
	bool unlooked;        /* a look has ended before all that had come was seen */
	bool asking;          /* a request has begun, at `asked`, and is not complete */
	unsigned
	    packets_since_yield; /* packets received and sent since its task has let others run */
	struct il__list senders; /* who wait for the sending side */
	il_scope *layering;      /* in it a layer is being put on, and who sends waits; or NULL */
	uint64_t since;          /* it is there since this turn: loop->turns.since */
	il_time connected,
	    waited;    /* when, if it is needed; how long for the packet that has not come yet */
	il_time asked; /* while `asking` */
	int found; /* by a select, not given yet: 1: the packet of `parse`; negative: what was none */
	char *found_why; /* in words */
	/* A case of a select stands in the place of whoever receives: since when, and when the rules end it. */
	struct il__case *selecting;
	struct il__timer select_limit;
	il_time select_since;
	int failure; /* why nothing more comes; 0: the peer's end. Told once, before the end */
	char *why;   /* a transport's words for it; NULL: the system's */

	/* [begin, begin + packet) belongs to the packet given last, [.., end) is to be parsed. */
	unsigned char *buffer; /* capacity bytes, the last for the zero; NULL: none yet */
	size_t begin, end, capacity, packet;
	unsigned char *mark; /* where a zero byte stands in for `marked`; NULL: nowhere */
	unsigned char marked;
	il_parse parse;
	char texts[]; /* address and host */
};

/* client_rules.c: rules for a protocol, and limits of which 0 means the default; no time is limited. */
int il__client_rules_init(struct il__client_rules *r, const il_protocol *protocol,
			  size_t max_packet, size_t receive_buffer, const char *function);

/* Makes a client; the stream is its own. NULL: there is no memory, nothing has changed. */
il_client *il__client_create(il_loop *loop, struct il__client_rules *rules, il_stream *stream,
			     const char *address, const char *host);
/* Frees one that nobody has met; the stream is the caller's again. */
void il__client_discard(il_client *c);
/* Closes it, without a look at the thread. */
void il__client_shut(il_client *c);
/* client_layer.c: -EINVAL for a layer that cannot be put on this side. */
int il__client_check_layer(const struct il_layer *layer, bool accepts, const char *function);
/* In a task: puts a layer on its stream, up to the deadline: -ETIMEDOUT. After a failure it is closed. */
int il__client_put_layer(il_client *c, const struct il_layer *layer, il_time deadline,
			 const char *function);
/* client_task.c: makes a client of an accepted stream, which it takes over also on failure, and starts it. */
int il__client_accepted(il_server *s, const struct il__endpoint *e, il_stream *stream);
/* Starts a client's task; after a failure the client is gone. */
int il__client_start(il_server *s, il_client *c);
/* Until when the peer may take what is sent from now on. */
il_time il__client_end_of_patience(const il_client *c);
/* Waits for the sending side, in order of asking. 0: it is the caller's, to release; -EBADF: closed meanwhile. */
int il__client_acquire(il_client *c);
void il__client_release(il_client *c);
/* 0 where a call about the client may be made. */
int il__client_check(const il_client *c, const char *function);

static inline int il__client_enter(const il_client *c, const char *function)
{
	return il__likely(c && il__self.loop == c->loop) ? 0 : il__client_check(c, function);
}

/* client_look.c, for a select: whether il_client_receive would have to wait. 1: it would not; 0; or -ENOMEM. The
 * packet given last is let go of, what has come is received: at a time as much as a packet may have, then c->unlooked
 * asks for another look. */
int il__client_look(il_client *c);
/* Until when the rules let it wait from now on; and that this has passed. */
il_time il__client_limit(const il_client *c, il_time now);
void il__client_expire(il_client *c);

/* Asked once a packet: true when it is time to let others run, however much there is to do. */
static inline bool il__client_is_unfair(il_client *c)
{
	const unsigned most = 64;

	if (il__likely(++c->packets_since_yield < most))
		return false;
	c->packets_since_yield = 0;
	return true;
}

/* A failure of the stream just now, with the words that its transport may have for it. */
static inline void il__client_fails(il_client *c, int rc)
{
	il__free(c->why);
	c->why = il__stream_has_words(c->stream, rc) ? il__keep_refusal(rc) : NULL;
	c->failure = rc;
}

static inline bool il__client_is_closed(const il_client *c)
{
	return il__unlikely(c->ops) ? c->closed : il__stream_is_closed(c->stream);
}

#endif
