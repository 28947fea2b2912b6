/*
 * t_priority.c: a task waits for urgent data (POLLPRI), which native loops know nothing of.
 */
#include "l_net.h"

#include <poll.h>

static void send_urgent(const il_stream *s)
{
	CHECK_EQ(send(il_stream_fd(s), "!", 1, MSG_OOB), 1);
}

static void take_urgent(const il_stream *s)
{
	char byte = 0;

	CHECK_EQ(recv(il_stream_fd(s), &byte, 1, MSG_OOB), 1);
	CHECK_EQ(byte, '!');
}

static int side_urgent(void *arg)
{
	struct side *s = arg;

	return il_wait_fd(il_stream_fd(s->object), IL_PRIORITY | (unsigned)s->size);
}

#if IL_TEST_PORTABLE || !defined(__linux__)

IL_TEST_REAL(T, urgent_data_cannot_be_waited_for_here)
{
	struct ends e = ends_of(TCP);

	CHECK_RC(il_wait_fd(il_stream_fd(e.a), IL_PRIORITY), -ENOTSUP);
	drop(&e);
	(void)send_urgent;
	(void)take_urgent;
	(void)side_urgent;
}

#else

IL_TEST_REAL(T, urgent_data_wakes_who_waits_for_it)
{
	struct ends e = ends_of(TCP);
	struct side waiter = {.size = 0}, reader = {.size = 0};

	for (int i = 0; i < 3; i++) {
		side_start(&waiter, side_urgent, e.b);
		il_test_pause();
		CHECK(!waiter.ended);
		send_urgent(e.a);
		CHECK_RC(side_join(&waiter), IL_PRIORITY);
		CHECK_RC(il_wait_fd(il_stream_fd(e.b), IL_PRIORITY), IL_PRIORITY); /* it is there */
		take_urgent(e.b);
	}
	side_start(&waiter, side_urgent, e.b);
	say(e.a, "no hurry"); /* what is not urgent wakes others */
	side_start(&reader, side_read, e.b);
	CHECK_RC(side_join(&reader), 8);
	CHECK(!waiter.ended);
	CHECK_RC(il_stream_close(e.b), 0);
	CHECK_RC(side_join(&waiter), -EBADF);
	drop(&e);
}

IL_TEST_REAL(T, urgent_data_and_other_directions_are_waited_for_at_once)
{
	struct ends e = ends_of(TCP);
	struct side waiter = {.size = IL_READABLE};
	int fd = il_stream_fd(e.b);

	side_start(&waiter, side_urgent, e.b);
	CHECK_RC(il_wait_fd(fd, IL_PRIORITY), -EBUSY);
	CHECK_RC(il_wait_readable(fd), -EBUSY);
	CHECK_RC(il_wait_writable(fd), 0);
	say(e.a, "plain");
	CHECK_RC(side_join(&waiter), IL_READABLE);
	check_hears(e.b, "plain");
	waiter.size = IL_READABLE;
	side_start(&waiter, side_urgent, e.b);
	send_urgent(e.a);
	CHECK(side_join(&waiter) & (int)IL_PRIORITY);
	CHECK_RC(il_wait_fd(fd, IL_PRIORITY | IL_WRITABLE), IL_PRIORITY | IL_WRITABLE);
	drop(&e);
}

IL_TEST_REAL(T, a_wait_for_urgent_data_leaves_no_descriptor_behind)
{
	struct ends e = ends_of(TCP);
	struct side waiter = {.size = 0};
	int before = open_descriptors();

	for (int i = 0; i < 3; i++) {
		side_start(&waiter, side_urgent, e.b);
		il_test_pause();
		if (i == 0) {
			il_scope_cancel(&waiter.scope);
			CHECK_RC(side_join(&waiter), -ECANCELED);
		} else if (i == 1) {
			CHECK_RC(il_notify_closing(il_stream_fd(e.b)), 0);
			CHECK_RC(side_join(&waiter), -ECANCELED);
		} else {
			send_urgent(e.a);
			CHECK_RC(side_join(&waiter), IL_PRIORITY);
		}
		CHECK_EQ(open_descriptors(), before);
	}
	drop(&e);
}

/* A task that takes the urgent data in the turn that has woken another one for it, and ends what that waits in. */
struct thief {
	int pipe[2];
	struct side side, *robbed;
	bool announces; /* a close, rather than cancel */
};

static int side_rob(void *arg)
{
	struct side *s = arg;
	struct thief *t = s->object;
	int fd = il_stream_fd(t->robbed->object);
	char byte;

	CHECK_RC(il_wait_readable(t->pipe[0]), 0);
	if (t->robbed->ended)
		return 0;
	(void)!recv(fd, &byte, 1, MSG_OOB);
	return t->announces ? il_notify_closing(fd) : il_scope_cancel(&t->robbed->scope);
}

/* Two thieves: whichever way round the loop tells what is ready, one runs before the waiter. */
static void check_robbed(bool announces)
{
	struct ends e = ends_of(TCP);
	struct side waiter = {.size = 0};
	struct pollfd urgent = {.fd = il_stream_fd(e.b), .events = POLLPRI};
	struct thief t[2];

	side_start(&waiter, side_urgent, e.b);
	for (int i = 0; i < 2; i++) {
		t[i] = (struct thief){.robbed = &waiter, .announces = announces};
		CHECK_EQ(pipe(t[i].pipe), 0);
		side_start(&t[i].side, side_rob, &t[i]);
	}
	il_test_pause();
	CHECK_EQ(write(t[0].pipe[1], "x", 1), 1);
	send_urgent(e.a);
	CHECK_EQ(poll(&urgent, 1, -1), 1); /* it is there when they run */
	CHECK_EQ(write(t[1].pipe[1], "x", 1), 1);
	CHECK_RC(side_join(&waiter), -ECANCELED);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(side_join(&t[i].side), 0);
		close(t[i].pipe[0]);
		close(t[i].pipe[1]);
	}
	drop(&e);
}

IL_TEST_REAL(T, a_wait_for_urgent_data_that_another_took_ends_when_it_is_cancelled)
{
	check_robbed(false);
}

IL_TEST_REAL(T, a_wait_for_urgent_data_that_another_took_ends_when_a_close_is_announced)
{
	check_robbed(true);
}

#endif
