/*
 * u_ipv6.c: IPv6 on the simulated network: names with addresses of both families, sockets that serve one of them or both,
 * as on Linux, and a family that is dead.
 */
#include "u_network.h"

static const il_virtual_network_options with_ipv6 = {.ipv6 = true};

/* ---- names ---- */

/* All addresses, with a blank between. */
static void check_resolves(const char *name, unsigned flags, const char *text)
{
	il_address list[8];
	char room[8 * IL_ADDRESS_TEXT_MAX] = "";
	int count = il_resolve(name, "80", flags, list, 8);

	for (int i = 0; i < count; i++) {
		if (i)
			strcat(room, " ");
		il_address_text(&list[i], room + strlen(room), IL_ADDRESS_TEXT_MAX);
	}
	CHECK_STR(room, text);
}

IL_TEST_VIRTUAL(U, n405_with_ipv6_a_name_has_addresses_of_both_families)
{
	il_virtual_network *n = network_with(&with_ipv6);
	il_address list[4];

	host(n, "server", sleep_forever, NULL);
	host(n, "1.db", sleep_forever, NULL);
	host(n, "2.db", sleep_forever, NULL);
	check_resolves("server", 0, "[2001:db8::2]:80 10.0.0.2:80");
	check_resolves("server", IL_RESOLVE_IPV4, "10.0.0.2:80");
	check_resolves("server", IL_RESOLVE_IPV6, "[2001:db8::2]:80");
	check_resolves("db", 0, "[2001:db8::3]:80 [2001:db8::4]:80 10.0.0.3:80 10.0.0.4:80");
	check_resolves("localhost", 0, "[::1]:80 127.0.0.1:80");
	check_resolves(NULL, 0, "[::1]:80 127.0.0.1:80");
	check_resolves(NULL, IL_RESOLVE_PASSIVE, "0.0.0.0:80 [::]:80");
	check_resolves("2001:db8::2", 0, "[2001:db8::2]:80");
	CHECK_RC(il_resolve("2001:db8::2", "80", IL_RESOLVE_IPV4, list, 4), -ENOENT);
	CHECK_RC(il_resolve("server", "80", IL_RESOLVE_NUMERIC, list, 4), -ENOENT);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- streams ---- */

/* The text of the peer's address, as the listener that accepts it has it; "": not reached, rc says why. */
static int peer_of(il_listener *l, const char *to, const char *port, char *text)
{
	il_stream *near = NULL, *far = NULL;
	il_address peer;
	int rc = il_stream_connect_tcp(&near, to, port, &(il_connect_options){.local_port = "99"});

	*text = 0;
	if (rc == 0)
		rc = il_listener_accept(l, &far);
	if (rc == 0) {
		CHECK_RC(il_stream_peer_address(far, &peer), 0);
		il_address_text(&peer, text, IL_ADDRESS_TEXT_MAX);
		CHECK_RC(il_stream_write_all(near, "x", 1), 0);
		CHECK_RC(il_stream_read(far, (char[8]){0}, 8), 1);
	}
	il_stream_destroy(near);
	il_stream_destroy(far);
	return rc;
}

static int listen_both(void *arg)
{
	const il_listen_options dual = {.dual_stack = true};
	char text[IL_ADDRESS_TEXT_MAX];
	il_listener *l, *second = NULL;

	(void)arg;
	CHECK_RC(il_listener_open_tcp(&l, NULL, "80", NULL), 0); /* a socket per family */
	CHECK_RC(peer_of(l, "127.0.0.1", "80", text), 0);
	CHECK_STR(text, "127.0.0.1:99");
	CHECK_RC(peer_of(l, "::1", "80", text), 0);
	CHECK_STR(text, "[::1]:99");
	CHECK_RC(peer_of(l, "host", "80", text), 0); /* IPv6 comes first */
	CHECK_STR(text, "[2001:db8::2]:99");
	CHECK_RC(il_listener_open_tcp(&second, "::1", "80", NULL), -EADDRINUSE);
	CHECK_RC(il_listener_open_tcp(&second, NULL, "80", &dual), -EADDRINUSE);
	il_listener_destroy(l);

	CHECK_RC(il_listener_open_tcp(&l, NULL, "80", &dual), 0); /* one for both */
	CHECK_RC(peer_of(l, "10.0.0.2", "80", text), 0);
	CHECK_STR(text, "10.0.0.2:99");
	CHECK_RC(peer_of(l, "::", "80", text), 0);
	CHECK_STR(text, "[::1]:99");
	CHECK_RC(il_listener_open_tcp(&second, "127.0.0.1", "80", NULL), -EADDRINUSE);
	il_listener_destroy(l);

	CHECK_RC(il_listener_open_tcp(&l, "::", "80", NULL), 0); /* IPv6 only */
	CHECK_RC(peer_of(l, "127.0.0.1", "80", text), -ECONNREFUSED);
	CHECK_RC(il_listener_open_tcp(&second, "0.0.0.0", "80", NULL), 0);
	CHECK_RC(peer_of(second, "127.0.0.1", "80", text), 0);
	il_listener_destroy(second);
	il_listener_destroy(l);
	CHECK_RC(il_listener_open_tcp(&l, "2001:db8::3", "80", NULL), -EADDRNOTAVAIL);
	return 0;
}

IL_TEST_VIRTUAL(U, n406_a_listener_serves_one_family_or_both_as_on_linux)
{
	in_host(&with_ipv6, listen_both);
}

static int listen_at(void *address)
{
	il_listener *l;
	int rc;

	CHECK_RC(il_listener_open_tcp(&l, address, "7", NULL), 0);
	rc = il_sleep_forever();
	il_listener_destroy(l);
	return rc;
}

IL_TEST_VIRTUAL(U, n405_an_ipv6_address_is_reached_where_it_is_a_hosts)
{
	il_virtual_network *n = network_with(&with_ipv6);

	host(n, "server", listen_at, "2001:db8::2");
	host(n, "recluse", listen_at, "::1");
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(reach("2001:db8::2"), 0);
	CHECK_RC(reach("server"), 0);
	CHECK_RC(reach("10.0.0.2"), -ECONNREFUSED);
	CHECK_RC(reach("2001:db8::3"), -ECONNREFUSED); /* another host's loopback address */
	CHECK_RC(reach("2001:db8::77"), -EHOSTUNREACH);
	CHECK_RC(reach("2001:db9::2"), -EHOSTUNREACH);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n394_servers_and_clients_run_by_ipv6_unchanged)
{
	il_virtual_network *n = network_with(
	    &(il_virtual_network_options){.ipv6 = true, .latency_min = IL_MSEC(5), .loss = 0.1});
	const il_virtual_link_options only = {.latency_min = IL_MSEC(5), .loss_ipv4 = 1};

	CHECK_RC(il_virtual_link(n, NULL, NULL, &only), 0);
	host(n, "server", echo_server, NULL);
	host(n, "client", ask_when_up, "server");
	CHECK_RC(ended(n, "client"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static int connect_timed(void *arg)
{
	il_stream *s;
	il_address peer;
	const il_time begun = il_now();
	int rc = stream_to(&s, "server");

	if (rc < 0)
		return rc;
	*(il_time *)arg = il_now() - begun;
	CHECK_RC(il_stream_peer_address(s, &peer), 0);
	il_stream_destroy(s);
	return peer.storage.ss_family == AF_INET6 ? 6 : 4;
}

/* The rule is number 221's, for which a real network would have to be broken. */
IL_TEST_VIRTUAL(U, n397_where_ipv6_is_dead_a_connect_uses_ipv4_after_a_quarter_of_a_second)
{
	il_virtual_network *n = network_with(&with_ipv6);
	il_time took = -1;

	host(n, "server", echo_server, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	host(n, "before", connect_timed, &took);
	CHECK_RC(ended(n, "before"), 6);
	CHECK_EQ(took, 0);
	CHECK_RC(il_virtual_link(n, NULL, NULL, &(il_virtual_link_options){.loss_ipv6 = 1}), 0);
	host(n, "after", connect_timed, &took);
	CHECK_RC(ended(n, "after"), 4);
	CHECK_EQ(took, IL_MSEC(250));
	CHECK_RC(il_virtual_link(n, NULL, NULL, &(il_virtual_link_options){.loss_ipv6 = 1.5}),
		 -EINVAL);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- datagrams ---- */

/* One from a new socket that is connected to `to`, and back. */
static int exchange(il_datagram *d, const char *to, char *from)
{
	il_datagram *peer;
	il_address address;
	char data[8];
	int rc;

	CHECK_RC(il_datagram_connect_udp(&peer, to, "9", NULL), 0);
	CHECK_RC(il_datagram_send(peer, "x", 1, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	rc = il_datagram_send(peer, "y", 1, NULL);
	if (rc == 0) {
		CHECK_RC(il_datagram_receive(d, data, 8, &address), 1);
		CHECK_RC(il_datagram_receive(d, data, 8, NULL), 1);
		il_address_text(&address, from, IL_ADDRESS_TEXT_MAX);
		*strrchr(from, ':') = 0;
		CHECK_RC(il_datagram_send(d, "z", 1, &address), 0);
		CHECK_RC(il_datagram_receive(peer, data, 8, NULL), 1);
	}
	il_datagram_destroy(peer);
	return rc;
}

/* Of a name the first address that can be bound is taken; all interfaces are one socket, or none. */
static int open_beside_a_taken_port(void *unused)
{
	il_datagram *six, *d = NULL;
	il_address at;

	(void)unused;
	CHECK_RC(il_datagram_open_udp(&six, "::1", "9", NULL), 0);
	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), -EADDRINUSE);
	CHECK_RC(il_datagram_open_udp(&d, "localhost", "9", NULL), 0);
	CHECK_RC(il_datagram_local_address(d, &at), 0);
	CHECK_EQ(at.storage.ss_family, AF_INET);
	il_datagram_destroy(d);
	il_datagram_destroy(six);
	return 0;
}

IL_TEST_VIRTUAL(U, n406_a_port_that_is_taken_in_one_family_leaves_a_name_the_other)
{
	in_host(&with_ipv6, open_beside_a_taken_port);
}

static int use_datagrams(void *unused)
{
	static char much[65528];
	char text[IL_ADDRESS_TEXT_MAX];
	il_datagram *d, *other = NULL;
	il_address to;

	(void)unused;
	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), 0); /* both families */
	CHECK_RC(il_datagram_local_address(d, &to), 0);
	CHECK_EQ(to.storage.ss_family, AF_INET6);
	CHECK_RC(exchange(d, "10.0.0.2", text), 0);
	CHECK_STR(text, "10.0.0.2");
	CHECK_RC(exchange(d, "::1", text), 0);
	CHECK_STR(text, "[::1]");
	CHECK_RC(exchange(d, "localhost", text), 0); /* IPv6 comes first */
	CHECK_STR(text, "[::1]");
	CHECK_RC(il_datagram_open_udp(&other, "127.0.0.1", "9", NULL), -EADDRINUSE);
	il_datagram_destroy(d);

	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", &(il_datagram_options){.ipv6_only = true}), 0);
	CHECK_RC(exchange(d, "10.0.0.2", text), -ECONNREFUSED);
	CHECK_RC(exchange(d, "2001:db8::2", text), 0);
	CHECK_RC(il_datagram_open_udp(&other, "127.0.0.1", "9", NULL), 0);
	to = address_of("10.0.0.2", "9");
	CHECK(il_datagram_send(d, "x", 1, &to) < 0);
	to = address_of("::ffff:10.0.0.2", "9");
	CHECK_RC(il_datagram_send(d, "x", 1, &to), -ENETUNREACH);
	to = address_of("::1", "9");
	CHECK_RC(il_datagram_send(other, "x", 1, &to), -EAFNOSUPPORT);
	CHECK_RC(il_datagram_send(d, much, 65528, &to), -EMSGSIZE);
	CHECK_RC(il_datagram_send(d, much, 65527, &to), 0);
	CHECK_RC(il_datagram_receive(d, much, sizeof much, NULL), 65527);
	il_datagram_destroy(other);
	il_datagram_destroy(d);
	return 0;
}

IL_TEST_VIRTUAL(U, n406_a_datagram_socket_serves_one_family_or_both_as_on_linux)
{
	in_host(&with_ipv6, use_datagrams);
}

IL_TEST_VIRTUAL(U, n394_an_udp_server_serves_peers_of_both_families)
{
	il_virtual_network *n = network_with(&with_ipv6);

	host(n, "server", udp_server, NULL);
	host(n, "new", udp_ask, "server");
	host(n, "old", udp_ask, "10.0.0.2");
	CHECK_RC(ended(n, "new"), 0);
	CHECK_RC(ended(n, "old"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}
