/*
 * u_sockets.c: what a host of the simulated network cannot be asked for is refused as by a real system.
 */
#define _GNU_SOURCE
#include "u_network.h"

#include <netinet/in.h>

/* fn in a host. */
/* ---- datagrams ---- */

static int use_datagrams(void *unused)
{
	const char *const groups[] = {"239.255.0.1%eth0"};
	static char much[65508];
	il_datagram *d = NULL, *other = NULL;
	il_address to;

	(void)unused;
	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), 0);
	CHECK_RC(il_datagram_open_udp(&other, NULL, "9", NULL), -EADDRINUSE);
	CHECK_RC(il_datagram_open_udp(&other, "::1", "0", NULL), -EAFNOSUPPORT);
	CHECK_RC(il_datagram_open_udp(&other, "192.0.2.99", "0", NULL), -EADDRNOTAVAIL);
	CHECK_RC(il_datagram_open_udp(&other, NULL, "0",
				      &(il_datagram_options){.join = groups, .join_count = 1}),
		 -ENODEV);
	CHECK_RC(il_datagram_connect_udp(&other, "::1", "9", NULL), -ENETUNREACH);

	to = address_of("255.255.255.255", "9");
	CHECK_RC(il_datagram_send(d, "x", 1, &to), -EACCES);
	to = address_of("127.0.0.1", "0");
	CHECK_RC(il_datagram_send(d, "x", 1, &to), -EINVAL);
	to = address_of("::1", "9");
	CHECK_RC(il_datagram_send(d, "x", 1, &to), -EAFNOSUPPORT);
	to = address_of("127.0.0.1", "9");
	CHECK_RC(il_datagram_send(d, much, sizeof much, &to), -EMSGSIZE);

	/* To itself, by whichever address of its own. */
	to = address_of("0.0.0.0", "9");
	CHECK_RC(il_datagram_send(d, "x", 1, &to), 0);
	CHECK_RC(il_datagram_receive(d, much, sizeof much, &to), 1);
	CHECK_EQ(ntohl(((struct sockaddr_in *)(void *)&to.storage)->sin_addr.s_addr),
		 INADDR_LOOPBACK);
	il_datagram_destroy(d);
	return 0;
}

IL_TEST_VIRTUAL(U, a_datagram_socket_refuses_what_no_host_has)
{
	in_host(NULL, use_datagrams);
}

/* What was not received goes with its socket. */
static int drop_datagrams(void *unused)
{
	il_datagram *d = NULL;
	il_address to = address_of("127.0.0.1", "9");

	(void)unused;
	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "9", NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_datagram_send(d, "x", 1, &to), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	il_datagram_destroy(d);
	return 0;
}

IL_TEST_VIRTUAL(U, datagrams_that_nobody_received_end_with_their_socket)
{
	in_host(NULL, drop_datagrams);
}

/* ---- connections ---- */

static int use_streams(void *unused)
{
	il_stream *near = NULL, *far = NULL;
	il_listener *listener = NULL, *other = NULL;

	(void)unused;
	CHECK_RC(il_listener_open_tcp(&listener, NULL, "7", NULL), 0);
	CHECK_RC(il_listener_open_tcp(&other, NULL, "7", NULL), -EADDRINUSE);
	CHECK_RC(il_listener_open_tcp(&other, "192.0.2.99", "7", NULL), -EADDRNOTAVAIL);
	CHECK_RC(il_stream_connect_tcp(&near, "0.0.0.0", "7", NULL), 0);
	CHECK_RC(il_listener_accept(listener, &far), 0);
	CHECK_RC(il_stream_set_nodelay(near, true), 0);
	CHECK_RC(il_stream_set_keepalive(near, true), 0);
	CHECK_RC(il_stream_write_all(near, "x", 1), 0);
	CHECK_RC(il_stream_close(far), 0);
	il_stream_destroy(near);
	il_stream_destroy(far);
	il_listener_destroy(listener);
	return 0;
}

IL_TEST_VIRTUAL(U, a_host_connects_to_itself_by_any_address_of_its_own)
{
	in_host(NULL, use_streams);
}

static int connect_from(const char *host, const char *port)
{
	il_stream *s = NULL;
	int rc = il_stream_connect_tcp(
	    &s, "127.0.0.1", "7", &(il_connect_options){.local_host = host, .local_port = port});

	il_stream_destroy(s);
	return rc;
}

static int use_local_addresses(void *unused)
{
	il_listener *listener = NULL;

	(void)unused;
	CHECK_RC(il_listener_open_tcp(&listener, NULL, "7", NULL), 0);
	CHECK_RC(connect_from("127.0.0.1", "0"), 0);
	CHECK_RC(connect_from("127.0.0.1", "4711"), 0);
	CHECK_RC(connect_from("127.0.0.1", "7"), -EADDRINUSE);
	CHECK_RC(connect_from("192.0.2.99", "0"), -EADDRNOTAVAIL);
	CHECK_RC(connect_from("::1", "0"), -EADDRNOTAVAIL);
	il_listener_destroy(listener);
	return 0;
}

IL_TEST_VIRTUAL(U, a_connect_begins_at_an_address_of_the_host_only)
{
	in_host(NULL, use_local_addresses);
}
