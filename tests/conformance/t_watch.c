/*
 * t_watch.c: callbacks for other libraries: a descriptor that is watched, and a timer. They are called in the
 * loop's thread, never after they were closed, and keep an attached loop's host alive while they are armed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "in_child.h"
#include "l_net.h"
#include "objects.h"
#include "scarce_backend.h"

/* ---- descriptors that are watched ---- */

struct seen {
	int fd[2]; /* a pipe */
	il_fd_watch *watch;
	struct seen *other;
	int calls;
	unsigned mask;
	bool closes, takes, closed;
};

static void make_seen(struct seen *s)
{
	memset(s, 0, sizeof *s);
	CHECK_EQ(pipe2(s->fd, O_NONBLOCK | O_CLOEXEC), 0);
}

static void put(const struct seen *s)
{
	CHECK_EQ(write(s->fd[1], "x", 1), 1);
}

static void drop_seen(struct seen *s)
{
	il_fd_watch_close(s->watch);
	close(s->fd[0]);
	close(s->fd[1]);
}

static void on_seen(void *arg, unsigned mask)
{
	struct seen *s = arg;
	char byte;

	CHECK(!s->closed);
	s->calls++;
	s->mask = mask;
	if (s->takes)
		CHECK_EQ(read(s->fd[0], &byte, 1), 1);
	if (s->other) { /* whoever is first ends both */
		il_fd_watch_close(s->other->watch);
		s->other->watch = NULL;
		s->other->closed = true;
	}
	if (s->closes) {
		il_fd_watch_close(s->watch);
		s->watch = NULL;
		s->closed = true;
	}
}

static void watch_readable(struct seen *s)
{
	CHECK_RC(il_fd_watch_open(&s->watch, s->fd[0], IL_READABLE, on_seen, s), 0);
}

/* Some turns of the loop. */
static void some_turns(void)
{
	for (int i = 0; i < 5; i++)
		il_test_pause();
}

IL_TEST_REAL(T, a_watch_calls_for_as_long_as_the_descriptor_is_ready)
{
	struct seen s;

	make_seen(&s);
	watch_readable(&s);
	some_turns();
	CHECK_EQ(s.calls, 0);
	put(&s);
	UNTIL(s.calls >= 3); /* level-triggered */
	CHECK_EQ(s.mask, IL_READABLE);
	s.takes = true;
	some_turns();
	CHECK_EQ(read(s.fd[0], &(char){0}, 1), -1);
	s.calls = 0;
	some_turns();
	CHECK_EQ(s.calls, 0);
	for (int i = 1; i <= 20; i++) {
		put(&s);
		UNTIL(s.calls == i);
	}
	drop_seen(&s);
}

IL_TEST_REAL(T, a_watch_tells_the_directions_that_are_asked_for)
{
	struct seen s = {.calls = 0};
	unsigned flags;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.fd), 0);
	flags = (unsigned)fcntl(s.fd[0], F_GETFL);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], 0, on_seen, &s), 0);
	some_turns();
	CHECK_EQ(s.calls, 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE | IL_WRITABLE), 0);
	UNTIL(s.calls > 0);
	CHECK_EQ(s.mask, IL_WRITABLE);
	put(&s);
	UNTIL(s.mask == (IL_READABLE | IL_WRITABLE));
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE), 0);
	s.calls = 0;
	UNTIL(s.calls > 0);
	CHECK_EQ(s.mask, IL_READABLE);
	CHECK_RC(il_fd_watch_set(s.watch, 0), 0);
	s.calls = 0;
	some_turns();
	CHECK_EQ(s.calls, 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE), 0);
	UNTIL(s.calls > 0);
	CHECK_EQ((unsigned)fcntl(s.fd[0], F_GETFL), flags); /* not even O_NONBLOCK */
	drop_seen(&s);
}

