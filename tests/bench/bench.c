/*
 * bench.c: passes, processes and statistics. The parent process only forks,
 * waits and prints; nothing is measured in it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bench.h"
#include "lines.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PASSES = 9, PASSES_QUICK = 3, SECONDS_MAX = 60, SIDES_MAX = 8 };

bool bench_quick;

/* ---- clocks and samples ---- */

static double clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

double bench_cpu(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_cpu_of(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock))
		bench_die("no clock of a process's processor time");
	return clock_ns(clock);
}

double bench_status(pid_t pid, const char *format)
{
	char path[32], line[128];
	double value = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	file = fopen(path, "re");
	if (!file)
		bench_die("no /proc");
	while (fgets(line, sizeof line, file))
		if (sscanf(line, format, &value) == 1)
			break;
	fclose(file);
	return value;
}

double bench_memory(pid_t pid)
{
	return (bench_status(pid, "VmRSS: %lf") + bench_status(pid, "VmPTE: %lf")) * 1024;
}

void bench_samples_init(struct bench_samples *s, size_t capacity)
{
	*s = (struct bench_samples){.at = malloc(capacity * sizeof *s->at), .capacity = capacity};
	if (!s->at)
		bench_die("no memory for samples");
	for (size_t i = 0; i < capacity; i++)
		s->at[i] = 0; /* touched, so that storing one costs the same from the first on */
}

void bench_samples_add(struct bench_samples *s, double value)
{
	if (s->count < s->capacity)
		s->at[s->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_samples_quantile(struct bench_samples *s, double q)
{
	qsort(s->at, s->count, sizeof *s->at, compare);
	return s->count ? s->at[(size_t)((double)(s->count - 1) * q + 0.5)] : 0;
}

double bench_samples_mean(const struct bench_samples *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->count; i++)
		sum += s->at[i];
	return s->count ? sum / (double)s->count : 0;
}

double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* ---- processes ---- */

void bench_die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	_exit(1);
}

void bench_pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	sched_setaffinity(0, sizeof set, &set);
}

void bench_thread(void *(*main)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, main, arg))
		bench_die("no thread");
	pthread_detach(thread);
}

void bench_run_with(const il_loop_options *options, il_fn *main, void *arg)
{
	il_loop *loop;
	int rc = il_loop_open(&loop, bench_backend(), options);

	if (rc == 0)
		rc = il_loop_run(loop, main, arg);
	if (rc < 0)
		bench_die(il_error_detail());
	il_loop_destroy(loop);
}

void bench_run(il_fn *main, void *arg)
{
	bench_run_with(NULL, main, arg);
}

static pid_t fork_child(const struct bench_case *c)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(SECONDS_MAX);
		if (c->cores == 1)
			bench_pin(0);
	}
	return pid;
}

static void start_hogs(const struct bench_case *c, pid_t *hogs)
{
	for (int i = 0; i < c->hogs; i++) {
		hogs[i] = fork_child(c);
		if (hogs[i] == 0)
			for (volatile unsigned long n = 0;; n++)
				;
	}
}

