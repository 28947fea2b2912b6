/*
 * r_udp_server_bounds.c: whatever comes, a UDP server keeps to its bounds: of a peer's queue, of peers, and of the
 * time that a silent one stays. What is dropped is counted.
 */
#include "heap.h"
#include "r_server.h"

/* ---- 350: a peer's queue ---- */

IL_TEST_REAL(R, n350_a_peers_queue_is_bounded_and_the_newest_are_dropped)
{
	enum { MANY = 10000, QUEUE = 5 };
	const il_server_options o = {.peer_queue = QUEUE};
	struct work w;
	struct service s;
	il_datagram *a, *b;
	size_t before = 0;
	char text[24];

	work_serve(&s, &w, &o);
	a = work_give(&s, &w, "0");
	b = udp_peer(&s);
	for (int i = 1; i <= QUEUE; i++) {
		snprintf(text, sizeof text, "%d", i);
		udp_say(a, text);
	}
	for (int i = 0; i < (int)il_test_rounds(MANY); i++) {
		if (i == 300) /* the queue is full, and whatever is allocated once is there */
			before = memory_in_use();
		udp_say(a, "too many");
		if (i % 100 == 0)
			UDP_ASK(b, "quick", "at once");
	}
	UNTIL(udp_statistics(&s).dropped_datagrams > 0);
	CHECK(memory_in_use() <= before + 65536);
	CHECK_LOGGED(IL_LOG_WARNING, "drops datagrams", 1);
	CHECK_RC(il_event_set(w.wake), 0);
	for (int i = 0; i <= QUEUE; i++) {
		snprintf(text, sizeof text, "%d", i);
		udp_hear(a, text);
	}
	CHECK_EQ(w.v.connected, 2);
	il_datagram_destroy(a);
	udp_end_with_peer(&s, b);
	il_event_destroy(w.wake);
}

/* How many of so many more than there is room for are dropped. */
static void check_queue(size_t option, int queue)
{
	enum { TOO_MANY = 3 };
	const il_server_options o = {.peer_queue = option};
	struct work w;
	struct service s;
	il_datagram *a;
	char text[24];

	work_serve(&s, &w, &o);
	a = work_give(&s, &w, "0");
	for (int i = 1; i <= queue + TOO_MANY; i++) {
		snprintf(text, sizeof text, "%d", i);
		udp_say(a, text);
	}
	UNTIL(udp_statistics(&s).dropped_datagrams == TOO_MANY);
	CHECK_RC(il_event_set(w.wake), 0);
	for (int i = 0; i <= queue; i++) {
		snprintf(text, sizeof text, "%d", i);
		udp_hear(a, text);
	}
	UDP_ASK(a, "quick", "at once");
	CHECK_EQ(udp_statistics(&s).dropped_datagrams, TOO_MANY);
	udp_end_with_peer(&s, a);
	il_event_destroy(w.wake);
}

IL_TEST_REAL(R, n350_each_dropped_datagram_is_counted_and_the_default_is_64)
{
	check_queue(0, 64);
	check_queue(1, 1);
	check_queue(10, 10);
}

/* ---- 351: peers ---- */

enum { PLACES = 100, NEW = 10000 };

/* Datagrams from so many addresses, which the server drops. Not more at once than the system holds for it. */
static void flood(const struct service *s, size_t peers)
{
	for (size_t i = 1; i <= peers; i++) {
		il_datagram *d = udp_peer(s);
		udp_say(d, "new");
		il_datagram_destroy(d);
		if (i % 50 == 0 || i == peers)
			UNTIL(udp_statistics(s).dropped_datagrams == i);
	}
}

IL_TEST_REAL(R, n351_while_all_are_at_work_a_new_peers_datagram_is_dropped)
{
	const il_server_options o = {.max_clients = PLACES};
	struct work w;
	struct service s;
	il_datagram *first[PLACES];

	work_serve(&s, &w, &o);
	for (int i = 0; i < PLACES; i++)
		first[i] = work_give(&s, &w, "work");
	flood(&s, il_test_rounds(NEW));
	CHECK_EQ(il_server_clients(s.server), PLACES);
	CHECK_EQ(w.v.connected, PLACES);
	CHECK_EQ(udp_statistics(&s).dropped_peers, 0);
	CHECK_LOGGED(IL_LOG_WARNING, "drops datagrams", 1);
	CHECK_RC(il_event_set(w.wake), 0);
	for (int i = 0; i < PLACES; i++) {
		udp_hear(first[i], "work");
		UDP_ASK(first[i], "quick", "at once");
		il_datagram_destroy(first[i]);
	}
	service_end(&s);
	il_event_destroy(w.wake);
}

