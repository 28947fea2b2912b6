/*
 * l_shared_fd.c: a host, or a client library that it uses, and a task may watch one descriptor, in
 * either order and whoever stops first.
 */
#include "waiter.h"
#include "waits.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end is watched by both; the other one writes and reads. */
struct both {
	int end, other;
	int fired; /* the host's watch */
	void *watch;
	bool stops; /* with its first event */
	struct waiter task;
	il_group g; /* the task's */
};

static void set_up(struct both *b)
{
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	*b = (struct both){.end = fd[0], .other = fd[1]};
}

static void tear_down(struct both *b)
{
	CHECK_RC(il_notify_closing(b->end), 0);
	close(b->end);
	close(b->other);
}

static void on_readable(void *arg)
{
	struct both *b = arg;
	char byte;

	b->fired++;
	CHECK_EQ(read(b->end, &byte, 1), 1);
	if (b->stops) {
		il_native.unwatch(b->watch);
		b->watch = NULL;
	}
}

static void watch_as_host(struct both *b)
{
	b->watch = il_native.watch(il_loop_native(il_loop_current()), b->end, on_readable, b);
}

static void unwatch_as_host(struct both *b)
{
	il_native.unwatch(b->watch);
	b->watch = NULL;
}

static void let_the_host_read(struct both *b)
{
	int before = b->fired;

	CHECK_EQ(write(b->other, "x", 1), 1);
	UNTIL(b->fired > before);
}

/* Writes until the end cannot be written to. */
static void fill(int fd)
{
	static const char data[4096];

	while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0)
		;
}

static void drain(int fd)
{
	char data[4096];

	while (recv(fd, data, sizeof data, MSG_DONTWAIT) > 0)
		;
}

static int wait_writable(void *fd)
{
	return il_wait_writable(*(int *)fd);
}

static void task_starts(struct both *b, il_fn *wait)
{
	CHECK_RC(il_group_open(&b->g), 0);
	start_waiting(&b->g, &b->task, wait, &b->end);
}

static void task_ends(struct both *b, int rc)
{
	CHECK_RC(il_group_close(&b->g, 0), 0);
	check_waited(&b->task, rc);
}

IL_TEST_REAL(L, a_task_waits_for_what_the_host_watches)
{
	struct both b;

	set_up(&b);
	watch_as_host(&b);
	fill(b.end);
	task_starts(&b, wait_writable);
	let_the_host_read(&b);
	CHECK(!b.task.returned);
	drain(b.other);
	task_ends(&b, 0);
	let_the_host_read(&b);
	unwatch_as_host(&b);
	tear_down(&b);
}

IL_TEST_REAL(L, the_host_watches_what_a_task_waits_for)
{
	struct both b;

	set_up(&b);
	fill(b.end);
	task_starts(&b, wait_writable);
	watch_as_host(&b);
	let_the_host_read(&b);
	b.stops = true; /* in its callback, while the task waits on */
	let_the_host_read(&b);
	CHECK(!b.task.returned);
	drain(b.other);
	task_ends(&b, 0);
	tear_down(&b);
}

/* Each of them hears of the same byte, for who comes first leaves it there. */
static void count_only(void *arg)
{
	struct both *b = arg;

	b->fired++;
	unwatch_as_host(b);
}

IL_TEST_REAL(L, host_and_task_wait_for_the_same)
{
	struct both b;

	set_up(&b);
	task_starts(&b, wait_readable);
	b.watch = il_native.watch(il_loop_native(il_loop_current()), b.end, count_only, &b);
	CHECK_EQ(write(b.other, "x", 1), 1);
	UNTIL(b.fired);
	task_ends(&b, 0);
	CHECK_EQ(b.fired, 1);
	tear_down(&b);
}

IL_TEST_REAL(L, a_task_that_stops_waiting_leaves_the_hosts_watch)
{
	struct both b;

	set_up(&b);
	fill(b.end);
	watch_as_host(&b);
	task_starts(&b, wait_writable);
	CHECK_RC(il_scope_cancel(&b.task.scope), 0);
	task_ends(&b, -ECANCELED);
	let_the_host_read(&b);
	unwatch_as_host(&b);
	tear_down(&b);
}

/* What watches it makes no difference to the others who have the file. */
IL_TEST_REAL(L, waiting_leaves_the_flags_of_a_shared_descriptor)
{
	struct both b;

	set_up(&b);
	task_starts(&b, wait_readable);
	CHECK_EQ(fcntl(b.end, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(write(b.other, "x", 1), 1);
	task_ends(&b, 0);
	CHECK_EQ(fcntl(b.end, F_GETFL) & O_NONBLOCK, 0);
	tear_down(&b);
}

/* Without a number to spare for a duplicate a task waits all the same. */
IL_TEST_REAL(L, waiting_needs_no_descriptor)
{
	struct rlimit limit, none;
	struct both b;

	set_up(&b);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	task_starts(&b, wait_readable);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(write(b.other, "x", 1), 1);
	task_ends(&b, 0);
	tear_down(&b);
}
