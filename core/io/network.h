/*
 * network.h: what a loop connects, listens, sends datagrams and looks names up with: one table of operations, by
 * default that of sockets (sockets.c). What it opens is an end: an il__fd, for whose directions one waits as for a
 * descriptor's. An end of another network is no descriptor (il__fd_is_asked), so whoever uses ends knows of no number;
 * its streams are transports. Unix sockets, pipes and descriptors from elsewhere are always the system's. Loop's
 * thread only.
 */
#ifndef IL_CORE_IO_NETWORK_H
#define IL_CORE_IO_NETWORK_H

#include "../base/os_datagram.h"
#include "fd.h"

#include <interloop/datagram.h>
#include <interloop/stream.h>

/*
 * Operations return 0 or more, or a negated errno code, without words where nothing else is said. Nothing but
 * resolve waits. After -EAGAIN the end's direction is waited for, without a turn in between.
 */
struct il__network {
	/* As il__resolve, in a task: how many addresses *list has; whoever asked frees it. With words. */
	int (*resolve)(il_address **list, const char *host, const char *port, unsigned flags,
		       il_time deadline, const char *function);

	/* A connection, from `local` if that is not NULL. 1: it is there; 0: it is under way, and the end is writable
	 * when there is more to say. */
	int (*connect)(il_loop *loop, const il_address *to, const il_address *local,
		       const il_connect_options *options, struct il__fd **end);
	/* Then: 1, or why it has failed. */
	int (*connected)(struct il__fd *end);
	/* What has connected becomes a stream; on failure it is closed. With words. What asking that stream changes for
	 * others they learn later, from the loop, or by il_transport_ready. */
	int (*stream)(struct il__fd *end, const il_address *peer, il_stream **stream);

	int (*listen)(il_loop *loop, const il_address *address, const il_listen_options *options,
		      struct il__fd **end);
	/* Whether listen has refused an address because its family is not there: another one may do. */
	bool (*lacks)(int rc, const il_address *address);
	int (*accept)(struct il__fd *end, il_stream **stream);

	/* Bound to the address, or connected to it. With words. */
	int (*datagram)(il_loop *loop, const il_address *address, bool connects,
			const il_datagram_options *options, const char *function,
			struct il__fd **end);
	/* Whether a datagram socket of IPv6 serves IPv4, too. */
	bool (*dual)(const struct il__fd *end);
	/* As il__os_receive_messages and il__os_send_messages. */
	int (*receive)(struct il__fd *end, struct il__os_message *messages, int count);
	int (*send)(struct il__fd *end, struct il__os_message *messages, int count);

	/* Of the other side, or of this one. */
	int (*address)(const struct il__fd *end, bool peer, il_address *address);
	/* setsockopt of a stream's transport; NULL: it has no options. */
	int (*option)(void *self, int level, int name, const void *value, size_t size);
	/* Which of the mask would not have to wait. */
	int (*ready)(struct il__fd *end, unsigned mask);
	/* Whoever waits gets -EBADF. `inherited`: in a forked child, where what the parent shares stays as it is. */
	void (*close)(struct il__fd *end, bool inherited);
};

extern const struct il__network il__sockets;

static inline const struct il__network *il__network_of(const il_loop *loop)
{
	return loop->network ? loop->network : &il__sockets;
}

#endif
