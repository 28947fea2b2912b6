/*
 * v_dump_cases.c: a dump says of each case of a select what would fire it, whatever it is a case of.
 */
#define _GNU_SOURCE
#include "objects.h"
#include "v_dump.h"

#include <signal.h>

static struct {
	il_case cases[4];
	size_t count;
} selected;

static int select_all(void *unused)
{
	(void)unused;
	return il_select(selected.cases, selected.count, IL_FOREVER);
}

IL_TEST(V, a_select_says_which_primitives_it_waits_for)
{
	il_semaphore *semaphore = new_semaphore(0, 1);
	il_limiter *limiter = new_limiter(0);
	il_lock *lock = new_lock();
	il_future *future = new_future();

	CHECK_RC(il_lock_acquire(lock), 0);
	selected.cases[0] = il_case_semaphore(semaphore);
	selected.cases[1] = il_case_limiter(limiter);
	selected.cases[2] = il_case_lock(lock);
	selected.cases[3] = il_case_future(future);
	selected.count = 4;
	CHECK_WAITS(select_all, NULL, "il_select", "4 cases", "0: ", "semaphore", "1: ", "limiter",
		    "2: ", "lock", "3: ", "future");
	CHECK_RC(il_lock_release(lock), 0);
	il_future_unref(future);
	il_lock_destroy(lock);
	il_limiter_destroy(limiter);
	il_semaphore_destroy(semaphore);
}

IL_TEST(V, a_select_says_which_side_of_a_channel_it_waits_for)
{
	il_receiver *receiver = NULL, *other_receiver = NULL;
	il_sender *sender = NULL, *other_sender = NULL;
	int item = 0;

	CHECK_RC(il_channel_create(&sender, &receiver, sizeof item, 0), 0);
	CHECK_RC(il_channel_create(&other_sender, &other_receiver, sizeof item, 0), 0);
	selected.cases[0] = il_case_receive(receiver, &item);
	selected.cases[1] = il_case_send(other_sender, &item);
	selected.count = 2;
	CHECK_WAITS(select_all, NULL, "il_select", "2 cases", "0: ", "channel", "1: ", "channel");
	il_sender_destroy(sender);
	il_receiver_destroy(receiver);
	il_sender_destroy(other_sender);
	il_receiver_destroy(other_receiver);
}

IL_TEST_REAL(V, a_select_says_which_sockets_it_waits_for)
{
	il_stream *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	il_listener *listener = NULL;
	il_datagram *datagram = NULL;
	il_client *client = NULL;

	CHECK_RC(il_stream_pair(&a, &b), 0);
	CHECK_RC(il_stream_pair(&c, &d), 0);
	CHECK_RC(il_client_open(&client, c, il_protocol_lines(), NULL), 0);
	CHECK_RC(il_listener_open_tcp(&listener, "127.0.0.1", "0", NULL), 0);
	CHECK_RC(il_datagram_open_udp(&datagram, "127.0.0.1", "0", NULL), 0);
	selected.cases[0] = il_case_stream(a, IL_READABLE);
	selected.cases[1] = il_case_listener(listener);
	selected.cases[2] = il_case_datagram(datagram);
	selected.cases[3] = il_case_client(client);
	selected.count = 4;
	CHECK_WAITS(select_all, NULL, "il_select", "4 cases", "0: a stream", "readable",
		    "1: a connect to", "2: a datagram", "3: a packet of client unnamed");
	il_client_destroy(client);
	il_datagram_destroy(datagram);
	il_listener_destroy(listener);
	il_stream_destroy(a);
	il_stream_destroy(b);
	il_stream_destroy(d);
}

IL_TEST_REAL(V, a_select_says_which_child_and_signals_it_waits_for)
{
	char *argv[] = {"sleep", "60", NULL}, number[32];
	const int signals[] = {SIGUSR1, SIGUSR2};
	il_signal_receiver *receiver = NULL;
	il_process *process = NULL;
	int signal_number = 0;

	CHECK_RC(il_signal_receiver_open(&receiver, signals, 2), 0);
	CHECK_RC(il_process_spawn(&process, argv, NULL), 0);
	snprintf(number, sizeof number, "child %d", il_process_pid(process));
	selected.cases[0] = il_case_signal(receiver, &signal_number);
	selected.cases[1] = il_case_process(process);
	selected.count = 2;
	CHECK_WAITS(select_all, NULL, "il_select", "0: one of 2 signals", "1: the end of", number);
	CHECK_RC(il_process_kill(process), 0);
	CHECK_RC(il_process_wait(process), 256 + SIGKILL);
	il_process_destroy(process);
	il_signal_receiver_destroy(receiver);
}
