/*
 * s_select_rules.c: a select refuses what belongs to another process, as a whole; cases of every kind can be switched off;
 * what a case's plain call would refuse, its case refuses too.
 */
#include "in_child.h"
#include "r_net.h"
#include "s_select.h"

#include <interloop/sync.h>

#include <signal.h>

/* ---- inherited objects ---- */

struct inherited {
	il_case cases[12];
	size_t count;
};

static int select_inherited(void *arg)
{
	struct inherited *x = arg;

	for (size_t i = 0; i < x->count; i++) {
		int rc = il_select(&x->cases[i], 1, 0);
		if (rc != -ESHUTDOWN) {
			dprintf(STDERR_FILENO, "case %zu: %d", i, rc);
			return 1;
		}
	}
	return 0;
}

IL_TEST_REAL(S, n377_a_forked_child_selects_nothing_that_it_inherited)
{
	struct inherited x = {.count = 0};
	struct both_ends c = new_channel(1);
	il_event *event = new_event();
	il_semaphore *semaphore = new_semaphore(1, 1);
	il_lock *lock = new_lock();
	il_limiter *limiter = new_limiter(1);
	il_future *future = new_future();
	il_datagram *d = bound("127.0.0.1");
	struct ends e = ends_of(PAIR);
	il_listener *listener = listen_here();
	il_signal_receiver *signals = NULL;
	il_process *process = NULL;
	char *argv[] = {"sleep", "60", NULL};
	int item = 1;

	CHECK_RC(il_signal_receiver_open(&signals, (const int[]){SIGUSR1}, 1), 0);
	CHECK_RC(il_process_spawn(&process, argv, NULL), 0);
	x.cases[x.count++] = il_case_receive(c.in, &item);
	x.cases[x.count++] = il_case_send(c.out, &item);
	x.cases[x.count++] = il_case_semaphore(semaphore);
	x.cases[x.count++] = il_case_lock(lock);
	x.cases[x.count++] = il_case_limiter(limiter);
	x.cases[x.count++] = il_case_event(event);
	x.cases[x.count++] = il_case_future(future);
	x.cases[x.count++] = il_case_datagram(d);
	x.cases[x.count++] = il_case_stream(e.a, IL_READABLE);
	x.cases[x.count++] = il_case_listener(listener);
	x.cases[x.count++] = il_case_signal(signals, NULL);
	x.cases[x.count++] = il_case_process(process);
	CHECK_IN_CHILD(select_inherited, &x);
	CHECK_RC(il_select(&x.cases[1], 1, 0), 0);
	CHECK_RC(il_select(&x.cases[0], 1, 0), 0);
	il_process_destroy(process);
	il_signal_receiver_destroy(signals);
	il_listener_destroy(listener);
	drop(&e);
	il_datagram_destroy(d);
	il_future_unref(future);
	il_limiter_destroy(limiter);
	il_lock_destroy(lock);
	il_semaphore_destroy(semaphore);
	il_event_destroy(event);
	destroy_channel(&c);
}

/* ---- switched off ---- */

IL_TEST(S, n368_a_case_of_every_kind_can_be_switched_off)
{
	int item = 0, number = 0;
	il_case off[] = {il_case_receive(NULL, &item),
			 il_case_send(NULL, &item),
			 il_case_semaphore(NULL),
			 il_case_lock(NULL),
			 il_case_limiter(NULL),
			 il_case_signal(NULL, &number),
			 il_case_event(NULL),
			 il_case_future(NULL),
			 il_case_fd(-1, IL_READABLE),
			 il_case_fd(-5, 0),
			 il_case_stream(NULL, IL_READABLE),
			 il_case_client(NULL),
			 il_case_datagram(NULL),
			 il_case_listener(NULL),
			 il_case_process(NULL)};
	const size_t count = sizeof off / sizeof off[0];

	CHECK_RC(il_select(off, count, 0), -ETIMEDOUT);
	CHECK_RC(il_select(off, count, IL_MSEC(1)), -ETIMEDOUT);
}

/* ---- what a case cannot be asked for ---- */

