/*
 * u_orders.c: the six calls that cut, mend, hold and let go what is between two hosts, in every order. A model says what
 * arrives after each: of each way whether it is cut and what is kept back, of both whether they are held.
 */
#include "u_network.h"

enum call { PARTITION, PARTITION_ONEWAY, REPAIR, REPAIR_ONEWAY, HOLD, RELEASE, CALLS };
enum { THERE, BACK, WAYS };

typedef int change(il_virtual_network *n, const char *a, const char *b);

static change *const changes[CALLS] = {
    [PARTITION] = il_virtual_partition, [PARTITION_ONEWAY] = il_virtual_partition_oneway,
    [REPAIR] = il_virtual_repair,       [REPAIR_ONEWAY] = il_virtual_repair_oneway,
    [HOLD] = il_virtual_hold,           [RELEASE] = il_virtual_release,
};

/* ---- the model ---- */

/* One letter is one datagram. */
struct way {
	bool cut;
	char kept[CALLS + 1], arrives[CALLS + 1];
};

struct model {
	struct way way[WAYS];
	bool holds;
};

static void model_change(struct model *m, enum call call)
{
	if (call == HOLD || call == RELEASE)
		m->holds = call == HOLD;
	for (int w = 0; w < WAYS; w++) {
		struct way *way = &m->way[w];
		bool meant = w == THERE || (call != PARTITION_ONEWAY && call != REPAIR_ONEWAY);
		way->arrives[0] = '\0';
		if (call == RELEASE)
			strcpy(way->arrives, way->kept);
		if (meant && (call == PARTITION || call == PARTITION_ONEWAY))
			way->cut = true;
		if (meant && (call == REPAIR || call == REPAIR_ONEWAY))
			way->cut = false;
		if (way->cut || call == RELEASE)
			way->kept[0] = '\0'; /* lost under way, or there */
	}
}

static void model_send(struct model *m, char letter)
{
	const char text[2] = {letter, '\0'};

	for (int w = 0; w < WAYS; w++)
		if (!m->way[w].cut)
			strcat(m->holds ? m->way[w].kept : m->way[w].arrives, text);
}

/* ---- the network ---- */

struct orders {
	struct pair *pair;
	il_datagram *out[WAYS], *in[WAYS];
};

static int open_datagrams(struct orders *o, int way)
{
	int rc = il_datagram_open_udp(&o->in[!way], NULL, "9", NULL);

	return rc < 0 ? rc
		      : il_datagram_connect_udp(&o->out[way], way == THERE ? "far" : "near", "9",
						NULL);
}

static int near_main(void *arg)
{
	struct orders *o = arg;
	int rc = open_datagrams(o, THERE);

	return rc < 0 ? rc : pair_near(o->pair);
}

static int far_main(void *arg)
{
	struct orders *o = arg;
	int rc = open_datagrams(o, BACK);

	return rc < 0 ? rc : pair_far(o->pair);
}

/* What has come by then, until nothing does for a moment. */
static void check_arrives(il_datagram *in, const char *expected)
{
	char text[CALLS + 2] = "";
	int rc;

	do {
		il_scope scope = IL_SCOPE_INIT;
		char letter[2] = "";
		CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(1)), IL_FAIL_AT_DEADLINE), 0);
		rc = il_scope_exit(&scope, il_datagram_receive(in, letter, 1, NULL));
		if (rc == 1 && strlen(text) <= CALLS)
			strcat(text, letter);
	} while (rc == 1);
	CHECK_RC(rc, -ETIMEDOUT);
	CHECK_STR(text, expected);
}

/* Whatever was done, a stream's bytes are late at most. */
static void check_streams(const struct orders *o)
{
	il_stream *from[WAYS] = {o->pair->near, o->pair->far};

	for (int w = 0; w < WAYS; w++) {
		char text[CALLS + 1] = "";
		CHECK_RC(il_stream_receive_exactly(from[!w], text, CALLS), 0);
		CHECK_STR(text, "abcdef");
	}
}

/* The permutation of that number: each digit, in a base that shrinks, is the place among the calls that are left. */
static void check_order(struct orders *o, unsigned number)
{
	enum call left[CALLS];
	struct model m = {.holds = false};

	for (unsigned i = 0; i < CALLS; i++)
		left[i] = (enum call)i;
	for (unsigned i = 0; i < CALLS; i++) {
		unsigned at = number % (CALLS - i);
		enum call call = left[at];
		char letter = (char)('a' + i);
		number /= CALLS - i;
		memmove(&left[at], &left[at + 1], (CALLS - i - 1 - at) * sizeof left[0]);
		CHECK_RC(changes[call](o->pair->n, "near", "far"), 0);
		model_change(&m, call);
		for (int w = 0; w < WAYS; w++)
			CHECK_RC(il_datagram_send(o->out[w], &letter, 1, NULL), 0);
		CHECK_RC(il_stream_write_all(o->pair->near, &letter, 1), 0);
		CHECK_RC(il_stream_write_all(o->pair->far, &letter, 1), 0);
		model_send(&m, letter);
		for (int w = 0; w < WAYS; w++)
			check_arrives(o->in[w], m.way[w].arrives);
	}
	CHECK_RC(il_virtual_repair(o->pair->n, "near", "far"), 0);
	CHECK_RC(il_virtual_release(o->pair->n, "far", "near"), 0);
	model_change(&m, RELEASE);
	for (int w = 0; w < WAYS; w++)
		check_arrives(o->in[w], m.way[w].arrives);
	check_streams(o);
}

IL_TEST_VIRTUAL(U, n400_every_order_of_the_six_calls_composes)
{
	enum { ORDERS = 720 };
	struct orders o = {.pair = calloc(1, sizeof *o.pair)};

	CHECK(o.pair);
	o.pair->n = network_with(NULL);
	CHECK_RC(il_event_create(&o.pair->both), 0);
	CHECK_RC(il_event_create(&o.pair->again), 0);
	host(o.pair->n, "far", far_main, &o);
	host(o.pair->n, "near", near_main, &o);
	CHECK_RC(il_event_wait(o.pair->both), 0);
	UNTIL(o.pair->near);
	for (unsigned i = 0; i < ORDERS; i++)
		check_order(&o, i);
	for (int w = 0; w < WAYS; w++) {
		il_datagram_destroy(o.out[w]);
		il_datagram_destroy(o.in[w]);
	}
	pair_close(o.pair);
}
