/*
 * process.c: calls in worker processes: one after another and many at once against a ping-pong over pipes,
 * which is the floor, and against Python's ProcessPoolExecutor; and large arguments against a bare copy over
 * a socketpair, there and back.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bench.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SMALL = 64 << 10, LARGE = 64 << 20 };

/* ---- ours ---- */

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int echo(void *arg)
{
	il_bytes *b = arg;

	return il_bytes_append(b, b->in, b->in_size);
}

/* Every byte is seen and written. */
static int invert(void *arg)
{
	il_shared *s = arg;
	uint64_t *words = s->data;

	for (size_t i = 0; i < s->size / sizeof *words; i++)
		words[i] = ~words[i];
	return 0;
}

struct work {
	const struct bench_case *c;
	double *values;
	size_t size;
	il_executor *pool;
	void *data;
	il_shared shared;
};

static void check(int rc)
{
	if (rc < 0)
		bench_die(il_error_detail());
}

static void call_flat(struct work *w)
{
	check(il_executor_run(w->pool, nothing, w->data, w->size));
}

static void call_bytes(struct work *w)
{
	il_bytes b = {.in = w->data, .in_size = w->size};

	check(il_executor_run(w->pool, echo, &b, IL_BYTES));
	il_bytes_free(&b);
}

static void call_shared(struct work *w)
{
	check(il_executor_run(w->pool, invert, &w->shared, IL_SHARED));
}

static double median_of(struct work *w, void (*call)(struct work *w))
{
	struct bench_samples samples;

	bench_samples_init(&samples, w->c->n);
	call(w); /* the worker is up */
	for (size_t i = 0; i < w->c->n; i++) {
		double begin = bench_ns();
		call(w);
		bench_samples_add(&samples, bench_ns() - begin);
	}
	return bench_samples_quantile(&samples, 0.5);
}

static int work_in_task(void *arg)
{
	struct work *w = arg;
	bool shared = strcmp(w->c->via, "shared") == 0;

	w->values[0] = median_of(w, shared                            ? call_shared
				    : strcmp(w->c->via, "bytes") == 0 ? call_bytes
								      : call_flat);
	return 0;
}

static void run_work(const struct bench_case *c, double *values, size_t size)
{
	il_process_pool_options options = {.max_workers = 1};
	struct work w = {
	    .c = c, .values = values, .size = size, .data = calloc(1, size ? size : 1)};

	if (size)
		memset(w.data, 1, size);
	else
		w.data = NULL;
	check(il_process_pool_create(&w.pool, &options));
	check(il_shared_create(&w.shared, size ? size : 1));
	if (size)
		memset(w.shared.data, 1, size);
	bench_run(work_in_task, &w);
}

static void our_trips(const struct bench_case *c, double *values)
{
	run_work(c, values, 0);
}

static void our_small(const struct bench_case *c, double *values)
{
	run_work(c, values, SMALL);
}

static void our_large(const struct bench_case *c, double *values)
{
	run_work(c, values, LARGE);
}

static int map_in_task(void *arg)
{
	struct work *w = arg;
	int *items = calloc(w->c->n, sizeof *items);
	double begin;

	check(il_executor_map(w->pool, nothing, items, 100, sizeof *items, NULL, IL_FOREVER));
	begin = bench_ns();
	check(il_executor_map(w->pool, nothing, items, w->c->n, sizeof *items, NULL, IL_FOREVER));
	w->values[0] = (bench_ns() - begin) / (double)w->c->n;
	free(items);
	return 0;
}

static void our_map(const struct bench_case *c, double *values)
{
	il_process_pool_options options = {.max_workers = (int)c->workers};
	struct work w = {.c = c, .values = values};

	check(il_process_pool_create(&w.pool, &options));
	bench_run(map_in_task, &w);
}

/* ---- a process at the other end of a pair ---- */

static void read_all(int fd, char *to, size_t size)
{
	while (size > 0) {
		ssize_t n = read(fd, to, size);
		if (n <= 0)
			_exit(0); /* of the child: it is over */
		to += n;
		size -= (size_t)n;
	}
}

static void write_all(int fd, const char *from, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, from, size);
		if (n <= 0)
			_exit(0);
		from += n;
		size -= (size_t)n;
	}
}

struct end {
	int in, out;
};

