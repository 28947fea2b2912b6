/*
 * l_fds.c: readiness of descriptors that somebody else owns: what is always ready answers at once, any error
 * wakes every waiter and the system call tells the truth, and nothing is done to the descriptor itself.
 */
#include "l_net.h"
#include "waits.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

/* A blocking pipe: fd[0] reads, fd[1] writes. */
static void make_pipe(int fd[2])
{
	CHECK_EQ(pipe(fd), 0);
}

static void close_both(const int fd[2])
{
	CHECK_EQ(close(fd[0]), 0);
	CHECK_EQ(close(fd[1]), 0);
}

/* A TCP connection of plain sockets, which block. */
static void make_connection(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t length = sizeof a;
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(listening, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_EQ(listen(listening, 1), 0);
	CHECK_EQ(getsockname(listening, (struct sockaddr *)&a, &length), 0);
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(fd[0], (struct sockaddr *)&a, sizeof a), 0);
	fd[1] = accept(listening, NULL, NULL);
	CHECK(fd[1] >= 0);
	CHECK_EQ(close(listening), 0);
}

static void fill(int fd)
{
	static const char bytes[4096];
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, bytes, sizeof bytes) > 0)
		;
	while (write(fd, bytes, 1) > 0)
		;
	fcntl(fd, F_SETFL, flags);
}

static void put(int fd)
{
	CHECK_EQ(write(fd, "x", 1), 1);
}

static void take(int fd)
{
	char byte;

	CHECK_EQ(read(fd, &byte, 1), 1);
}

/* ---- a task that waits ---- */

static int side_writable(void *arg)
{
	struct side *s = arg;

	return il_wait_writable(*(int *)s->object);
}

static int side_either(void *arg)
{
	struct side *s = arg;

	return il_wait_fd(*(int *)s->object, IL_READABLE | IL_WRITABLE);
}

static void check_waits(const struct side *s)
{
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_sleep(IL_USEC(200)), 0);
	CHECK(!s->ended);
}

/* Reads what is there until the task that waits for room has ended. */
static void drain_until(int fd, const struct side *s)
{
	char data[4096];
	int n;

	while (!s->ended) {
		if (ioctl(fd, FIONREAD, &n) == 0 && n > 0)
			CHECK(read(fd, data, sizeof data) > 0);
		il_test_pause();
	}
}

/* ---- what is always ready, and what is no descriptor ---- */

static void check_always_ready(int fd)
{
	CHECK(fd >= 0);
	CHECK_RC(il_wait_readable(fd), 0);
	CHECK_RC(il_wait_writable(fd), 0);
	CHECK_RC(il_wait_fd(fd, IL_READABLE | IL_WRITABLE), IL_READABLE | IL_WRITABLE);
	CHECK_RC(il_wait_fd(fd, IL_READABLE), IL_READABLE);
	CHECK_EQ(close(fd), 0);
}

IL_TEST_REAL(L, files_that_are_always_ready_are_ready_at_once)
{
	check_always_ready(open("/dev/null", O_RDWR | O_CLOEXEC));
	check_always_ready(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	check_always_ready(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
}

static int set_flag(void *flag)
{
	*(bool *)flag = true;
	return 0;
}

IL_TEST_REAL(L, what_is_ready_at_once_is_a_cancellation_point_and_lets_others_run)
{
	int fd[2];
	bool ran = false;
	il_scope s = IL_SCOPE_INIT;

	make_pipe(fd);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, set_flag, &ran), 0);
	CHECK_RC(il_wait_writable(fd[1]), 0);
	CHECK(ran);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_wait_writable(fd[1]), -ECANCELED);
	CHECK_RC(il_wait_readable(fd[0]), -ECANCELED);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	close_both(fd);
}