IL_TEST_REAL(T, a_hang_up_is_told_to_a_watch_in_all_its_directions)
{
	struct seen s = {.closes = true};

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.fd), 0);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], IL_READABLE, on_seen, &s), 0);
	close(s.fd[1]);
	UNTIL(s.calls == 1);
	CHECK_EQ(s.mask, IL_READABLE);
	close(s.fd[0]);
	make_seen(&s); /* a pipe whose reader leaves */
	s.closes = true;
	while (write(s.fd[1], "0123456789abcdef", 16) > 0)
		;
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[1], IL_WRITABLE, on_seen, &s), 0);
	some_turns();
	CHECK_EQ(s.calls, 0);
	close(s.fd[0]);
	UNTIL(s.calls == 1);
	CHECK_EQ(s.mask, IL_WRITABLE);
	close(s.fd[1]);
}

IL_TEST_REAL(T, a_watch_may_be_closed_in_its_own_callback)
{
	struct seen s;

	for (int i = 0; i < 20; i++) {
		make_seen(&s);
		s.closes = true;
		watch_readable(&s);
		put(&s);
		UNTIL(s.calls == 1);
		some_turns();
		CHECK_EQ(s.calls, 1);
		drop_seen(&s);
	}
}

/* Both descriptors are ready in one poll: the second callback must not come. */
IL_TEST_REAL(T, a_watch_that_is_closed_in_another_callback_of_the_same_poll_is_not_called)
{
	struct seen s[2];

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 2; i++) {
			make_seen(&s[i]);
			s[i].closes = true;
			s[i].other = &s[!i];
			watch_readable(&s[i]);
		}
		put(&s[round % 2]);
		put(&s[!(round % 2)]);
		UNTIL(s[0].calls + s[1].calls > 0);
		some_turns();
		CHECK_EQ(s[0].calls + s[1].calls, 1);
		for (int i = 0; i < 2; i++)
			drop_seen(&s[i]);
	}
}

IL_TEST_REAL(T, the_descriptor_may_be_closed_right_after_its_watch)
{
	struct seen s;
	int number;

	make_seen(&s);
	number = s.fd[0];
	for (int i = 0; i < 20; i++) {
		watch_readable(&s);
		put(&s);
		if (i % 2)
			UNTIL(s.calls > 0);
		il_fd_watch_close(s.watch);
		close(s.fd[0]);
		close(s.fd[1]);
		make_seen(&s); /* the same number, another file */
		CHECK_EQ(s.fd[0], number);
	}
	watch_readable(&s);
	some_turns();
	CHECK_EQ(s.calls, 0);
	put(&s);
	UNTIL(s.calls > 0);
	drop_seen(&s);
}

IL_TEST_REAL(T, a_descriptor_that_is_announced_to_close_is_watched_no_more)
{
	struct seen s;
	int fd;

	make_seen(&s);
	watch_readable(&s);
	put(&s);
	CHECK_RC(il_notify_closing(s.fd[0]), 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_WRITABLE), -EBADF);
	fd = s.fd[0];
	close(fd);
	CHECK_EQ(dup2(s.fd[1], fd), fd); /* the number is somebody else's now */
	s.calls = 0;
	some_turns();
	CHECK_EQ(s.calls, 0);
	CHECK_RC(il_wait_writable(fd), 0);
	drop_seen(&s);
}

/* ---- one a direction ---- */

