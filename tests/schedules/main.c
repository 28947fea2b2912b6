/*
 * main.c: random programs of tasks under permuted schedules, in virtual time.
 *
 *     schedules FIRST COUNT    a program for each of so many seeds, by as many processes as there are processors
 *     schedules SEED           this program in this process, printed first
 *
 * When a rule is broken it prints the seed, what happened, and the smallest program that it found for which a rule is
 * still broken. Exit status 1 then.
 */
#include "program.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MAX = 16, PATIENCE = 20, SCHEDULES_TRIED = 8 };

/* Shared with the children; each writes its own. */
struct progress {
	_Atomic uint64_t seed; /* that runs */
};

static void be_quiet(int level, const char *message, void *arg)
{
	(void)level;
	(void)message;
	(void)arg;
}

static void run_seed(uint64_t seed)
{
	struct program p = program_make(seed);

	program_run(&p);
}

/* ---- a failure ---- */

/* One schedule of a program in a child of its own, silent unless it is to be seen. */
static bool fails_so(struct program *p, bool seen)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!seen &&
		    (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
			_exit(2);
		alarm(PATIENCE / 4); /* it takes a millisecond */
		program_run(p);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(2);
	if (seen && WIFSIGNALED(status))
		printf("signal %d%s\n", WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM ? ": it does not end" : "");
	return status != 0;
}

/* A smaller program meets the fault in another schedule, if at all. */
static bool fails(struct program *p)
{
	uint64_t first = p->schedule;

	for (uint64_t i = 0; i < SCHEDULES_TRIED; i++) {
		p->schedule = i == 0 ? first : i;
		if (fails_so(p, false))
			return true;
	}
	p->schedule = first;
	return false;
}

static void tell_failure(uint64_t seed)
{
	struct program p = program_make(seed);

	printf("FAILED seed %" PRIu64 ":\n", seed);
	if (!fails_so(&p, true)) {
		printf("not by itself: only after the seeds before it\n");
		return;
	}
	program_shrink(&p, fails);
	printf("the smallest program that fails:\n");
	program_print(&p);
	fails_so(&p, true);
}

/* ---- all seeds ---- */

static pid_t start_worker(struct progress *progress, uint64_t first, uint64_t end, uint64_t every)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	for (uint64_t seed = first; seed < end; seed += every) {
		atomic_store_explicit(&progress->seed, seed, memory_order_relaxed);
		run_seed(seed);
	}
	_exit(0);
}

/* False: it died, or made no step for PATIENCE seconds. */
static bool await_worker(pid_t pid, struct progress *progress)
{
	uint64_t last = UINT64_MAX;
	int status, fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, PATIENCE * 1000) == 0 && last != progress->seed)
		last = progress->seed;
	if (!(p.revents & POLLIN))
		kill(pid, SIGKILL);
	close(fd);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool run_all(uint64_t first, uint64_t count)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int workers = online < WORKERS_MAX ? (int)online : WORKERS_MAX;
	struct progress *all = mmap(NULL, sizeof *all * WORKERS_MAX, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[WORKERS_MAX];
	bool good = true;

	if (all == MAP_FAILED)
		return false;
	for (int i = 0; i < workers; i++)
		pids[i] =
		    start_worker(&all[i], first + (uint64_t)i, first + count, (uint64_t)workers);
	for (int i = 0; i < workers; i++) {
		if (await_worker(pids[i], &all[i]))
			continue;
		if (good) /* one is enough to see */
			tell_failure(all[i].seed);
		good = false;
	}
	return good;
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	uint64_t first, count;

	if (argc < 2 || argc > 3 || (first = strtoull(argv[1], NULL, 0)) == 0) {
		fprintf(stderr, "usage: schedules FIRST COUNT | schedules SEED\n");
		return 2;
	}
	il_set_log(be_quiet, NULL);
	if (argc == 2) {
		struct program p = program_make(first);
		program_print(&p);
		program_run(&p);
		return 0;
	}
	count = strtoull(argv[2], NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (!run_all(first, count))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%" PRIu64 " programs, seeds %" PRIu64 " to %" PRIu64
	       ", %lld s: no rule is broken\n",
	       count, first, first + count - 1, (long long)(end.tv_sec - begin.tv_sec));
	return 0;
}