IL_TEST_REAL(L, a_number_that_is_no_descriptor_is_told)
{
	int fd[2];

	make_pipe(fd);
	close_both(fd);
	CHECK_RC(il_wait_readable(fd[0]), -EBADF);
	CHECK_RC(il_wait_writable(fd[1]), -EBADF);
	CHECK_RC(il_wait_fd(fd[1], IL_READABLE | IL_WRITABLE), -EBADF);
	CHECK_RC(il_wait_readable(-1), -EBADF);
	CHECK_RC(il_wait_readable(INT32_MAX), -EBADF);
}

IL_TEST_REAL(L, a_mask_must_name_a_direction)
{
	int fd[2];

	make_pipe(fd);
	CHECK_RC(il_wait_fd(fd[1], 0), -EINVAL);
	CHECK_RC(il_wait_fd(fd[1], 16), -EINVAL);
	CHECK_RC(il_wait_fd(fd[1], IL_WRITABLE | 8), -EINVAL);
	close_both(fd);
}

IL_TEST_OWN_REAL(L, only_a_task_waits_for_a_descriptor)
{
	int fd[2];

	CHECK(il_test_backend() != NULL);
	make_pipe(fd);
	CHECK_RC(il_wait_readable(fd[0]), -EPERM);
	CHECK_RC(il_wait_writable(fd[1]), -EPERM);
	CHECK_RC(il_wait_fd(fd[1], IL_WRITABLE), -EPERM);
	CHECK_RC(il_notify_closing(fd[0]), -EPERM);
	close_both(fd);
}

/* ---- becoming ready ---- */

IL_TEST_REAL(L, a_pipe_wakes_its_reader_and_its_writer)
{
	int fd[2];
	struct side s = {.size = 0};

	make_pipe(fd);
	side_start(&s, side_readable, &fd[0]);
	check_waits(&s);
	put(fd[1]);
	CHECK_RC(side_join(&s), 0);
	CHECK_RC(il_wait_readable(fd[0]), 0); /* still there: level-triggered */
	take(fd[0]);
	fill(fd[1]);
	side_start(&s, side_writable, &fd[1]);
	check_waits(&s);
	drain_until(fd[0], &s);
	CHECK_RC(side_join(&s), 0);
	close_both(fd);
}

IL_TEST_REAL(L, an_eventfd_and_a_socket_pair_wake_too)
{
	int pair[2], event = eventfd(0, EFD_CLOEXEC);
	uint64_t one = 1;
	struct side s = {.size = 0};

	side_start(&s, side_readable, &event);
	check_waits(&s);
	CHECK_EQ(write(event, &one, sizeof one), (ssize_t)sizeof one);
	CHECK_RC(side_join(&s), 0);
	close(event);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	side_start(&s, side_readable, &pair[0]);
	put(pair[1]);
	CHECK_RC(side_join(&s), 0);
	close_both(pair);
}

IL_TEST_REAL(L, a_wait_for_both_tells_which)
{
	int pair[2];
	struct side s = {.size = 0};

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_RC(il_wait_fd(pair[0], IL_READABLE | IL_WRITABLE), IL_WRITABLE);
	put(pair[1]);
	CHECK_RC(il_wait_fd(pair[0], IL_READABLE | IL_WRITABLE), IL_READABLE | IL_WRITABLE);
	CHECK_RC(il_wait_fd(pair[0], IL_READABLE), IL_READABLE);
	take(pair[0]);
	fill(pair[0]);
	side_start(&s, side_either, &pair[0]);
	check_waits(&s);
	put(pair[1]);
	CHECK_RC(side_join(&s), IL_READABLE);
	close_both(pair);
}

IL_TEST_REAL(L, wait_again_and_again_on_the_same_descriptor)
{
	int fd[2];

	make_pipe(fd);
	for (int i = 0; i < 50; i++) {
		struct side s = {.size = 0};
		side_start(&s, side_readable, &fd[0]);
		put(fd[1]);
		CHECK_RC(side_join(&s), 0);
		take(fd[0]);
	}
	close_both(fd);
}

/* ---- one waiter a direction ---- */

