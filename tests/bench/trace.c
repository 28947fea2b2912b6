/*
 * trace.c: P17: what an event of a trace costs the thread in which it happens: two tasks yield by turns with a trace
 * and without one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bench.h"

#include <interloop/trace.h>

#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double thread_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int yield_often(void *arg)
{
	const size_t n = *(const size_t *)arg / 2;

	for (size_t i = 0; i < n; i++)
		il_yield();
	return 0;
}

/* The processor time of all of them. */
static double yields(size_t n)
{
	il_group group;
	double begin;

	bench_must(il_group_open(&group));
	bench_must(il_group_start_soon(&group, NULL, yield_often, &n));
	begin = thread_cpu();
	yield_often(&n);
	bench_must(il_group_close(&group, 0));
	return thread_cpu() - begin;
}

static size_t count_events(int fd)
{
	static const char mark[] = "\"ph\"";
	off_t size = lseek(fd, 0, SEEK_END);
	const char *text = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	size_t count = 0;

	if (text == MAP_FAILED)
		bench_die("the trace cannot be read");
	for (const char *at = text; (at = memmem(at, (size_t)(text + size - at), mark, 4)); at += 4)
		count++;
	munmap((void *)(uintptr_t)text, (size_t)size);
	return count;
}

struct traced {
	const struct bench_case *c;
	double *values;
};

static int run_traced(void *arg)
{
	const struct traced *t = arg;
	const il_trace_options options = {.events = (size_t)1 << 22};
	int fd = memfd_create("trace", 0);
	double on, off;

	if (fd < 0)
		bench_die("no file for the trace");
	yields(t->c->n);
	off = yields(t->c->n);
	bench_must(il_trace_start(fd, &options));
	yields(t->c->n); /* its pages are touched */
	on = yields(t->c->n);
	bench_must(il_trace_stop());
	t->values[0] = (on - off) / ((double)count_events(fd) / 2);
	close(fd);
	return 0;
}

static void trace_event(const struct bench_case *c, double *values)
{
	struct traced t = {c, values};

	bench_run(run_traced, &t);
}

void bench_trace(void)
{
	const struct bench_case c = {
	    .work = "P17", .via = "trace", .cores = 2, .n = bench_amount(200000)};

	bench_alone(&c, &(struct bench_stat){"event", 1, 100, "ns"}, 1, trace_event);
}
