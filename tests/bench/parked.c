/*
 * parked.c: P7: what a parked task takes: memory with its page tables, the time to start it beyond what
 * the system asks for a stack of that kind (a guard and the first touch), the time to wake it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scale.h"

#include <sys/mman.h>
#include <unistd.h>

enum { STACK = 65536, GUARD = 65536 + 4096, SLAB = 64 }; /* as the library's: stack.c */

#define MADV_GUARD_INSTALL_ 102

/* Guards and touches as many stacks, and gives them back. */
static double floor_of(size_t count)
{
	const size_t stride = STACK + GUARD, size = stride * SLAB;
	char **slabs = calloc(count / SLAB + 1, sizeof *slabs);
	double begin = bench_ns(), end;

	for (size_t i = 0; slabs && i < count; i++) {
		char *at;
		if (i % SLAB == 0) {
			at = mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
			if (at == MAP_FAILED)
				bench_die("no address space");
			madvise(at, size, MADV_NOHUGEPAGE);
			slabs[i / SLAB] = at;
		}
		at = slabs[i / SLAB] + i % SLAB * stride;
		if (madvise(at, GUARD, MADV_GUARD_INSTALL_) < 0 &&
		    mprotect(at, GUARD, PROT_NONE) < 0)
			bench_die("no guard page");
		at[stride - 64] = 1;
	}
	end = bench_ns();
	for (size_t i = 0; i < count; i += SLAB)
		munmap(slabs[i / SLAB], size);
	free(slabs);
	return (end - begin) / (double)count;
}

struct parked {
	size_t count, arrived;
	il_event *gate, *end;
	double bytes, start, wake, cpu;
};

static int park(void *arg)
{
	struct parked *p = arg;

	p->arrived++;
	il_event_wait(p->gate);
	p->arrived++;
	return il_event_wait(p->end);
}

static void let_arrive(struct parked *p)
{
	while (p->arrived < p->count)
		il_yield();
	p->arrived = 0;
}

static int measure(void *arg)
{
	struct parked *p = arg;
	double before = bench_memory(getpid()), cpu = bench_cpu(), begin;
	il_group group;

	bench_must(il_event_create(&p->gate));
	bench_must(il_event_create(&p->end));
	bench_must(il_group_open(&group));
	begin = bench_ns();
	for (size_t i = 0; i < p->count; i++)
		if (il_group_start_soon(&group, NULL, park, p) < 0)
			bench_die(il_error_detail());
	let_arrive(p);
	p->start = (bench_ns() - begin) / (double)p->count;
	p->bytes = (bench_memory(getpid()) - before) / (double)p->count;
	begin = bench_ns();
	il_event_set(p->gate);
	let_arrive(p);
	p->wake = (bench_ns() - begin) / (double)p->count;
	p->cpu = (bench_cpu() - cpu) / (double)p->count;
	il_event_set(p->end);
	return il_group_close(&group, 0);
}

static void parked(const struct bench_case *c, double *values)
{
	struct parked p = {.count = c->tasks};
	double least = floor_of(c->tasks);

	bench_run(measure, &p);
	values[0] = p.bytes;
	values[1] = p.start - least > 0 ? p.start - least : 0;
	values[2] = p.wake;
	values[3] = least;
}

void scale_parked(const struct bench_case *c, double *values)
{
	struct parked p = {.count = c->tasks};

	bench_run(measure, &p);
	values[SCALE_CPU] = p.cpu;
	values[SCALE_WALL] = p.start + p.wake;
	values[SCALE_MEMORY] = p.bytes;
}

void bench_parked(void)
{
	const struct bench_stat stats[] = {
	    {.name = "memory", .absolute = 4.45 * 1024, .limit = 1, .unit = "bytes"},
	    {.name = "start_beyond_floor", .absolute = 500, .limit = 1},
	    {.name = "wake", .absolute = 500, .limit = 1},
	    {.name = "floor"}};
	struct bench_case c = {.work = "P7", .cores = 1, .n = 1};

	for (c.tasks = 100; c.tasks <= 1000000; c.tasks *= 10) {
		c.passes = c.tasks == 1000000 ? 2 : 0;
		if (c.tasks >= 100000)
			bench_alone(&c, stats, 4, parked);
	}
}
