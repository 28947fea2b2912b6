/*
 * counters.c: what a process asks of the system, counted by the kernel (perf_event_open): it slows nothing, as ptrace
 * would, under which a loop does other things, because its turns last longer.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bench.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

int bench_counter_open(const char *event, pid_t pid)
{
	struct perf_event_attr attr = {.size = sizeof attr, .inherit = 1};
	char path[96];
	FILE *file;

	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
	if (event) {
		unsigned long long id = 0;
		bool found;
		snprintf(path, sizeof path, "/sys/kernel/tracing/events/%s/id", event);
		file = fopen(path, "re");
		if (!file)
			return -1;
		found = fscanf(file, "%llu", &id) == 1;
		fclose(file);
		if (!found)
			return -1;
		attr.type = PERF_TYPE_TRACEPOINT;
		attr.config = id;
	}
	return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, 0);
}

double bench_counter_read(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof count) != (ssize_t)sizeof count)
		bench_die("a counter cannot be read");
	return (double)count;
}