static void answer(struct end e, size_t size)
{
	char *bytes = malloc(size);

	for (;;) {
		read_all(e.in, bytes, size);
		write_all(e.out, bytes, size);
	}
}

static struct end start_peer(bool pipes, size_t size)
{
	int there[2], back[2];
	struct end mine, other;

	if (pipes ? pipe(there) < 0 || pipe(back) < 0
		  : socketpair(AF_UNIX, SOCK_STREAM, 0, there) < 0)
		bench_die("no pair");
	mine = pipes ? (struct end){back[0], there[1]} : (struct end){there[0], there[0]};
	other = pipes ? (struct end){there[0], back[1]} : (struct end){there[1], there[1]};
	if (fork() == 0) {
		close(mine.in);
		if (pipes)
			close(mine.out);
		answer(other, size);
	}
	close(other.in);
	if (pipes)
		close(other.out);
	return mine;
}

static void ping_pong(const struct bench_case *c, double *values, bool pipes, size_t size)
{
	struct end peer = start_peer(pipes, size);
	char *bytes = calloc(1, size);
	struct bench_samples samples;

	memset(bytes, 1, size);
	bench_samples_init(&samples, c->n);
	for (size_t i = 0; i <= c->n; i++) {
		double begin = bench_ns();
		write_all(peer.out, bytes, size);
		read_all(peer.in, bytes, size);
		if (i > 0)
			bench_samples_add(&samples, bench_ns() - begin);
	}
	values[0] = bench_samples_quantile(&samples, 0.5);
}

static void pipe_trips(const struct bench_case *c, double *values)
{
	ping_pong(c, values, true, 1);
}

static void copy_small(const struct bench_case *c, double *values)
{
	ping_pong(c, values, false, SMALL);
}

static void copy_large(const struct bench_case *c, double *values)
{
	ping_pong(c, values, false, LARGE);
}

/* ---- Python ---- */

static void ask_python(const char *what, size_t n, size_t last, double *values)
{
	char command[160];
	FILE *answers;

	snprintf(command, sizeof command, "exec python3 tests/bench/process.py %s %zu %zu", what, n,
		 last);
	answers = popen(command, "r");
	if (!answers || fscanf(answers, "%lf", values) != 1)
		bench_die("tests/bench/process.py did not answer; is there a python3?");
	pclose(answers);
}

static void python_trips(const struct bench_case *c, double *values)
{
	ask_python("trips", c->n, 0, values);
}

static void python_map(const struct bench_case *c, double *values)
{
	ask_python("map", c->n, c->workers, values);
}

static void python_small(const struct bench_case *c, double *values)
{
	ask_python("bytes", c->n, SMALL, values);
}

static void python_large(const struct bench_case *c, double *values)
{
	ask_python("bytes", c->n, LARGE, values);
}

/* ---- the rows ---- */

/* Against the floor, which only informs, and against Python. */
static void compare(struct bench_case *c, const char *stat, bench_side_fn *ours,
		    struct bench_side floor, bench_side_fn *python)
{
	const struct bench_side other = {"ProcessPoolExecutor", python};
	struct bench_stat stats = {.name = stat};

	bench_compare(c, &stats, 1, ours, &floor, 1);
	stats.limit = 1.0;
	bench_compare(c, &stats, 1, ours, &other, 1);
}

void bench_process(void)
{
	const struct bench_side ping = {"pipe_ping_pong", pipe_trips};
	const struct bench_side small = {"socketpair_copy", copy_small};
	const struct bench_side large = {"socketpair_copy", copy_large};
	static const char *const ways[] = {"flat", "bytes", "shared"};
	struct bench_case c = {.work = "process-roundtrip", .via = "run", .passes = 3};

	for (c.cores = 2; c.cores > 0; c.cores--) {
		c.n = bench_amount(2000);
		compare(&c, "p50", our_trips, ping, python_trips);
	}
	c.cores = 2;
	c.work = "process-throughput";
	c.via = "map";
	c.workers = 2;
	c.n = bench_amount(4000);
	compare(&c, "mean", our_map, ping, python_map);
	c.workers = 0;
	for (int i = 0; i < 3; i++) {
		c.via = ways[i];
		c.work = "process-64KiB";
		c.n = bench_amount(500);
		compare(&c, "p50", our_small, small, python_small);
		c.work = "process-64MiB";
		c.n = bench_amount(4);
		compare(&c, "p50", our_large, large, python_large);
	}
}
