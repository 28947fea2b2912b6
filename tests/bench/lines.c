/*
 * lines.c: the lines that a row ends in: its conditions, both sides' medians, and their ratios.
 */
#include "lines.h"

#include <stdarg.h>
#include <string.h>

const char *bench_only;
bool bench_one_core;

static void print_number(const char *key, double value)
{
	printf(" %s=%.*f", key, value >= 1000 || value == 0 ? 0 : value >= 10 ? 1 : 3, value);
}

struct words {
	char at[256];
	size_t size;
};

static __attribute__((format(printf, 2, 3))) void say(struct words *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->at + w->size, sizeof w->at - w->size, format, args);
	va_end(args);
	w->size += n > 0 && (size_t)n < sizeof w->at - w->size ? (size_t)n : 0;
}

static void say_count(struct words *w, const char *key, size_t value)
{
	if (value)
		say(w, " %s=%zu", key, value);
}

static struct words conditions_of(const struct bench_case *c)
{
	struct words w = {.size = 0};

	say(&w, "bench=%s loop=%s cores=%d hogs=%d gap_us=%ld", c->work, bench_loop_name(),
	    c->cores, c->hogs, c->gap_us);
	if (c->via)
		say(&w, " via=%s", c->via);
	say_count(&w, "inflight", c->inflight);
	say_count(&w, "workers", c->workers);
	say_count(&w, "callers", c->callers);
	say_count(&w, "tasks", c->tasks);
	say_count(&w, "connections", c->connections);
	say_count(&w, "sleep_us", (size_t)c->sleep_us);
	return w;
}

bool bench_is_asked(const struct bench_case *c)
{
	return (c->cores == 1) == bench_one_core &&
	       (!bench_only || strstr(conditions_of(c).at, bench_only));
}

static void print_case(const struct bench_case *c, const char *stat)
{
	printf("%s stat=%s n=%zu", conditions_of(c).at, stat, c->n);
}

void bench_print_row(const struct bench_case *c, const struct bench_stat *stat, double *ours,
		     double *base, const char *base_name, size_t passes)
{
	double ratios[BENCH_PASSES_MAX], sorted[BENCH_PASSES_MAX];

	for (size_t i = 0; i < passes; i++)
		ratios[i] = base[i] > 0 ? ours[i] / base[i] : ours[i] > 0 ? 1e9 : 0;
	memcpy(sorted, ours, passes * sizeof *ours);
	print_case(c, stat->name);
	print_number("ours", bench_median(sorted, passes));
	memcpy(sorted, base, passes * sizeof *base);
	print_number("baseline", bench_median(sorted, passes));
	printf(" base=%s", base_name);
	print_number("ratio", bench_median(ratios, passes)); /* sorts them */
	print_number("min", ratios[0]);
	print_number("max", ratios[passes - 1]);
	if (stat->limit > 0)
		printf(" target=%g", stat->limit);
	printf(" unit=%s\n", stat->unit ? stat->unit : "ns");
	fflush(stdout);
}

void bench_print_failure(const struct bench_case *c, const char *side)
{
	print_case(c, "failed");
	printf(" side=%s\n", side);
	fflush(stdout);
}
