/*
 * v_dump_waits.c: whatever a task waits in, a dump says what for. (Locks, channels, selects and the like: v_dump.c.)
 */
#define _GNU_SOURCE
#include "aside.h"
#include "objects.h"
#include "r_net.h"
#include "v_dump.h"
#include "waits.h"
#include "workers.h"

#include <signal.h>
#include <stdio.h>

static int sleep_long(void *unused)
{
	(void)unused;
	return il_sleep(IL_SEC(60));
}

/* ---- tasks of one loop ---- */

static int borrow(void *limiter)
{
	return il_limiter_acquire(limiter);
}

IL_TEST(V, n416_conditions_and_limiters_say_what_is_missing)
{
	il_condition *condition = new_condition();
	il_limiter *limiter = new_limiter(1);

	CHECK_WAITS(await_condition, condition, "il_condition_wait", "a notification");
	il_condition_destroy(condition);
	CHECK_RC(il_limiter_acquire(limiter), 0);
	CHECK_WAITS(borrow, limiter, "il_limiter_acquire", "a token of limiter ",
		    "1 are borrowed, 1 wait");
	CHECK_RC(il_limiter_release(limiter), 0);
	il_limiter_destroy(limiter);
}

static int wait_all(void *futures)
{
	return il_futures_wait(futures, 2, IL_ALL_COMPLETED, IL_FOREVER);
}

static int wait_next(void *it)
{
	il_future *f;

	return il_as_completed_next(it, &f);
}

/* Each of those who wait says it, so that counting them all would take the square of their number. */
IL_TEST_REAL(V, n416_long_queues_are_not_counted_to_their_end)
{
	enum { WAITERS = 1001 };
	il_event *e = new_event();
	il_group g;
	char *text;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < WAITERS; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, wait_event, e), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "il_event_wait", "event", "1000 or more wait");
	free(text);
	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_event_destroy(e);
}

IL_TEST(V, n416_several_futures_say_how_many_are_done)
{
	il_future *f[2];
	il_as_completed *it = NULL;

	CHECK_RC(il_future_create(&f[0]), 0);
	CHECK_RC(il_future_create(&f[1]), 0);
	CHECK_RC(il_future_set_result(f[0], 1), 0);
	CHECK_WAITS(wait_all, f, "il_futures_wait", "1 of 2 futures are done");
	CHECK_RC(il_as_completed_open(&it, &f[1], 1, IL_FOREVER), 0);
	CHECK_WAITS(wait_next, it, "il_as_completed_next", "0 of 1 futures are done");
	il_as_completed_close(it);
	il_future_unref(f[0]);
	il_future_unref(f[1]);
}

/* Nobody keeps it but whoever has it. */
IL_TEST(V, a_dump_looks_at_no_future_that_was_given_back)
{
	il_future *f[2] = {new_future(), new_future()}, *first = NULL;
	il_as_completed *it = NULL;

	CHECK_RC(il_as_completed_open(&it, f, 2, IL_FOREVER), 0);
	CHECK_RC(il_future_set_result(f[0], 1), 0);
	CHECK_RC(il_as_completed_next(it, &first), 1);
	CHECK(first == f[0]);
	il_future_unref(first);
	CHECK_WAITS(wait_next, it, "il_as_completed_next", "1 of 2 futures are done");
	il_as_completed_close(it);
	il_future_unref(f[1]);
}

static int start_one(void *unused)
{
	il_group g;
	int value, rc;

	(void)unused;
	CHECK_RC(il_group_open(&g), 0);
	rc = il_group_start(&g, &value, sleep_long, NULL);
	return il_group_close(&g, rc);
}

static int join_two(void *unused)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_long, unused), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_long, unused), 0);
	return il_group_close(&g, 0);
}

static int close_portal(void *p)
{
	return il_portal_sleep_until_stopped(p);
}

