/*
 * r_datagrams_fd.c: adopted descriptors, options of sockets, groups, and sockets in a forked child.
 */
#include "in_child.h"
#include "r_net.h"

#include <arpa/inet.h>
#include <net/if.h>

/* ---- 330: adopted descriptors ---- */

static int plain_udp(bool blocking)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | (blocking ? 0 : SOCK_NONBLOCK), 0);

	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

IL_TEST_REAL(R, n330_an_adopted_socket_stays_as_others_share_it)
{
	for (int blocking = 0; blocking < 2; blocking++) {
		int fd = plain_udp(blocking), flags = fcntl(fd, F_GETFL);
		il_datagram *d = NULL, *again = NULL;
		il_address at;
		struct side s = {.rc = 0};
		CHECK_RC(il_datagram_open_fd(&d, fd), 0);
		CHECK_RC(il_datagram_open_fd(&again, fd), -EBUSY);
		CHECK_EQ(il_datagram_fd(d), fd);
		CHECK(il_datagram_port(d) > 0);
		CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		at = address_of(d);
		side_start(&s, side_receive, d);
		CHECK_RC(il_yield(), 0);
		send_text(d, "hello", &at);
		CHECK_RC(side_join(&s), 5);
		CHECK_EQ(fcntl(fd, F_GETFL), flags);
		il_datagram_destroy(d);
		CHECK(!is_open(fd));
	}
}

IL_TEST_REAL(R, n330_only_datagram_sockets_are_adopted)
{
	il_datagram *d = NULL;
	int pair[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_RC(il_datagram_open_fd(&d, pair[0]), -ENOTSUP);
	CHECK_RC(il_datagram_open_fd(&d, file), -ENOTSUP);
	CHECK_RC(il_datagram_open_fd(&d, -1), -EBADF);
	CHECK_RC(il_datagram_open_fd(NULL, pair[0]), -EINVAL);
	CHECK(is_open(pair[0]) && is_open(file));
	close(pair[0]);
	close(pair[1]);
	close(file);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_RC(il_datagram_open_fd(&d, pair[0]), 0);
	send_text(d, "connected", NULL);
	il_datagram_destroy(d);
	close(pair[1]);
}

/* ---- 346: options ---- */

static int option_of(const il_datagram *d, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof value;

	CHECK_EQ(getsockopt(il_datagram_fd(d), level, name, &value, &length), 0);
	return value;
}

IL_TEST_REAL(R, n346_options_are_the_sockets)
{
	const il_datagram_options o = {
	    .broadcast = true, .ttl = 7, .send_buffer = 40000, .receive_buffer = 50000};
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", &o), 0);
	CHECK_EQ(option_of(d, SOL_SOCKET, SO_BROADCAST), 1);
	CHECK_EQ(option_of(d, IPPROTO_IP, IP_TTL), 7);
	CHECK(option_of(d, SOL_SOCKET, SO_SNDBUF) >= 40000);
	CHECK(option_of(d, SOL_SOCKET, SO_RCVBUF) >= 50000);
	il_datagram_destroy(d);
	CHECK_RC(il_datagram_open_udp(&d, NULL, "0", &o), 0);
	if (!IL_TEST_PORTABLE) /* elsewhere a socket of IPv6 has no options of IPv4 */
		CHECK_EQ(option_of(d, IPPROTO_IP, IP_TTL), 7);
	il_datagram_destroy(d);
}

/* Sending to a group goes by an interface: the loopback's is always there. */
static void by_loopback(const il_datagram *d)
{
	const struct in_addr here = {htonl(INADDR_LOOPBACK)};

	CHECK_EQ(setsockopt(il_datagram_fd(d), IPPROTO_IP, IP_MULTICAST_IF, &here, sizeof here), 0);
}

IL_TEST_REAL(R, n346_a_socket_that_has_joined_a_group_hears_it)
{
	static const char *const groups[] = {"239.255.77.1%lo"},
				 *const wrong[] = {"239.255.77.1%no-such"},
				 *const host[] = {"127.0.0.1"};
	const il_datagram_options in = {.join = groups, .join_count = 1},
				  no = {.join = wrong, .join_count = 1},
				  one = {.join = host, .join_count = 1};
	il_datagram *d = NULL, *sender = bound("127.0.0.1");
	struct sockaddr_in group = {.sin_family = AF_INET};
	il_address to = {.length = sizeof group};

	CHECK_RC(il_datagram_open_udp(&d, "0.0.0.0", "0", &no), -ENODEV);
	CHECK_RC(il_datagram_open_udp(&d, "0.0.0.0", "0", &one), -EINVAL);
	CHECK(d == NULL);
	for (int i = 0; i < 2; i++) { /* one of both families hears IPv4 groups, too */
		int rc = il_datagram_open_udp(&d, i ? NULL : "0.0.0.0", "0", &in);
		if (rc == -ENOTSUP)
			break; /* built without what only Linux has */
		CHECK_RC(rc, 0);
		group.sin_port = htons(il_datagram_port(d));
		CHECK_EQ(inet_pton(AF_INET, "239.255.77.1", &group.sin_addr), 1);
		memcpy(&to.storage, &group, sizeof group);
		by_loopback(sender);
		send_text(sender, "to all", &to);
		check_text(d, "to all", NULL);
		il_datagram_destroy(d);
	}
	il_datagram_destroy(sender);
}

/* ---- 330: services that only UDP has ---- */

IL_TEST_REAL(R, n330_a_service_of_udp_is_found_for_datagrams)
{
	il_address a;

	if (access("/etc/services", R_OK) < 0) {
		SKIP("/etc/services");
		return;
	}
	CHECK_RC(il_resolve("127.0.0.1", "tftp", IL_RESOLVE_DATAGRAM, &a, 1), 1);
	CHECK_EQ(il_address_port(&a), 69);
	CHECK_RC(il_resolve("127.0.0.1", "tftp", 0, &a, 1), -ENOENT);
	CHECK_RC(il_resolve("127.0.0.1", "1", 32, &a, 1), -EINVAL);
}

/* ---- 338: in a forked child ---- */

static int use_inherited(void *arg)
{
	il_datagram *const *d = arg;
	il_address a;

	CHILD_CHECK(il_datagram_local_address(d[0], &a) == -ESHUTDOWN);
	CHILD_CHECK(il_datagram_close(d[0]) == -ESHUTDOWN);
	il_datagram_destroy(d[0]);
	il_datagram_destroy(d[1]);
	return 0;
}

IL_TEST_REAL(R, n338_a_forked_child_drops_its_copy_only)
{
	struct folder f = folder_enter();
	il_datagram *d[2] = {bound("127.0.0.1"), NULL};
	const il_address at = address_of(d[0]);
	struct side s = {.rc = 0};

	CHECK_RC(il_datagram_open_unix(&d[1], "a", NULL), 0);
	side_start(&s, side_receive, d[0]);
	CHECK_IN_CHILD(use_inherited, d);
	CHECK_EQ(access("a", F_OK), 0);
	send_text(d[0], "parent", &at);
	CHECK_RC(side_join(&s), 6);
	il_datagram_destroy(d[0]);
	il_datagram_destroy(d[1]);
	folder_leave(&f);
}
