/*
 * s_select_fds.c: descriptors and listeners in a select: one waiter per direction, whoever it is; closing what a
 * select waits for is told; and nothing is read or accepted.
 */
#include "l_net.h"
#include "s_select.h"
#include "waiter.h"
#include "waits.h"

static void make_pipe(int fd[2])
{
	CHECK_EQ(pipe(fd), 0);
}

static void close_both(const int fd[2])
{
	CHECK_EQ(close(fd[0]), 0);
	CHECK_EQ(close(fd[1]), 0);
}

/* ---- 374 ---- */

IL_TEST(S, n374_a_descriptor_is_ready_for_what_it_is_ready_for)
{
	int fd[2];
	const unsigned both = IL_READABLE | IL_WRITABLE;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	CHECK_RC(poll_case(il_case_fd(fd[0], IL_READABLE)), -ETIMEDOUT);
	CHECK_RC(poll_case(il_case_fd(fd[0], both)), IL_WRITABLE);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_RC(poll_case(il_case_fd(fd[0], both)), (int)both);
	CHECK_RC(poll_case(il_case_fd(fd[0], IL_READABLE)), IL_READABLE);
	CHECK_RC(poll_case(il_case_fd(-1, both)), -ETIMEDOUT);
	CHECK_RC(poll_case(il_case_fd(fd[0], 0)), -EINVAL);
	CHECK_RC(poll_case(il_case_fd(fd[0], 8)), -EINVAL);
	close_both(fd);
	CHECK_RC(poll_case(il_case_fd(fd[0], both)), -EBADF);
}

static int put_soon(void *arg)
{
	const int *fd = arg;
	int rc = il_sleep(IL_MSEC(2));

	CHECK_EQ(write(fd[1], "x", 1), 1);
	return rc;
}

IL_TEST(S, n374_a_select_waits_for_a_descriptor_and_others)
{
	int fd[2], idle[2];
	il_event *e = new_event();
	il_case cases[3];

	make_pipe(fd);
	make_pipe(idle);
	cases[0] = il_case_event(e);
	cases[1] = il_case_fd(idle[0], IL_READABLE);
	cases[2] = il_case_fd(fd[0], IL_READABLE);
	for (int i = 0; i < 20; i++) {
		char byte;
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, put_soon, fd), 0);
		CHECK_EQ(il_select(cases, 3, IL_FOREVER), 2);
		CHECK_RC(cases[2].rc, IL_READABLE);
		CHECK_EQ(read(fd[0], &byte, 1), 1);
		CHECK_RC(il_group_close(&g, 0), 0);
		CHECK_RC(il_select(cases, 3, IL_MSEC(1)), -ETIMEDOUT);
	}
	close_both(fd);
	close_both(idle);
	il_event_destroy(e);
}

IL_TEST(S, n374_a_second_waiter_of_a_direction_is_refused_before_anything_is_waited_for)
{
	int fd[2];
	struct waiter w = {.rc = 1};
	struct both_ends c = new_channel(1);
	int item = 0;
	il_case cases[2];
	il_group g;

	make_pipe(fd);
	send_now(&c, 1);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_readable, &fd[0]);
	cases[0] = il_case_receive(c.in, &item);
	cases[1] = il_case_fd(fd[0], IL_READABLE);
	CHECK_RC(il_select(cases, 2, IL_FOREVER), -EBUSY);
	CHECK_RC(il_select(cases, 2, 0), -EBUSY);
	check_next(&c, 1);
	CHECK_RC(il_select(cases, 2, IL_FOREVER), -EBUSY);
	CHECK_EQ(il_receiver_get_statistics(c.in).waiting_receivers, 0);
	CHECK_RC(poll_case(il_case_fd(fd[1], IL_WRITABLE)), IL_WRITABLE);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, 0);
	close_both(fd);
	destroy_channel(&c);
}

static void hear_nothing(void *arg, unsigned mask)
{
	(void)arg;
	(void)mask;
}

IL_TEST_REAL(S, n374_a_descriptor_that_has_a_watch_is_refused_as_such)
{
	il_fd_watch *watch = NULL;
	il_case c;
	int fd[2];

	make_pipe(fd);
	CHECK_RC(il_fd_watch_open(&watch, fd[0], IL_READABLE, hear_nothing, NULL), 0);
	c = il_case_fd(fd[0], IL_READABLE);
	CHECK_RC(il_select(&c, 1, 0), -EBUSY);
	CHECK_DETAIL("or it is watched for a callback");
	il_fd_watch_close(watch);
	CHECK_RC(il_select(&c, 1, 0), -ETIMEDOUT);
	close_both(fd);
}

IL_TEST(S, n374_whoever_comes_after_a_select_is_refused)
{
	int fd[2];
	struct chooser c;
	il_case twice[2];
	il_group g;

	make_pipe(fd);
	c.cases[0] = il_case_fd(fd[0], IL_READABLE);
	twice[0] = twice[1] = c.cases[0];
	CHECK_RC(il_select(twice, 2, IL_FOREVER), -EBUSY);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_wait_readable(fd[0]), -EBUSY);
	CHECK_RC(il_select(twice, 1, IL_FOREVER), -EBUSY);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, IL_READABLE);
	CHECK_RC(il_wait_readable(fd[0]), 0);
	close_both(fd);
}

IL_TEST(S, n374_a_descriptor_about_to_be_closed_is_ready_as_closed)
{
	int fd[2];
	struct chooser c;
	il_group g;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	c.cases[0] = il_case_fd(fd[0], IL_READABLE);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_notify_closing(fd[0]), 0);
	close_both(fd);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, -EBADF);
}

/* Reading and writing of one descriptor: the first direction ends the wait for the other. */
IL_TEST(S, n374_two_directions_in_two_cases)
{
	int fd[2];
	struct chooser c;
	il_group g;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	while (write(fd[0], &(char[4096]){0}, 4096) > 0)
		;
	c.cases[0] = il_case_fd(fd[0], IL_READABLE);
	c.cases[1] = il_case_fd(fd[0], IL_WRITABLE);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, IL_READABLE);
	close_both(fd);
}

/* ---- listeners ---- */

IL_TEST_REAL(S, n374_a_listener_is_ready_when_somebody_can_be_accepted)
{
	il_listener *listener = listen_here();
	struct chooser c;
	il_stream *a = NULL, *b = NULL;
	char port[8];
	il_group g;

	c.cases[0] = il_case_listener(listener);
	CHECK_RC(poll_case(c.cases[0]), -ETIMEDOUT);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_listener_accept(listener, &b), -EBUSY);
	CHECK_RC(poll_case(c.cases[0]), -EBUSY);
	CHECK_RC(il_stream_connect_tcp(&a, "127.0.0.1", port_text(il_listener_port(listener), port),
				       NULL),
		 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
	CHECK_RC(poll_case(c.cases[0]), 0);
	CHECK_RC(il_listener_accept(listener, &b), 0);
	CHECK_RC(poll_case(c.cases[0]), -ETIMEDOUT);
	il_stream_destroy(a);
	il_stream_destroy(b);
	il_listener_destroy(listener);
}

IL_TEST_REAL(S, n374_a_listener_that_is_closed_is_ready_as_closed)
{
	il_listener *listener = listen_here();
	struct chooser c;
	il_group g;

	c.cases[0] = il_case_listener(listener);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_listener_close(listener), 0);
	CHECK_RC(poll_case(c.cases[0]), -EBADF);
	il_listener_destroy(listener);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, -EBADF);
}