IL_TEST(V, n416_groups_and_portals_say_whom_they_wait_for)
{
	il_portal *p = il_test_portal();

	CHECK_WAITS(start_one, NULL, "il_group_start", "il_task_started of task ");
	CHECK_WAITS(close_portal, p, "il_portal_sleep_until_stopped", "0 calls");
	CHECK_WAITS(join_two, NULL, "il_group_close", "2 children");
	CHECK_RC(il_portal_close(p), 0);
}

/* ---- sockets and children ---- */

static int receive_datagram(void *d)
{
	char byte;

	return il_datagram_receive(d, &byte, 1, NULL);
}

static int write_much(void *stream)
{
	return il_stream_write_all(stream, il_test_zeros, sizeof il_test_zeros);
}

IL_TEST_REAL(V, n416_sockets_say_their_direction_and_address)
{
	il_stream *a = NULL, *b = NULL;
	il_listener *listener = NULL;
	il_datagram *d = NULL;
	char at[40];

	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", NULL), 0);
	snprintf(at, sizeof at, "(at 127.0.0.1:%u)", (unsigned)il_datagram_port(d));
	CHECK_WAITS(receive_datagram, d, "il_datagram_receive", at, "readable");
	il_datagram_destroy(d);
	CHECK_RC(il_listener_open_tcp(&listener, "127.0.0.1", "0", NULL), 0);
	snprintf(at, sizeof at, "(at 127.0.0.1:%u)", (unsigned)il_listener_port(listener));
	CHECK_WAITS(accept_one, listener, "il_listener_accept", at);
	il_listener_destroy(listener);
	CHECK_RC(il_stream_pair(&a, &b), 0);
	CHECK_WAITS(read_some, a, "il_stream_read", "readable");
	CHECK_WAITS(write_much, a, "il_stream_write_all", "writable");
	il_stream_destroy(a);
	il_stream_destroy(b);
}

/* Until the peer's queue, and the socket's own, are full. */
static int send_many(void *d)
{
	int rc;

	do
		rc = il_datagram_send(d, "x", 1, NULL);
	while (rc == 0);
	return rc;
}

IL_TEST_REAL(V, n416_who_sends_datagrams_says_that_it_waits_for_room)
{
	il_datagram *from = NULL, *to = NULL;
	struct folder f = folder_enter();

	CHECK_RC(il_datagram_open_unix(&to, "to", NULL), 0);
	CHECK_RC(il_datagram_connect_unix(&from, "to", NULL, NULL), 0);
	CHECK_WAITS(send_many, from, "il_datagram_send", "writable");
	il_datagram_destroy(from);
	il_datagram_destroy(to);
	folder_leave(&f);
}

static int wait_urgent(void *stream)
{
	return il_wait_fd(il_stream_fd(stream), IL_PRIORITY);
}

IL_TEST_REAL(V, n416_waits_for_signals_and_urgent_data_say_which)
{
	il_signal_receiver *receiver = NULL;
	il_stream *a = NULL, *b = NULL;
	il_listener *listener = NULL;
	char port[8], at[80];

	CHECK_RC(il_signal_receiver_open(&receiver, (const int[]){SIGUSR2}, 1), 0);
	CHECK_WAITS(next_signal, receiver, "il_signal_receiver_next", "signal ");
	il_signal_receiver_destroy(receiver);
	CHECK_RC(il_listener_open_tcp(&listener, "127.0.0.1", "0", NULL), 0);
	snprintf(port, sizeof port, "%u", (unsigned)il_listener_port(listener));
	CHECK_RC(il_stream_connect_tcp(&a, "127.0.0.1", port, NULL), 0);
	CHECK_RC(il_listener_accept(listener, &b), 0);
	snprintf(at, sizeof at, "urgent data of descriptor %d (127.0.0.1:%s)", il_stream_fd(a),
		 port);
	if (!IL_TEST_PORTABLE) /* there it cannot be waited for */
		CHECK_WAITS(wait_urgent, a, "il_wait_fd", at);
	il_stream_destroy(a);
	il_stream_destroy(b);
	il_listener_destroy(listener);
}

