/*
 * u_datagrams.c: UDP on the simulated network: what is lost, late or overtaken, what has no room, and UDP servers as
 * they are.
 */
#include "u_network.h"

#include <sys/socket.h>

enum { MANY = 1000 };

struct got {
	int count, overtaken;
	bool is[MANY];
	il_time least, most; /* latencies */
};

struct stamp {
	int number;
	il_time sent;
};

/* Until nothing comes for a while. */
static int receive_stamps(void *arg)
{
	struct got *got = arg;
	struct stamp s;
	il_datagram *d;
	int last = -1, rc = 0;

	got->least = IL_FOREVER;
	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), 0);
	for (;;) {
		il_case c = il_case_datagram(d);
		il_time took;
		rc = il_select(&c, 1, IL_SEC(10));
		if (rc < 0)
			break;
		CHECK_RC(il_datagram_receive(d, &s, sizeof s, NULL), sizeof s);
		took = il_now() - s.sent;
		got->least = took < got->least ? took : got->least;
		got->most = took > got->most ? took : got->most;
		CHECK(!got->is[s.number]);
		got->is[s.number] = true;
		got->count++;
		got->overtaken += s.number < last;
		last = s.number;
	}
	il_datagram_destroy(d);
	return rc == -ETIMEDOUT ? 0 : rc;
}

static int send_stamps(void *pause)
{
	il_datagram *d;

	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_datagram_connect_udp(&d, "receiver", "9", NULL), 0);
	for (int i = 0; i < MANY; i++) {
		const struct stamp s = {.number = i, .sent = il_now()};
		CHECK_RC(il_datagram_send(d, &s, sizeof s, NULL), 0);
		CHECK_RC(il_sleep(*(il_time *)pause), 0);
	}
	il_datagram_destroy(d);
	return 0;
}

static struct got *carry(const il_virtual_network_options *o, const il_virtual_link_options *link,
			 il_time pause)
{
	struct got *got = calloc(1, sizeof *got);
	il_virtual_network *n = network_with(o);

	CHECK(got);
	host(n, "receiver", receive_stamps, got);
	host(n, "sender", send_stamps, &pause);
	if (link)
		CHECK_RC(il_virtual_link(n, "sender", "receiver", link), 0);
	CHECK_RC(ended(n, "receiver"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
	return got;
}

IL_TEST_VIRTUAL(U, n396_datagrams_overtake_one_another_within_their_latencies)
{
	struct got *got = carry(
	    &(il_virtual_network_options){.latency_min = IL_MSEC(10), .latency_max = IL_MSEC(20)},
	    NULL, IL_USEC(10));

	CHECK_EQ(got->count, MANY);
	CHECK(got->overtaken > 10);
	CHECK(got->least >= IL_MSEC(10) && got->most <= IL_MSEC(20));
	free(got);
}

IL_TEST_VIRTUAL(U, n396_with_one_latency_they_keep_their_order_unless_reordered)
{
	struct got *got = carry(NULL, &(il_virtual_link_options){.latency_min = IL_MSEC(10)}, 0);

	CHECK_EQ(got->count, MANY);
	CHECK_EQ(got->overtaken, 0);
	free(got);
	got =
	    carry(NULL, &(il_virtual_link_options){.latency_min = IL_MSEC(10), .reorder = true}, 0);
	CHECK_EQ(got->count, MANY);
	CHECK(got->overtaken > 10);
	CHECK(got->least == IL_MSEC(10) && got->most == IL_MSEC(10));
	free(got);
}

IL_TEST_VIRTUAL(U, n397_a_share_of_the_datagrams_is_lost_the_same_for_a_seed)
{
	const il_virtual_network_options o = {.seed = 5, .loss = 0.3};
	struct got *got = carry(&o, NULL, 0), *again = carry(&o, NULL, 0);

	CHECK(got->count >= 600 && got->count <= 800);
	CHECK(memcmp(got->is, again->is, sizeof got->is) == 0);
	free(got);
	free(again);
}

/* ---- partitions ---- */

static int count_datagrams(void *arg)
{
	il_datagram *d;
	char data[8];
	int rc;

	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), 0);
	while ((rc = il_datagram_receive(d, data, sizeof data, NULL)) >= 0)
		++*(int *)arg;
	il_datagram_destroy(d);
	return rc;
}