IL_TEST_REAL(R, n351_the_peer_idle_longest_makes_room_for_a_new_one)
{
	const il_server_options o = {.max_clients = 3};
	struct visits v = {0};
	struct service s;
	il_datagram *p[4];

	udp_start(&s, &echo_handler, &v, NULL, &o);
	for (int i = 0; i < 4; i++)
		p[i] = udp_peer(&s);
	for (int i = 0; i < 3; i++)
		UDP_ASK(p[i], "here", "here");
	UDP_ASK(p[0], "still here", "still here"); /* so the second is idle longest */
	UDP_ASK(p[3], "new", "new");
	CHECK_EQ(v.connected, 4);
	CHECK_EQ(v.disconnected, 1);
	CHECK_EQ(udp_statistics(&s).dropped_peers, 1);
	UDP_ASK(p[0], "known", "known");
	UDP_ASK(p[2], "known", "known");
	CHECK_EQ(v.connected, 4);
	UDP_ASK(p[1], "again", "again");
	CHECK_EQ(v.connected, 5);
	CHECK_EQ(udp_statistics(&s).dropped_datagrams, 0);
	CHECK_EQ(il_server_clients(s.server), 3);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	for (int i = 0; i < 4; i++)
		il_datagram_destroy(p[i]);
	service_end(&s);
}

IL_TEST_REAL(R, n351_nobody_is_ended_for_a_peer_whose_datagram_is_dropped)
{
	enum { SIZE = 60000 }; /* bytes, of which there is room for 64 MiB */
	const il_server_options o = {.max_clients = 2, .peer_queue = 2000};
	char *large = calloc(1, SIZE);
	struct work w;
	struct service s;
	il_datagram *busy, *idle, *new_peer;
	uint64_t dropped;

	work_serve(&s, &w, &o);
	busy = work_give(&s, &w, "work");
	idle = udp_peer(&s);
	UDP_ASK(idle, "quick", "at once");
	while (udp_statistics(&s).dropped_datagrams == 0) {
		CHECK_RC(il_datagram_send(busy, large, SIZE, NULL), 0);
		CHECK_RC(il_yield(), 0);
	}
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	UDP_ASK(idle, "quick", "at once"); /* so all before have come */
	dropped = udp_statistics(&s).dropped_datagrams;
	new_peer = udp_peer(&s);
	CHECK_RC(il_datagram_send(new_peer, large, SIZE, NULL), 0);
	UNTIL(udp_statistics(&s).dropped_datagrams == dropped + 1);
	CHECK_EQ(udp_statistics(&s).dropped_peers, 0);
	UDP_ASK(idle, "quick", "at once");
	CHECK_EQ(w.v.connected, 2);
	il_datagram_destroy(busy);
	il_datagram_destroy(idle);
	udp_end_with_peer(&s, new_peer);
	il_event_destroy(w.wake);
	free(large);
}

/* All sockets stay open: a port that is free again may be the next one's. */
IL_TEST_REAL(R, n351_a_flood_of_idle_peers_never_takes_more_than_the_places)
{
	enum { PEERS = 300 };
	const il_server_options o = {.max_clients = PLACES};
	struct visits v = {0};
	struct service s;
	il_datagram *peers[PEERS];

	udp_start(&s, &echo_handler, &v, NULL, &o);
	for (int i = 0; i < PEERS; i++) {
		peers[i] = udp_peer(&s);
		UDP_ASK(peers[i], "new", "new");
		CHECK(il_server_clients(s.server) <= PLACES);
	}
	CHECK_EQ(v.connected, PEERS);
	CHECK_EQ(udp_statistics(&s).dropped_peers, PEERS - PLACES);
	CHECK_EQ(udp_statistics(&s).dropped_datagrams, 0);
	for (int i = 0; i < PEERS; i++)
		il_datagram_destroy(peers[i]);
	service_end(&s);
	CHECK_EQ(v.disconnected, PEERS);
}

/* ---- 351: who is ended may take its time to leave ---- */

struct parting {
	struct visits v;
	il_event *go;
};

static int parting_begin(il_client *client, void *data)
{
	return visit_begin(client, &((struct parting *)data)->v);
}

static int parting_echo(il_client *client, void *data)
{
	return visit_echo(client, &((struct parting *)data)->v);
}

static void part_slowly(il_client *client, void *data)
{
	struct parting *p = data;

	(void)il_event_wait(p->go);
	visit_end(client, &p->v);
}

/* The first is idle, and ended for the second one, whose datagrams wait until it has left. */
static void parting_start(struct service *s, struct parting *p, il_datagram *peers[2])
{
	static const il_handler h = {.on_connection = parting_begin,
				     .handle = parting_echo,
				     .on_disconnection = part_slowly};

	*p = (struct parting){.go = NULL};
	CHECK_RC(il_event_create(&p->go), 0);
	udp_start(s, &h, p, NULL,
		  &(il_server_options){.max_clients = 1, .grace_period = IL_SEC(3600)});
	for (int i = 0; i < 2; i++)
		peers[i] = udp_peer(s);
	UDP_ASK(peers[0], "here", "here");
	udp_say(peers[1], "one");
	UNTIL(udp_statistics(s).dropped_peers == 1);
}

static void parting_end(struct parting *p, il_datagram *peers[2])
{
	for (int i = 0; i < 2; i++)
		il_datagram_destroy(peers[i]);
	il_event_destroy(p->go);
}

