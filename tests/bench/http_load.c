/*
 * http_load.c: a server's process and wrk beside it: the server on the first core or on both, wrk on the second.
 * System calls and switches are counted by the kernel.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "http_load.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNTERS = 5 };

/* ---- counters ---- */

static const char *const counted[COUNTERS] = {
    "syscalls/sys_enter_futex", "syscalls/sys_enter_write", "syscalls/sys_enter_sched_yield",
    "syscalls/sys_enter_epoll_wait", NULL};

bool http_can_count(void)
{
	for (int i = 0; i < COUNTERS; i++) {
		int fd = bench_counter_open(counted[i], getpid());
		if (fd < 0) {
			fprintf(stderr, "Left out: system calls of P13, as the kernel gives no "
					"counters here (perf_event_open)\n");
			return false;
		}
		close(fd);
	}
	return true;
}

/* ---- the server ---- */

struct bout {
	pid_t server;
	int port;
	int counters[COUNTERS];
	bool counts;
};

static void use_cores(int count)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < count; i++)
		CPU_SET((size_t)i, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void allow_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The counters follow its threads, which it makes once it may begin. */
static void begin_bout(struct bout *b, const struct bench_case *c, http_serve_fn *serve)
{
	atomic_int *shared = mmap(NULL, 2 * sizeof *shared, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	allow_files();
	b->server = fork();
	if (b->server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use_cores(c->cores);
		while (!atomic_load(&shared[1]))
			usleep(1000);
		serve(&shared[0]);
		bench_die("the HTTP server returned");
	}
	for (int i = 0; i < COUNTERS && b->counts; i++)
		b->counters[i] = bench_counter_open(counted[i], b->server);
	atomic_store(&shared[1], 1);
	while (!atomic_load(&shared[0]))
		usleep(1000);
	b->port = atomic_load(&shared[0]);
}

static void end_bout(const struct bout *b)
{
	kill(b->server, SIGKILL);
	waitpid(b->server, NULL, 0);
}

/* ---- the load ---- */

struct load {
	double requests, seconds, p50, p99;
};

static double nanoseconds_of(double value, const char *unit)
{
	return value * (unit[0] == 'u' ? 1e3 : unit[0] == 'm' ? 1e6 : 1e9);
}

static void read_line(struct load *load, const char *line)
{
	double value, seconds;
	char unit[16];

	if (sscanf(line, " 50%% %lf%15s", &value, unit) == 2)
		load->p50 = nanoseconds_of(value, unit);
	else if (sscanf(line, " 99%% %lf%15s", &value, unit) == 2)
		load->p99 = nanoseconds_of(value, unit);
	else if (sscanf(line, " %lf requests in %lfs", &value, &seconds) == 2)
		*load = (struct load){value, seconds, load->p50, load->p99};
	else if (strstr(line, "Socket errors") || strstr(line, "Non-2xx"))
		bench_die("the HTTP server failed requests");
}

bool http_can_load(void)
{
	if (system("command -v wrk >/dev/null") == 0)
		return true;
	fprintf(stderr, "Left out: P13, as there is no wrk (apt-get install wrk)\n");
	return false;
}

static struct load run_wrk(const struct bout *b, size_t connections)
{
	struct load load = {0};
	char command[160], line[256];
	FILE *out;

	snprintf(command, sizeof command,
		 "taskset -c 1 wrk --latency -t 1 -c %zu -d 1s http://127.0.0.1:%d/", connections,
		 b->port);
	out = popen(command, "r");
	while (out && fgets(line, sizeof line, out))
		read_line(&load, line);
	if (!out || pclose(out) || load.requests < 1)
		bench_die("wrk failed");
	return load;
}

/* ---- what is measured ---- */

void http_time(const struct bench_case *c, double *values, http_serve_fn *serve)
{
	struct bout b = {.counts = false};
	struct load load;
	double cpu;

	begin_bout(&b, c, serve);
	cpu = bench_cpu_of(b.server);
	load = run_wrk(&b, c->connections);
	values[0] = (bench_cpu_of(b.server) - cpu) / load.requests;
	values[1] = load.seconds * 1e9 / load.requests;
	values[2] = load.p50;
	values[3] = load.p99;
	end_bout(&b);
}

void http_count(const struct bench_case *c, double *values, http_serve_fn *serve)
{
	struct bout b = {.counts = true};
	struct load load;
	double before[COUNTERS];

	begin_bout(&b, c, serve);
	for (int i = 0; i < COUNTERS; i++)
		before[i] = bench_counter_read(b.counters[i]);
	load = run_wrk(&b, c->connections);
	for (int i = 0; i < COUNTERS; i++)
		values[i] = (bench_counter_read(b.counters[i]) - before[i]) / load.requests;
	end_bout(&b);
}
