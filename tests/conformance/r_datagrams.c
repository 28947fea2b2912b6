/*
 * r_datagrams.c: UDP sockets: a datagram travels whole and with its sender's address, each failure costs one call, and
 * closing wakes whoever waits.
 */
#include "r_net.h"
#include "s_select.h"

#include <sys/socket.h>

static bool has_ipv6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

	if (fd >= 0)
		close(fd);
	if (!has)
		SKIP("IPv6");
	return has;
}

/* ---- 330: bound sockets ---- */

static void check_between(const char *host)
{
	il_datagram *a = bound(host), *b = bound(host);
	const il_address at = address_of(a), bt = address_of(b);
	il_address peer;

	CHECK_EQ(il_address_port(&at), il_datagram_port(a));
	send_text(a, "to myself", &at);
	check_text(a, "to myself", &at);
	send_text(a, "one", &bt);
	send_text(a, "and two", &bt);
	check_text(b, "one", &at);
	check_text(b, "and two", &at);
	send_text(b, "back", &at);
	check_text(a, "back", &bt);
	CHECK_RC(il_datagram_peer_address(a, &peer), -ENOTCONN);
	CHECK_EQ(peer.length, 0);
	il_datagram_destroy(a);
	il_datagram_destroy(b);
}

IL_TEST_REAL(R, n330_datagrams_arrive_whole_with_their_senders_address)
{
	check_between("127.0.0.1");
	if (has_ipv6())
		check_between("::1");
}

/* Of a name's two addresses IPv6's is taken, IPv4's is not, unless somebody else has just that port. */
static bool opens_the_other_family(void)
{
	il_datagram *six = NULL, *d = NULL;
	char port[8];
	int rc;

	CHECK_RC(il_datagram_open_udp(&six, "::1", "0", NULL), 0);
	snprintf(port, sizeof port, "%u", (unsigned)il_datagram_port(six));
	rc = il_datagram_open_udp(&d, "localhost", port, NULL);
	il_datagram_destroy(d);
	il_datagram_destroy(six);
	return rc == 0;
}

IL_TEST_REAL(R, n330_the_failure_of_an_address_is_not_the_next_ones)
{
	bool opened = !has_ipv6();

	for (int i = 0; i < 20 && !opened; i++)
		opened = opens_the_other_family();
	CHECK(opened);
}

IL_TEST_REAL(R, n330_a_socket_is_opened_in_a_loops_thread_with_good_arguments)
{
	const char *const names[] = {"localhost"};
	const il_datagram_options bad[] = {
	    {.ttl = 256},           {.ttl = -1},       {.send_buffer = -1},
	    {.receive_buffer = -1}, {.join_count = 1}, {.join = names, .join_count = 1},
	};
	il_datagram *d = NULL;
	il_datagram_message none = {.size = 0};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", &bad[i]), -EINVAL);
	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "70000", NULL), -EINVAL);
	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", NULL, NULL), -EINVAL);
	CHECK_RC(il_datagram_open_udp(NULL, "127.0.0.1", "0", NULL), -EINVAL);
	CHECK_RC(il_datagram_open_udp(&d, "192.0.2.1", "0", NULL), -EADDRNOTAVAIL);
	CHECK(d == NULL);
	d = bound("127.0.0.1");
	CHECK_RC(il_datagram_receive_many(d, &none, 1), -EINVAL);
	CHECK_RC(il_datagram_receive_many(d, NULL, 1), -EINVAL);
	CHECK_RC(il_datagram_receive_many(d, &none, 0), -EINVAL);
	CHECK_RC(il_datagram_send_many(d, &none, 0), -EINVAL);
	il_datagram_destroy(d);
	il_datagram_destroy(NULL);
}

/* ---- 331, 332: connected sockets ---- */

