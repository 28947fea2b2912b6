/*
 * l_registration.c: a stream that is in use stays registered with the native loop, for to register it anew takes
 * several system calls; and of a worker process no more is registered than is needed. epoll_ctl of this executable counts.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "l_net.h"

#include <dlfcn.h>
#include <limits.h>
#include <sys/epoll.h>

enum { PEERS = 48, ROUNDS = 8, CALLS = 100, FDS = 1024 };

static atomic_int registrations;
static atomic_bool registered[FDS];

int epoll_ctl(int poller, int op, int fd, struct epoll_event *event)
{
	int (*real)(int, int, int, struct epoll_event *);

	*(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
	atomic_fetch_add(&registrations, 1);
	if (fd < FDS)
		atomic_store(&registered[fd], true);
	return real(poller, op, fd, event);
}

/* Longer than a turn has for all of them, if they take turns at it. */
static void work(void)
{
	il_time until = il_now() + IL_USEC(20);

	while (il_now() < until)
		;
}

/* The peer asks again before it is answered, and the answer only yields. */
static int answer(void *arg)
{
	struct ends *e = arg;
	char request[64];

	for (int round = 0; round < ROUNDS; round++) {
		check_hears(e->a, "ask");
		if (round + 1 < ROUNDS)
			slip(e->b, "ask");
		work();
		CHECK_RC(il_stream_write_all(e->a, "answer", 6), 0);
		CHECK_EQ(recv(il_stream_fd(e->b), request, sizeof request, 0), 6);
	}
	return 0;
}

IL_TEST_REAL(L, streams_of_tasks_that_yield_before_they_wait_stay_registered)
{
	struct ends ends[PEERS];
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	for (int i = 0; i < PEERS; i++) {
		ends[i] = ends_of(PAIR);
		CHECK_RC(il_group_start_soon(&group, NULL, answer, &ends[i]), 0);
	}
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* all wait now, */
	CHECK_RC(il_sleep(IL_MSEC(1)),
		 0); /* and the native loop, which may put it off to its next poll, knows */
	atomic_store(&registrations, 0);
	for (int i = 0; i < PEERS; i++)
		slip(ends[i].b, "ask");
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_EQ(atomic_load(&registrations), 0);
	for (int i = 0; i < PEERS; i++)
		drop(&ends[i]);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int registered_by_call(il_executor *ex)
{
	int count = 0;

	for (int fd = 0; fd < FDS; fd++)
		atomic_store(&registered[fd], false);
	CHECK_RC(il_executor_run(ex, nothing, NULL, 0), 0);
	for (int fd = 0; fd < FDS; fd++)
		count += atomic_load(&registered[fd]);
	return count;
}

/* The worker's stderr and its handle are watched if a call lasts, as on a busy machine some do. */
IL_TEST_REAL(L, a_short_call_in_a_worker_process_registers_its_stream_alone)
{
	il_executor *ex = NULL;
	int least = FDS;

	CHECK_RC(il_process_pool_create(&ex, &(il_process_pool_options){.max_workers = 1}), 0);
	CHECK_RC(il_executor_run(ex, nothing, NULL, 0), 0);
	for (int i = 0; i < CALLS && least > 1; i++) {
		int count = registered_by_call(ex);
		least = count < least ? count : least;
	}
	CHECK(least <= 1);
	il_executor_destroy(ex);
}

/* The worker has the next call before the loop would take its stream away. */
IL_TEST_REAL(L, calls_that_wait_for_a_worker_process_do_not_register_it_anew)
{
	il_executor *ex = NULL;
	char items[CALLS] = {0};
	int least = INT_MAX;

	CHECK_RC(il_process_pool_create(&ex, &(il_process_pool_options){.max_workers = 1}), 0);
	CHECK_RC(il_executor_run(ex, nothing, NULL, 0), 0);
	for (int i = 0; i < CALLS && least >= CALLS; i++) {
		atomic_store(&registrations, 0);
		CHECK_RC(il_executor_map(ex, nothing, items, CALLS, 1, NULL, IL_FOREVER), 0);
		least = registrations < least ? registrations : least;
	}
	CHECK(least < CALLS);
	il_executor_destroy(ex);
}