IL_TEST_REAL(T, a_direction_is_watched_or_waited_for)
{
	struct seen s = {.takes = false};
	struct side reader = {.size = 0};
	il_fd_watch *second = NULL;
	il_stream *stream = NULL;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.fd), 0);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], IL_READABLE, on_seen, &s), 0);
	CHECK_RC(il_wait_readable(s.fd[0]), -EBUSY);
	CHECK_RC(il_wait_fd(s.fd[0], IL_READABLE | IL_WRITABLE), -EBUSY);
	CHECK_RC(il_wait_writable(s.fd[0]), 0); /* the other one is free */
	CHECK_RC(il_fd_watch_open(&second, s.fd[0], IL_WRITABLE, on_seen, &s), -EBUSY);
	CHECK_RC(il_stream_open_fd(&stream, s.fd[0]), -EBUSY);
	CHECK_RC(il_fd_watch_set(s.watch, 0), 0);
	side_start(&reader, side_readable, &s.fd[0]);
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE), -EBUSY);
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE | IL_WRITABLE), -EBUSY);
	some_turns();
	CHECK_EQ(s.calls, 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_WRITABLE), 0);
	UNTIL(s.calls > 0);
	CHECK_EQ(s.mask, IL_WRITABLE);
	CHECK(!reader.ended);
	CHECK_RC(il_fd_watch_set(s.watch, 0), 0);
	put(&s);
	CHECK_RC(side_join(&reader), 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE), 0);
	s.calls = 0;
	UNTIL(s.calls > 0);
	il_fd_watch_close(s.watch);
	CHECK_RC(il_stream_open_fd(&stream, s.fd[0]), 0);
	CHECK_RC(il_fd_watch_open(&second, s.fd[0], IL_WRITABLE, on_seen, &s), -EBUSY);
	il_stream_destroy(stream);
	close(s.fd[1]);
}

IL_TEST_REAL(T, a_direction_that_a_task_waits_for_is_not_watched)
{
	struct seen s;
	struct side reader = {.size = 0};

	make_seen(&s);
	side_start(&reader, side_readable, &s.fd[0]);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], IL_READABLE, on_seen, &s), -EBUSY);
	CHECK(s.watch == NULL);
	put(&s);
	CHECK_RC(side_join(&reader), 0);
	watch_readable(&s);
	UNTIL(s.calls > 0);
	drop_seen(&s);
}

static int side_select(void *arg)
{
	struct side *s = arg;
	il_case one = il_case_fd(*(int *)s->object, IL_READABLE);

	return il_select(&one, 1, IL_FOREVER);
}

IL_TEST_REAL(T, a_direction_that_a_select_waits_for_is_not_watched)
{
	struct seen s;
	struct side chooser = {.size = 0};

	make_seen(&s);
	side_start(&chooser, side_select, &s.fd[0]);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], IL_READABLE, on_seen, &s), -EBUSY);
	CHECK(s.watch == NULL);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], 0, on_seen, &s), 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE), -EBUSY);
	put(&s);
	CHECK_RC(side_join(&chooser), 0);
	CHECK_EQ(s.calls, 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE), 0);
	s.takes = true;
	UNTIL(s.calls > 0);
	drop_seen(&s);
}

IL_TEST_REAL(T, what_cannot_be_watched_is_refused_alike_on_every_loop)
{
	char path[] = "/tmp/il-test-XXXXXX";
	struct seen s = {.calls = 0};
	int fds[3];

	fds[0] = mkstemp(path);
	unlink(path);
	fds[1] = open("/", O_RDONLY | O_CLOEXEC);
	fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < (IL_TEST_PORTABLE ? 2 : 3); i++)
		CHECK_RC(il_fd_watch_open(&s.watch, fds[i], IL_READABLE, on_seen, &s), -EPERM);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	CHECK_RC(il_fd_watch_open(&s.watch, -1, IL_READABLE, on_seen, &s), -EBADF);
	CHECK_RC(il_fd_watch_open(&s.watch, fds[0], IL_READABLE, on_seen, &s), -EBADF);
	CHECK_DETAIL(": Bad file descriptor");
	make_seen(&s);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], IL_PRIORITY, on_seen, &s), -EINVAL);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], 64, on_seen, &s), -EINVAL);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], IL_READABLE, NULL, &s), -EINVAL);
	CHECK_RC(il_fd_watch_open(NULL, s.fd[0], IL_READABLE, on_seen, &s), -EINVAL);
	CHECK(s.watch == NULL);
	watch_readable(&s);
	CHECK_RC(il_fd_watch_set(s.watch, 64), -EINVAL);
	CHECK_RC(il_fd_watch_set(NULL, 0), -EINVAL);
	il_fd_watch_close(NULL);
	put(&s);
	UNTIL(s.calls > 0);
	drop_seen(&s);
}

