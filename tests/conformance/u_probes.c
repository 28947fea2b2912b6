/*
 * u_probes.c: connections that wait for a packet that was lost: probes of windows and of silent peers go on until something
 * is heard, whatever is lost, so that no connection waits forever.
 */
#include "u_network.h"

enum { SEEDS = 220, MUCH = 20000, WINDOW = 1024 };

struct world {
	il_virtual_network *n;
	il_fn *server, *client;
	const char *last; /* who is waited for */
	il_virtual_network_options options;
};

static int accept_on_7(il_stream **s)
{
	il_listener *l;

	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", NULL), 0);
	CHECK_RC(il_listener_accept(l, s), 0);
	il_listener_destroy(l);
	return 0;
}

static int live(void *arg)
{
	struct world *w = arg;

	w->n = network_with(&w->options);
	host(w->n, "server", w->server, w);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	host(w->n, "client", w->client, w);
	CHECK_RC(ended(w->n, w->last), 0);
	il_virtual_network_close(w->n);
	return 0;
}

static void live_often(struct world *w)
{
	uint64_t seed = 0;

	CHECK_RC(il_virtual_explore(1, SEEDS, live, w, &seed), 0);
}

/* ---- the reset that tells of an end is lost ---- */

static int wait_for_the_end(void *arg)
{
	il_stream *s;
	char byte;

	(void)arg;
	accept_on_7(&s);
	CHECK_RC(il_stream_set_keepalive_times(s, IL_SEC(10), IL_SEC(5), 3, 0), 0);
	CHECK_RC(il_stream_set_keepalive(s, true), 0);
	CHECK_RC(il_stream_write_all(s, "hello", 5), 0);
	int rc = il_stream_read(s, &byte, 1);
	CHECK(rc == -ECONNRESET || rc == -ETIMEDOUT);
	il_stream_destroy(s);
	return 0;
}

static int leave_unread(void *arg)
{
	il_stream *s;

	(void)arg;
	CHECK_RC(il_stream_connect_tcp(&s, "server", "7", NULL), 0);
	(void)!il_sleep(IL_SEC(100)); /* the server may have ended before */
	il_stream_destroy(s);
	return 0;
}

IL_TEST_OWN_VIRTUAL(U, n411_keepalive_notices_an_end_whose_word_was_lost)
{
	struct world w = {.server = wait_for_the_end,
			  .client = leave_unread,
			  .last = "server",
			  .options = {.latency_min = IL_MSEC(5), .loss = 0.1}};

	live_often(&w);
}

static int read_nothing(void *arg)
{
	il_stream *s;

	(void)arg;
	accept_on_7(&s);
	CHECK_RC(il_sleep(IL_SEC(10)), 0);
	il_stream_destroy(s);
	return 0;
}

static int connect_and_write(size_t size)
{
	static const char bytes[MUCH];
	il_stream *s;

	CHECK_RC(il_stream_connect_tcp(&s, "server", "7", NULL), 0);
	int rc = il_stream_write_all(s, bytes, size);
	il_stream_destroy(s);
	return rc;
}

static int write_to_the_end(void *arg)
{
	(void)arg;
	CHECK(connect_and_write(MUCH) < 0);
	return 0;
}

IL_TEST_OWN_VIRTUAL(U, n411_a_probe_notices_an_end_whose_word_was_lost)
{
	struct world w = {.server = read_nothing,
			  .client = write_to_the_end,
			  .last = "client",
			  .options = {.latency_min = IL_MSEC(5), .loss = 0.1, .buffer = WINDOW}};

	live_often(&w);
}

/* ---- the word of a window is lost ---- */

static int read_slowly(void *arg)
{
	struct world *w = arg;
	char part[4000];
	size_t got = 0;
	il_stream *s;
	int n = 1;

	accept_on_7(&s);
	while (n > 0) {
		CHECK_RC(il_sleep(IL_MSEC((il_time)(il_virtual_random(w->n) % 3000))), 0);
		n = il_stream_read(s, part, 1 + il_virtual_random(w->n) % sizeof part);
		CHECK(n >= 0);
		got += (size_t)n;
	}
	CHECK_EQ(got, MUCH);
	il_stream_destroy(s);
	return 0;
}

static int write_much(void *arg)
{
	(void)arg;
	CHECK_RC(connect_and_write(MUCH), 0);
	return 0;
}

IL_TEST_OWN_VIRTUAL(U, n397_an_old_answer_to_a_probe_hides_no_open_window)
{
	struct world w = {.server = read_slowly,
			  .client = write_much,
			  .last = "server",
			  .options = {.latency_min = IL_MSEC(20),
				      .latency_max = IL_MSEC(20),
				      .loss = 0.05,
				      .buffer = WINDOW}};

	live_often(&w);
}

/* ---- tries ---- */

/* Cut off while the window is closed, and again while it reads: the word of that is lost. */
static int read_after_a_cut(void *arg)
{
	struct world *w = arg;
	char part[WINDOW];
	il_stream *s;

	accept_on_7(&s);
	CHECK_RC(il_sleep(IL_SEC(300)), 0);
	CHECK_RC(il_stream_receive_exactly(s, part, sizeof part), 0);
	CHECK_RC(il_sleep(IL_SEC(100)), 0);
	CHECK_RC(il_virtual_repair(w->n, NULL, NULL), 0);
	CHECK_RC(il_stream_receive_exactly(s, part, sizeof part), 0);
	while (il_stream_read(s, part, sizeof part) > 0)
		;
	il_stream_destroy(s);
	return 0;
}

static int write_a_little(void *arg)
{
	(void)arg;
	CHECK_RC(connect_and_write(4 * WINDOW + 900), 0);
	return 0;
}

IL_TEST_VIRTUAL(U, n397_what_follows_probes_is_new_and_sent_again_soon)
{
	struct world w = {.n = network_with(&(il_virtual_network_options){.latency_min = IL_MSEC(5),
									  .buffer = WINDOW})};
	const il_time begin = il_now();

	host(w.n, "server", read_after_a_cut, &w);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	host(w.n, "client", write_a_little, NULL);
	CHECK_RC(il_sleep(IL_SEC(2)), 0);
	CHECK_RC(il_virtual_partition(w.n, NULL, NULL), 0);
	CHECK_RC(il_sleep_until(begin + IL_USEC(456843500)),
		 0); /* what the answer to a probe allows is under way */
	CHECK_RC(il_virtual_partition(w.n, NULL, NULL), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_RC(il_virtual_repair(w.n, NULL, NULL), 0);
	CHECK_RC(ended(w.n, "client"), 0);
	CHECK(il_now() < begin + IL_SEC(470));
	CHECK_RC(il_virtual_network_close(w.n), 0);
}