IL_TEST_REAL(L, a_second_waiter_for_a_direction_is_refused)
{
	int pair[2];
	struct side reader = {.size = 0}, writer = {.size = 0};

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fill(pair[0]);
	side_start(&reader, side_readable, &pair[0]);
	CHECK_RC(il_wait_readable(pair[0]), -EBUSY);
	CHECK_RC(il_wait_fd(pair[0], IL_READABLE | IL_WRITABLE), -EBUSY);
	side_start(&writer, side_writable, &pair[0]);
	CHECK_RC(il_wait_writable(pair[0]), -EBUSY);
	check_waits(&reader);
	check_waits(&writer);
	put(pair[1]);
	CHECK_RC(side_join(&reader), 0);
	check_waits(&writer);
	take(pair[0]);
	drain_until(pair[1], &writer);
	CHECK_RC(side_join(&writer), 0);
	fill(pair[0]);
	side_start(&reader, side_either, &pair[0]);
	CHECK_RC(il_wait_readable(pair[0]), -EBUSY);
	CHECK_RC(il_wait_writable(pair[0]), -EBUSY);
	put(pair[1]);
	CHECK_RC(side_join(&reader), IL_READABLE);
	close_both(pair);
}

IL_TEST_REAL(L, a_second_waiter_is_refused_also_when_the_descriptor_has_become_ready)
{
	int fd[2];
	struct side s = {.size = 0};

	make_pipe(fd);
	side_start(&s, side_readable, &fd[0]);
	put(fd[1]); /* and the loop has not seen it */
	CHECK_RC(il_wait_readable(fd[0]), -EBUSY);
	CHECK_RC(side_join(&s), 0);
	close_both(fd);
}

/* ---- errors and hang-ups ---- */

IL_TEST_REAL(L, a_hang_up_wakes_the_reader)
{
	int fd[2];
	struct side s = {.size = 0};
	char byte;

	make_pipe(fd);
	side_start(&s, side_readable, &fd[0]);
	close(fd[1]);
	CHECK_RC(side_join(&s), 0);
	CHECK_EQ(read(fd[0], &byte, 1), 0);
	CHECK_RC(il_wait_readable(fd[0]), 0);
	close(fd[0]);
	for (int how = 0; how < 2; how++) {
		make_connection(fd);
		side_start(&s, side_readable, &fd[0]);
		if (how)
			shutdown(fd[1], SHUT_WR);
		else
			close(fd[1]);
		CHECK_RC(side_join(&s), 0);
		CHECK_EQ(read(fd[0], &byte, 1), 0);
		close(fd[0]);
		if (how)
			close(fd[1]);
	}
}

IL_TEST_REAL(L, a_pipe_without_readers_wakes_the_writer)
{
	int fd[2];
	struct side s = {.size = 0};

	make_pipe(fd);
	fill(fd[1]);
	side_start(&s, side_writable, &fd[1]);
	check_waits(&s);
	close(fd[0]);
	CHECK_RC(side_join(&s), 0);
	CHECK_RC(il_wait_writable(fd[1]), 0);
	close(fd[1]);
}

IL_TEST_REAL(L, a_reset_wakes_every_waiter)
{
	int fd[2];
	struct side reader = {.size = 0}, writer = {.size = 0};
	char byte;

	make_connection(fd);
	fill(fd[0]);
	side_start(&reader, side_readable, &fd[0]);
	side_start(&writer, side_writable, &fd[0]);
	check_waits(&reader);
	check_waits(&writer);
	make_rst(fd[1]);
	close(fd[1]);
	CHECK_RC(side_join(&reader), 0);
	CHECK_RC(side_join(&writer), 0);
	CHECK_EQ(read(fd[0], &byte, 1), -1);
	CHECK_EQ(errno, ECONNRESET);
	CHECK_RC(il_wait_fd(fd[0], IL_READABLE | IL_WRITABLE), IL_READABLE | IL_WRITABLE);
	close(fd[0]);
}

