/*
 * u_groups.c: datagrams to many hosts of the simulated network: who gets what is sent to a multicast group or to all, and
 * what can happen to each copy.
 */
#include "in_child.h"
#include "u_network.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

enum { SMALL = 8 };

/* ---- members ---- */

struct member {
	const char *const *groups; /* NULL-terminated; NULL: none */
	const char *host;          /* that it is bound to */
	bool shared;
	il_time until; /* when it leaves; 0: never */
	int got;       /* datagrams */
	il_time last;
};

static il_datagram *open_member(const struct member *m)
{
	il_datagram_options o = {.join = m->groups, .reuse_port = m->shared};
	il_datagram *d = NULL;

	while (m->groups && m->groups[o.join_count])
		o.join_count++;
	CHECK_RC(il_datagram_open_udp(&d, m->host, "9", &o), 0);
	return d;
}

static int member(void *arg)
{
	struct member *m = arg;
	il_datagram *d = open_member(m);
	char data[SMALL];
	il_scope scope = IL_SCOPE_INIT;
	int rc;

	CHECK_RC(il_scope_enter(&scope, m->until ? m->until : IL_FOREVER, 0), 0);
	while ((rc = il_datagram_receive(d, data, sizeof data, NULL)) >= 0) {
		m->got++;
		m->last = il_now();
	}
	rc = il_scope_exit(&scope, rc);
	il_datagram_destroy(d);
	return rc == 0 ? il_sleep_forever() : rc;
}

static void send_to(const char *address, bool broadcast)
{
	il_datagram *d;
	il_address to;

	CHECK_RC(
	    il_datagram_open_udp(&d, NULL, "0", &(il_datagram_options){.broadcast = broadcast}), 0);
	CHECK_RC(il_resolve(address, "9", IL_RESOLVE_NUMERIC, &to, 1), 1);
	CHECK_RC(il_datagram_send(d, "x", 1, &to), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	il_datagram_destroy(d);
}

static const char *const one[] = {"239.1.1.1", NULL}, *const other[] = {"239.1.1.2", NULL},
			 *const six[] = {"ff02::5", NULL},
			 *const both[] = {"ff02::5", "239.1.1.1", NULL};

/* ---- who gets it ---- */

IL_TEST_VIRTUAL(U, n394_each_host_of_a_group_gets_what_is_sent_to_it)
{
	il_virtual_network *n = network_with(NULL);
	struct member a = {.groups = one}, b = {.groups = one}, c = {.groups = other},
		      d = {.groups = NULL};

	host(n, "a", member, &a);
	host(n, "b", member, &b);
	host(n, "c", member, &c);
	host(n, "d", member, &d);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	send_to("239.1.1.1", false);
	send_to("239.1.1.1", false);
	send_to("239.1.1.2", false);
	send_to("239.1.1.3", false); /* nobody's */
	CHECK_EQ(a.got, 2);
	CHECK_EQ(b.got, 2);
	CHECK_EQ(c.got, 1);
	CHECK_EQ(d.got, 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static int talk_to_itself(void *arg)
{
	const il_datagram_options o = {.join = one, .join_count = 1};
	il_datagram *d;
	il_address to, from;
	char data[SMALL], text[IL_ADDRESS_TEXT_MAX];

	(void)arg;
	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", &o), 0);
	CHECK_RC(il_resolve("239.1.1.1", "9", IL_RESOLVE_NUMERIC, &to, 1), 1);
	CHECK_RC(il_datagram_send(d, "x", 1, &to), 0);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, &from), 1);
	il_address_text(&from, text, sizeof text);
	CHECK_STR(text, "10.0.0.2:9");
	il_datagram_destroy(d);
	return 0;
}

IL_TEST_VIRTUAL(U, n394_a_group_reaches_its_sender_whose_own_address_is_seen)
{
	in_host(NULL, talk_to_itself);
}

static int some_sockets(void *arg)
{
	struct member *m = arg;
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&group, NULL, member, &m[i]), 0);
	return il_group_close(&group, 0);
}

