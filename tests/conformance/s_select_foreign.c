/*
 * s_select_foreign.c: cases whose objects belong to another loop: of every kind that has a loop,
 * the whole select is refused before anything is waited for or taken.
 */
#include "aside.h"
#include "l_net.h"
#include "s_select.h"

#include <interloop/server.h>
#include <signal.h>

/* One of each, of this test's loop. */
struct objects {
	struct ends ends, pair;
	il_client *client;
	il_listener *listener;
	il_datagram *datagram;
	il_signal_receiver *receiver;
	il_process *process;
	int number;
};

static void objects_open(struct objects *o)
{
	const int number = SIGUSR1;

	*o = (struct objects){.ends = ends_of(PAIR), .pair = ends_of(PAIR)};
	CHECK_RC(il_client_open(&o->client, o->pair.a, il_protocol_lines(), NULL), 0);
	o->listener = listen_here();
	CHECK_RC(il_datagram_open_udp(&o->datagram, "127.0.0.1", "0", NULL), 0);
	CHECK_RC(il_signal_receiver_open(&o->receiver, &number, 1), 0);
	CHECK_RC(il_process_spawn(&o->process, (char *[]){"true", NULL}, NULL), 0);
	say(o->ends.b, "ready");
	say(o->pair.b, "ready\n");
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_process_wait(o->process), 0);
}

static void objects_drop(struct objects *o)
{
	il_packet p;

	check_hears(o->ends.a, "ready");
	CHECK_RC(il_client_receive(o->client, &p, IL_FOREVER), 1);
	CHECK_RC(il_signal_receiver_next(o->receiver, IL_FOREVER), SIGUSR1);
	CHECK_EQ(o->number, 0);
	drop(&o->ends);
	il_client_destroy(o->client);
	il_stream_destroy(o->pair.b);
	il_listener_destroy(o->listener);
	il_datagram_destroy(o->datagram);
	il_signal_receiver_destroy(o->receiver);
	il_process_destroy(o->process);
}

static int refuse_all(void *arg)
{
	struct objects *o = arg;
	il_case foreign[] = {il_case_stream(o->ends.a, IL_READABLE | IL_WRITABLE),
			     il_case_client(o->client),
			     il_case_listener(o->listener),
			     il_case_datagram(o->datagram),
			     il_case_signal(o->receiver, &o->number),
			     il_case_process(o->process)};
	il_future *f = new_future();

	CHECK_RC(il_future_set_result(f, 0), 0);
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		il_case cases[] = {il_case_future(f), foreign[i]};
		CHECK_RC(il_select(cases, 2, 0), -EPERM);
		CHECK_RC(il_select(cases, 2, IL_SEC(1)), -EPERM);
	}
	il_future_unref(f);
	return 0;
}

static int refuse_in_another_loop(void *arg)
{
	return il_run(il_test_backend(), refuse_all, arg);
}

IL_TEST_REAL(S, n377_connections_signals_and_children_of_another_loop_are_refused)
{
	struct objects o;

	objects_open(&o);
	CHECK_RC(il_test_aside(refuse_all, &o), 0);
	CHECK_RC(il_test_aside(refuse_in_another_loop, &o), 0);
	objects_drop(&o);
}
