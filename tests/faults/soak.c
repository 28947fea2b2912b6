/*
 * soak.c: one process that does all that the workloads do, for an hour, with faults and without by turns.
 *
 *     soak [MINUTES [SEED]]
 *
 * A round lasts some seconds. The main thread runs what has processes, threads and adopted loops, another one all else, and
 * a third asks an echo server again and again and takes the time. In every second round one call in 24 fails, by the
 * round's seed. Between two rounds nothing runs: there descriptors, threads, children and the library's blocks of
 * memory must be as many as after the first ones. Each minute ends with a line, and the soak with pictures of them.
 * Started by run.sh, under libfault.so. Exit status 1 if a line begins with BAD.
 */
#include "soak.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOW  (WORK_PATIENCE * 3 / 4)
#define STALL IL_SEC(2)
enum { ROUNDS_A_MINUTE = 10, WARM_ROUNDS = 4, HANGS_AFTER = 60, MORE_BLOCKS = 64 };

/* Those of one file are one thread's: they have state. */
static void (*const of_main[])(void) = {work_threads,         work_executor, work_portal,
					work_blocking_portal, work_pool,     work_pool_plain,
					work_children,        work_signals,  work_adopted};
static void (*const of_second[])(void) = {
    work_tasks,  work_select,  work_streams,       work_files,     work_resolver,
    work_server, work_clients, work_server_thread, work_datagrams, work_udp_server,
#if FAULTS_TLS
    work_tls,
#endif
};
enum {
	OF_MAIN = sizeof of_main / sizeof of_main[0],
	OF_SECOND = sizeof of_second / sizeof of_second[0]
};

static struct run_report report;

static struct soak {
	long round;
	unsigned long seed; /* of the round; 0: nothing fails */
	il_time end;        /* of the round */
	struct soak_state base;
	bool bad;
	atomic_long done;         /* workloads */
	_Atomic il_time since[2]; /* the workload of each thread; 0: none */
	atomic_bool over;
	_Atomic il_time stood; /* the machine, or all of us: then no wait says anything */
} soak;

/* ---- what a round does ---- */

static void run_workloads(int thread, void (*const *workloads)(void), unsigned count, unsigned seed)
{
	while (il_now() < soak.end) {
		soak.since[thread] = il_now();
		workloads[(unsigned)rand_r(&seed) % count]();
		soak.done++;
	}
	soak.since[thread] = 0;
}

static void *second_thread(void *seed)
{
	run_workloads(1, of_second, OF_SECOND, *(unsigned *)seed);
	return NULL;
}

/* Tells what a workload waits for, before the limit of its time ends it. */
static void *watch_thread(void *unused)
{
	bool told = false;

	(void)unused;
	for (int ticks = 0; !soak.over; ticks++) {
		const il_time before = il_now();
		usleep(100 * 1000);
		if (il_now() - before > STALL)
			soak.stood = il_now() - before;
		if (ticks > HANGS_AFTER * 10) {
			printf("BAD soak, round %ld, seed %lu: it hangs\n", soak.round, soak.seed);
			fflush(stdout);
			il_dump(STDOUT_FILENO);
			abort();
		}
		for (int i = 0; i < 2; i++) {
			const il_time since = soak.since[i];
			if (told || soak.stood || !since || il_now() < since + SLOW)
				continue;
			told = true;
			printf("round %ld, seed %lu: a workload takes long\n", soak.round,
			       soak.seed);
			fflush(stdout);
			il_dump(STDOUT_FILENO);
		}
	}
	return NULL;
}

static void *probe_thread(void *times)
{
	soak_probe(times, soak.end);
	return NULL;
}

static void run_round(struct soak_times *times)
{
	const struct fault_order order = {.kind = soak.seed ? FAULT_CHAOS : FAULT_COUNT,
					  .n = (long)soak.seed};
	unsigned seed = (unsigned)soak.round;
	pthread_t second, probe, watch;

	fault_arm(&order);
	soak.over = false;
	soak.stood = 0;
	if (pthread_create(&second, NULL, second_thread, &seed) != 0 ||
	    pthread_create(&probe, NULL, probe_thread, times) != 0 ||
	    pthread_create(&watch, NULL, watch_thread, NULL) != 0)
		abort();
	run_workloads(0, of_main, OF_MAIN, ~seed);
	pthread_join(second, NULL);
	pthread_join(probe, NULL);
	soak.over = true;
	pthread_join(watch, NULL);
	fault_disarm();
}

