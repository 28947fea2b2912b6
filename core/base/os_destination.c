/*
 * os_destination.c: a socket of all interfaces gets datagrams for each address of this machine, but the system sends
 * from the one that a route names; whoever has asked another drops such a reply. So the system is asked where each
 * datagram went to, and told where the reply comes from: RFC 3542, and IP_PKTINFO or its elder of BSD for IPv4. A
 * socket of both families is told of IPv4 by IPv4's own way, which knows what a broadcast was sent to. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_destination.h"
#include "os.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* in musl's CMSG_NXTHDR */

#if defined(IP_PKTINFO)
enum { WANT_IPV4 = IP_PKTINFO, IPV4_ROOM = CMSG_SPACE(sizeof(struct in_pktinfo)) };
#elif defined(IP_RECVDSTADDR)
enum { WANT_IPV4 = IP_RECVDSTADDR, IPV4_ROOM = CMSG_SPACE(sizeof(struct in_addr)) };
#endif

_Static_assert(sizeof(struct il__os_destination_room) >=
		   IPV4_ROOM + CMSG_SPACE(sizeof(struct in6_pktinfo)),
	       "both families fit");

int il__os_destination_want(int fd, int family)
{
	int rc = 0;

	if (family == AF_INET6)
		rc = il__os_socket_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (family == AF_INET)
		rc = il__os_socket_set(fd, IPPROTO_IP, WANT_IPV4, 1);
	else
		il__os_socket_set(fd, IPPROTO_IP, WANT_IPV4, 1); /* where IPv6 sockets take it */
	return rc;
}

/* ---- IPv4 ---- */

static bool destination_get_ipv4(const struct cmsghdr *c, struct il__os_destination *d)
{
#if defined(IP_PKTINFO)
	struct in_pktinfo info;

	if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
		return false;
	memcpy(&info, CMSG_DATA(c), sizeof info);
	d->address.ipv4 = info.ipi_spec_dst; /* ours, also where a group or all were meant */
#else
	if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVDSTADDR)
		return false;
	memcpy(&d->address.ipv4, CMSG_DATA(c), sizeof d->address.ipv4);
#endif
	d->family = AF_INET;
	d->interface = 0;
	return true;
}

static socklen_t destination_set_ipv4(struct cmsghdr *c, const struct il__os_destination *d)
{
#if defined(IP_PKTINFO)
	const struct in_pktinfo info = {.ipi_spec_dst = d->address.ipv4};

	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(c), &info, sizeof info);
	c->cmsg_level = IPPROTO_IP;
	return (socklen_t)CMSG_SPACE(sizeof info);
#else
	c->cmsg_type = IP_SENDSRCADDR;
	c->cmsg_len = CMSG_LEN(sizeof d->address.ipv4);
	memcpy(CMSG_DATA(c), &d->address.ipv4, sizeof d->address.ipv4);
	c->cmsg_level = IPPROTO_IP;
	return (socklen_t)CMSG_SPACE(sizeof d->address.ipv4);
#endif
}

/* ---- IPv6 ---- */

static void destination_get_ipv6(const struct cmsghdr *c, struct il__os_destination *d)
{
	struct in6_pktinfo info;

	if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
		return;
	memcpy(&info, CMSG_DATA(c), sizeof info);
	if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr) || IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr))
		return;
	d->family = AF_INET6;
	d->address.ipv6 = info.ipi6_addr;
	d->interface = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? (unsigned)info.ipi6_ifindex : 0;
}

static socklen_t destination_set_ipv6(struct cmsghdr *c, const struct il__os_destination *d)
{
	struct in6_pktinfo info = {.ipi6_addr = d->address.ipv6};

	info.ipi6_ifindex = d->interface;
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(c), &info, sizeof info);
	return (socklen_t)CMSG_SPACE(sizeof info);
}

/* ---- both ---- */

void il__os_destination_get(struct msghdr *message, struct il__os_destination *d)
{
	d->family = AF_UNSPEC;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (destination_get_ipv4(c, d))
			return;
		destination_get_ipv6(c, d);
	}
}

void il__os_destination_set(struct msghdr *message, struct il__os_destination_room *room,
			    const struct il__os_destination *d)
{
	struct cmsghdr *c = (struct cmsghdr *)room->bytes;

	if (d->family == AF_UNSPEC)
		return;
	memset(room, 0, sizeof *room);
	message->msg_control = room->bytes;
	message->msg_controllen =
	    d->family == AF_INET ? destination_set_ipv4(c, d) : destination_set_ipv6(c, d);
}

#pragma GCC diagnostic pop