/* The first two are bound to any address, of which one has not joined: its host has. The third gets the group's only. */
IL_TEST_VIRTUAL(U, n394_each_socket_of_a_host_that_is_bound_so_gets_a_groups_datagram)
{
	il_virtual_network *n = network_with(NULL);
	struct member m[3] = {{.groups = one, .shared = true},
			      {.groups = NULL, .shared = true},
			      {.groups = one, .host = "239.1.1.1", .shared = true}};

	host(n, "a", some_sockets, m);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	send_to("239.1.1.1", false);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(m[i].got, 1);
	send_to("10.0.0.2", false);
	CHECK_EQ(m[0].got + m[1].got, 3); /* one of the two */
	CHECK_EQ(m[2].got, 1);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n394_groups_of_ipv6_and_of_both_families)
{
	il_virtual_network *n = network_with(&(il_virtual_network_options){.ipv6 = true});
	struct member a = {.groups = six}, b = {.groups = both};

	host(n, "a", member, &a);
	host(n, "b", member, &b);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	send_to("ff02::5", false);
	CHECK_EQ(a.got, 1);
	CHECK_EQ(b.got, 1);
	send_to("239.1.1.1", false);
	CHECK_EQ(a.got, 1);
	CHECK_EQ(b.got, 2);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n394_a_broadcast_reaches_every_host)
{
	il_virtual_network *n = network_with(NULL);
	struct member a = {.groups = NULL}, b = {.host = "10.0.0.3"};
	il_datagram *d;
	il_address to;

	host(n, "a", member, &a);
	host(n, "b", member, &b);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	send_to("255.255.255.255", true);
	CHECK_EQ(a.got, 1);
	CHECK_EQ(b.got, 0); /* it is bound to one address */
	CHECK_RC(il_datagram_open_udp(&d, NULL, "0", NULL), 0);
	CHECK_RC(il_resolve("255.255.255.255", "9", IL_RESOLVE_NUMERIC, &to, 1), 1);
	CHECK_RC(il_datagram_send(d, "x", 1, &to), -EACCES);
	il_datagram_destroy(d);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- leaving ---- */

IL_TEST_VIRTUAL(U, n404_a_close_and_a_crash_leave_a_group)
{
	il_virtual_network *n = network_with(NULL);
	struct member a = {.groups = one, .until = il_now() + IL_MSEC(1500)}, b = {.groups = one};

	host(n, "a", member, &a);
	host(n, "b", member, &b);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	send_to("239.1.1.1", false);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	send_to("239.1.1.1", false);
	CHECK_EQ(a.got, 1);
	CHECK_EQ(b.got, 2);
	CHECK_RC(il_virtual_host_crash(n, "b"), 0);
	send_to("239.1.1.1", false);
	CHECK_EQ(b.got, 2);
	CHECK_RC(il_virtual_host_restart(n, "b"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	send_to("239.1.1.1", false);
	CHECK_EQ(b.got, 3);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* The first has joined, and leaves while a datagram is under way: it is not for its host any more, so not for the others. */
IL_TEST_VIRTUAL(U, n404_a_host_that_has_left_a_group_takes_nothing_for_it)
{
	il_virtual_network *n =
	    network_with(&(il_virtual_network_options){.latency_min = IL_MSEC(50)});
	struct member m[3] = {{.groups = one, .shared = true, .until = il_now() + IL_MSEC(25)},
			      {.groups = NULL, .shared = true},
			      {.groups = other, .shared = true}};

	host(n, "a", some_sockets, m);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	send_to("239.1.1.1", false);
	CHECK_EQ(m[0].got + m[1].got + m[2].got, 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- faults ---- */

IL_TEST_VIRTUAL(U, n396_each_copy_of_a_groups_datagram_is_late_or_lost_by_itself)
{
	il_virtual_network *n = network_with(NULL);
	struct member near = {.groups = one}, far = {.groups = one}, deaf = {.groups = one},
		      apart = {.groups = one}, held = {.groups = one};
	il_time begun;

	host(n, "near", member, &near);
	host(n, "far", member, &far);
	host(n, "deaf", member, &deaf);
	host(n, "apart", member, &apart);
	host(n, "held", member, &held);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(
	    il_virtual_link(n, "", "far", &(il_virtual_link_options){.latency_min = IL_MSEC(50)}),
	    0);
	CHECK_RC(il_virtual_link(n, "", "deaf", &(il_virtual_link_options){.loss = 1}), 0);
	CHECK_RC(il_virtual_partition_oneway(n, "", "apart"), 0);
	CHECK_RC(il_virtual_hold(n, "", "held"), 0);
	begun = il_now();
	send_to("239.1.1.1", false);
	CHECK_EQ(near.got, 1);
	CHECK_EQ(near.last, begun);
	CHECK_EQ(far.got, 1);
	CHECK_EQ(far.last, begun + IL_MSEC(50));
	CHECK_EQ(deaf.got + apart.got + held.got, 0);
	CHECK_RC(il_virtual_release(n, "", "held"), 0);
	CHECK_RC(il_virtual_repair(n, "", "apart"), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_EQ(held.got, 1);
	CHECK_EQ(apart.got, 0);
	send_to("239.1.1.1", false);
	CHECK_EQ(apart.got, 1);
	CHECK_EQ(held.got, 2);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- what is refused ---- */

static int join(const char *host, const char *first, const char *second)
{
	const char *const groups[] = {first, second};
	const il_datagram_options o = {.join = groups, .join_count = second ? 2 : 1};
	il_datagram *d = NULL;
	int rc = il_datagram_open_udp(&d, host, "9", &o);

	il_datagram_destroy(d);
	return rc;
}

static void refuse(bool ipv6)
{
	il_virtual_network *n = network_with(&(il_virtual_network_options){.ipv6 = ipv6});
	il_stream *s = NULL;

	CHECK_RC(join(NULL, "10.0.0.1", NULL), -EINVAL);
	CHECK_DETAIL("10.0.0.1");
	CHECK_RC(join(NULL, "nobody", NULL), -EINVAL);
	CHECK_RC(join(NULL, NULL, NULL), -EINVAL);
	CHECK_RC(join(NULL, "239.1.1.1%eth0", NULL), -ENODEV);
	CHECK_RC(join("0.0.0.0", "ff02::5", NULL), -EINVAL);
	CHECK_RC(join(NULL, "239.1.1.1", "239.1.1.1"), -EADDRINUSE);
	CHECK_RC(join(NULL, "239.1.1.1", "239.1.1.2"), 0);
	CHECK_RC(join(NULL, "ff02::5", "239.1.1.1"), ipv6 ? 0 : -EINVAL);
	CHECK_RC(join("::", "239.1.1.1", NULL), ipv6 ? 0 : -EAFNOSUPPORT);
	CHECK_RC(stream_to(&s, "239.1.1.1"), -ENETUNREACH);
	CHECK_RC(stream_to(&s, "255.255.255.255"), -ENETUNREACH);
	CHECK_RC(stream_to(&s, "ff02::5"), -ENETUNREACH);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, a_group_that_no_host_can_join_is_refused)
{
	refuse(false);
	refuse(true);
}

/* ---- a forked child ---- */

enum { MANY = 4000 };

/* How many bytes the child has, as far as the C library counts them. */
static size_t bytes_in_use(void)
{
#if defined(__GLIBC__) && !IL_TEST_TSAN && !IL_TEST_ASAN
	return mallinfo2().uordblks;
#else
	return 0;
#endif
}

static int destroy_in_child(void *socket)
{
	const size_t before = bytes_in_use();

	il_datagram_destroy(socket);
	return before && bytes_in_use() + MANY * 16 > before;
}

IL_TEST_VIRTUAL(U, n404_a_forked_child_that_destroys_a_socket_keeps_nothing_of_its_groups)
{
	il_virtual_network *n = network_with(NULL);
	static char names[MANY][sizeof "239.1.255.255"];
	static const char *groups[MANY];
	il_datagram *d = NULL;
	char said[256];

	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "239.1.%d.%d", i / 250, i % 250);
		groups[i] = names[i];
	}
	CHECK_RC(il_datagram_open_udp(&d, NULL, "7",
				      &(il_datagram_options){.join = groups, .join_count = MANY}),
		 0);
	if (!il_test_valgrind())
		CHECK_EQ(in_child(destroy_in_child, d, said, sizeof said), 0);
	il_datagram_destroy(d);
	CHECK_RC(il_virtual_network_close(n), 0);
}