static void stop_hogs(const struct bench_case *c, const pid_t *hogs)
{
	for (int i = 0; i < c->hogs; i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
}

/* Runs one side in a process of its own. */
static bool measure(const struct bench_case *c, bench_side_fn *run, double *values)
{
	size_t size = BENCH_VALUES * 2 * sizeof *values;
	double *shared =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid, hogs[8];
	int status = 1;

	fflush(NULL);
	start_hogs(c, hogs);
	pid = fork_child(c);
	if (pid == 0) {
		run(c, shared);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	stop_hogs(c, hogs);
	memcpy(values, shared, size);
	munmap(shared, size);
	return status == 0;
}

/* ---- rows ---- */

static size_t passes_of(const struct bench_case *c)
{
	if (bench_quick)
		return PASSES_QUICK;
	return c->passes ? (size_t)c->passes : PASSES;
}

struct table {
	double at[SIDES_MAX + 1][BENCH_VALUES * 2][BENCH_PASSES_MAX]; /* side, value, pass */
};

static bool fill(struct table *t, const struct bench_case *c, const struct bench_side *sides,
		 size_t count)
{
	if (!bench_is_asked(c))
		return false;
	for (size_t pass = 0; pass < passes_of(c); pass++)
		for (size_t s = 0; s < count; s++) {
			double values[BENCH_VALUES * 2];
			if (!measure(c, sides[s].run, values)) {
				bench_print_failure(c, sides[s].name);
				return false;
			}
			for (size_t v = 0; v < BENCH_VALUES * 2; v++)
				t->at[s][v][pass] = values[v];
		}
	return true;
}

/* The smallest of each pass's baselines, as one more side. */
static void add_better(struct table *t, size_t bases, size_t stats, size_t passes)
{
	for (size_t v = 0; v < stats; v++)
		for (size_t pass = 0; pass < passes; pass++) {
			double least = t->at[1][v][pass];
			for (size_t b = 2; b <= bases; b++)
				if (t->at[b][v][pass] < least)
					least = t->at[b][v][pass];
			t->at[bases + 1][v][pass] = least;
		}
}

/* Against the statistic's absolute value, or against nothing. */
static void print_alone(const struct bench_case *c, const struct bench_stat *stat, double *ours)
{
	double base[BENCH_PASSES_MAX];
	size_t passes = passes_of(c);

	for (size_t pass = 0; pass < passes; pass++)
		base[pass] = stat->absolute > 0 ? stat->absolute : ours[pass];
	bench_print_row(c, stat, ours, base, stat->absolute > 0 ? "target" : "none", passes);
}

void bench_compare(const struct bench_case *c, const struct bench_stat *stats, size_t stat_count,
		   bench_side_fn *ours, const struct bench_side *bases, size_t base_count)
{
	static struct table t;
	struct bench_side sides[SIDES_MAX] = {{"ours", ours}};
	size_t passes = passes_of(c);

	memcpy(sides + 1, bases, base_count * sizeof *bases);
	if (!fill(&t, c, sides, base_count + 1))
		return;
	for (size_t v = 0; v < stat_count; v++) {
		if (stats[v].absolute > 0)
			print_alone(c, &stats[v], t.at[0][v]);
		for (size_t b = 1; b <= base_count && stats[v].absolute <= 0; b++) {
			struct bench_stat stat = stats[v];
			if (base_count > 1)
				stat.limit = 0;
			bench_print_row(c, &stat, t.at[0][v], t.at[b][v], bases[b - 1].name,
					passes);
		}
	}
	if (base_count < 2)
		return;
	add_better(&t, base_count, stat_count, passes);
	for (size_t v = 0; v < stat_count; v++)
		if (stats[v].absolute <= 0)
			bench_print_row(c, &stats[v], t.at[0][v], t.at[base_count + 1][v], "better",
					passes);
}

void bench_round_trips(struct bench_case *c, struct bench_stat stats[3], bench_side_fn *ours,
		       const struct bench_side *base)
{
	stats[2].limit = 1.5;
	for (c->cores = 2; c->cores > 0; c->cores--) {
		c->n = bench_amount(20000);
		stats[0].limit = stats[1].limit = c->cores == 2 ? 0.15 : 0.6;
		bench_compare(c, stats, 3, ours, base, 1);
		c->gap_us = 1000;
		c->n = bench_amount(120);
		stats[0].limit = stats[1].limit = 1.0;
		bench_compare(c, stats, 3, ours, base, 1);
		c->gap_us = 0;
	}
	c->hogs = 2;
	stats[0].limit = 0;
	stats[1].limit = 1.1;
	for (c->cores = 2; c->cores > 0; c->cores--) {
		c->n = bench_amount(1000);
		bench_compare(c, stats, 3, ours, base, 1);
	}
}

void bench_alone(const struct bench_case *c, const struct bench_stat *stats, size_t stat_count,
		 bench_side_fn *ours)
{
	static struct table t;
	const struct bench_side side = {"ours", ours};

	if (!fill(&t, c, &side, 1))
		return;
	for (size_t v = 0; v < stat_count; v++)
		print_alone(c, &stats[v], t.at[0][v]);
}

void bench_pairs(const struct bench_case *c, const struct bench_stat *stats, size_t stat_count,
		 bench_side_fn *both, const char *base)
{
	static struct table t;
	const struct bench_side side = {"both", both};

	if (!fill(&t, c, &side, 1))
		return;
	for (size_t v = 0; v < stat_count; v++)
		bench_print_row(c, &stats[v], t.at[0][2 * v], t.at[0][2 * v + 1], base,
				passes_of(c));
}
