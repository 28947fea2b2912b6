/*
 * s_select_children.c: signals and children in a select: a signal is taken only if its case happens; the end of a
 * child is told to everybody who waits for it.
 */
#include "children.h"
#include "s_select.h"

static il_signal_receiver *receive(int number)
{
	il_signal_receiver_options take = {.take = true};
	il_signal_receiver *r = NULL;

	CHECK_RC(il_signal_receiver_open_with(&r, &number, 1, &take), 0);
	return r;
}

/* Ends with 3 when its input does. */
static il_process *start_child(void)
{
	return spawned(SH("read line; exit 3"), &piped);
}

/* ---- 376 ---- */

IL_TEST_REAL(S, n376_a_signal_is_taken_only_if_its_case_happens)
{
	il_signal_receiver *r = receive(SIGTERM);
	struct both_ends c = new_channel(1);
	int number = 0, item = 0;
	il_case cases[] = {il_case_receive(c.in, &item), il_case_signal(r, &number)};

	CHECK_EQ(raise(SIGTERM), 0);
	send_now(&c, 1);
	CHECK_EQ(il_select(cases, 2, IL_FOREVER), 0);
	CHECK_EQ(number, 0);
	CHECK_EQ(il_select(cases, 2, IL_FOREVER), 1);
	CHECK_EQ(number, SIGTERM);
	CHECK_RC(cases[1].rc, SIGTERM);
	CHECK_RC(il_select(cases, 2, 0), -ETIMEDOUT);
	CHECK_EQ(raise(SIGTERM), 0);
	send_now(&c, 2);
	CHECK_EQ(il_select(cases, 2, 0), 0);
	CHECK_RC(il_signal_receiver_next(r, 0), SIGTERM);
	il_signal_receiver_destroy(r);
	destroy_channel(&c);
}

IL_TEST_REAL(S, n376_what_comes_when_another_case_has_happened_stays)
{
	il_signal_receiver *r = receive(SIGTERM);
	il_event *e = new_event();
	struct chooser c = {.cases = {il_case_signal(r, NULL), il_case_event(e)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	CHECK_RC(il_signal_receiver_next(r, 0), -EBUSY);
	CHECK_RC(poll_case(c.cases[0]), -EBUSY);
	CHECK_RC(il_event_set(e), 0);
	CHECK_EQ(raise(SIGTERM), 0);
	CHECK_RC(il_signal_receiver_next(r, 0), SIGTERM);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 1, 0);
	il_event_destroy(e);
	il_signal_receiver_destroy(r);
}

IL_TEST_REAL(S, n376_a_signal_wakes_a_select)
{
	il_signal_receiver *r = receive(SIGTERM);
	struct chooser c = {.cases = {il_case_signal(r, NULL)}};
	il_group g;

	for (int i = 0; i < 20; i++) {
		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &c, 1);
		CHECK_EQ(raise(SIGTERM), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_chose(&c, 0, SIGTERM);
	}
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK_RC(poll_case(c.cases[0]), -EBADF);
	il_signal_receiver_destroy(r);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, -EBADF);
}

IL_TEST_REAL(S, n376_a_childs_end_is_told_to_a_select_and_to_another_task)
{
	il_process *p = start_child();
	struct both_ends channel = new_channel(1);
	int item = 0;
	struct chooser c = {.cases = {il_case_receive(channel.in, &item), il_case_process(p)}};
	struct waiter w = {.rc = 1};
	il_group g;

	CHECK_RC(poll_case(c.cases[1]), -ETIMEDOUT);
	CHECK_RC(il_select(c.cases, 2, IL_MSEC(1)), -ETIMEDOUT);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	start_waiting(&g, &w, wait_process, p);
	CHECK_RC(il_stream_close(il_process_stdin(p)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 1, 3);
	check_waited(&w, 3);
	CHECK_RC(poll_case(c.cases[1]), 3);
	CHECK_RC(il_process_wait(p), 3);
	il_process_destroy(p);
	destroy_channel(&channel);
}

IL_TEST_REAL(S, n376_a_child_that_is_destroyed_meanwhile)
{
	il_process *p =
	    spawned(SH("exec sleep 100"), &piped); /* which its closed input does not end */
	struct chooser c = {.cases = {il_case_process(p)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	il_process_destroy(p);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, IL_PROCESS_SIGNALED + SIGKILL);
}

IL_TEST_REAL(S, n376_signal_child_and_channel_in_one_select)
{
	il_signal_receiver *r = receive(SIGTERM);
	il_process *p = start_child();
	struct both_ends channel = new_channel(1);
	int item = 0, number = 0, seen = 0;
	il_case cases[] = {il_case_receive(channel.in, &item), il_case_process(p),
			   il_case_signal(r, &number)};

	send_now(&channel, 1);
	CHECK_RC(il_stream_close(il_process_stdin(p)), 0);
	CHECK_EQ(raise(SIGTERM), 0);
	for (int n = 0; n < 3; n++) {
		int i = il_select(cases, 3, IL_FOREVER);
		CHECK(i >= 0 && cases[i].object);
		seen |= 1 << i;
		cases[i].object = NULL;
	}
	CHECK_EQ(seen, 7);
	CHECK_EQ(number, SIGTERM);
	CHECK_RC(cases[1].rc, 3);
	il_process_destroy(p);
	il_signal_receiver_destroy(r);
	destroy_channel(&channel);
}
