/*
 * n_fork.c: in a forked child no lock of the library is held, whatever is inherited may be dropped,
 * and nothing of it touches the parent's.
 */
#include "in_child.h"
#include "private.h"

#include <interloop/function.h>
#include <interloop/layer.h>
#include <signal.h>
#include <sys/socket.h>

/* ---- locks ---- */

static int some_function(void *arg)
{
	(void)arg;
	return 0;
}

static void register_it(void)
{
	il_function_register("some_function", some_function);
}

static void look_for_a_backend(void)
{
	il_backend_find("no such backend");
}

static void ignore(int level, const char *message, void *arg)
{
	(void)level;
	(void)message;
	(void)arg;
}

static void set_the_log(void)
{
	il_set_log(ignore, NULL);
}

static int fail(il_future *f, void *arg)
{
	(void)f;
	(void)arg;
	return -EIO;
}

static void log_a_line(void)
{
	il_future *f;

	if (il_future_create(&f) < 0)
		return;
	il_future_on_done(f, fail, NULL);
	il_future_set_result(f, 0);
	il_future_unref(f);
}

struct busy {
	void (*call)(void);
	atomic_bool started, stop;
};

static int keep_calling(void *arg)
{
	struct busy *b = arg;

	while (!atomic_load(&b->stop)) {
		b->call();
		atomic_store(&b->started, true);
	}
	return 0;
}

static int call_once(void *arg)
{
	struct busy *b = arg;

	alarm(5); /* it hangs, or takes microseconds */
	b->call();
	return 0;
}

IL_TEST_CORE(N, no_lock_of_the_process_is_held_in_a_forked_child)
{
	void (*const calls[])(void) = {register_it, look_for_a_backend, set_the_log, log_a_line};

	if (IL_TEST_ASAN) /* its allocator may be locked in the child by a thread that is not there */
		return;
	il_set_log(ignore, NULL);
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		struct busy b = {.call = calls[i]};
		struct il_test_thread thread;
		il_test_thread_start(&thread, keep_calling, &b);
		UNTIL_THREAD(atomic_load(&b.started));
		for (size_t n = il_test_rounds(40); n > 0; n--)
			CHECK_IN_CHILD(call_once, &b);
		atomic_store(&b.stop, true);
		il_test_thread_join(&thread);
	}
}

/* ---- the loop that stayed with the parent ---- */

static int receive_nothing(void *self, void *data, size_t max)
{
	(void)self, (void)data, (void)max;
	return -EAGAIN;
}

static int send_nothing(void *self, const struct iovec *pieces, int count)
{
	(void)self, (void)pieces, (void)count;
	return -EAGAIN;
}

static void on_ready(void *arg, unsigned mask)
{
	(void)arg, (void)mask;
}

static void on_due(void *arg)
{
	(void)arg;
}

/* All that belongs to the loop in whose thread it is made, and is made without a wait. */
static int open_on_no_loop(void *pair)
{
	const struct il_transport transport = {.receive = receive_nothing, .send = send_nothing};
	const int *fd = pair, number = SIGUSR1;
	il_signal_receiver *signals = NULL;
	il_stream *a = NULL, *b = NULL;
	il_listener *listener = NULL;
	il_fd_watch *watch = NULL;
	il_datagram *d = NULL;
	il_timer *timer = NULL;

	CHILD_CHECK(il_stream_pair(&a, &b) == -ESHUTDOWN);
	CHILD_CHECK(il_stream_open_fd(&a, *fd) == -ESHUTDOWN);
	CHILD_CHECK(il_stream_open_transport(&a, &transport, NULL) == -ESHUTDOWN);
	CHILD_CHECK(il_listener_open_fd(&listener, *fd) == -ESHUTDOWN);
	CHILD_CHECK(il_listener_open_unix(&listener, "@nowhere", NULL) == -ESHUTDOWN);
	CHILD_CHECK(il_datagram_open_fd(&d, *fd) == -ESHUTDOWN);
	CHILD_CHECK(il_datagram_open_unix(&d, "@nowhere", NULL) == -ESHUTDOWN);
	CHILD_CHECK(il_fd_watch_open(&watch, *fd, IL_READABLE, on_ready, NULL) == -ESHUTDOWN);
	CHILD_CHECK(il_timer_open(&timer, on_due, NULL) == -ESHUTDOWN);
	CHILD_CHECK(il_signal_receiver_open(&signals, &number, 1) == -ESHUTDOWN);
	return 0;
}

IL_TEST_REAL(N, in_a_forked_child_nothing_is_opened_on_the_loop_of_the_parent)
{
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	CHECK_IN_CHILD(open_on_no_loop, fd);
	close(fd[0]);
	close(fd[1]);
}
