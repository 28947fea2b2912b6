/*
 * datagram.h: datagram sockets: one receiving call at a time, and a queue of sending ones. Loop's thread only.
 */
#ifndef IL_CORE_IO_DATAGRAM_H
#define IL_CORE_IO_DATAGRAM_H

#include "../base/list.h"
#include "../base/os_datagram.h"
#include "network.h"
#include "unix_path.h"

#include <interloop/datagram.h>

/* Of whoever receives: a call, or a case of a select. */
struct il__datagram_place {
	bool called; /* a call's (il__datagram_call), not a case's */
	bool gone;   /* closed meanwhile: touch the socket no more */
};

/* One receiving or sending call, on its task's stack: the socket may be closed and freed under it. */
struct il__datagram_call {
	struct il__datagram_place place;
	struct il__fd_wait wait;
	const char *function;
	bool parked;    /* it has let others run */
	bool withdrawn; /* nobody wants it sent any more */
};

struct il_datagram {
	struct il__fd_owner owner; /* first */
	il_loop *loop;
	const struct il__network *network;
	struct il__fd *fd; /* NULL: closed */
	sa_family_t family;
	bool connected;
	int failure; /* what a datagram met that was not the first of its call; 0: nothing */
	bool dual;   /* IPv6 that serves IPv4, too */
	struct il__datagram_place *receiver; /* NULL: nobody receives */
	struct il__datagram_call *sender;    /* who has the sending side; NULL: it is free */
	struct il__list senders;             /* who wait for it; each has its call for its waker */
	struct il__socket_file file;         /* Unix: to remove */
	uint16_t port;
};

enum { IL__DATAGRAM_BATCH = 64 }; /* most at a time */

/* Takes over an end that is bound or connected, and the file of a Unix socket (NULL: there is none); on failure both
 * stay the caller's. */
int il__datagram_create(il_datagram **d, il_loop *loop, const struct il__network *network,
			struct il__fd *end, sa_family_t family, struct il__socket_file *file);
/* Receives 1 to count datagrams into messages that are ready for the system's call. What came is told there (NULL:
 * nowhere) before others run, for the socket may be gone when this returns. */
int il__datagram_receive(il_datagram *d, struct il__os_message *messages, int count,
			 il_datagram_message *told, const char *function);
/* What the system has told a call that could not return it: to be told once. 0: nothing. */
int il__datagram_take_failure(il_datagram *d, const char *function);
/* Sends 1 to count of them, whose addresses were checked; the call has its function. Yields if asked to, and it has not
 * waited. */
int il__datagram_send(il_datagram *d, struct il__datagram_call *c, struct il__os_message *messages,
		      int count, bool yields);
/* Ends a sending call that waits: it returns -EBADF, and has sent nothing. */
void il__datagram_withdraw(struct il__datagram_call *c);
/* On a socket of both families an IPv4 address is one of IPv6, mapped: what the system calls this peer there (which is
 * in `mapped`, or `to` itself), and back. */
struct sockaddr_in6;
const void *il__datagram_map(const il_datagram *d, const il_address *to,
			     struct sockaddr_in6 *mapped, socklen_t *length);
void il__datagram_unmap(const il_datagram *d, il_address *address);

#endif