IL_TEST_REAL(R, n331_a_connected_socket_talks_to_its_peer_only)
{
	il_datagram *server = bound("127.0.0.1"), *other = bound("127.0.0.1"), *c;
	const il_address at = address_of(server);
	il_address here, peer;

	c = connected_to(il_datagram_port(server));
	here = address_of(c);
	CHECK_RC(il_datagram_peer_address(c, &peer), 0);
	CHECK(same_address(&peer, &at));
	slip_text(other, "not for you", &here);
	send_text(c, "hello", NULL);
	check_text(server, "hello", &here);
	send_text(server, "hello yourself", &here);
	check_text(c, "hello yourself", &at);
	il_datagram_destroy(c);
	il_datagram_destroy(other);
	il_datagram_destroy(server);
}

IL_TEST_REAL(R, n332_an_address_is_for_unconnected_sockets_and_of_their_family)
{
	il_datagram *d = bound("127.0.0.1"), *c = connected_to(il_datagram_port(d));
	const il_address at = address_of(d);
	il_address other = at, empty = {.length = 0};

	other.storage.ss_family = AF_INET6;
	other.length = sizeof(struct sockaddr_in6);
	CHECK_RC(il_datagram_send(c, "x", 1, &at), -EISCONN);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), -EDESTADDRREQ);
	CHECK_RC(il_datagram_send(d, "x", 1, &other), -EAFNOSUPPORT);
	CHECK_RC(il_datagram_send(d, "x", 1, &empty), -EINVAL);
	CHECK_RC(il_datagram_send(d, NULL, 1, &at), -EINVAL);
	send_text(c, "works", NULL);
	check_text(d, "works", NULL);
	send_text(d, "on", &at);
	check_text(d, "on", &at);
	il_datagram_destroy(c);
	il_datagram_destroy(d);
}

/* ---- 333 to 335: sizes ---- */

IL_TEST_REAL(R, n333_a_datagram_of_no_bytes_is_one)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	il_address from = {.length = 0};
	char data[8];

	CHECK_RC(il_datagram_send(d, NULL, 0, &at), 0);
	send_text(d, "next", &at);
	CHECK_RC(il_datagram_receive(d, data, 0, &from), -EINVAL);
	CHECK_RC(il_datagram_receive(d, data, (size_t)-1, &from), -EINVAL);
	CHECK_RC(il_datagram_receive(d, NULL, 8, &from), -EINVAL);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, &from), 0);
	CHECK(same_address(&from, &at));
	check_text(d, "next", &at);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n334_a_datagram_that_is_too_large_is_gone_and_told_with_its_sender)
{
	il_datagram *d = bound("127.0.0.1"), *sender = bound("127.0.0.1");
	const il_address at = address_of(d), st = address_of(sender);
	il_address from = {.length = 0};
	char data[4];

	send_text(sender, "12345", &at);
	send_text(sender, "1234", &at);
	send_text(sender, "12345678", &at);
	send_text(sender, "last", &at);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, &from), -EMSGSIZE);
	CHECK(same_address(&from, &st));
	CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), 4);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), -EMSGSIZE);
	check_text(d, "last", &st);
	il_datagram_destroy(sender);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n335_the_largest_datagram_arrives_and_one_byte_more_is_refused)
{
	enum { LARGEST = 65507 };
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	char *data = malloc(LARGEST + 1), *got = malloc(LARGEST + 1);

	for (int i = 0; i <= LARGEST; i++)
		data[i] = (char)(i * 7);
	CHECK_RC(il_datagram_send(d, data, LARGEST + 1, &at), -EMSGSIZE);
	CHECK_RC(il_datagram_send(d, data, LARGEST, &at), 0);
	CHECK_RC(il_datagram_receive(d, got, LARGEST + 1, NULL), LARGEST);
	CHECK(memcmp(data, got, LARGEST) == 0);
	il_datagram_destroy(d);
	free(data);
	free(got);
}

/* ---- 336: nobody there ---- */

static uint16_t closed_port(void)
{
	il_datagram *d = bound("127.0.0.1");
	uint16_t port = il_datagram_port(d);

	il_datagram_destroy(d);
	return port;
}