IL_TEST_REAL(L, a_reset_gives_the_whole_mask)
{
	int fd[2];
	struct side s = {.size = 0};

	make_connection(fd);
	fill(fd[0]);
	side_start(&s, side_either, &fd[0]);
	check_waits(&s);
	make_rst(fd[1]);
	close(fd[1]);
	CHECK_RC(side_join(&s), IL_READABLE | IL_WRITABLE);
	close(fd[0]);
}

/* A port of this machine where nobody listens: bound, so that nobody else gets it. */
static struct sockaddr_in nobody(int type, int *fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t length = sizeof a;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(*fd, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_EQ(getsockname(*fd, (struct sockaddr *)&a, &length), 0);
	return a;
}

IL_TEST_REAL(L, a_refused_connection_wakes_the_writer)
{
	int holder, error = 0;
	struct sockaddr_in a = nobody(SOCK_STREAM, &holder);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof error;

	CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), -1);
	CHECK_EQ(errno, EINPROGRESS);
	CHECK_RC(il_wait_writable(fd), 0);
	CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
	CHECK_EQ(error, ECONNREFUSED);
	close(fd);
	close(holder);
}

/* An error alone, without a hang-up, which comes while the task is parked. */
IL_TEST_REAL(L, a_refused_datagram_wakes_every_waiter)
{
	for (int i = 0; i < 2; i++) {
		int holder;
		struct sockaddr_in a = nobody(SOCK_DGRAM, &holder);
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct side s = {.size = 0};
		char byte;

		close(holder);
		CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
		side_start(&s, side_readable, &fd);
		check_waits(&s);
		put(fd);
		CHECK_RC(side_join(&s), 0);
		CHECK_EQ(read(fd, &byte, 1), -1);
		CHECK_EQ(errno, ECONNREFUSED);
		side_start(&s, side_readable, &fd); /* which the driver can watch once more */
		check_waits(&s);
		CHECK_RC(il_notify_closing(fd), 0);
		CHECK_RC(side_join(&s), -ECANCELED);
		close(fd);
	}
}

/* ---- before closing ---- */

IL_TEST_REAL(L, notifying_wakes_every_waiter)
{
	int pair[2];
	struct side reader = {.size = 0}, writer = {.size = 0};

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fill(pair[0]);
	side_start(&reader, side_readable, &pair[0]);
	side_start(&writer, side_writable, &pair[0]);
	CHECK_RC(il_notify_closing(pair[0]), 0);
	close_both(pair);
	CHECK_RC(side_join(&reader), -ECANCELED);
	CHECK_RC(side_join(&writer), -ECANCELED);
	CHECK(!il_scope_caught(&reader.scope)); /* nobody cancelled it */
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fill(pair[0]);
	side_start(&reader, side_either, &pair[0]);
	CHECK_RC(il_notify_closing(pair[0]), 0);
	CHECK_RC(side_join(&reader), -ECANCELED);
	close_both(pair);
}

IL_TEST_REAL(L, notifying_is_no_wait_and_for_any_number)
{
	int fd[2];
	il_scope s = IL_SCOPE_INIT;

	make_pipe(fd);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_notify_closing(fd[0]), 0);
	CHECK_RC(il_notify_closing(fd[0]), 0);
	CHECK_RC(il_notify_closing(INT32_MAX), 0);
	CHECK_RC(il_notify_closing(-1), 0);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	put(fd[1]);
	CHECK_RC(il_wait_readable(fd[0]), 0); /* a changed mind does no harm */
	close_both(fd);
}

/* Another pipe, whose reading end has the number; the writing end. */
static int pipe_at(int number)
{
	int fd[2];

	make_pipe(fd);
	if (fd[0] != number) {
		CHECK_EQ(dup2(fd[0], number), number);
		close(fd[0]);
	}
	return fd[1];
}

