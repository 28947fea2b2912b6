/*
 * os_destination.h: which address of ours a datagram was sent to, and replies from that very address
 * (os_destination.c). Any thread.
 */
#ifndef IL_CORE_BASE_OS_DESTINATION_H
#define IL_CORE_BASE_OS_DESTINATION_H

#include <netinet/in.h>
#include <sys/socket.h>

struct il__os_destination {
	sa_family_t family; /* AF_UNSPEC: not known, or a group's */
	unsigned interface; /* of an address that means nothing without it; else 0 */
	union {
		struct in_addr ipv4;
		struct in6_addr ipv6;
	} address;
};

/* Room for what the system says of both families; aligned as the headers in it. */
struct il__os_destination_room {
	_Alignas(struct cmsghdr) char bytes[128];
};

/* Has the system tell it of each datagram. 0, or a negated errno code. */
int il__os_destination_want(int fd, int family);
/* What a received message, with such a room, says. */
void il__os_destination_get(struct msghdr *message, struct il__os_destination *d);
/* Has a message to be sent leave from there; the room lives as long as the message. */
void il__os_destination_set(struct msghdr *message, struct il__os_destination_room *room,
			    const struct il__os_destination *d);

#endif