IL_TEST_REAL(R, n336_a_peer_that_is_not_there_is_told_once_by_the_next_call)
{
	uint16_t port = closed_port();
	il_datagram *c = connected_to(port), *server = NULL;
	char byte, text[8];

	send_text(c, "anybody?", NULL);
	CHECK_RC(il_datagram_receive(c, &byte, 1, NULL), -ECONNREFUSED);
	send_text(c, "anybody?", NULL);
	CHECK_RC(il_datagram_send(c, "?", 1, NULL), -ECONNREFUSED);
	CHECK_RC(il_datagram_open_udp(&server, "127.0.0.1", port_text(port, text), NULL), 0);
	send_text(c, "there you are", NULL);
	check_text(server, "there you are", NULL);
	il_datagram_destroy(server);
	il_datagram_destroy(c);
}

/* The system tells of the peer in the midst of it. */
static void send_two(il_datagram *c)
{
	il_datagram_message two[2] = {{.data = "any", .size = 3}, {.data = "body", .size = 4}};

	CHECK_RC(il_datagram_send_many(c, two, 2), 1);
}

IL_TEST_REAL(R, n336_a_refusal_among_many_is_told_once_by_the_next_call)
{
	uint16_t port = closed_port();
	il_datagram *c = connected_to(port), *server = NULL;
	il_case readable;
	char byte, text[8];

	send_two(c);
	CHECK_RC(il_datagram_receive(c, &byte, 1, NULL), -ECONNREFUSED);
	send_two(c);
	CHECK_RC(il_datagram_send(c, "?", 1, NULL), -ECONNREFUSED);
	send_two(c);
	readable = il_case_datagram(c);
	CHECK_RC(il_select(&readable, 1, IL_FOREVER), 0);
	CHECK_RC(il_datagram_receive(c, &byte, 1, NULL), -ECONNREFUSED);
	CHECK_RC(il_datagram_open_udp(&server, "127.0.0.1", port_text(port, text), NULL), 0);
	send_text(c, "there you are", NULL);
	check_text(server, "there you are", NULL);
	il_datagram_destroy(server);
	il_datagram_destroy(c);
}

IL_TEST_REAL(R, n336_a_waiting_receive_is_woken_by_a_refusal)
{
	il_datagram *c = connected_to(closed_port());
	struct side s = {.rc = 0};

	side_start(&s, side_receive, c);
	CHECK_RC(il_yield(), 0);
	CHECK(!s.ended);
	send_text(c, "anybody?", NULL);
	CHECK_RC(side_join(&s), -ECONNREFUSED);
	il_datagram_destroy(c);
}

IL_TEST_REAL(R, n336_a_refusal_among_many_is_told_to_whoever_waits_to_receive)
{
	il_datagram *c = connected_to(closed_port());
	struct side s = {.rc = 0};
	struct chooser chooser = {.cases = {il_case_datagram(c)}};
	il_group g;
	char byte;

	side_start(&s, side_receive, c);
	CHECK_RC(il_yield(), 0);
	CHECK(!s.ended);
	send_two(c);
	CHECK_RC(side_join(&s), -ECONNREFUSED);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &chooser, 1);
	send_two(c);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&chooser, 0, 0);
	CHECK_RC(il_datagram_receive(c, &byte, 1, NULL), -ECONNREFUSED);
	il_datagram_destroy(c);
}

IL_TEST_REAL(R, n336_an_unconnected_socket_never_hears_a_refusal)
{
	il_datagram *d = bound("127.0.0.1"), *gone = bound("127.0.0.1");
	const il_address at = address_of(d), nowhere = address_of(gone);

	il_datagram_destroy(gone);
	for (int i = 0; i < 10; i++)
		send_text(d, "anybody?", &nowhere);
	send_text(d, "me", &at);
	check_text(d, "me", &at);
	il_datagram_destroy(d);
}

/* ---- 338: closing ---- */

static il_datagram *of_kind(int kind)
{
	il_datagram *d = NULL;
	char text[8];

	switch (kind) {
	case 0:
		CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", NULL), 0);
		break;
	case 1:
		CHECK_RC(il_datagram_connect_udp(&d, "127.0.0.1", port_text(9, text), NULL), 0);
		break;
	case 2:
		CHECK_RC(il_datagram_open_unix(&d, "here", NULL), 0);
		break;
	default:
		CHECK_RC(il_datagram_connect_unix(&d, "there", "here", NULL), 0);
	}
	return d;
}

