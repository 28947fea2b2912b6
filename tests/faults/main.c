/*
 * main.c: each call fails once, and the library goes on.
 *
 *     faults PASS [WORKLOAD [KIND [N]]]
 *
 * Passes: single (each call fails once), forever (it and all after it), worker (the same in worker processes), chaos (any
 * call, one in 24, under so many seeds; N: how many), descriptors (RLIMIT_NOFILE from 5 to 28), storm (a signal every
 * 100, 300 and 1,000 microseconds). Without a workload: all of them, as many at once as there are processors. Started
 * by run.sh, under libfault.so. Exit status 1 if a line begins with BAD.
 */
#include "trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 8192, WORKERS_MAX = 16, CHAOS_SEEDS = 100, N_MAX = 2000 };

const struct workload workloads[] = {
    {"tasks", work_tasks, false, "ETIMEDOUT,ECANCELED,"},
    {"select", work_select, false, ""},
    {"threads", work_threads, false, ""},
    {"executor", work_executor, false, "ECANCELED,"},
    {"portal", work_portal, false, ""},
    {"blocking_portal", work_blocking_portal, false, ""},
    {"pool", work_pool, true, "EOWNERDEAD,"},
    {"pool_plain", work_pool_plain, true, "EOWNERDEAD,"},
    {"streams", work_streams, false, "ECANCELED,"},
    {"files", work_files, false, ""},
    {"resolver", work_resolver, false, ""},
    {"server", work_server, false, ""},
    {"server_thread", work_server_thread, false, "ETIMEDOUT,"},
    {"clients", work_clients, false, ""},
#if FAULTS_TLS
    {"tls", work_tls, false, ""},
#endif
    {"datagrams", work_datagrams, false, ""},
    {"udp_server", work_udp_server, false, "EBADF,"},
    {"children", work_children, false, "ENOENT,"},
    {"signals", work_signals, false, ""},
    {"adopted", work_adopted, false, ""},
};
const int workload_count = sizeof workloads / sizeof workloads[0];

/* A trial, or a row of them: the n-th call for every n. */
struct job {
	struct trial trial;
	bool every_n;
};

/* Shared by the processes that do the jobs. */
static struct shared {
	atomic_int next;
	atomic_long runs, hits, injected, bad;
	/* Of each kind: jobs, and runs with a failure. */
	atomic_long planned[FAULT_KINDS_MAX], failed[FAULT_KINDS_MAX];
	struct run_report reports[WORKERS_MAX];
	struct baseline baselines[sizeof workloads / sizeof workloads[0]];
} * shared;

static struct job jobs[JOBS_MAX];
static int job_count;

static void add_job(const struct trial *t, bool every_n)
{
	if (job_count == JOBS_MAX)
		abort();
	jobs[job_count++] = (struct job){.trial = *t, .every_n = every_n};
}

/* ---- passes ---- */

/* libuv and libev end the program themselves where one of their calls fails, but for EINTR. */
static bool survivable(const struct fault_kind *kind)
{
	return !kind->native || strstr(kind->name, "EINTR") ||
	       strcmp(il_backend_name(work_backend()), "libevent") == 0;
}

static void plan_kinds(const struct workload *w, const char *pass, const char *only, long n)
{
	const struct baseline *base = &shared->baselines[w - workloads];
	bool in_worker = strcmp(pass, "worker") == 0, forever = strcmp(pass, "forever") == 0;
	const struct fault_kind *kinds;
	int count = fault_kinds(&kinds);

	for (int i = 0; i < count && (!in_worker || w->workers); i++) {
		const struct trial t = {.workload = w,
					.order = {.kind = i, .n = n ? n : 1, .forever = forever},
					.in_worker = in_worker};
		if (only ? strcmp(only, kinds[i].name) != 0
			 : !survivable(&kinds[i]) || (forever && kinds[i].fleeting))
			continue;
		if ((in_worker ? base->worker_calls : base->calls)[i]) {
			add_job(&t, n == 0);
			shared->planned[i]++;
		}
	}
}