IL_TEST_VIRTUAL(U, n399_datagrams_under_way_are_lost_when_a_partition_begins)
{
	il_virtual_network *n = network_with(
	    &(il_virtual_network_options){.latency_min = IL_MSEC(10), .latency_max = IL_MSEC(10)});
	il_datagram *d;
	int count = 0;

	host(n, "receiver", count_datagrams, &count);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_datagram_connect_udp(&d, "receiver", "9", NULL), 0);
	CHECK_RC(il_datagram_send(d, "1", 1, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK_RC(il_virtual_partition_oneway(n, "", "receiver"), 0);
	CHECK_RC(il_datagram_send(d, "2", 1, NULL), 0);
	CHECK_RC(il_virtual_repair(n, "", "receiver"), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_EQ(count, 0);
	CHECK_RC(il_virtual_hold(n, "", "receiver"), 0);
	CHECK_RC(il_datagram_send(d, "3", 1, NULL), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_EQ(count, 0);
	CHECK_RC(il_virtual_release(n, "", "receiver"), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_EQ(count, 1);
	il_datagram_destroy(d);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- nobody there, no room ---- */

IL_TEST_VIRTUAL(U, n405_datagrams_to_nobody_are_lost_without_an_error)
{
	il_virtual_network *n = network_with(NULL);
	il_address to[1];
	il_datagram *d;
	char data[8];

	host(n, "receiver", sleep_forever, NULL);
	CHECK_RC(il_datagram_open_udp(&d, NULL, "0", NULL), 0);
	CHECK(il_datagram_port(d) >= 32768);
	CHECK_RC(il_datagram_fd(d), -ENOTSUP);
	CHECK_RC(il_resolve("192.0.2.1", "9", IL_RESOLVE_DATAGRAM, to, 1), 1);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_datagram_send(d, "x", 1, to), 0);
	CHECK_RC(il_resolve("receiver", "9", IL_RESOLVE_DATAGRAM, to, 1), 1);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_datagram_send(d, "x", 1, to), 0);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	}
	il_datagram_destroy(d);
	CHECK_RC(il_datagram_connect_udp(&d, "receiver", "9", NULL), 0);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), -ECONNREFUSED); /* once */
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	CHECK_RC(il_virtual_host_crash(n, "receiver"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	il_datagram_destroy(d);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n407_a_full_queue_and_too_large_a_datagram_are_refused)
{
	static char large[65508];
	il_virtual_network *n = network_with(NULL);
	il_datagram *to, *d;
	il_address address;
	char data[8];
	int count = 0;

	CHECK_RC(il_datagram_open_udp(&to, "localhost", "9", NULL), 0);
	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "9", NULL), -EADDRINUSE);
	CHECK_RC(il_datagram_connect_udp(&d, "localhost", "9", NULL), 0);
	CHECK_RC(il_datagram_peer_address(d, &address), 0);
	CHECK_EQ(il_address_port(&address), 9);
	CHECK_RC(il_datagram_send(d, large, 65508, NULL), -EMSGSIZE);
	CHECK_RC(il_datagram_send(d, large, 0, NULL), 0);
	CHECK_RC(il_datagram_receive(to, data, sizeof data, &address), 0);
	CHECK_EQ(il_address_port(&address), il_datagram_port(d));
	CHECK_RC(il_datagram_send(d, large, 65507, NULL), 0);
	CHECK_RC(il_datagram_receive(to, data, sizeof data, NULL), -EMSGSIZE);
	CHECK_RC(il_datagram_send(d, "x", 1, &address), -EISCONN);
	for (int i = 0; i < 2 * 1024; i++)
		CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	for (il_case c = il_case_datagram(to); il_select(&c, 1, IL_MSEC(1)) == 0; count++)
		CHECK_RC(il_datagram_receive(to, data, sizeof data, NULL), 1);
	CHECK_EQ(count, 1024);
	il_datagram_destroy(d);
	il_datagram_destroy(to);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- servers ---- */

IL_TEST_VIRTUAL(U, n394_udp_servers_run_on_it_unchanged)
{
	il_virtual_network *n = network_with(
	    &(il_virtual_network_options){.latency_min = IL_MSEC(1), .latency_max = IL_MSEC(3)});

	host(n, "server", udp_server, NULL);
	host(n, "one", udp_ask, "server");
	host(n, "two", udp_ask, "server");
	CHECK_RC(ended(n, "one"), 0);
	CHECK_RC(ended(n, "two"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static int udp_ask_at(const char *text, int family)
{
	il_address to, from;
	il_datagram *d;
	char data[8];

	CHECK_RC(il_resolve(text, "9", IL_RESOLVE_NUMERIC, &to, 1), 1);
	CHECK_RC(il_datagram_open_udp(&d, family == AF_INET ? "0.0.0.0" : "::", "0", NULL), 0);
	CHECK_RC(il_datagram_send(d, "hello", 5, &to), 0);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, &from), 5);
	CHECK_EQ(from.length, to.length);
	CHECK(memcmp(&from.storage, &to.storage, to.length) == 0);
	il_datagram_destroy(d);
	CHECK_RC(il_datagram_connect_udp(&d, text, "9", NULL), 0);
	CHECK_RC(il_datagram_send(d, "again", 5, NULL), 0);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), 5);
	il_datagram_destroy(d);
	return 0;
}

static int serve_it(void *server)
{
	return il_server_serve(server);
}

static int udp_ask_itself(void *arg)
{
	il_server *server;
	il_group g;

	(void)arg;
	CHECK_RC(il_udp_server_open(&server, NULL, "9", NULL, &echo_handler, NULL, NULL), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, serve_it, server), 0);
	udp_ask_at("127.0.0.1", AF_INET);
	udp_ask_at("127.0.0.2", AF_INET);
	udp_ask_at("127.9.9.9", AF_INET);
	udp_ask_at("::1", AF_INET6);
	il_server_shutdown(server);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_server_destroy(server);
	return 0;
}

IL_TEST_VIRTUAL(U, n394_a_udp_servers_reply_leaves_from_the_address_that_was_asked)
{
	in_host(&(il_virtual_network_options){.ipv6 = true}, udp_ask_itself);
}