static il_address a_place(void)
{
	il_address a;

	CHECK_RC(il_resolve("127.0.0.1", "9", IL_RESOLVE_NUMERIC, &a, 1), 1);
	return a;
}

/* to: what it would have sent to; NULL: its peer. */
static void check_closed(il_datagram *d, const il_address *to)
{
	il_address a = {.length = 0};
	char byte = 'x';
	il_datagram_message m = {.data = &byte, .size = 1, .address = to ? a : a_place()};

	CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), -EBADF);
	CHECK_RC(il_datagram_send(d, "x", 1, to), -EBADF);
	/* Before anything is said of the address and the data. */
	CHECK_RC(il_datagram_send(d, "x", 1, to ? NULL : &m.address), -EBADF);
	CHECK_RC(il_datagram_send(d, "x", 1, &a), -EBADF);
	CHECK_RC(il_datagram_send(d, NULL, 1, to), -EBADF);
	CHECK_RC(il_datagram_send_many(d, &m, 1), -EBADF);
	CHECK_RC(il_datagram_local_address(d, &a), -EBADF);
	CHECK_RC(il_datagram_fd(d), -EBADF);
	CHECK_EQ(il_datagram_port(d), 0);
	CHECK_RC(il_datagram_close(d), 0);
}

IL_TEST_REAL(R, n338_one_task_receives_and_closing_wakes_it)
{
	struct folder f = folder_enter();
	il_datagram *there = NULL;

	CHECK_RC(il_datagram_open_unix(&there, "there", NULL), 0);
	for (int kind = 0; kind < 4; kind++) {
		il_datagram *d = of_kind(kind);
		const il_address at = address_of(d);
		struct side s = {.rc = 0};
		char byte;
		side_start(&s, side_receive, d);
		CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), -EBUSY);
		CHECK(!s.ended);
		CHECK_RC(il_datagram_close(d), 0);
		CHECK_RC(side_join(&s), -EBADF);
		check_closed(d, kind % 2 ? NULL : &at);
		il_datagram_destroy(d);
	}
	il_datagram_destroy(there);
	folder_leave(&f);
}

IL_TEST_REAL(R, n338_a_socket_may_be_destroyed_under_a_waiting_receive)
{
	il_datagram *d = bound("127.0.0.1");
	struct side s = {.rc = 0};

	side_start(&s, side_receive, d);
	il_datagram_destroy(d);
	CHECK_RC(side_join(&s), -EBADF);
}

IL_TEST_REAL(R, n338_a_cancelled_receive_loses_no_datagram)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	struct side s = {.rc = 0};

	side_start(&s, side_receive, d);
	il_scope_cancel(&s.scope);
	slip_text(d, "still there", &at);
	CHECK_RC(side_join(&s), -ECANCELED);
	check_text(d, "still there", &at);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n338_in_a_cancelled_scope_closing_works_and_nothing_else)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	il_scope scope = IL_SCOPE_INIT;
	char byte;

	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	il_scope_cancel(&scope);
	CHECK_RC(il_datagram_send(d, "x", 1, &at), -ECANCELED);
	CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), -ECANCELED);
	CHECK_RC(il_datagram_close(d), 0);
	CHECK_RC(il_scope_exit(&scope, 0), 0);
	il_datagram_destroy(d);
}

static int close_and_end(void *arg)
{
	il_datagram **d = arg;

	*d = bound("127.0.0.1");
	return 0;
}

IL_TEST_OWN_REAL(R, n338_a_loop_closes_its_sockets)
{
	il_datagram *d = NULL;
	il_loop *loop = NULL;
	int fd;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, close_and_end, &d), 0);
	fd = il_datagram_fd(d);
	CHECK(is_open(fd));
	CHECK_RC(il_loop_close(loop), 0);
	CHECK(!is_open(fd));
	CHECK_RC(il_datagram_close(d), 0);
	il_datagram_destroy(d);
	il_loop_destroy(loop);
}