IL_TEST_REAL(R, n351_a_new_peer_waits_for_the_place_of_the_one_that_was_ended_for_it)
{
	struct parting p;
	struct service s;
	il_datagram *peers[2], *third;

	parting_start(&s, &p, peers);
	third = udp_peer(&s);
	udp_say(peers[1], "two");
	udp_say(third, "three"); /* for which nobody is left to be ended */
	UNTIL(udp_statistics(&s).dropped_datagrams == 1);
	CHECK_EQ(p.v.connected, 1);
	CHECK_RC(il_event_set(p.go), 0);
	udp_hear(peers[1], "one");
	udp_hear(peers[1], "two");
	CHECK_EQ(p.v.connected, 2);
	UDP_ASK(third, "four", "four");
	CHECK_EQ(udp_statistics(&s).dropped_peers, 2);
	CHECK_EQ(udp_statistics(&s).dropped_datagrams, 1);
	il_datagram_destroy(third);
	service_end(&s);
	parting_end(&p, peers);
}

IL_TEST_REAL(R, n351_what_an_ended_peer_sends_while_it_leaves_has_the_place_of_a_new_one)
{
	struct parting p;
	struct service s;
	il_datagram *peers[2], *third;

	parting_start(&s, &p, peers);
	third = udp_peer(&s);
	udp_say(peers[0], "again");
	udp_say(third, "by then that has come");
	UNTIL(udp_statistics(&s).dropped_datagrams == 1);
	CHECK_RC(il_event_set(p.go), 0);
	udp_hear(peers[1], "one");
	CHECK_EQ(udp_statistics(&s).dropped_datagrams, 2);
	CHECK_EQ(p.v.connected, 2);
	il_datagram_destroy(third);
	service_end(&s);
	parting_end(&p, peers);
}

IL_TEST_REAL(R, n351_who_waits_for_a_place_is_forgotten_by_a_server_that_ends)
{
	static il_fn *const ends[] = {shut_down, stop_accepting};

	for (int i = 0; i < 2; i++) {
		struct parting p;
		struct service s;
		il_datagram *peers[2];
		parting_start(&s, &p, peers);
		CHECK_RC(il_loop_spawn(il_loop_current(), NULL, ends[i], s.server), 0);
		UNTIL(!il_server_is_serving(s.server));
		CHECK_RC(il_event_set(p.go), 0);
		CHECK_RC(service_result(&s), 0);
		CHECK_EQ(p.v.connected, 1);
		il_server_destroy(s.server);
		parting_end(&p, peers);
	}
}

/* ---- 352: silent peers ---- */

IL_TEST_REAL(R, n352_a_silent_peer_is_ended_and_is_new_when_it_comes_again)
{
	const il_server_options o = {.idle_timeout = IL_MSEC(30)};
	struct visits v = {.last = -1};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &echo_handler, &v, NULL, &o);
	UDP_ASK(a, "one", "one");
	UNTIL(v.disconnected == 1);
	CHECK_RC(v.last, 0);
	CHECK_EQ(il_server_clients(s.server), 0);
	UDP_ASK(a, "two", "two");
	CHECK_EQ(v.connected, 2);
	udp_end_with_peer(&s, a);
	CHECK_EQ(v.disconnected, 2);
}

IL_TEST_REAL(R, n352_a_handler_at_work_is_not_cut)
{
	const il_server_options o = {.idle_timeout = IL_MSEC(5)};
	struct work w;
	struct service s;
	il_datagram *a;

	work_serve(&s, &w, &o);
	a = work_give(&s, &w, "work");
	CHECK_RC(il_sleep(IL_MSEC(50)), 0);
	CHECK_EQ(w.v.disconnected, 0);
	CHECK_RC(il_event_set(w.wake), 0);
	udp_hear(a, "work");
	UNTIL(w.v.disconnected == 1);
	udp_end_with_peer(&s, a);
	il_event_destroy(w.wake);
}

/* ---- many ---- */

enum { MANY = 200 };

/* More than the table of peers has places for at first. */
IL_TEST_REAL(R, hundreds_of_peers_have_a_client_each_and_keep_it)
{
	struct service s = {.server = NULL};
	static il_datagram *peers[MANY];

	udp_start(&s, &echo_handler, &s.visits, il_protocol_bytes(), NULL);
	for (int turn = 0; turn < 2; turn++)
		for (int i = 0; i < MANY; i++) {
			char text[16];
			if (!turn)
				peers[i] = udp_peer(&s);
			snprintf(text, sizeof text, "%d of %d", i, turn);
			UDP_ASK(peers[i], text, text);
		}
	CHECK_EQ(s.visits.connected, MANY);
	CHECK_EQ(s.visits.handled, 2 * MANY);
	CHECK_EQ(il_server_clients(s.server), MANY);
	for (int i = 0; i < MANY; i++)
		il_datagram_destroy(peers[i]);
	service_end(&s);
}
