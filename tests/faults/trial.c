/*
 * trial.c: runs a trial in a forked child under a watchdog, and judges what it has left behind: descriptors, threads,
 * children, blocks of memory, and what the workload itself found odd.
 */
#include "trial.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANGS_AFTER = 30 }; /* seconds; every wait of a workload ends before */

/* ---- the child ---- */

static void limit_descriptors(int n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n ? (rlim_t)n : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_storm(int number)
{
	(void)number;
}

static void storm(int microseconds)
{
	const struct sigaction action = {.sa_handler = on_storm};
	const struct itimerval timer = {{0, microseconds}, {0, microseconds}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Some end a little after they are done for: threads that were let go, for one. */
static void await_threads(int threads)
{
	for (int i = 0; i < 5000 && work_entries("/proc/self/task") > threads; i++)
		usleep(1000);
}

static void look_around(struct run_report *r, int descriptors, int threads)
{
	siginfo_t child = {.si_pid = 0};

	await_threads(threads);
	r->threads = work_entries("/proc/self/task") - threads;
	r->descriptors = work_entries("/proc/self/fd") - descriptors;
	fault_get_report(&r->faults);
	/* Living children, too. */
	r->children = waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0;
	if (r->accepted != r->called)
		work_odd("%ld calls without a future were accepted, %ld ran", r->accepted,
			 r->called);
}

static void run_child(const struct trial *t)
{
	const struct fault_order none = {.kind = FAULT_COUNT};
	int descriptors = work_entries("/proc/self/fd"), threads = work_entries("/proc/self/task");

	setpgid(0, 0);
	if (t->descriptors)
		limit_descriptors(t->descriptors);
	if (t->storm)
		storm(t->storm);
	fault_arm(t->in_worker ? &none : &t->order);
	t->workload->run();
	if (t->storm)
		storm(0);
	fault_disarm();
	limit_descriptors(0);
	run_report->stage = 1;
	look_around(run_report, descriptors, threads);
	if (getenv(FAULT_TRACE))
		fault_print_live();
	run_report->stage = 2;
	exit(0); /* with all that runs at a program's end */
}

/* ---- the parent ---- */

static void give_workers(const struct trial *t, const char *report_path)
{
	char words[64];

	snprintf(words, sizeof words, "%d %ld", t->order.kind, t->order.n);
	setenv(FAULT_WORKER_ORDER, words, 1);
	setenv(FAULT_WORKER_REPORT, report_path, 1);
}

static int silence(void)
{
	int fd = getenv(FAULT_TRACE) ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dup2(fd, STDERR_FILENO);
		close(fd);
	}
	return 0;
}

/* The exit status; -1: it hung, and is no more. */
static int await_child(pid_t pid)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int status, ready = poll(&p, 1, HANGS_AFTER * 1000);

	close(p.fd);
	kill(-pid, SIGKILL);
	if (ready == 0)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return ready == 0 ? -1 : status;
}

/* What a worker counted, in the file that it maps. */
static struct fault_report worker_report(int fd)
{
	struct fault_report r;

	if (pread(fd, &r, sizeof r, 0) != (ssize_t)sizeof r)
		memset(&r, 0, sizeof r);
	return r;
}

/* Its status; *workers gets what its workers counted. */
static int run_in_child(const struct trial *t, struct fault_report *workers)
{
	char path[64];
	int memory = memfd_create("workers", MFD_CLOEXEC), status;
	pid_t pid;

	memset(run_report, 0, sizeof *run_report);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), memory);
	if (memory < 0 || ftruncate(memory, sizeof *workers) < 0)
		abort();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		silence();
		if (t->in_worker)
			give_workers(t, path);
		run_child(t);
	}
	status = await_child(pid);
	*workers = worker_report(memory);
	close(memory);
	return status;
}

/* ---- the verdict ---- */

static void print_order(const struct trial *t)
{
	const struct fault_kind *kinds;

	fault_kinds(&kinds);
	if (t->order.kind == FAULT_CHAOS)
		printf("chaos %ld", t->order.n);
	else if (t->descriptors)
		printf("descriptors %d", t->descriptors);
	else if (t->storm)
		printf("storm %d", t->storm);
	else if (t->order.kind >= 0)
		printf("%s %s %ld",
		       t->in_worker       ? "worker"
		       : t->order.forever ? "forever"
					  : "single",
		       kinds[t->order.kind].name, t->order.n);
	else
		printf("measure");
}

static void print_bad(const struct trial *t, const char *what)
{
	const struct run_report *r = run_report;
	Dl_info info = {.dli_fname = "nowhere"};

	printf("BAD %s %s ", work_backend() ? il_backend_name(work_backend()) : "",
	       t->workload->name);
	print_order(t);
	printf(": %s", what);
	if (r->odd)
		printf(" (%s)", r->note);
	if (r->faults.where && dladdr(r->faults.where, &info))
		printf("; failed at %s+%#zx", strrchr(info.dli_fname, '/') + 1,
		       (size_t)((const char *)r->faults.where - (const char *)info.dli_fbase));
	printf("; met %s\n", r->codes);
	fflush(stdout);
}

static const char *judge(int status, const struct baseline *base)
{
	static char text[200];
	const struct run_report *r = run_report;

	if (status < 0)
		return "it hangs";
	if (status != 0 || r->stage != 2) {
		snprintf(text, sizeof text, "it ends with status %#x", (unsigned)status);
		return text;
	}
	if (r->odd)
		return "a rule is broken";
	if (r->descriptors <= base->descriptors && r->threads <= 0 && !r->children &&
	    r->faults.live <= base->live)
		return NULL;
	snprintf(text, sizeof text,
		 "left behind: %d descriptors, %d threads, %d children, %ld blocks",
		 r->descriptors - base->descriptors, r->threads, r->children,
		 r->faults.live - base->live);
	return text;
}

struct verdict trial_run(const struct trial *t, const struct baseline *base)
{
	struct fault_report workers;
	const struct fault_report *counted = t->in_worker ? &workers : &run_report->faults;
	const char *what = judge(run_in_child(t, &workers), base);

	if (what)
		print_bad(t, what);
	return (struct verdict){.injected = counted->injected,
				.calls = t->order.kind >= 0 ? counted->calls[t->order.kind] : 0,
				.bad = what != NULL};
}

bool trial_measure(const struct workload *w, struct baseline *base)
{
	const struct trial t = {
	    .workload = w, .order = {.kind = FAULT_COUNT}, .in_worker = w->workers};
	const struct baseline any = {.live = 1L << 30, .descriptors = 1 << 30};
	struct fault_report workers;
	const char *what = judge(run_in_child(&t, &workers), &any);

	if (what)
		print_bad(&t, what);
	else if (strcmp(run_report->codes, w->meets) != 0)
		print_bad(&t, what = "it meets other errors than it should when nothing fails");
	memcpy(base->calls, run_report->faults.calls, sizeof base->calls);
	memcpy(base->worker_calls, workers.calls, sizeof base->worker_calls);
	base->live = run_report->faults.live;
	base->descriptors = run_report->descriptors;
	return !what;
}