/* ---- 339: the port is free at once ---- */

IL_TEST_REAL(R, n339_a_closed_sockets_port_can_be_bound_in_the_next_statement)
{
	il_datagram *d = bound("127.0.0.1");
	char text[8], byte;

	port_text(il_datagram_port(d), text);
	for (int i = 0; i < 100; i++) {
		const il_address at = address_of(d);
		send_text(d, "x", &at); /* so that it was watched, every other time */
		if (i % 2)
			CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), 1);
		CHECK_RC(il_datagram_close(d), 0);
		il_datagram_destroy(d);
		CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", text, NULL), 0);
	}
	il_datagram_destroy(d);
}

/* ---- 346: ports and families ---- */

IL_TEST_REAL(R, n346_a_port_has_one_socket_unless_all_share_it)
{
	const il_datagram_options share = {.reuse_port = true};
	il_datagram *a = bound("127.0.0.1"), *b = NULL, *c = NULL;
	char text[8];

	port_text(il_datagram_port(a), text);
	CHECK_RC(il_datagram_open_udp(&b, "127.0.0.1", text, NULL), -EADDRINUSE);
	CHECK_RC(il_datagram_open_udp(&b, "127.0.0.1", text, &share), -EADDRINUSE);
	CHECK(b == NULL);
	il_datagram_destroy(a);
	CHECK_RC(il_datagram_open_udp(&b, "127.0.0.1", "0", &share), 0);
	port_text(il_datagram_port(b), text);
	CHECK_RC(il_datagram_open_udp(&c, "127.0.0.1", text, &share), 0);
	CHECK_EQ(il_datagram_port(b), il_datagram_port(c));
	il_datagram_destroy(b);
	il_datagram_destroy(c);
}

IL_TEST_REAL(R, n346_all_interfaces_are_one_socket_for_both_families)
{
	const char *const hosts[] = {"127.0.0.1", "::1"};
	const int families[] = {AF_INET, AF_INET6};
	il_datagram *d = bound(NULL);
	char text[8], data[8];

	port_text(il_datagram_port(d), text);
	for (int i = 0; i < 1 + has_ipv6(); i++) {
		il_datagram *c = NULL;
		il_address from, here;
		CHECK_RC(il_datagram_connect_udp(&c, hosts[i], text, NULL), 0);
		here = address_of(c);
		send_text(c, "ping", NULL);
		CHECK_RC(il_datagram_receive(d, data, sizeof data, &from), 4);
		CHECK_EQ(from.storage.ss_family, families[i]);
		CHECK(same_address(&from, &here));
		send_text(d, "pong", &from);
		check_text(c, "pong", NULL);
		il_datagram_destroy(c);
	}
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, a_port_that_is_taken_in_one_family_is_taken_at_all_interfaces)
{
	const il_datagram_options only = {.ipv6_only = true};
	il_datagram *six = NULL, *all = NULL;
	char text[8];

	if (!has_ipv6())
		return;
	CHECK_RC(il_datagram_open_udp(&six, NULL, "0", &only), 0);
	port_text(il_datagram_port(six), text);
	CHECK_RC(il_datagram_open_udp(&all, NULL, text, NULL), -EADDRINUSE);
	il_datagram_destroy(six);
	il_datagram_destroy(all);
}

IL_TEST_REAL(R, n346_an_ipv6_socket_may_leave_ipv4_out)
{
	const il_datagram_options only = {.ipv6_only = true};
	il_datagram *six = NULL, *four = NULL;
	il_address at;
	char text[8];

	if (!has_ipv6())
		return;
	CHECK_RC(il_datagram_open_udp(&six, NULL, "0", &only), 0);
	port_text(il_datagram_port(six), text);
	CHECK_RC(il_datagram_open_udp(&four, "0.0.0.0", text, NULL), 0);
	at = address_of(four);
	CHECK_RC(il_datagram_send(six, "x", 1, &at), -EAFNOSUPPORT);
	il_datagram_destroy(six);
	il_datagram_destroy(four);
}