/* ---- what it leaves ---- */

static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Threads that were let go end a little later. */
static struct soak_state look(int threads)
{
	struct soak_state s = {.kib = resident_kib()};
	siginfo_t child = {.si_pid = 0};
	struct fault_report faults;

	for (int i = 0; i < 5000 && work_entries("/proc/self/task") > threads; i++)
		usleep(1000);
	fault_get_report(&faults);
	s.threads = work_entries("/proc/self/task");
	s.descriptors = work_entries("/proc/self/fd");
	s.children = waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0;
	s.blocks = faults.live;
	s.failures = faults.injected;
	return s;
}

static void bad(const char *what, long is, long was)
{
	printf("BAD %s soak, round %ld, seed %lu: %s: %ld, was %ld\n",
	       il_backend_name(work_backend()), soak.round, soak.seed, what, is, was);
	fflush(stdout);
	soak.bad = true;
}

static void judge(const struct soak_state *s)
{
	const struct soak_state *b = &soak.base;

	if (s->threads > b->threads)
		bad("threads", s->threads, b->threads);
	if (s->descriptors > b->descriptors)
		bad("descriptors", s->descriptors, b->descriptors);
	if (s->children)
		bad("children", s->children, 0);
	if (s->blocks > b->blocks + MORE_BLOCKS)
		bad("blocks of memory", s->blocks, b->blocks);
	if (report.accepted != report.called)
		bad("calls that were accepted and ran", report.called, report.accepted);
	if (soak.stood)
		printf("round %ld: nothing went on for %.1f s; its waits are not judged\n",
		       soak.round, (double)soak.stood / (double)IL_SEC(1));
	else if (report.odd)
		bad(report.note, report.odd, 0);
	report.accepted = report.called = 0;
	report.odd = 0;
	soak.base.blocks = s->blocks > b->blocks ? s->blocks : b->blocks;
}

/* ---- all of it ---- */

/* What workers and failing calls say to stderr. */
static void silence(void)
{
	int fd = getenv(FAULT_TRACE) ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dup2(fd, STDERR_FILENO);
		close(fd);
	}
}

/* The first rounds are not judged: what is allocated once is allocated there. */
static void warm_up(void)
{
	static struct soak_times times;

	for (soak.round = -WARM_ROUNDS; soak.round < 0; soak.round++) {
		soak.end = il_now() + IL_SEC(3);
		run_round(&times);
		soak.base = look(soak.round == -WARM_ROUNDS ? 3 : soak.base.threads);
	}
	report = (struct run_report){.stage = 0};
}

static void run_minute(struct soak_minute *m, unsigned long seed)
{
	static struct soak_times calm, failing;

	soak_times_clear(&calm);
	soak_times_clear(&failing);
	*m = (struct soak_minute){.state = {.threads = 0}};
	for (int i = 0; i < ROUNDS_A_MINUTE; i++, soak.round++) {
		struct soak_state s;
		soak.seed = i % 2 ? seed + (unsigned long)soak.round : 0;
		soak.end = il_now() + IL_SEC(60) / ROUNDS_A_MINUTE;
		run_round(soak.seed ? &failing : &calm);
		s = look(soak.base.threads);
		judge(&s);
		m->failures += s.failures;
		m->state = s;
	}
	m->done = atomic_exchange(&soak.done, 0);
	soak_times_read(&calm, &m->calm);
	soak_times_read(&failing, &m->failing);
}

int main(int argc, char **argv)
{
	static struct soak_minute minutes[SOAK_MINUTES_MAX];
	const int count = argc > 1 ? atoi(argv[1]) : 60;
	const unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

	il_process_worker_main_if_needed();
	if (!fault_arm || count < 1 || count > SOAK_MINUTES_MAX) {
		fprintf(stderr, "usage: LD_PRELOAD=libfault.so soak [MINUTES [SEED]]\n");
		return 2;
	}
	run_report = &report;
	il_set_log(work_log, NULL);
	signal(SIGPIPE, SIG_IGN);
	silence();
	warm_up();
	soak_head();
	for (int i = 0; i < count; i++) {
		run_minute(&minutes[i], seed);
		soak_line(i + 1, &minutes[i]);
	}
	soak_pictures(minutes, count);
	if (minutes[count - 1].state.kib > 2 * minutes[0].state.kib + 16384)
		bad("KiB of memory", minutes[count - 1].state.kib, minutes[0].state.kib);
	return soak.bad;
}