/* Where it is a duplicate that the loop watches, this goes, too. */
static int lose_a_watch(void *arg)
{
	struct seen s;
	int before;

	(void)arg;
	make_seen(&s);
	before = open_descriptors();
	watch_readable(&s);
	scarce.for_ever = true;
	scarce.next = 1;
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE | IL_WRITABLE), -ENOMEM);
	scarce.next = 0;
	CHECK_RC(il_fd_watch_set(s.watch, IL_READABLE), -EBADF);
	il_fd_watch_close(s.watch);
	s.watch = NULL;
	CHECK_EQ(open_descriptors(), before);
	drop_seen(&s);
	return 0;
}

IL_TEST_OWN_REAL(T, a_watch_that_the_loop_has_lost_leaves_no_descriptor)
{
	const il_backend backend = scarce_backend();

	CHECK_RC(il_run(&backend, lose_a_watch, NULL), 0);
	CHECK_LOGGED(IL_LOG_ERROR, "does not watch descriptor", 1);
}

/* ---- a callback is a plain call ---- */

static il_local place = IL_LOCAL_INIT;

struct plain {
	struct seen seen;
	il_event *event;
	il_future *task;
	int waits[4], told;
	bool same_place;
};

static int told(void *arg)
{
	((struct plain *)arg)->told++;
	return 0;
}

static void do_plain_things(void *arg, unsigned mask)
{
	struct plain *p = arg;
	il_stream *s = NULL;

	(void)mask;
	p->same_place = il_local_get(&place) == p;
	p->waits[0] = il_sleep(IL_MSEC(1));
	p->waits[1] = il_wait_readable(p->seen.fd[0]);
	p->waits[2] = il_event_wait(p->event);
	p->waits[3] = il_stream_connect_tcp(&s, "127.0.0.1", "1", NULL);
	CHECK_RC(il_loop_spawn(il_loop_current(), &p->task, told, p), 0);
	CHECK_RC(il_event_set(p->event), 0);
	il_fd_watch_close(p->seen.watch);
	p->seen.watch = NULL;
}

IL_TEST_REAL(T, a_callback_may_do_what_does_not_wait_and_sees_the_locals_of_its_opener)
{
	struct plain p;

	memset(&p, 0, sizeof p);
	make_seen(&p.seen);
	CHECK_RC(il_event_create(&p.event), 0);
	CHECK_RC(il_local_set(&place, &p), 0);
	CHECK_RC(il_fd_watch_open(&p.seen.watch, p.seen.fd[0], IL_READABLE, do_plain_things, &p),
		 0);
	CHECK_RC(il_local_set(&place, NULL), 0);
	put(&p.seen);
	CHECK_RC(il_event_wait(p.event), 0);
	CHECK(p.same_place);
	for (int i = 0; i < 4; i++)
		CHECK_RC(p.waits[i], -EPERM);
	CHECK_RC(il_future_join(p.task), 0);
	CHECK_EQ(p.told, 1);
	il_event_destroy(p.event);
	drop_seen(&p.seen);
}

/* ---- timers ---- */

struct alarm {
	il_timer *timer;
	struct alarm *other;
	il_time due, came;
	int calls, again;
	bool closes;
	int rc;
};

static void on_due(void *arg)
{
	struct alarm *a = arg;

	a->calls++;
	a->came = il_now();
	a->rc = il_sleep(0);
	CHECK(a->came >= a->due);
	if (a->again > 0) {
		a->again--;
		a->due = il_deadline(IL_MSEC(1));
		CHECK_RC(il_timer_set(a->timer, a->due), 0);
	}
	if (a->other) {
		il_timer_close(a->other->timer);
		a->other->timer = NULL;
	}
	if (a->closes) {
		il_timer_close(a->timer);
		a->timer = NULL;
	}
}

