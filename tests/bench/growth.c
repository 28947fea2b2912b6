/*
 * growth.c: P12: what an operation costs among ten, a thousand and a million others: a yield among tasks,
 * a deadline among timers, a future among futures, a post among posting threads. Up to a thousand it is
 * compared with ten, beyond with a walk over as many cold stacks or nodes, in the same process.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scale.h"

#include <sched.h>
#include <sys/mman.h>

enum { OPERATIONS = 1000000, STACK = 65536 + 4096, NODE = 192 };

/* ---- walks ---- */

struct node {
	struct node *next;
};

static double walk(struct node *first, size_t count)
{
	size_t rounds = OPERATIONS / count + 1;
	struct node *volatile sink;
	double begin;

	for (struct node *n = first; n; n = n->next)
		sink = n;
	begin = bench_ns();
	for (size_t r = 0; r < rounds; r++)
		for (struct node *n = first; n; n = n->next)
			sink = n;
	(void)sink;
	return (bench_ns() - begin) / (double)(rounds * count);
}

static double walk_memory(size_t count, size_t stride)
{
	char *memory = mmap(NULL, count * stride, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct node *first = NULL;
	double result;

	if (memory == MAP_FAILED)
		bench_die("no address space");
	madvise(memory, count * stride, MADV_NOHUGEPAGE);
	for (size_t i = count; i > 0; i--) {
		/* where a task's frames would be, coloured */
		size_t offset = stride > NODE ? stride - 640 - i % 16 * 64 : 0;
		struct node *n = (struct node *)(void *)(memory + (i - 1) * stride + offset);
		n->next = first;
		first = n;
	}
	result = walk(first, count);
	munmap(memory, count * stride);
	return result;
}

/* ---- tasks ---- */

struct crowd {
	size_t count, arrived, rounds;
	il_event *gate;
	double result;
};

static int yield_in_crowd(void *arg)
{
	struct crowd *crowd = arg;

	crowd->arrived++;
	il_event_wait(crowd->gate);
	for (size_t i = 0; i < crowd->rounds; i++)
		il_yield();
	return 0;
}

static void gather(struct crowd *crowd, il_group *group, il_fn *fn)
{
	bench_must(il_event_create(&crowd->gate));
	bench_must(il_group_open(group));
	for (size_t i = 0; i < crowd->count; i++)
		if (il_group_start_soon(group, NULL, fn, crowd) < 0)
			bench_die(il_error_detail());
	while (crowd->arrived < crowd->count)
		il_yield();
}

static int yield_all(void *arg)
{
	struct crowd *crowd = arg;
	il_group group;
	double begin;

	crowd->rounds = OPERATIONS / crowd->count + 3;
	gather(crowd, &group, yield_in_crowd);
	begin = bench_ns();
	il_event_set(crowd->gate);
	/* While this task runs between them, all the others have gone once round. */
	for (size_t i = 0; i < crowd->rounds; i++)
		il_yield();
	crowd->result = (bench_ns() - begin) / (double)(crowd->rounds * crowd->count);
	return il_group_close(&group, 0);
}

static double tasks_among(size_t count)
{
	struct crowd crowd = {.count = count};

	bench_run(yield_all, &crowd);
	return crowd.result;
}

/* ---- timers ---- */

static int sleep_in_crowd(void *arg)
{
	struct crowd *crowd = arg;
	size_t i = crowd->arrived++;

	return il_sleep(IL_SEC(1000) + IL_USEC(i * 7919 % crowd->count));
}

static int arm_among(void *arg)
{
	struct crowd *crowd = arg;
	il_group group;
	double begin;

	gather(crowd, &group, sleep_in_crowd);
	begin = bench_ns();
	for (size_t i = 0; i < OPERATIONS; i++) {
		il_scope scope = IL_SCOPE_INIT;
		bench_must(il_scope_enter(&scope, il_deadline(IL_SEC(1000)), 0));
		bench_must(il_scope_exit(&scope, 0));
	}
	crowd->result = (bench_ns() - begin) / OPERATIONS;
	il_scope_cancel(il_group_scope(&group));
	return il_group_close(&group, 0);
}

static double timers_among(size_t count)
{
	struct crowd crowd = {.count = count};

	bench_run(arm_among, &crowd);
	return crowd.result;
}

/* ---- futures ---- */

static double futures_among(size_t count)
{
	il_future **all = malloc(count * sizeof(il_future *));
	size_t rounds = OPERATIONS / count + 1;
	double begin = bench_ns();

	for (size_t r = 0; r < rounds; r++) {
		for (size_t i = 0; i < count; i++)
			if (il_future_create(&all[i]) < 0)
				bench_die(il_error_detail());
		for (size_t i = 0; i < count; i++)
			il_future_set_result(all[i], 1);
		for (size_t i = 0; i < count; i++) {
			il_future_result(all[i], 0);
			il_future_unref(all[i]);
		}
	}
	begin = (bench_ns() - begin) / (double)(rounds * count);
	free(all);
	return begin;
}

/* Three walks over memory that nobody has touched before are what it is compared with. */
static double walk_nodes(size_t count)
{
	return 3 * walk_memory(count, NODE);
}

static double walk_stacks(size_t count)
{
	return walk_memory(count, STACK);
}

/* ---- posting threads ---- */

static struct {
	il_portal *portal;
	il_event *done;
	size_t threads, posts, handled;
	double result;
} crowd_of_posters;

static int count_post(void *arg)
{
	(void)arg;
	if (++crowd_of_posters.handled == crowd_of_posters.threads * crowd_of_posters.posts)
		il_event_set(crowd_of_posters.done);
	return 0;
}

static void *post(void *arg)
{
	for (size_t i = 0; i < crowd_of_posters.posts; i++)
		while (il_portal_run_sync_soon(crowd_of_posters.portal, NULL, count_post, NULL) ==
		       -EAGAIN)
			sched_yield();
	return arg;
}

static int take_posts(void *arg)
{
	double begin;

	bench_must(il_loop_create_threads_portal(il_loop_current(), &crowd_of_posters.portal));
	bench_must(il_event_create(&crowd_of_posters.done));
	begin = bench_ns();
	for (size_t i = 0; i < crowd_of_posters.threads; i++)
		bench_thread(post, arg);
	il_event_wait(crowd_of_posters.done);
	crowd_of_posters.result =
	    (bench_ns() - begin) / (double)(crowd_of_posters.threads * crowd_of_posters.posts);
	return il_portal_close(crowd_of_posters.portal);
}

double growth_post_among(size_t threads)
{
	crowd_of_posters.threads = threads;
	crowd_of_posters.posts = GROWTH_POSTS / threads;
	crowd_of_posters.handled = 0;
	bench_run(take_posts, NULL);
	return crowd_of_posters.result;
}

/* ---- the rows ---- */

static const struct growth {
	const char *name;
	double (*among)(size_t count);
	double (*walk)(size_t count);
	size_t least, middle, most;
} growths[] = {{"tasks", tasks_among, walk_stacks, 10, 1000, 1000000},
	       {"timers", timers_among, walk_nodes, 10, 1000, 1000000},
	       {"futures", futures_among, walk_nodes, 10, 1000, 1000000},
	       {"posting_threads", growth_post_among, NULL, 1, 64, 0}};

static const struct growth *current;

static void alone(const struct bench_case *c, double *values)
{
	values[0] = current->among(c->tasks);
}

static void against_least(const struct bench_case *c, double *values)
{
	values[1] = current->among(current->least);
	alone(c, values);
}

static void against_walk(const struct bench_case *c, double *values)
{
	values[1] = current->among(current->least) + current->walk(c->tasks);
	alone(c, values);
}

static void row(struct bench_case *c, size_t tasks)
{
	const struct bench_stat flat = {.name = "cost", .limit = 2};
	const struct bench_stat walked = {.name = "cost", .limit = 1.5};
	const struct bench_stat cost = {.name = "cost"};

	c->tasks = tasks;
	if (tasks == current->middle)
		bench_pairs(c, &flat, 1, against_least, "least");
	else if (tasks == current->most)
		bench_pairs(c, &walked, 1, against_walk, "least_and_walk");
	else if (!bench_quick) { /* for the plot */
		c->passes = 1;
		bench_alone(c, &cost, 1, alone);
	}
}

void bench_growth(void)
{
	struct bench_case c = {.work = "P12", .cores = 2, .n = OPERATIONS};

	for (size_t i = 0; i < sizeof growths / sizeof *growths; i++) {
		size_t step = growths[i].least == 1 ? 4 : 10;
		size_t last = growths[i].most ? growths[i].most : growths[i].middle;
		current = &growths[i];
		c.via = current->name;
		for (size_t tasks = current->least; tasks <= last; tasks *= step) {
			c.passes = 2;
			row(&c, tasks);
		}
	}
}