IL_TEST(S, n374_a_case_asks_for_directions_that_there_are)
{
	struct both_ends c = new_channel(1);
	int fds[2], item = 7;
	il_case cases[2] = {il_case_send(c.out, &item), il_case_fd(0, 0)};

	CHECK_EQ(pipe(fds), 0);
	for (unsigned mask = 0; mask < 16; mask++) {
		if (mask >= IL_READABLE && mask <= (IL_READABLE | IL_WRITABLE))
			continue;
		cases[1] = il_case_fd(fds[0], mask);
		CHECK_RC(il_select(cases, 2, 0), -EINVAL);
		CHECK_RC(il_select(cases, 2, IL_SEC(1)), -EINVAL);
	}
	CHECK_EQ(il_receiver_get_statistics(c.in).buffered, 0);
	close(fds[0]);
	close(fds[1]);
	destroy_channel(&c);
}

IL_TEST_REAL(S, n375_a_stream_case_asks_for_directions_that_there_are)
{
	struct ends e = ends_of(PAIR);

	for (unsigned mask = 0; mask < 16; mask++) {
		il_case c = il_case_stream(e.a, mask);
		if (mask >= IL_READABLE && mask <= (IL_READABLE | IL_WRITABLE))
			continue;
		CHECK_RC(il_select(&c, 1, 0), -EINVAL);
	}
	drop(&e);
}

IL_TEST(S, n373_who_has_it_already_is_told_so)
{
	il_lock *lock = new_lock();
	il_limiter *limiter = new_limiter(1);
	il_case cases[2];

	CHECK_RC(il_lock_acquire(lock), 0);
	CHECK_RC(il_limiter_acquire(limiter), 0);
	cases[0] = il_case_lock(lock);
	cases[1] = il_case_limiter(limiter);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_select(&cases[i], 1, IL_FOREVER), 0);
		CHECK_RC(cases[i].rc, -EALREADY);
		CHECK_RC(il_select(&cases[i], 1, 0), 0);
		CHECK_RC(cases[i].rc, -EALREADY);
	}
	CHECK_EQ(il_limiter_borrowed(limiter), 1);
	CHECK_RC(il_limiter_release(limiter), 0);
	CHECK_RC(il_lock_release(lock), 0);
	il_limiter_destroy(limiter);
	il_lock_destroy(lock);
}

IL_TEST_REAL(S, n376_a_closed_receiver_is_ready_and_a_number_need_not_be_stored)
{
	il_signal_receiver *r = NULL;
	il_case c;

	CHECK_RC(il_signal_receiver_open(&r, (const int[]){SIGUSR1}, 1), 0);
	c = il_case_signal(r, NULL);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
	CHECK_RC(c.rc, SIGUSR1);
	CHECK_RC(il_select(&c, 1, 0), -ETIMEDOUT);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
	CHECK_RC(c.rc, -EBADF);
	il_signal_receiver_destroy(r);
}

IL_TEST_REAL(S, n375_closed_ends_are_ready_without_waiting)
{
	struct ends e = ends_of(TCP);
	il_client *client = NULL;
	il_datagram *d = bound("127.0.0.1");
	il_listener *listener = listen_here();
	il_case cases[4];

	CHECK_RC(il_client_open(&client, e.b, il_protocol_lines(), NULL), 0);
	cases[0] = il_case_stream(e.a, IL_READABLE | IL_WRITABLE);
	cases[1] = il_case_client(client);
	cases[2] = il_case_datagram(d);
	cases[3] = il_case_listener(listener);
	CHECK_RC(il_stream_close(e.a), 0);
	CHECK_RC(il_client_close(client), 0);
	CHECK_RC(il_datagram_close(d), 0);
	CHECK_RC(il_listener_close(listener), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_RC(il_select(&cases[i], 1, IL_FOREVER), 0);
		CHECK_RC(cases[i].rc, -EBADF);
	}
	il_client_destroy(client);
	il_stream_destroy(e.a);
	il_datagram_destroy(d);
	il_listener_destroy(listener);
}

/* ---- the loop's end ---- */

struct chosen {
	il_event *event;
	int rc;
};

static int select_to_the_end(void *arg)
{
	struct chosen *x = arg;
	il_case c = il_case_event(x->event);

	x->rc = il_select(&c, 1, IL_FOREVER);
	return 0;
}

static int leave_it_selecting(void *arg)
{
	struct chosen *x = arg;

	CHECK_RC(il_event_create(&x->event), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, select_to_the_end, x), 0);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
	return 0;
}

IL_TEST_OWN(S, n366_a_loop_that_ends_cancels_a_select)
{
	struct chosen x = {.rc = 0};

	CHECK_RC(il_run(il_test_backend(), leave_it_selecting, &x), 0);
	CHECK_RC(x.rc, -ECANCELED);
	il_event_destroy(x.event);
}
