/*
 * packets.h: what is under way between hosts. A packet of a connection has no bytes: those are taken out of its sender's
 * buffer when it arrives, which keeps them until they are acknowledged. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_PACKETS_H
#define IL_VIRTUAL_NETWORK_PACKETS_H

#include "../../../core/runtime/timer.h"
#include "simulation.h"

enum il__sim_kind {
	IL__SIM_CONNECT,     /* SYN */
	IL__SIM_ACCEPT,      /* SYN, ACK */
	IL__SIM_DATA,        /* with an acknowledgement; may be empty */
	IL__SIM_PROBE,       /* wants one */
	IL__SIM_RESET,       /* RST */
	IL__SIM_DATAGRAM,    /* UDP */
	IL__SIM_UNREACHABLE, /* ICMP: no datagram socket has that port */
};

struct il__sim_packet;
struct il__sim_link;
struct il__sim_tcp;

/* Whose packets they are. */
struct il__sim_packet_ops {
	/* It has arrived: takes it. */
	void (*arrive)(struct il__sim_packet *p);
	/* It goes no further: gives back what it refers to; NULL: nothing. */
	void (*let_go)(struct il__sim_packet *p);
};

struct il__sim_packet {
	const struct il__sim_packet_ops *ops;
	struct il__timer timer; /* of its arrival */
	struct il__list link;   /* under way, held, or in the queue of a socket */
	struct il__sim_host *from, *to;
	struct il__sim_place source, target;
	enum il__sim_kind kind;
	unsigned cuts;   /* of the link, when it left */
	il_time arrived; /* in a queue */
	bool shuffled;   /* likewise: it may be behind others that arrived with it */
	/* Of a connection: whose it is, and for whom, as far as that is known; both references. */
	struct il__sim_tcp *sender, *receiver;
	uint64_t at, acknowledged; /* the first byte's number; the next one that is expected */
	size_t window;             /* how many from there on */
	bool ends;                 /* nothing comes behind it */
	size_t size;
	char data[]; /* of a datagram */
};

/* NULL: no memory. The places, and what it refers to, are the caller's to fill in. */
struct il__sim_packet *il__sim_packet_make(struct il_virtual_network *n,
					   const struct il__sim_packet_ops *ops,
					   enum il__sim_kind kind, size_t data);
/* Sends it on its way, on which it may be lost. */
void il__sim_packet_send(struct il__sim_packet *p, struct il__sim_host *from,
			 struct il__sim_host *to);
void il__sim_packet_free(struct il_virtual_network *n, struct il__sim_packet *p);
/* All that a link holds goes on at once; or is lost. */
void il__sim_release(struct il_virtual_network *n, struct il__sim_link *link);
void il__sim_lose(struct il_virtual_network *n, struct il__sim_link *link);
/* All that is under way or spare. */
void il__sim_packets_free(struct il_virtual_network *n);

#endif
