/*
 * simulated.c: P18: runs of a simulated network: three hosts, 100 messages, lost packets and a cut link, each run of a seed of
 * its own; how long one takes.
 */
#include "bench.h"

#include <interloop/virtual.h>

enum { MESSAGES = 100 };

struct run {
	il_virtual_network *network;
	il_server *server;
	int replies;
};

static int echo(il_client *client, void *data)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	return rc > 0 ? il_client_send(client, p.data, p.size) : rc;
}

static int serve(void *arg)
{
	static const il_handler handler = {.handle = echo};
	struct run *r = arg;
	int rc = il_tcp_server_open(&r->server, NULL, "7", il_protocol_lines(), &handler, r, NULL);

	if (rc == 0)
		rc = il_server_serve(r->server);
	il_server_destroy(r->server);
	return rc;
}

/* Half of the messages, over as many connections as it takes. */
static int ask(void *arg)
{
	struct run *r = arg;
	il_client *c = NULL;
	il_packet p;
	int rc = 0;

	for (int left = MESSAGES / 2; left > 0;) {
		if (!c)
			rc = il_client_connect_tcp(&c, "server", "7", il_protocol_lines(), NULL);
		if (rc == 0)
			rc = il_client_send(c, "hello", 5);
		if (rc == 0)
			rc = il_client_receive(c, &p, IL_SEC(1));
		if (rc > 0) {
			r->replies++;
			left--;
			rc = 0;
			continue;
		}
		il_client_destroy(c);
		c = NULL;
		if (rc == -ECANCELED)
			return rc;
		rc = il_sleep(IL_MSEC(10));
	}
	il_client_destroy(c);
	return 0;
}

static int run_once(void *arg)
{
	const il_virtual_network_options o = {
	    .latency_min = IL_MSEC(1), .latency_max = IL_MSEC(5), .loss = 0.01};
	struct run r = {.replies = 0};

	(void)arg;
	bench_must(il_virtual_network_open(&r.network, &o));
	bench_must(il_virtual_host_start(r.network, "server", serve, &r));
	bench_must(il_virtual_host_start(r.network, "one", ask, &r));
	bench_must(il_virtual_host_start(r.network, "two", ask, &r));
	bench_must(il_sleep(IL_USEC(il_virtual_random(r.network) % 200000)));
	bench_must(il_virtual_partition(r.network, "server", "one"));
	bench_must(il_sleep(IL_MSEC(200)));
	bench_must(il_virtual_repair(r.network, "server", "one"));
	bench_must(il_virtual_host_wait(r.network, "one", IL_FOREVER));
	bench_must(il_virtual_host_wait(r.network, "two", IL_FOREVER));
	if (r.replies != MESSAGES)
		bench_die("a message has no reply");
	return il_virtual_network_close(r.network);
}

static void explore(const struct bench_case *c, double *values)
{
	uint64_t failed;
	double begin = bench_ns();

	bench_must(il_virtual_explore(1, c->n, run_once, NULL, &failed));
	values[0] = (bench_ns() - begin) / (double)c->n;
}

/* 2,000 runs a second; 100,000 seeds in a minute are fewer. */
void bench_simulated(void)
{
	const struct bench_case c = {
	    .work = "P18", .via = "three_hosts", .cores = 1, .n = bench_amount(2000)};

	bench_alone(&c, &(struct bench_stat){"run", 1, 500000, "ns"}, 1, explore);
}
