/*
 * portal.c: P3 and P4: plain threads that call into the loop and wait, and that post and do not.
 */
#include "raw.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

struct host {
	const struct bench_case *c;
	il_portal *portal;
	struct bench_samples samples; /* of a single caller */
	atomic_size_t callers;
	size_t handled; /* loop's thread */
	double cpu;
	il_event *done;
};

static int main_of_host(void *arg)
{
	struct host *host = arg;

	if (il_loop_create_threads_portal(il_loop_current(), &host->portal) < 0 ||
	    il_event_create(&host->done) < 0)
		bench_die(il_error_detail());
	return 0;
}

static int set_done(void *arg)
{
	return il_event_set(((struct host *)arg)->done);
}

/* ---- P3 ---- */

static void call(struct host *host)
{
	if (il_portal_run_sync(host->portal, nothing, NULL) < 0)
		bench_die(il_error_detail());
}

static void *caller(void *arg)
{
	struct host *host = arg;
	const struct bench_case *c = host->c;

	for (size_t i = 0; i < c->n / 10 + 1; i++)
		call(host);
	if (c->callers < 2)
		host->cpu = bench_cpu();
	for (size_t i = 0; i < c->n; i++) {
		double begin;
		if (c->gap_us)
			usleep((useconds_t)c->gap_us);
		begin = bench_ns();
		call(host);
		if (c->callers < 2)
			bench_samples_add(&host->samples, bench_ns() - begin);
	}
	if (atomic_fetch_sub(&host->callers, 1) == 1)
		il_portal_run_sync(host->portal, set_done, host);
	return NULL;
}

static int take_calls(void *arg)
{
	struct host *host = arg;

	main_of_host(host);
	host->cpu = bench_cpu();
	for (size_t i = 0; i < (host->c->callers ? host->c->callers : 1); i++)
		bench_thread(caller, host);
	il_event_wait(host->done);
	return il_portal_close(host->portal);
}

static void our_call_in(const struct bench_case *c, double *values)
{
	static struct host host;
	size_t callers = c->callers ? c->callers : 1;
	double begin = bench_ns(), calls;

	host.c = c;
	atomic_init(&host.callers, callers);
	bench_samples_init(&host.samples, c->n);
	bench_run(take_calls, &host);
	calls = (double)(callers * (c->n + (callers > 1 ? c->n / 10 + 1 : 0)));
	values[2] = (bench_cpu() - host.cpu) / calls;
	values[1] = callers > 1 ? (bench_ns() - begin) / calls : bench_samples_mean(&host.samples);
	values[0] = callers > 1 ? values[1] : bench_samples_quantile(&host.samples, 0.5);
}

static void async_call_in(const struct bench_case *c, double *values)
{
	raw_call_in(&raw_uv, c, values);
}

static const struct bench_side async_and_condition = {"uv_async", async_call_in};

static void own_call_in(const struct bench_case *c, double *values)
{
	raw_call_in(bench_raw(), c, values);
}

void bench_portal(void)
{
	const struct bench_side own = {"raw_loop", own_call_in};
	struct bench_case c = {.work = "P3"};
	struct bench_stat stats[] = {{.name = "p50"}, {.name = "mean"}, {.name = "cpu"}};
	struct bench_stat many = {.name = "per_call", .limit = 0.5};

	bench_round_trips(&c, stats, our_call_in, &async_and_condition);
	c.cores = 2;
	c.hogs = 0;
	c.callers = 16;
	c.n = bench_amount(2000);
	bench_compare(&c, &many, 1, our_call_in, &async_and_condition, 1);
	c.callers = 0;
	c.n = bench_amount(20000);
	stats[1].limit = stats[2].limit = 0;
	bench_compare(&c, stats, 3, our_call_in, &own, 1);
}

/* ---- P4 ---- */

static int count_post(void *arg)
{
	struct host *host = arg;

	if (++host->handled == host->c->callers * host->c->n)
		il_event_set(host->done);
	return 0;
}

/* A full queue is the producer's to heed. */
static void *poster(void *arg)
{
	struct host *host = arg;

	for (size_t i = 0; i < host->c->n; i++) {
		int rc;
		while ((rc = il_portal_run_sync_soon(host->portal, NULL, count_post, host)) ==
		       -EAGAIN)
			sched_yield();
		if (rc < 0)
			bench_die(il_error_detail());
	}
	return NULL;
}

static int take_posts(void *arg)
{
	struct host *host = arg;

	main_of_host(host);
	host->cpu = bench_ns();
	for (size_t i = 0; i < host->c->callers; i++)
		bench_thread(poster, host);
	il_event_wait(host->done);
	host->cpu = bench_ns() - host->cpu;
	return il_portal_close(host->portal);
}

static void our_posts(const struct bench_case *c, double *values)
{
	static struct host host;

	host.c = c;
	bench_run(take_posts, &host);
	values[0] = host.cpu / (double)(c->callers * c->n);
}

static void async_posts(const struct bench_case *c, double *values)
{
	raw_post(&raw_uv, c, values);
}

void bench_post(void)
{
	const struct bench_side async = {"uv_async", async_posts};
	struct bench_case c = {.work = "P4", .callers = 4, .n = bench_amount(100000), .cores = 2};
	struct bench_stat stat = {.name = "per_post", .limit = 0.35};

	bench_compare(&c, &stat, 1, our_posts, &async, 1);
	c.cores = 1;
	stat.limit = 0;
	bench_compare(&c, &stat, 1, our_posts, &async, 1);
}
