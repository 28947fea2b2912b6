/*
 * bench.h: what a benchmark is written with. A side (ours, or a baseline) is a function that does a work
 * once and stores what it measured. Every side of every pass runs in a process of its own, the sides by
 * turns, so what one leaves behind (threads, heaps, a warm processor) reaches no other, and a machine
 * that drifts drifts for all of them alike. Only ratios of neighbours count.
 */
#ifndef IL_TESTS_BENCH_H
#define IL_TESTS_BENCH_H

#include <interloop.h>
#include <interloop/backend.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

enum { BENCH_VALUES = 8 };

/* The conditions of a row. What is 0 is not printed, but for hogs and gap_us. */
struct bench_case {
	const char *work; /* "P1" */
	const char *via;  /* which of several ways */
	int cores;        /* 1: pinned to the first one, hogs too; 2: free */
	int hogs;         /* processes that compute all the time */
	long gap_us;      /* between calls */
	size_t n;         /* how often */
	size_t inflight, workers, callers, tasks, connections;
	long sleep_us;
	int passes; /* 0: the usual number */
};

/* Does the work, and stores one value for each of the row's statistics. */
typedef void bench_side_fn(const struct bench_case *c, double *values);

struct bench_side {
	const char *name;
	bench_side_fn *run;
};

/* limit: what ratio may be at most; 0: no target, the row only informs. */
struct bench_stat {
	const char *name;
	double limit;
	double absolute; /* instead of a baseline's value */
	const char *unit;
};

/* Prints a line for each statistic and baseline; with several, one more for the better of them. */
void bench_compare(const struct bench_case *c, const struct bench_stat *stats, size_t stat_count,
		   bench_side_fn *ours, const struct bench_side *bases, size_t base_count);
/* The schedule of P1 and P3: back to back and with a millisecond between calls, on two cores and one,
 * then between two hogs. stats: p50, mean and cpu; their limits, c's cores and hogs are left as set last. */
void bench_round_trips(struct bench_case *c, struct bench_stat stats[3], bench_side_fn *ours,
		       const struct bench_side *base);
/* Ours only, against the absolute values; where absolute is 0 it is only printed. */
void bench_alone(const struct bench_case *c, const struct bench_stat *stats, size_t stat_count,
		 bench_side_fn *ours);
/* The side has both figures: values[2 * i] is ours, values[2 * i + 1] the baseline's. */
void bench_pairs(const struct bench_case *c, const struct bench_stat *stats, size_t stat_count,
		 bench_side_fn *both, const char *base);

extern bool bench_quick;       /* fewer passes, less work */
extern const char *bench_only; /* rows whose conditions contain it; NULL: all */
extern bool
    bench_one_core; /* this process is pinned, and runs the rows on one core; or the others */
static inline size_t bench_amount(size_t n)
{
	return bench_quick ? (n + 3) / 4 : n;
}

/* ---- for sides ---- */

double bench_ns(void);  /* a clock */
double bench_cpu(void); /* this process's processor time, in ns */
double bench_cpu_of(pid_t pid);
/* A number from the status of a process (of its main thread); format: the line's, with one %lf. */
double bench_status(pid_t pid, const char *format);
/* Counts a tracepoint, such as "raw_syscalls/sys_enter", or the context switches (NULL), of a process and the threads that it
 * will start. Negative: the system has no such counter for us. */
int bench_counter_open(const char *event, pid_t pid);
double bench_counter_read(int fd);
/* A process's resident memory and page tables, in bytes. */
double bench_memory(pid_t pid);
void bench_pin(int core);
void bench_die(const char *what); /* ends the side's process; the row becomes an error */
/* The same where a call has failed. */
static inline void bench_must(int rc)
{
	if (rc < 0)
		bench_die(il_error_detail());
}
/* Runs main as the root task of the benchmarked loop. */
void bench_run(il_fn *main, void *arg);
void bench_run_with(const il_loop_options *options, il_fn *main, void *arg);
const il_backend *bench_backend(void); /* loop_*.c */
const char *bench_loop_name(void);

/* Durations of single calls. */
struct bench_samples {
	double *at;
	size_t count, capacity;
};
void bench_samples_init(struct bench_samples *s, size_t capacity);
void bench_samples_add(struct bench_samples *s, double value);
double bench_samples_quantile(struct bench_samples *s, double q); /* sorts */
double bench_samples_mean(const struct bench_samples *s);
double bench_median(double *values, size_t count);

/* What a switch from stack to stack takes, one way, in ns (bare_switch.c). */
double bench_bare_switch(void);
/* A plain thread. */
void bench_thread(void *(*main)(void *), void *arg);

/* ---- the works ---- */

void bench_floors(void);
void bench_offload(void);   /* P1 */
void bench_inflight(void);  /* P2 */
void bench_portal(void);    /* P3 */
void bench_post(void);      /* P4 */
void bench_switches(void);  /* P5 */
void bench_spawn(void);     /* P6 */
void bench_parked(void);    /* P7 */
void bench_sleeps(void);    /* P8 */
void bench_lateness(void);  /* P9 */
void bench_echo(void);      /* P10 */
void bench_idle(void);      /* P11 */
void bench_growth(void);    /* P12 */
void bench_http(void);      /* P13 */
void bench_datagrams(void); /* P14 */
void bench_tls(void);       /* P14, where there is interloop-tls */
void bench_select(void);    /* P15 */
void bench_hiredis(void);   /* P15; this and the next three where there is the library */
void bench_libpq(void);
void bench_libcurl(void);
void bench_c_ares(void);
void bench_remote(void);    /* P16, where there are interloop-remote and a gearmand */
void bench_trace(void);     /* P17 */
void bench_simulated(void); /* P18 */
void bench_slack(void);     /* P19 */
void bench_process(void);   /* process */
void bench_scale(void);     /* scale */
void bench_percore(void);   /* percore */

#endif
