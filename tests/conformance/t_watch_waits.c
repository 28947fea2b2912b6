/*
 * t_watch_waits.c: tasks that wait for a descriptor which has a watch: it stays registered between their waits, and
 * nobody notices but who counts system calls.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "l_net.h"

struct watched {
	int fd[2]; /* a pipe */
	il_fd_watch *watch;
};

static void on_nothing(void *arg, unsigned mask)
{
	(void)arg;
	CHECK_EQ(mask, 0); /* never called */
}

static struct watched make_watched(void)
{
	struct watched w;

	CHECK_EQ(pipe2(w.fd, O_NONBLOCK | O_CLOEXEC), 0);
	CHECK_RC(il_fd_watch_open(&w.watch, w.fd[0], 0, on_nothing, NULL), 0);
	return w;
}

static void drop_watched(struct watched *w)
{
	il_fd_watch_close(w->watch);
	close(w->fd[0]);
	close(w->fd[1]);
}

static void say_it(const struct watched *w)
{
	CHECK_EQ(write(w->fd[1], "x", 1), 1);
}

static void hear_it(const struct watched *w)
{
	char byte;

	CHECK_EQ(read(w->fd[0], &byte, 1), 1);
}

/* A wait that begins before there is something, so that it is registered from then on. */
static void wait_once(struct watched *w)
{
	struct side s = {.size = 0};

	side_start(&s, side_readable, &w->fd[0]);
	CHECK_RC(il_sleep(IL_USEC(200)), 0);
	CHECK(!s.ended);
	say_it(w);
	CHECK_RC(side_join(&s), 0);
	hear_it(w);
}

IL_TEST_REAL(T, waits_for_a_watched_descriptor_end_when_it_is_ready)
{
	struct watched w = make_watched();

	for (int i = 0; i < 20; i++) {
		wait_once(&w);
		say_it(&w); /* before the wait */
		CHECK_RC(il_wait_readable(w.fd[0]), 0);
		CHECK_RC(il_wait_fd(w.fd[0], IL_READABLE), IL_READABLE);
		hear_it(&w);
	}
	close(w.fd[1]);
	CHECK_RC(il_wait_readable(w.fd[0]), 0); /* a hang-up */
	w.fd[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	drop_watched(&w);
}

IL_TEST_REAL(T, a_watched_descriptor_that_is_ready_costs_nothing_while_nobody_waits)
{
	struct watched w = make_watched();

	wait_once(&w);
	say_it(&w);
	check_no_work();
	CHECK_RC(il_wait_readable(w.fd[0]), 0);
	check_no_work();
	hear_it(&w);
	wait_once(&w);
	drop_watched(&w);
}

IL_TEST_REAL(T, a_wait_that_is_given_up_leaves_a_watched_descriptor_as_it_was)
{
	struct watched w = make_watched();

	for (int i = 0; i < 3; i++) {
		il_scope scope = IL_SCOPE_INIT;
		CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(1)), IL_FAIL_AT_DEADLINE), 0);
		CHECK_RC(il_scope_exit(&scope, il_wait_readable(w.fd[0])), -ETIMEDOUT);
		wait_once(&w);
	}
	drop_watched(&w);
}

/* The system hands the number out again: what was registered for the old file holds nothing for the new one. */
static void pass_number_on(struct watched *w, bool announced)
{
	struct watched next = {.watch = NULL};
	int number = w->fd[0];

	if (announced)
		CHECK_RC(il_notify_closing(number), 0);
	else
		il_fd_watch_close(w->watch);
	close(w->fd[0]);
	close(w->fd[1]);
	CHECK_EQ(pipe2(next.fd, O_NONBLOCK | O_CLOEXEC), 0);
	if (next.fd[0] != number) {
		CHECK_EQ(dup3(next.fd[0], number, O_CLOEXEC), number);
		close(next.fd[0]);
		next.fd[0] = number;
	}
	for (int i = 0; i < 3; i++)
		wait_once(&next);
	if (announced) {
		CHECK_RC(il_fd_watch_set(w->watch, IL_READABLE), -EBADF);
		il_fd_watch_close(w->watch);
		wait_once(&next);
	}
	drop_watched(&next);
}

IL_TEST_REAL(T, the_number_of_a_watched_descriptor_may_be_used_again)
{
	for (int announced = 0; announced < 2; announced++) {
		struct watched w = make_watched();
		wait_once(&w);
		pass_number_on(&w, announced);
	}
}

IL_TEST_REAL(T, a_watch_that_is_closed_while_a_task_waits_leaves_it_waiting)
{
	struct watched w = make_watched();
	struct side s = {.size = 0};

	wait_once(&w);
	side_start(&s, side_readable, &w.fd[0]);
	CHECK_RC(il_sleep(IL_USEC(200)), 0);
	il_fd_watch_close(w.watch);
	w.watch = NULL;
	CHECK_RC(il_sleep(IL_USEC(200)), 0);
	CHECK(!s.ended);
	say_it(&w);
	CHECK_RC(side_join(&s), 0);
	check_no_work();
	drop_watched(&w);
}

/* ---- and the host's ---- */

static struct watched of_host;

static int wait_in_host(void *unused)
{
	(void)unused;
	of_host = make_watched();
	wait_once(&of_host);
	return 0;
}

IL_TEST_ADOPTED(T, a_watch_that_only_serves_waits_keeps_no_host)
{
	void *native = il_native.create();
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, wait_in_host, NULL), 0);
	il_native.run(native); /* by itself */
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	drop_watched(&of_host);
}