static void set_alarm(struct alarm *a, il_time delay)
{
	if (!a->timer)
		CHECK_RC(il_timer_open(&a->timer, on_due, a), 0);
	a->due = il_deadline(delay);
	CHECK_RC(il_timer_set(a->timer, a->due), 0);
}

IL_TEST(T, a_timer_calls_once_at_its_deadline_and_again_when_set_anew)
{
	struct alarm a = {.calls = 0};

	set_alarm(&a, IL_MSEC(5));
	UNTIL(a.calls == 1);
	CHECK_RC(a.rc, -EPERM); /* it may not wait */
	CHECK_RC(il_sleep(IL_MSEC(10)), 0);
	CHECK_EQ(a.calls, 1);
	set_alarm(&a, IL_SEC(3600));
	set_alarm(&a, IL_MSEC(2)); /* the later one is forgotten */
	UNTIL(a.calls == 2);
	a.again = 3;
	set_alarm(&a, 0);
	UNTIL(a.calls == 6);
	set_alarm(&a, -IL_SEC(1)); /* long past */
	UNTIL(a.calls == 7);
	il_timer_close(a.timer);
}

IL_TEST(T, a_timer_that_is_taken_back_or_closed_does_not_call)
{
	struct alarm a = {.calls = 0}, b = {.calls = 0};

	set_alarm(&a, IL_MSEC(1));
	set_alarm(&b, IL_MSEC(1));
	CHECK_RC(il_timer_set(a.timer, IL_FOREVER), 0);
	CHECK_RC(il_timer_set(a.timer, IL_FOREVER), 0);
	il_timer_close(b.timer);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK_EQ(a.calls + b.calls, 0);
	set_alarm(&a, IL_MSEC(1));
	UNTIL(a.calls == 1);
	a.closes = true;
	set_alarm(&a, IL_MSEC(1));
	UNTIL(a.calls == 2);
	CHECK(a.timer == NULL);
	il_timer_close(NULL);
	CHECK_RC(il_timer_set(NULL, 0), -EINVAL);
	CHECK_RC(il_timer_open(&a.timer, NULL, NULL), -EINVAL);
	CHECK_RC(il_timer_open(NULL, on_due, NULL), -EINVAL);
}

IL_TEST(T, a_timer_that_is_closed_in_a_callback_of_the_same_turn_does_not_call)
{
	struct alarm a = {.closes = true}, b = {.closes = true};

	a.other = &b;
	b.other = &a;
	set_alarm(&a, 0);
	set_alarm(&b, 0);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK_EQ(a.calls + b.calls, 1);
	CHECK(!a.timer && !b.timer);
}

IL_TEST(T, a_timer_that_is_always_due_starves_nobody)
{
	struct alarm a = {.again = 1000000};

	set_alarm(&a, 0);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(a.calls > 0);
	il_timer_close(a.timer);
}

enum { LATE = 40 };

struct late {
	il_timer *timers[LATE];
	il_event *all_called;
	bool inside, same_place;
	int calls, inside_calls;
};

static void on_late(void *arg)
{
	struct late *l = arg;

	l->inside_calls += l->inside;
	l->same_place = il_local_get(&place) == l;
	if (++l->calls == LATE)
		CHECK_RC(il_event_set(l->all_called), 0);
}