IL_TEST_REAL(V, n416_a_child_says_its_number_and_what_it_runs)
{
	char *argv[] = {"sleep", "60", NULL}, number[32];
	il_process *process = NULL;

	CHECK_RC(il_process_spawn(&process, argv, NULL), 0);
	snprintf(number, sizeof number, "child %d (", il_process_pid(process));
	CHECK_WAITS(wait_process, process, "il_process_wait", number);
	CHECK_RC(il_process_kill(process), 0);
	CHECK_RC(il_process_wait(process), 256 + SIGKILL);
	il_process_destroy(process);
}

/* ---- packets ---- */

static int receive_packet(void *client)
{
	il_packet packet;

	return il_client_receive(client, &packet, IL_FOREVER);
}

static int send_much(void *client)
{
	return il_client_send(client, il_test_zeros, sizeof il_test_zeros);
}

IL_TEST_REAL(V, n416_clients_say_their_direction)
{
	il_stream *ours = NULL, *theirs = NULL;
	il_client *client = NULL;

	CHECK_RC(il_stream_pair(&ours, &theirs), 0);
	CHECK_RC(il_client_open(&client, ours, il_protocol_bytes(), NULL), 0);
	CHECK_WAITS(receive_packet, client, "il_client_receive", "readable");
	CHECK_WAITS(send_much, client, "il_client_send", "writable");
	il_client_destroy(client);
	il_stream_destroy(theirs);
}

/* ---- calls elsewhere ---- */

static il_executor *pool;

static int run_gate(void *gate)
{
	return il_executor_run(pool, stay, gate, 0);
}

IL_TEST_REAL(V, n416_a_call_that_waits_for_a_worker_says_so)
{
	struct gate gate = {.open = false};
	struct child first;
	char *text = NULL;

	pool = new_pool(1);
	child_start(&first, "first", run_gate, &gate);
	UNTIL(atomic_load(&gate.begun) == 1);
	CHECK_WAITS(run_gate, &gate, "il_executor_run", "queued");
	text = dump_loop();
	CHECK_DUMPED(text, "first: il_executor_run", "which runs it");
	free(text);
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&first.group, 0), 0);
	il_future_unref(first.future);
	il_executor_destroy(pool);
}

enum { ITEMS = 3 };

static int map_gates(void *gates)
{
	return il_executor_map(pool, stay, gates, ITEMS, sizeof(struct gate), NULL, IL_FOREVER);
}

IL_TEST_REAL(V, n416_calls_in_a_row_say_how_many_have_not_ended)
{
	struct gate gates[ITEMS] = {{.open = false}};
	struct child c;
	char *text = NULL;

	pool = new_pool(ITEMS);
	atomic_store(&gates[0].open, true);
	child_start(&c, "child", map_gates, gates);
	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_loop();
	} while (!DUMP_HAS(text, "child: il_executor_map for ", "2 of 3 calls have not ended"));
	free(text);
	for (int i = 0; i < ITEMS; i++)
		atomic_store(&gates[i].open, true);
	CHECK_RC(il_group_close(&c.group, 0), 0);
	il_future_unref(c.future);
	il_executor_destroy(pool);
}

static int run_nothing(void *unused)
{
	return il_executor_run(pool, sleep_long, unused, 0);
}

static int take_none(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return -EAGAIN;
}

IL_TEST_REAL(V, n416_a_call_that_waits_for_room_says_so)
{
	const il_executor_ops ops = {.name = "full", .submit = take_none};

	CHECK_RC(il_executor_create(&pool, &ops, NULL), 0);
	CHECK_WAITS(run_nothing, NULL, "il_executor_", "room in the executor for ");
	il_executor_destroy(pool);
}
