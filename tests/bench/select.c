/*
 * select.c: P15: il_select of one case against the plain call, with and without a wait; and of 64 cases that all
 * wait against 64 times one of them.
 */
#include "bench.h"

enum { REPEATS = 5, CASES = 64 };

struct work {
	const struct bench_case *c;
	double (*ours)(size_t n), (*base)(size_t n);
	double *values;
};

static int compare(void *arg)
{
	struct work *w = arg;
	double ours[REPEATS], base[REPEATS];

	w->ours(w->c->n / 10);
	w->base(w->c->n / 10);
	for (int i = 0; i < REPEATS; i++) {
		ours[i] = w->ours(w->c->n);
		base[i] = w->base(w->c->n);
	}
	w->values[0] = bench_median(ours, REPEATS);
	w->values[1] = bench_median(base, REPEATS);
	return 0;
}

/* ---- an item that is there already ---- */

static double receive(size_t n, bool selects)
{
	il_sender *out;
	il_receiver *in;
	int item = 0;
	double begin;

	bench_must(il_channel_create(&out, &in, sizeof item, 1));
	begin = bench_ns();
	for (size_t i = 0; i < n; i++) {
		bench_must(il_channel_send_nowait(out, &item));
		if (selects) {
			il_case one = il_case_receive(in, &item);
			if (il_select(&one, 1, IL_FOREVER) != 0)
				bench_die("il_select");
		} else {
			bench_must(il_channel_receive(in, &item));
		}
	}
	begin = bench_ns() - begin;
	il_sender_destroy(out);
	il_receiver_destroy(in);
	return begin / (double)n;
}

static double receive_selected(size_t n)
{
	return receive(n, true);
}

static double receive_plain(size_t n)
{
	return receive(n, false);
}

static void ready(const struct bench_case *c, double *values)
{
	struct work w = {c, receive_selected, receive_plain, values};

	bench_run(compare, &w);
}

/* ---- an event that another task sets ---- */

struct rounds {
	size_t n, cases;
	il_event *events[CASES]; /* of which the last one is set, and made anew */
};

static int set_last(void *arg)
{
	struct rounds *r = arg;

	for (size_t i = 0; i < r->n; i++) {
		il_event_set(r->events[r->cases - 1]);
		il_yield();
	}
	return 0;
}

static void wait_last(const struct rounds *r, il_case *cases)
{
	if (!cases) {
		il_event_wait(r->events[0]);
		return;
	}
	cases[r->cases - 1] = il_case_event(r->events[r->cases - 1]);
	if (il_select(cases, r->cases, IL_FOREVER) != (int)r->cases - 1)
		bench_die("il_select");
}

static double wait_for(size_t n, size_t count, bool selects)
{
	struct rounds r = {.n = n, .cases = count};
	il_case cases[CASES];
	il_group group;
	double begin;

	for (size_t i = 0; i < count; i++) {
		bench_must(il_event_create(&r.events[i]));
		cases[i] = il_case_event(r.events[i]);
	}
	bench_must(il_group_open(&group));
	bench_must(il_group_start_soon(&group, NULL, set_last, &r));
	begin = bench_ns();
	for (size_t i = 0; i < n; i++) {
		wait_last(&r, selects ? cases : NULL);
		il_event_destroy(r.events[count - 1]);
		bench_must(il_event_create(&r.events[count - 1]));
	}
	begin = bench_ns() - begin;
	il_group_close(&group, 0);
	for (size_t i = 0; i < count; i++)
		il_event_destroy(r.events[i]);
	return begin / (double)n;
}

static double wait_selected(size_t n)
{
	return wait_for(n, 1, true);
}

static double wait_plain(size_t n)
{
	return wait_for(n, 1, false);
}

static void pending(const struct bench_case *c, double *values)
{
	struct work w = {c, wait_selected, wait_plain, values};

	bench_run(compare, &w);
}

static double wait_for_64(size_t n)
{
	return wait_for(n, CASES, true);
}

static double wait_64_times(size_t n)
{
	return CASES * wait_selected(n);
}

static void many(const struct bench_case *c, double *values)
{
	struct work w = {c, wait_for_64, wait_64_times, values};

	bench_run(compare, &w);
}

static void row(const struct bench_case *c, double limit, bench_side_fn *both, const char *base)
{
	const struct bench_stat stat = {.name = "ns", .limit = limit};

	bench_pairs(c, &stat, 1, both, base);
}

void bench_select(void)
{
	struct bench_case c = {.work = "P15", .cores = 1, .n = bench_amount(200000)};

	c.via = "one_ready";
	row(&c, 2, ready, "il_channel_receive");
	c.via = "one_pending";
	row(&c, 2, pending, "il_event_wait");
	c.via = "64_pending";
	c.n = bench_amount(40000);
	row(&c, 1, many, "64_times_one");
}