IL_TEST_REAL(T, a_timer_is_not_called_inside_the_call_of_a_task_that_is_late)
{
	struct late l = {.all_called = new_event()};
	il_scope s = IL_SCOPE_INIT;
	il_time due = il_deadline(IL_MSEC(1));

	CHECK_RC(il_local_set(&place, &l), 0);
	for (int i = 0; i < LATE; i++) {
		CHECK_RC(il_timer_open(&l.timers[i], on_late, &l), 0);
		CHECK_RC(il_timer_set(l.timers[i], due), 0);
	}
	CHECK_RC(il_local_set(&place, NULL), 0);
	CHECK_RC(il_scope_enter(&s, due, 0), 0);
	while (il_now() <= due)
		;
	l.inside = true;
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	l.inside = false;
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK_RC(il_event_wait(l.all_called), 0);
	CHECK_EQ(l.inside_calls, 0);
	CHECK(l.same_place);
	for (int i = 0; i < LATE; i++)
		il_timer_close(l.timers[i]);
	il_event_destroy(l.all_called);
}

/* ---- what they keep alive ---- */

IL_TEST_OWN_REAL(T, closing_a_loop_disarms_what_is_still_armed)
{
	il_loop *loop = NULL;
	struct seen s;
	struct alarm a = {.calls = 0};

	make_seen(&s);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_fd_watch_open(&s.watch, s.fd[0], IL_READABLE, on_seen, &s), -EPERM);
		CHECK_RC(il_timer_open(&a.timer, on_due, &a), -EPERM); /* it does not run */
	}
	il_loop_destroy(loop);
	drop_seen(&s);
}

struct armed {
	struct seen seen;
	struct alarm alarm;
	bool began, ended;
};

static int arm_both(void *arg)
{
	struct armed *a = arg;

	watch_readable(&a->seen);
	set_alarm(&a->alarm, IL_SEC(3600));
	return 0;
}

/* Needs its callbacks while it is cancelled. */
static int end_by_callback(void *arg)
{
	struct armed *a = arg;
	il_scope shield = IL_SCOPE_INIT;

	a->began = true;
	CHECK_RC(il_sleep(IL_SEC(3600)), -ECANCELED);
	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	put(&a->seen);
	while (a->seen.calls == 0)
		CHECK_RC(il_sleep(IL_USEC(100)), 0);
	CHECK_RC(il_scope_exit(&shield, 0), 0);
	a->ended = true;
	return -ECANCELED;
}

static int arm_and_leave(void *arg)
{
	struct armed *a = arg;

	CHECK_RC(arm_both(arg), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, end_by_callback, arg), 0);
	UNTIL(a->began);
	return 0;
}

IL_TEST_OWN_REAL(T, callbacks_go_on_until_the_last_task_of_a_closing_loop_has_ended)
{
	il_loop *loop = NULL;
	struct armed a;

	memset(&a, 0, sizeof a);
	make_seen(&a.seen);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, arm_and_leave, &a), 0);
	CHECK_RC(il_loop_close(loop), 0);
	CHECK(a.ended);
	CHECK(a.seen.calls > 0);
	CHECK_EQ(a.alarm.calls, 0);
	CHECK_RC(il_fd_watch_set(a.seen.watch, IL_WRITABLE), -ESHUTDOWN);
	CHECK_RC(il_timer_set(a.alarm.timer, 0), -ESHUTDOWN);
	il_fd_watch_close(a.seen.watch);
	a.seen.watch = NULL;
	il_loop_destroy(loop);
	il_timer_close(a.alarm.timer); /* also later */
	drop_seen(&a.seen);
}

static void put_later(void *arg)
{
	put(arg);
}

IL_TEST_ADOPTED(T, an_active_watch_keeps_the_host_alive_and_forbids_detach)
{
	void *native = il_native.create();
	il_loop *loop = NULL;
	struct seen s;

	make_seen(&s);
	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	s.closes = true;
	watch_readable(&s);
	CHECK_RC(il_loop_detach(loop), -EBUSY);
	il_native.after(native, IL_MSEC(2), put_later, &s);
	il_native.run(native); /* by itself: when the callback has closed the watch */
	CHECK_EQ(s.calls, 1);
	CHECK(s.closed);
	CHECK_RC(il_fd_watch_open(&s.watch, s.fd[1], 0, on_seen, &s), 0);
	il_native.run(native); /* one without a mask keeps nothing */
	CHECK_RC(il_loop_detach(loop), 0);
	CHECK_RC(il_fd_watch_set(s.watch, IL_WRITABLE), -ESHUTDOWN);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	drop_seen(&s);
}

