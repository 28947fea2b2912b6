/*
 * tcp.h: connections: TCP without its bit fields, with its order of events: a handshake, a window, cumulative
 * acknowledgements, resends by timer and after three acknowledgements of the same byte, half-close, reset. Bytes are
 * numbered from 0; the end counts as one more. A connection lives, linked to its host, until both directions have
 * ended and its user has closed it. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_TCP_H
#define IL_VIRTUAL_NETWORK_TCP_H

#include "ends.h"
#include "packets.h"

/* The fixed numbers, which docs/simulation.md lists. */
enum {
	IL__SIM_SEGMENT = 1460,    /* bytes */
	IL__SIM_CONNECT_TRIES = 6, /* resends, the first after a second, each twice as late */
	IL__SIM_ACCEPT_TRIES = 5,  /* likewise */
	IL__SIM_TRIES = 15,        /* likewise, of what is sent; the first after RTT + 200 ms */
	IL__SIM_BACKLOG = 4096,    /* at most */
	IL__SIM_RANGES = 32,       /* pieces that came out of order */
	IL__SIM_KEEPALIVE_PROBES = 9
};
#define IL__SIM_CONNECT_TIME       IL_SEC(1)
#define IL__SIM_RESEND_TIME        IL_MSEC(200)
#define IL__SIM_RESEND_MOST        IL_SEC(120)
#define IL__SIM_KEEPALIVE_IDLE     IL_SEC(7200)
#define IL__SIM_KEEPALIVE_INTERVAL IL_SEC(75)

/* A ring in which a byte's place follows from its number. */
struct il__sim_ring {
	char *bytes;
	size_t capacity; /* a power of two, or 0 */
};

struct il__sim_tcp {
	struct il__sim_host *host; /* NULL: it does not live any more */
	struct il__list link;      /* host->connections */
	struct il__list queued;    /* of a listener that has not accepted it */
	unsigned refs;
	enum { IL__SIM_CONNECTING, IL__SIM_ACCEPTING, IL__SIM_OPEN } state;
	struct il__sim_place local, remote;
	struct il__sim_host *other; /* where it goes */
	struct il__sim_tcp *peer;   /* a reference; NULL: not known, or this one does not live */
	struct il__sim_end *end;    /* its connect, or the listener that counts it; NULL: neither */
	il_stream *stream;          /* NULL: none yet, or closed */
	bool closed;                /* nobody uses it any more */
	bool resets;                /* when it is closed */
	bool cut;                   /* its host has crashed, or the network was closed */
	int error;                  /* to be said once */

	struct il__sim_ring out; /* from `acknowledged` to `written` */
	size_t out_most;
	uint64_t acknowledged, sent, written, window_end;
	bool ends;        /* with `written` */
	unsigned repeats; /* acknowledgements of the same byte */
	uint64_t recover; /* until this is acknowledged each new hole is filled at once */

	struct il__sim_ring in; /* from `read` to `received` */
	size_t in_most;
	uint64_t read, received, end_at; /* UINT64_MAX: not known yet */
	struct {
		uint64_t from, to;
	} ranges[IL__SIM_RANGES]; /* beyond `received`, in order */
	unsigned range_count;
	uint64_t told; /* the end of the window that the peer was told last */

	struct il__timer timer; /* of resends and probes */
	il_time due;            /* it may be armed for an earlier time */
	bool rests;             /* nothing is sent until something changes: tcp_rest.h */
	unsigned tries;
	il_time began;      /* when the first of these tries was sent */
	il_time round_trip; /* measured last */
	uint64_t timed;     /* of this byte's end, which was sent once; 0: none */
	il_time timed_at;

	bool keepalive;
	struct il__timer keepalive_timer;
	il_time heard; /* last */
	il_time keepalive_idle, keepalive_interval, give_up;
	unsigned keepalive_probes, probes;
};

static inline uint64_t il__sim_tcp_limit(const struct il__sim_tcp *t)
{
	return t->written + t->ends;
}
/* Everything that came has been read; nothing comes behind it. */
static inline bool il__sim_tcp_ended(const struct il__sim_tcp *t)
{
	return t->received == t->end_at;
}

/* tcp.c */
struct il__sim_tcp *il__sim_tcp_make(struct il__sim_host *host, struct il__sim_host *other,
				     struct il__sim_place local, struct il__sim_place remote);
struct il__sim_tcp *il__sim_tcp_ref(struct il__sim_tcp *t);
void il__sim_tcp_unref(struct il__sim_tcp *t);
/* It lives no more, and says error; 0: it has ended as it should. */
void il__sim_tcp_end(struct il__sim_tcp *t, int error);
/* Nobody uses it any more: what was written still goes out; or it is reset. */
void il__sim_tcp_close(struct il__sim_tcp *t);
/* A power cut. */
void il__sim_tcp_cut(struct il__sim_tcp *t);
/* Whoever uses it may try again. */
void il__sim_tcp_wake(const struct il__sim_tcp *t, unsigned mask);
/* Without an answer to be expected; `to` may be a connection that lives no more. */
void il__sim_tcp_reset(struct il__sim_tcp *to, struct il__sim_host *from,
		       struct il__sim_place source);

/* tcp_send.c */
void il__sim_tcp_send(struct il__sim_tcp *t, enum il__sim_kind kind);
/* What the window lets through. */
void il__sim_tcp_push(struct il__sim_tcp *t);
void il__sim_tcp_acknowledged(struct il__sim_tcp *t, const struct il__sim_packet *p);
/* Of t->timer. */
void il__sim_tcp_due(struct il__timer *timer);
void il__sim_tcp_arm(struct il__sim_tcp *t);

/* tcp_receive.c */
extern const struct il__sim_packet_ops il__sim_tcp_packets;

/* tcp_ring.c */
int il__sim_ring_reserve(struct il__sim_ring *r, uint64_t begin, uint64_t end, size_t more);
void il__sim_ring_put(struct il__sim_ring *r, uint64_t at, const void *data, size_t size);
void il__sim_ring_get(const struct il__sim_ring *r, uint64_t at, void *data, size_t size);
void il__sim_ring_copy(struct il__sim_ring *to, const struct il__sim_ring *from, uint64_t at,
		       size_t size);

/* tcp_stream.c: the user's side. */
/* Said once; then it is as if it had ended. */
int il__sim_tcp_error(struct il__sim_tcp *t);
/* Its stream; on failure it is closed. */
int il__sim_tcp_stream(struct il__sim_tcp *t, il_stream **stream);
int il__sim_option(void *self, int level, int name, const void *value, size_t size);

/* tcp_open.c */
int il__sim_connect(il_loop *loop, const il_address *to, const il_address *local,
		    const il_connect_options *options, struct il__fd **end);
int il__sim_connected(struct il__fd *fd);
int il__sim_stream(struct il__fd *fd, const il_address *peer, il_stream **stream);
int il__sim_listen(il_loop *loop, const il_address *address, const il_listen_options *options,
		   struct il__fd **end);
int il__sim_accept(struct il__fd *fd, il_stream **stream);

#endif