IL_TEST_REAL(L, a_number_is_used_again_in_the_turn_of_its_notification)
{
	int fd[2], writing;
	struct side old = {.size = 0}, new = {.size = 0};

	make_pipe(fd);
	side_start(&old, side_readable, &fd[0]);
	check_waits(&old);
	CHECK_RC(il_notify_closing(fd[0]), 0);
	close_both(fd);
	writing = pipe_at(fd[0]);
	side_start(&new, side_readable, &fd[0]);
	CHECK_RC(side_join(&old), -ECANCELED);
	check_waits(&new);
	put(writing);
	CHECK_RC(side_join(&new), 0);
	close(fd[0]);
	close(writing);
}

/* No waiter, no word needed. */
IL_TEST_REAL(L, a_number_that_nobody_waits_for_is_closed_without_a_word)
{
	struct side s = {.size = 0};
	int fd[2], writing;

	make_pipe(fd);
	side_start(&s, side_readable, &fd[0]);
	check_waits(&s);
	put(fd[1]);
	CHECK_RC(side_join(&s), 0);
	close(fd[1]);
	for (int i = 0; i < 3; i++) {
		close(fd[0]);
		writing = pipe_at(fd[0]);
		side_start(&s, side_readable, &fd[0]);
		check_waits(&s);
		if (i) {
			CHECK_RC(il_scope_cancel(&s.scope), 0);
			CHECK_RC(side_join(&s), -ECANCELED);
		} else {
			put(writing);
			CHECK_RC(side_join(&s), 0);
		}
		close(writing);
	}
	close(fd[0]);
}

IL_TEST_REAL(L, a_copy_that_stays_open_does_no_harm)
{
	int fd[2], copy;
	struct side s = {.size = 0};

	make_pipe(fd);
	copy = dup(fd[0]);
	side_start(&s, side_readable, &fd[0]);
	check_waits(&s);
	CHECK_RC(il_notify_closing(fd[0]), 0);
	close(fd[0]);
	put(fd[1]);
	CHECK_RC(side_join(&s), -ECANCELED);
	check_no_work();
	CHECK_RC(il_wait_readable(copy), 0);
	close(copy);
	close(fd[1]);
}

IL_TEST_REAL(L, a_new_socket_gets_a_number_that_somebody_forgot_to_notify)
{
	il_listener *listener = listen_here();
	struct side s = {.size = 0};
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fill(pair[0]);
	side_start(&s, side_either, &pair[0]);
	check_waits(&s);
	close_both(pair);
	struct ends e = connect_to(listener);
	CHECK_EQ(il_stream_fd(e.a), pair[0]);
	CHECK_RC(side_join(&s), -EBADF);
	say(e.a, "works");
	check_hears(e.b, "works");
	drop(&e);
	il_listener_destroy(listener);
}

/* ---- cancellation ---- */

IL_TEST_REAL(L, a_cancelled_wait_leaves_nothing_behind)
{
	int pair[2];
	struct side s = {.size = 0}, t = {.size = 0};

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fill(pair[0]);
	side_start(&s, side_either, &pair[0]);
	check_waits(&s);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(side_join(&s), -ECANCELED);
	CHECK(il_scope_caught(&s.scope));
	side_start(&s, side_readable, &pair[0]);
	side_start(&t, side_writable, &pair[0]);
	CHECK_RC(il_scope_cancel(&t.scope), 0);
	CHECK_RC(side_join(&t), -ECANCELED);
	check_waits(&s);
	put(pair[1]);
	CHECK_RC(side_join(&s), 0);
	close_both(pair);
}

IL_TEST_REAL(L, a_wait_leaves_at_its_deadline)
{
	int fd[2];
	il_time begin = il_now();

	make_pipe(fd);
	CHECK_RC(il_fail_after(IL_MSEC(5), wait_readable, &fd[0]), -ETIMEDOUT);
	CHECK(il_now() - begin >= IL_MSEC(5));
	put(fd[1]);
	CHECK_RC(il_fail_after(IL_SEC(5), wait_readable, &fd[0]), 0);
	close_both(fd);
}

/* ---- nothing is done to the descriptor, and nothing while nobody waits ---- */

