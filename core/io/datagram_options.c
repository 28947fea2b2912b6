/*
 * datagram_options.c: the options of datagram sockets, and joining multicast groups. An IPv6 socket that serves IPv4
 * too takes the options of both. No state; any thread.
 */
#include "datagram_options.h"
#include "../base/error.h"
#include "../base/os.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

/* ---- checking ---- */

int il__datagram_check_options(const il_datagram_options *o, int family, const char *function)
{
	if (!o)
		return 0;
	if (o->ttl < 0 || o->ttl > 255)
		return il__refuse(-EINVAL, "%s: ttl is %d, it must be 1 to 255, or 0: the default",
				  function, o->ttl);
	if (o->send_buffer < 0 || o->receive_buffer < 0)
		return il__refuse(-EINVAL, "%s: the size of a buffer is negative", function);
	if (!il__is_items(o->join, o->join_count))
		return il__refuse_items(function, "join", o->join, "join_count", o->join_count);
	if (family == AF_UNIX &&
	    (o->reuse_port || o->broadcast || o->ipv6_only || o->ttl || o->join_count))
		return il__refuse(-ENOTSUP,
				  "%s: Unix sockets have no ports, broadcasts, ttl or groups; of "
				  "the options only the buffers may be set",
				  function);
	return 0;
}

/* ---- groups ---- */

struct group {
	char number[INET6_ADDRSTRLEN];
	unsigned interface; /* 0: the system's choice */
};

static int datagram_read_group(struct group *g, const char *text, const char *function)
{
	const char *percent = text ? strchr(text, '%') : NULL;
	size_t length = percent ? (size_t)(percent - text) : text ? strlen(text) : 0;

	if (!length || length >= sizeof g->number)
		return il__refuse(-EINVAL, "%s: a group to join is NULL or no number", function);
	memcpy(g->number, text, length);
	g->number[length] = 0;
	g->interface = percent ? if_nametoindex(percent + 1) : 0;
	if (percent && !g->interface)
		return il__refuse(-ENODEV, "%s: group %s: there is no such interface", function,
				  text);
	return 0;
}

static int datagram_join_ipv4(int fd, struct in_addr address, unsigned interface)
{
#if IL__LINUX
	struct ip_mreqn request = {.imr_multiaddr = address, .imr_ifindex = (int)interface};
#else
	struct ip_mreq request = {.imr_multiaddr = address};

	if (interface)
		return -ENOTSUP;
#endif
	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) < 0 ? -errno
											   : 0;
}

static int datagram_join(int fd, int family, const il_datagram_options *o, const char *text,
			 const char *function)
{
	struct ipv6_mreq request;
	struct in_addr ipv4;
	struct group g;
	int rc = datagram_read_group(&g, text, function);

	if (rc < 0)
		return rc;
	if (inet_pton(AF_INET, g.number, &ipv4) == 1 && (family == AF_INET || !o->ipv6_only)) {
		rc = datagram_join_ipv4(fd, ipv4, g.interface);
	} else if (inet_pton(AF_INET6, g.number, &request.ipv6mr_multiaddr) == 1 &&
		   family == AF_INET6) {
		request.ipv6mr_interface = g.interface;
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request) < 0)
			rc = -errno;
	} else {
		return il__refuse(-EINVAL, "%s: group %s is no number of the socket's family",
				  function, text);
	}
	return rc < 0 ? il__refuse(rc, "%s: joining group %s: %s", function, text,
				   il__system_words(rc))
		      : 0;
}

/* ---- setting ---- */

static int datagram_set(int *rc, int fd, int level, int name, int value)
{
	if (*rc == 0)
		*rc = il__os_socket_set(fd, level, name, value);
	return *rc;
}

static int datagram_set_reuse_port(int fd)
{
#ifdef SO_REUSEPORT
	return il__os_socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
	(void)fd;
	return -ENOTSUP;
#endif
}

static int datagram_set_ttl(int fd, int family, bool both, int ttl)
{
	int rc = 0;

	if (family == AF_INET6) {
		datagram_set(&rc, fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
		datagram_set(&rc, fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl);
	}
	if (family == AF_INET || (both && IL__LINUX)) {
		datagram_set(&rc, fd, IPPROTO_IP, IP_TTL, ttl);
		datagram_set(&rc, fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
	}
	return rc;
}

int il__datagram_set_options(int fd, int family, const il_datagram_options *o, const char *function)
{
	const bool ipv6_only = o && o->ipv6_only;
	int rc = 0;

	if (family == AF_INET6)
		datagram_set(&rc, fd, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only);
	if (o && o->send_buffer)
		datagram_set(&rc, fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer);
	if (o && o->receive_buffer)
		datagram_set(&rc, fd, SOL_SOCKET, SO_RCVBUF, o->receive_buffer);
	if (o && o->broadcast)
		datagram_set(&rc, fd, SOL_SOCKET, SO_BROADCAST, 1);
	if (rc == 0 && o && o->reuse_port)
		rc = datagram_set_reuse_port(fd);
	if (rc == 0 && o && o->ttl)
		rc = datagram_set_ttl(fd, family, !ipv6_only, o->ttl);
	if (rc < 0)
		return il__refuse(rc, "%s: an option cannot be set: %s", function,
				  il__system_words(rc));
	for (size_t i = 0; rc == 0 && o && i < o->join_count; i++)
		rc = datagram_join(fd, family, o, o->join[i], function);
	return rc;
}
