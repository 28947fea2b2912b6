/*
 * transport.h: the transport behind a stream that is no descriptor. Loop's thread only.
 */
#ifndef IL_CORE_IO_TRANSPORT_H
#define IL_CORE_IO_TRANSPORT_H

#include "../runtime/timer.h"
#include "fd.h"
#include "stream.h"

#include <interloop/layer.h>

/* What the loop goes on with by itself. */
enum later { NOTHING, FLUSH, SHUTDOWN };

struct il__transport {
	struct il__fd fd; /* its directions; `ask` is set, `number` is none */
	struct il_transport ops;
	void *self;
	il_stream *stream;
	il_address local;                  /* length 0: that of what is below */
	const struct il__network *network; /* whose connection it is; NULL: the user's own */
	struct il__fd_share lower[2]; /* by direction: for what is below, while somebody waits */
	int error[2];                 /* by direction: what was said, and its words */
	char *why[2];
	unsigned told;   /* directions that it has said to be ready, until -EAGAIN or a try */
	bool ended;      /* nothing more is received */
	bool drained;    /* as it says itself: where it cannot be waited for it is asked */
	unsigned inside; /* operations on the stack */
	bool closing;    /* `close` is to be called */
	bool destroying; /* and `destroy` */
	enum later later;
	struct il__fd_share later_wait;
	struct il__timer later_timer; /* for a place where operations may be called */
};

/* Makes s, of which only the memory is there, a stream of this transport. On failure self is untouched. */
int il__transport_open(il_stream *s, il_loop *loop, const struct il_transport *ops, void *self);

/* One call of an operation. After each of them, but `pending` and `under`, the stream may be closed, and gone. */
int il__transport_receive(il_stream *s, void *data, size_t max);
/* count 0: flushes. */
int il__transport_send(il_stream *s, const struct iovec *pieces, int count);
int il__transport_shutdown_write(il_stream *s);
size_t il__transport_pending(const il_stream *s);
/* NULL: nothing is below. */
il_stream *il__transport_under(const il_stream *s);

/* It is a connection of this network: it has a local address of its own and options, and as of a socket an error is
 * said by each call that meets it. */
void il__transport_set_network(il_stream *s, const struct il__network *network,
			       const il_address *local);

/* What it holds back now goes out by itself, as far as that is possible; not while a task writes, which flushes at its
 * end. */
void il__transport_flush_later(il_stream *s);
/* A write has ended before that: the loop goes on with what it has left to it. The transport may be gone afterwards. */
void il__transport_go_on(il_stream *s);
/* A wait for these directions has ended without them: whoever is not waited for any more learns it. */
void il__transport_rest(struct il__fd *fd, unsigned directions);
/* A write has ended between two of its parts: each transport on the way down learns it, whoever else waits there, and also
 * if the write has waited for none of them. The transport may be gone afterwards. */
void il__transport_cut(il_stream *s);
/* Which directions of it somebody waits for; what goes out by itself is nobody's. */
unsigned il__transport_asked(const struct il__transport *t);

/* The stream is closed: wakes everybody, and closes the transport when its calls have returned. */
void il__transport_close(il_stream *s);
/* Then frees it and the stream. */
void il__transport_destroy(il_stream *s);

/* ================= among the files of a transport ================================================ */

static inline struct il__transport *il__transport_of(const il_stream *s)
{
	return il__container_of(s->fd, struct il__transport, fd);
}

static inline unsigned il__transport_bit(int d)
{
	return d ? IL_WRITABLE : IL_READABLE;
}

/* Around a call of an operation. False: the stream was closed in there, and may be gone. */
unsigned il__transport_enter(struct il__transport *t);
bool il__transport_leave(struct il__transport *t, unsigned before);
/* -EBADF, for that. */
int il__transport_closed(void);
/* No operation is on the stack any more: what has waited for that. */
void il__transport_end(struct il__transport *t);
int il__transport_call_shutdown(struct il__transport *t);
/* struct il__fd's. */
extern const struct il__fd_asks il__transport_asks;

#endif