static void check_flags_stay(int fd, il_fn *call)
{
	struct side s = {.size = 0};
	int flags = fcntl(fd, F_GETFL), on_exec = fcntl(fd, F_GETFD);

	side_start(&s, call, &fd);
	check_waits(&s);
	CHECK_EQ(fcntl(fd, F_GETFL), flags);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(side_join(&s), -ECANCELED);
	CHECK_RC(il_sleep(IL_USEC(100)), 0);
	CHECK_EQ(fcntl(fd, F_GETFL), flags);
	CHECK_EQ(fcntl(fd, F_GETFD), on_exec);
}

IL_TEST_REAL(L, the_flags_of_a_descriptor_are_left_alone)
{
	int fd[2];

	for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
		make_pipe(fd);
		if (nonblocking)
			fcntl(fd[0], F_SETFL, fcntl(fd[0], F_GETFL) | O_NONBLOCK);
		check_flags_stay(fd[0], side_readable);
		fill(fd[1]);
		check_flags_stay(fd[1], side_writable);
		CHECK_RC(il_wait_readable(fd[0]), 0);
		CHECK_EQ((fcntl(fd[0], F_GETFL) & O_NONBLOCK) != 0, nonblocking);
		close_both(fd);
		make_connection(fd);
		check_flags_stay(fd[0], side_readable);
		close_both(fd);
	}
}

IL_TEST_REAL(L, what_is_ready_costs_nothing_while_nobody_waits)
{
	int fd[2];
	struct side s = {.size = 0};

	make_pipe(fd);
	side_start(&s, side_readable, &fd[0]);
	put(fd[1]);
	CHECK_RC(side_join(&s), 0);
	check_no_work();
	close(fd[1]);
	take(fd[0]);
	CHECK_RC(il_wait_readable(fd[0]), 0);
	check_no_work();
	close(fd[0]);
}

IL_TEST_REAL(L, a_stream_that_is_ready_costs_nothing_while_nobody_waits)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct ends e = ends_of(kind);
		struct side s = {.size = 0};

		side_start(&s, side_read, e.a);
		say(e.b, "seen");
		CHECK_RC(side_join(&s), 4);
		say(e.b, "not yet");
		check_no_work();
		check_hears(e.a, "not yet");
		CHECK_RC(il_stream_close(e.b), 0);
		check_no_work();
		check_hears(e.a, "");
		drop(&e);
	}
}

static void check_cut_write_costs_nothing(il_stream *writer, const il_stream *reader)
{
	static char data[64 << 10];
	struct pollfd room = {.fd = il_stream_fd(writer), .events = POLLOUT};
	il_scope s = IL_SCOPE_INIT;
	int rc;

	fill(room.fd);
	CHECK_RC(il_scope_enter(&s, il_deadline(IL_MSEC(20)), IL_FAIL_AT_DEADLINE), 0);
	do
		rc = il_stream_write_all(writer, data, sizeof data);
	while (rc == 0);
	CHECK_RC(il_scope_exit(&s, rc), -ETIMEDOUT);
	while (poll(&room, 1, 0) == 0) {
		recv(il_stream_fd(reader), data, sizeof data, MSG_DONTWAIT);
		il_test_pause();
	}
	check_no_work();
}

/* The end that has connected was waited for before it was a stream's. */
IL_TEST_REAL(L, room_to_write_costs_nothing_while_nobody_waits)
{
	struct ends e = ends_of(TCP);

	check_cut_write_costs_nothing(e.a, e.b);
	check_cut_write_costs_nothing(e.b, e.a);
	drop(&e);
}

IL_TEST_REAL(L, waiting_costs_nothing)
{
	int fd[2];
	struct side s = {.size = 0};

	make_pipe(fd);
	side_start(&s, side_readable, &fd[0]);
	check_waits(&s);
	check_no_work();
	put(fd[1]);
	CHECK_RC(side_join(&s), 0);
	close_both(fd);
}
