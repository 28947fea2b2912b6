/*
 * udp.h: a server's UDP socket and its peers. Each peer is a client whose packets are datagrams. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_UDP_H
#define IL_CORE_SERVER_UDP_H

#include "../base/list.h"
#include "../base/os_destination.h"
#include "../io/datagram.h"
#include "client.h"

/* A peer's address as a number of fixed size. */
struct il__udp_key {
	uint64_t words[3];
};

union il__udp_address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

/* One that was received, and not taken yet. */
struct il__udp_datagram {
	struct il__list link; /* peer->queue */
	struct il__os_destination to;
	size_t size;
	bool cut;             /* it was larger than a packet may be: of size 0 */
	unsigned char data[]; /* and one byte more */
};

/*
 * An address from which datagrams come. It is known for as long as a client's task serves it, or is to serve it once
 * there is a place, and has one at a time: what comes while that ends waits for the next one.
 */
struct il__udp_peer {
	struct il__udp_peer *next; /* in its chain of udp->table */
	struct il__udp_key key;
	struct il__udp *udp;
	union il__udp_address address; /* as the socket calls it */
	socklen_t address_length;
	struct il__os_destination
	    here; /* where its last datagram taken went to: replies leave from there */
	struct il__list queue;
	size_t count;                      /* of the queue */
	bool ended;                        /* with nothing queued its client is at its end */
	struct il__waiter *receiver;       /* who waits for the next one; NULL: nobody */
	struct il__datagram_call *sending; /* to it; NULL: nobody */
	struct il__list
	    idle; /* udp->idle while the handler waits in its first receive; or udp->waiting */
};

struct il__udp {
	il_server *server;
	char *host, *port;
	uint16_t bound;      /* the port that it got; 0: none yet */
	il_datagram *socket; /* NULL: not open now */
	bool everywhere;     /* it has more than one address */

	struct il__udp_peer **table; /* chains, by a hash of the key */
	size_t places, peers;        /* places: a power of two */
	uint64_t secret[2];          /* of the hash: who sends chooses his address */
	struct il__list idle;        /* peers, the one that has been idle longest first */
	struct il__list waiting;     /* peers without a client, which get the next places */
	size_t waits, leaves; /* how many wait; and clients that were ended, and have not left */
	size_t queued;        /* bytes in all queues */

	uint64_t dropped, evicted;   /* datagrams; peers */
	il_time dropped_last;        /* of this burst */
	struct il__udp_batch *batch; /* the reader's, while there is one */
};

/* ---- udp.c: for the server ---- */

int il__udp_make(il_server *s, const char *host, const char *port, struct il__udp **made);
/* Binds the socket if it is not open. May wait. */
int il__udp_open(struct il__udp *u);
/* Starts to serve; ends of itself when the socket is closed. */
int il__udp_start(struct il__udp *u);
/* No new peers: ends those that are idle; and closes the socket if nobody is served. */
void il__udp_stop(struct il__udp *u);
void il__udp_close(struct il__udp *u);
void il__udp_free(struct il__udp *u);

/* ---- udp_table.c: peers by address ---- */

void il__udp_key_of(struct il__udp_key *key, const struct sockaddr *address);
/* Makes the table. -ENOMEM. */
int il__udp_table_init(struct il__udp *u);
struct il__udp_peer *il__udp_find(const struct il__udp *u, const struct il__udp_key *key);
void il__udp_insert(struct il__udp *u, struct il__udp_peer *p);
void il__udp_remove(struct il__udp *u, struct il__udp_peer *p);

/* ---- udp_reader.c: from the socket to the peers ---- */

int il__udp_read(void *udp);
struct il__udp_batch *il__udp_batch_make(const struct il__udp *u);
void il__udp_batch_free(struct il__udp_batch *b);

/* ---- udp_peer.c: a peer as a client ---- */

/* Whether there is a place for one peer more, now or when one that is ended for it has left. */
bool il__udp_has_place(const struct il__udp *u);
/* Then: ends the one that has been idle longest if none is free. */
void il__udp_make_place(struct il__udp *u);
/* It has datagrams and no client: it gets one with the next place. */
void il__udp_peer_queue(struct il__udp_peer *p);
/* Ends the handler of one that is idle: its receive returns 0. */
void il__udp_peer_end(struct il__udp_peer *p);
/* A datagram for it; the peer's from here on. */
void il__udp_peer_give(struct il__udp_peer *p, struct il__udp_datagram *d);

#endif
