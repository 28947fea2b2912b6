/*
 * u_tcp.c: streams on the simulated network: servers and clients as they are, latency to the nanosecond, loss that costs
 * time only, and the ends of connections as on a real stack.
 */
#include "u_network.h"

static int ask_server(void *name)
{
	return ask_when_up(name);
}

/* ---- servers and clients ---- */

IL_TEST_VIRTUAL(U, n394_servers_and_clients_run_on_it_unchanged)
{
	il_virtual_network *n = network_with(NULL);
	const char *clients[] = {"one", "two", "three"};

	host(n, "server", echo_server, NULL);
	for (int i = 0; i < 3; i++)
		host(n, clients[i], ask_server, "server");
	for (int i = 0; i < 3; i++)
		CHECK_RC(ended(n, clients[i]), 0);
	CHECK_RC(ask("server"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- latency ---- */

struct timed {
	il_time connect, ask;
};

static int ask_timed(void *arg)
{
	struct timed *t = arg;
	il_time start = il_now();
	il_client *client;
	il_packet p;
	int rc = il_client_connect_tcp(&client, "server", "7", il_protocol_lines(), NULL);

	if (rc < 0)
		return rc;
	t->connect = il_now() - start;
	start = il_now();
	rc = il_client_send(client, "x", 1);
	if (rc == 0)
		rc = il_client_receive(client, &p, IL_FOREVER);
	t->ask = il_now() - start;
	il_client_destroy(client);
	return rc == 1 ? 0 : rc;
}

IL_TEST_VIRTUAL(U, n396_a_round_trip_takes_twice_the_latency)
{
	il_virtual_network *n = network_with(
	    &(il_virtual_network_options){.latency_min = IL_MSEC(50), .latency_max = IL_MSEC(50)});
	struct timed t = {0, 0}, near = {0, 0};

	host(n, "server", echo_server, NULL);
	host(n, "near", ask_timed, &near);
	CHECK_RC(il_virtual_link(n, "near", "server",
				 &(il_virtual_link_options){.latency_min = IL_MSEC(2)}),
		 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	host(n, "client", ask_timed, &t);
	CHECK_RC(ended(n, "client"), 0);
	CHECK_EQ(t.connect, IL_MSEC(100));
	CHECK_EQ(t.ask, IL_MSEC(100));
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n396_a_latency_holds_for_its_pair_from_then_on)
{
	il_virtual_network *n = network_with(NULL);
	const il_virtual_link_options slow = {.latency_min = IL_MSEC(10),
					      .latency_max = IL_MSEC(20)};
	struct timed t = {0, 0}, other = {0, 0};

	host(n, "server", echo_server, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	host(n, "client", ask_timed, &t);
	CHECK_RC(ended(n, "client"), 0);
	CHECK_EQ(t.connect, 0);
	CHECK_EQ(t.ask, 0);
	CHECK_RC(il_virtual_link(n, "client", "server", &slow), 0);
	CHECK_RC(il_virtual_host_restart(n, "client"), 0);
	host(n, "other", ask_timed, &other);
	CHECK_RC(ended(n, "client"), 0);
	CHECK_RC(ended(n, "other"), 0);
	CHECK(t.connect >= IL_MSEC(20) && t.connect <= IL_MSEC(40));
	CHECK(t.ask >= IL_MSEC(20) && t.ask <= IL_MSEC(40));
	CHECK_EQ(other.ask, 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- loss ---- */

enum { MUCH = 1 << 20 };

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

static int send_much(void *arg)
{
	il_stream *s;
	unsigned char *all = malloc(MUCH);
	int rc;

	(void)arg;
	CHECK(all);
	for (size_t i = 0; i < MUCH; i++)
		all[i] = byte_at(i);
	while ((rc = stream_to(&s, "sink")) == -ECONNREFUSED)
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	if (rc == 0) {
		rc = il_stream_write_all(s, all, MUCH);
		il_stream_destroy(s);
	}
	free(all);
	return rc;
}

static int receive_much(void *arg)
{
	unsigned char piece[5000];
	il_listener *l;
	il_stream *s;
	size_t got = 0;
	int n;

	(void)arg;
	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", NULL), 0);
	CHECK_RC(il_listener_accept(l, &s), 0);
	while ((n = il_stream_read(s, piece, sizeof piece)) > 0)
		for (int i = 0; i < n; i++, got++)
			if (piece[i] != byte_at(got))
				return -EBADMSG;
	il_stream_destroy(s);
	il_listener_destroy(l);
	return n < 0 ? n : (int)got;
}

/* How long it takes. */
static il_time carry_much(const il_virtual_network_options *o)
{
	il_virtual_network *n = network_with(o);
	il_time start = il_now();

	host(n, "sink", receive_much, NULL);
	host(n, "source", send_much, NULL);
	CHECK_RC(ended(n, "source"), 0);
	CHECK_RC(ended(n, "sink"), MUCH);
	CHECK_RC(il_virtual_network_close(n), 0);
	return il_now() - start;
}

IL_TEST_VIRTUAL(U, n397_a_stream_arrives_whole_and_in_order_whatever_is_lost)
{
	const il_time clean = carry_much(&(il_virtual_network_options){.latency_min = IL_MSEC(5)}),
		      lossy = carry_much(&(il_virtual_network_options){
			  .latency_min = IL_MSEC(1), .latency_max = IL_MSEC(9), .loss = 0.3});

	CHECK(clean < IL_SEC(1));
	CHECK(lossy > clean);
	carry_much(&(il_virtual_network_options){.buffer = 1024, .loss = 0.1});
	carry_much(&(il_virtual_network_options){.buffer = 3 << 20, .latency_max = IL_MSEC(50)});
}

IL_TEST_VIRTUAL(U, n397_a_lost_segment_costs_a_round_trip_not_a_timer)
{
	const il_time few = carry_much(&(il_virtual_network_options){
			  .seed = 1, .latency_min = IL_MSEC(5), .loss = 0.005}),
		      many = carry_much(&(il_virtual_network_options){
			  .seed = 1, .latency_min = IL_MSEC(5), .loss = 0.1});

	CHECK(few < IL_MSEC(500));
	CHECK(many < IL_SEC(11));
}

static int connect_once(void *name)
{
	il_stream *s = NULL;
	int rc = stream_to(&s, name);

	il_stream_destroy(s);
	return rc;
}

/* Three segments, over a link that is cut when they are sent, and again when the second one is sent anew. */
struct cuts {
	bool connected, cut;
	il_time sent, received;
};

enum { SEGMENTS = 3 * 1460 };

static int send_segments(void *arg)
{
	struct cuts *c = arg;
	char data[SEGMENTS] = "";
	il_stream *s;
	int rc;

	while ((rc = stream_to(&s, "sink")) == -ECONNREFUSED)
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	if (rc < 0)
		return rc;
	c->connected = true;
	UNTIL(c->cut);
	c->sent = il_now();
	rc = il_stream_write_all(s, data, sizeof data);
	UNTIL(c->received);
	il_stream_destroy(s);
	return rc;
}

static int receive_segments(void *arg)
{
	struct cuts *c = arg;
	char data[SEGMENTS];
	il_listener *l;
	il_stream *s;
	int rc;

	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", NULL), 0);
	CHECK_RC(il_listener_accept(l, &s), 0);
	rc = il_stream_receive_exactly(s, data, sizeof data);
	c->received = il_now();
	il_stream_destroy(s);
	il_listener_destroy(l);
	return rc;
}

IL_TEST_VIRTUAL(U, n397_each_segment_has_its_own_first_time_to_be_sent_again)
{
	il_virtual_network *n =
	    network_with(&(il_virtual_network_options){.latency_min = IL_MSEC(10)});
	struct cuts c = {.connected = false};

	host(n, "sink", receive_segments, &c);
	host(n, "source", send_segments, &c);
	UNTIL(c.connected);
	CHECK_RC(il_sleep(IL_MSEC(100)), 0);
	CHECK_RC(il_virtual_partition(n, "source", "sink"), 0);
	c.cut = true;
	UNTIL(c.sent);
	CHECK_RC(il_sleep_until(c.sent + IL_SEC(2)), 0);
	CHECK_RC(il_virtual_repair(n, "source", "sink"), 0);
	CHECK_RC(il_sleep_until(c.sent + IL_MSEC(3325)), 0); /* the first came again at 3.3 s */
	CHECK_RC(il_virtual_partition(n, "source", "sink"), 0);
	CHECK_RC(il_sleep(IL_MSEC(75)), 0);
	CHECK_RC(il_virtual_repair(n, "source", "sink"), 0);
	CHECK_RC(ended(n, "source"), 0);
	CHECK_RC(ended(n, "sink"), 0);
	CHECK(c.received > c.sent + IL_MSEC(3400));
	CHECK(c.received < c.sent + IL_SEC(4));
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n397_where_all_is_lost_a_connect_and_a_send_time_out)
{
	const il_virtual_link_options none = {.loss = 1};
	struct pair *p = pair_open(NULL);
	char all[4096] = "";
	il_time start;
	int rc;

	CHECK_RC(il_virtual_link(p->n, NULL, NULL, &none), 0);
	start = il_now();
	host(p->n, "late", connect_once, "far");
	CHECK_RC(ended(p->n, "late"), -ETIMEDOUT);
	CHECK_EQ(il_now() - start, IL_SEC(127));
	while ((rc = il_stream_write_all(p->near, all, sizeof all)) == 0)
		;
	CHECK_RC(rc, -ETIMEDOUT);
	CHECK_RC(il_stream_write_all(p->near, all, 1), -EPIPE);
	pair_close(p);
}