static void plan_numbers(const struct workload *w, const char *pass, const char *only)
{
	static const int storms[] = {100, 300, 1000};
	long first = only ? atol(only) : 0;

	if (strcmp(pass, "chaos") == 0)
		for (long n = first ? first : 1; n <= (first ? first : CHAOS_SEEDS); n++)
			add_job(&(struct trial){.workload = w, .order = {FAULT_CHAOS, n, false}},
				false);
	else if (strcmp(pass, "descriptors") == 0)
		for (int n = first ? (int)first : 5; n <= (first ? first : 28); n++)
			add_job(&(struct trial){.workload = w,
						.order = {.kind = FAULT_COUNT},
						.descriptors = n},
				false);
	else if (strcmp(pass, "storm") == 0)
		for (size_t i = 0; i < sizeof storms / sizeof storms[0]; i++)
			add_job(&(struct trial){.workload = w,
						.order = {.kind = FAULT_COUNT},
						.storm = storms[i]},
				false);
}

/* ---- jobs ---- */

static void count_verdict(const struct trial *t, const struct verdict *v)
{
	if (t->order.kind >= 0)
		shared->failed[t->order.kind] += v->injected > 0;
	shared->runs++;
	shared->hits += v->injected > 0;
	shared->injected += v->injected;
	shared->bad += v->bad;
}

/* Until the n-th call is not reached any more. */
static void do_job(struct job *job)
{
	const struct baseline *base = &shared->baselines[job->trial.workload - workloads];
	struct verdict v;

	do {
		v = trial_run(&job->trial, base);
		count_verdict(&job->trial, &v);
	} while (job->every_n && v.injected > 0 && job->trial.order.n++ < N_MAX);
}

static pid_t start_worker(int number)
{
	pid_t pid;
	int i;

	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	run_report = &shared->reports[number];
	while ((i = atomic_fetch_add(&shared->next, 1)) < job_count)
		do_job(&jobs[i]);
	_exit(0);
}

static void do_jobs(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int workers = online < WORKERS_MAX ? (int)online : WORKERS_MAX, status;
	pid_t pids[WORKERS_MAX];

	for (int i = 0; i < workers; i++)
		pids[i] = start_worker(i);
	for (int i = 0; i < workers; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status != 0)
			shared->bad++;
}

static bool plan(int argc, char **argv)
{
	for (int i = 0; i < workload_count; i++) {
		if (argc > 2 && strcmp(argv[2], workloads[i].name) != 0)
			continue;
		if (!trial_measure(&workloads[i], &shared->baselines[i]))
			return false;
		if (strcmp(argv[1], "single") == 0 || strcmp(argv[1], "forever") == 0 ||
		    strcmp(argv[1], "worker") == 0)
			plan_kinds(&workloads[i], argv[1], argc > 3 ? argv[3] : NULL,
				   argc > 4 ? atol(argv[4]) : 0);
		else
			plan_numbers(&workloads[i], argv[1], argc > 3 ? argv[3] : NULL);
	}
	return job_count > 0;
}

/* That calls were made to fail at all; and once each, each kind that somebody calls when nothing fails. */
static void check_that_some_failed(const char *pass)
{
	const struct fault_kind *kinds;
	int count = fault_kinds(&kinds);

	if (shared->hits == 0 && strcmp(pass, "descriptors") != 0 && strcmp(pass, "storm") != 0) {
		printf("BAD: no call was made to fail\n");
		shared->bad++;
	}
	for (int i = 0; i < count && strcmp(pass, "single") == 0; i++)
		if (shared->planned[i] > 0 && shared->failed[i] == 0) {
			printf("BAD %s: is called when nothing fails, and never failed\n",
			       kinds[i].name);
			shared->bad++;
		}
}

int main(int argc, char **argv)
{
	il_process_worker_main_if_needed();
	if (argc < 2 || !fault_arm) {
		fprintf(stderr,
			"usage: LD_PRELOAD=libfault.so faults PASS [WORKLOAD [KIND [N]]]\n");
		return 2;
	}
	shared =
	    mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	run_report = &shared->reports[0];
	il_set_log(work_log, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!plan(argc, argv)) {
		printf("nothing to do, or nothing that works\n");
		return 1;
	}
	do_jobs();
	check_that_some_failed(argv[1]);
	printf("%s, %s: %ld runs, %ld of them with a failure, %ld failures, %ld BAD\n", argv[1],
	       il_backend_name(work_backend()), (long)shared->runs, (long)shared->hits,
	       (long)shared->injected, (long)shared->bad);
	return shared->bad > 0;
}
