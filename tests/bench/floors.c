/*
 * floors.c: what no library can beat on this machine: waking another thread by a futex and by an eventfd,
 * and a bare switch of stacks.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bench.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a futex there and one back ---- */

static atomic_int there, back;

static void futex_wake(atomic_int *word)
{
	atomic_store(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void futex_wait(atomic_int *word)
{
	while (!atomic_exchange(word, 0))
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void *answer_futex(void *arg)
{
	for (;;) {
		futex_wait(&there);
		futex_wake(&back);
	}
	return arg;
}

static void ask_futex(void)
{
	futex_wake(&there);
	futex_wait(&back);
}

/* ---- an eventfd in an epoll there and one back ---- */

struct end {
	int event, epoll;
};

static struct end ends[2];

static void end_open(struct end *end)
{
	struct epoll_event in = {.events = EPOLLIN};

	end->event = eventfd(0, EFD_NONBLOCK);
	end->epoll = epoll_create1(0);
	if (end->event < 0 || end->epoll < 0)
		bench_die("no eventfd");
	epoll_ctl(end->epoll, EPOLL_CTL_ADD, end->event, &in);
}

static void end_wake(struct end *end)
{
	const uint64_t one = 1;

	if (write(end->event, &one, sizeof one) < 0)
		bench_die("eventfd");
}

static void end_wait(struct end *end)
{
	struct epoll_event event;
	uint64_t count;

	epoll_wait(end->epoll, &event, 1, -1);
	if (read(end->event, &count, sizeof count) < 0)
		bench_die("eventfd");
}

static void *answer_event(void *arg)
{
	for (;;) {
		end_wait(&ends[0]);
		end_wake(&ends[1]);
	}
	return arg;
}

static void ask_event(void)
{
	end_wake(&ends[0]);
	end_wait(&ends[1]);
}

/* ---- the rows ---- */

static double trips(size_t n, void (*ask)(void))
{
	struct bench_samples samples;

	bench_samples_init(&samples, n);
	for (size_t i = 0; i < n; i++) {
		double begin = bench_ns();
		ask();
		bench_samples_add(&samples, bench_ns() - begin);
	}
	return bench_samples_quantile(&samples, 0.5);
}

static void measure(const struct bench_case *c, double *values)
{
	bench_thread(answer_futex, NULL);
	values[0] = trips(c->n, ask_futex);
	end_open(&ends[0]);
	end_open(&ends[1]);
	bench_thread(answer_event, NULL);
	values[1] = trips(c->n, ask_event);
	values[2] = bench_bare_switch();
}

void bench_floors(void)
{
	const struct bench_stat stats[] = {
	    {.name = "futex_p50"}, {.name = "eventfd_epoll_p50"}, {.name = "bare_switch"}};
	struct bench_case c = {.work = "floor", .n = bench_amount(10000)};

	for (c.cores = 2; c.cores > 0; c.cores--)
		bench_alone(&c, stats, 3, measure);
}