IL_TEST_ADOPTED(T, a_timer_that_is_set_keeps_the_host_alive_and_forbids_detach)
{
	void *native = il_native.create();
	il_loop *loop = NULL;
	struct alarm a = {.again = 2};

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	set_alarm(&a, IL_MSEC(1));
	CHECK_RC(il_loop_detach(loop), -EBUSY);
	il_native.run(native);
	CHECK_EQ(a.calls, 3);
	set_alarm(&a, IL_SEC(3600));
	CHECK_RC(il_loop_detach(loop), -EBUSY);
	CHECK_RC(il_timer_set(a.timer, IL_FOREVER), 0);
	il_native.run(native);
	CHECK_RC(il_loop_detach(loop), 0);
	CHECK_RC(il_timer_set(a.timer, 0), -ESHUTDOWN);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	il_timer_close(a.timer);
}

static void note_empty(il_loop *loop, void *arg)
{
	(void)loop;
	*(bool *)arg = true;
}

IL_TEST_ADOPTED(T, shutting_an_attached_loop_down_disarms_what_is_still_armed)
{
	void *native = il_native.create();
	il_loop *loop = NULL;
	struct armed a;
	bool empty = false;

	memset(&a, 0, sizeof a);
	make_seen(&a.seen);
	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, end_by_callback, &a), 0);
	arm_both(&a);
	CHECK_RC(il_loop_shutdown(loop, note_empty, &empty), 0);
	CHECK_RC(il_fd_watch_open(&a.seen.watch, a.seen.fd[1], 0, on_seen, &a.seen), -ESHUTDOWN);
	il_native.run(native); /* by itself */
	CHECK(empty);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native);
	CHECK(a.ended || !a.began);
	CHECK_EQ(a.alarm.calls, 0);
	CHECK_RC(il_native.destroy(native), 0);
	il_timer_close(a.alarm.timer);
	drop_seen(&a.seen);
}

/* ---- threads and processes ---- */

static int set_from_here(void *arg)
{
	struct armed *a = arg;

	CHECK_RC(il_fd_watch_set(a->seen.watch, 0), -EPERM);
	CHECK_RC(il_timer_set(a->alarm.timer, IL_FOREVER), -EPERM);
	CHECK_RC(il_fd_watch_open(&a->seen.watch, 0, 0, on_seen, NULL), -EPERM);
	CHECK_RC(il_timer_open(&a->alarm.timer, on_due, NULL), -EPERM);
	return 0;
}

static int close_in_child(void *arg)
{
	struct armed *a = arg;

	CHILD_CHECK(il_fd_watch_set(a->seen.watch, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_timer_set(a->alarm.timer, 0) == -ESHUTDOWN);
	il_fd_watch_close(a->seen.watch);
	il_timer_close(a->alarm.timer);
	return 0;
}

IL_TEST_REAL(T, callbacks_belong_to_their_thread_and_process)
{
	struct armed a;
	struct il_test_thread thread;

	memset(&a, 0, sizeof a);
	make_seen(&a.seen);
	CHECK_RC(arm_both(&a), 0);
	il_test_thread_start(&thread, set_from_here, &a);
	CHECK_EQ(il_test_thread_join(&thread), 0);
	CHECK_IN_CHILD(close_in_child, &a);
	put(&a.seen); /* nothing of this was lost by the child */
	UNTIL(a.seen.calls > 0);
	il_timer_close(a.alarm.timer);
	drop_seen(&a.seen);
}
