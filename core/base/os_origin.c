/*
 * os_origin.c: what the system hands from a thread to all that it starts, though it is that
 * thread's own affair: the processors that it is pinned to, its policy and priority, its niceness.
 * A thread or a worker of ours has what the program's first thread had when the library was loaded,
 * whoever starts it: so taskset, chrt and nice hold, and a loop that pins itself, or runs in real
 * time, does so alone. Any thread; what cannot be put back, for the program may not, stays.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_origin.h"
#include "load.h"

#include <sched.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

#ifdef __linux__

enum { SETS = 8, ONE_PROCESS = 1 }; /* 8192 processors; IOPRIO_WHO_PROCESS */
#define RESET_ON_FORK 0x40000000L   /* SCHED_RESET_ON_FORK */

struct state {
	cpu_set_t cpus[SETS];
	long policy, ioprio;
	int priority, nice, slack, rounding;
};

static struct state origin; /* written when the library is loaded */

/* ---- which way a thread rounds ---- */

#if defined(__x86_64__)
static int read_rounding(void)
{
	unsigned sse;

	__asm__("stmxcsr %0" : "=m"(sse));
	return (int)(sse >> 13 & 3);
}

static void set_rounding(int rounding)
{
	unsigned sse;
	unsigned short x87;

	__asm__("stmxcsr %0" : "=m"(sse));
	__asm__("fnstcw %0" : "=m"(x87));
	sse = (sse & ~(3u << 13)) | (unsigned)rounding << 13;
	x87 = (unsigned short)((x87 & ~(3u << 10)) | (unsigned)rounding << 10);
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(sse), "m"(x87));
}
#elif defined(__aarch64__)
static int read_rounding(void)
{
	uint64_t control;

	__asm__ volatile("mrs %0, fpcr" : "=r"(control));
	return (int)(control >> 22 & 3);
}

static void set_rounding(int rounding)
{
	uint64_t control;

	__asm__ volatile("mrs %0, fpcr" : "=r"(control));
	control = (control & ~(UINT64_C(3) << 22)) | (uint64_t)rounding << 22;
	__asm__ volatile("msr fpcr, %0" : : "r"(control));
}
#else
static int read_rounding(void)
{
	return 0;
}

static void set_rounding(int rounding)
{
	(void)rounding;
}
#endif

/* ---- all of it ---- */

/* Of the thread with that number, 0: this one; the last two of this one in any case. The C library
 * may not have the calls for a thread. */
static void read_state(struct state *s, pid_t who)
{
	struct sched_param param = {.sched_priority = 0};

	memset(s, 0, sizeof *s);
	if (sched_getaffinity(who, sizeof s->cpus, s->cpus) < 0)
		memset(s->cpus, 0, sizeof s->cpus);
	s->policy = syscall(SYS_sched_getscheduler, who);
	syscall(SYS_sched_getparam, who, &param);
	s->priority = param.sched_priority;
	s->nice = getpriority(PRIO_PROCESS, (id_t)who);
	s->ioprio = syscall(SYS_ioprio_get, ONE_PROCESS, who);
	s->slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	s->rounding = read_rounding();
}

/* Of the first thread, also where another one has loaded the library. What it starts does not have
 * what it asked to be reset. */
static void note_origin(void)
{
	read_state(&origin, getpid());
	if (origin.policy < 0 || !(origin.policy & RESET_ON_FORK))
		return;
	origin.policy = SCHED_OTHER;
	origin.priority = 0;
	origin.nice = origin.nice > 0 ? origin.nice : 0;
}
IL__AT_LOAD(note_origin, IL__LOADED);

bool il__os_is_as_loaded(void)
{
	struct state now;

	read_state(&now, 0);
	return memcmp(&now, &origin, sizeof now) == 0;
}

void il__os_be_as_loaded(void)
{
	const struct sched_param param = {.sched_priority = origin.priority};
	struct state now;

	read_state(&now, 0);
	if (memcmp(now.cpus, origin.cpus, sizeof now.cpus) != 0)
		sched_setaffinity(0, sizeof origin.cpus, origin.cpus);
	if ((now.policy != origin.policy || now.priority != origin.priority) && origin.policy >= 0)
		syscall(SYS_sched_setscheduler, 0, origin.policy, &param);
	if (now.nice != origin.nice)
		setpriority(PRIO_PROCESS, 0, origin.nice);
	if (now.ioprio != origin.ioprio && origin.ioprio >= 0)
		syscall(SYS_ioprio_set, ONE_PROCESS, 0, origin.ioprio);
	if (now.slack != origin.slack && origin.slack > 0)
		prctl(PR_SET_TIMERSLACK, (unsigned long)origin.slack, 0, 0, 0);
	if (now.rounding != origin.rounding)
		set_rounding(origin.rounding);
}

int il__os_affinity(const int *cpus, size_t count)
{
	cpu_set_t set[SETS];

	memset(set, 0, sizeof set);
	for (size_t i = 0; i < count; i++) {
		if (cpus[i] < 0 || (size_t)cpus[i] >= 8 * sizeof set)
			return -EINVAL;
		CPU_SET_S((size_t)cpus[i], sizeof set, set);
	}
	return sched_setaffinity(0, sizeof set, set) < 0 ? -errno : 0;
}

static int count_processors(void)
{
	return CPU_COUNT_S(sizeof origin.cpus, origin.cpus);
}

#else

bool il__os_is_as_loaded(void)
{
	return true;
}

void il__os_be_as_loaded(void)
{
}

int il__os_affinity(const int *cpus, size_t count)
{
	(void)cpus;
	(void)count;
	return -ENOTSUP;
}

static int count_processors(void)
{
	return 0;
}

#endif

int il_processor_count(void)
{
	int quota = il__os_cpu_quota(""), count = count_processors();

	if (!count) /* unknown */
		count = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (count > quota)
		count = quota;
	return count > 0 ? count : 1;
}
