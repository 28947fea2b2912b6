/*
 * n_descriptors.c: the library's own descriptors are never 0 to 2, also where those are closed:
 * whoever opens them later finds them free.
 */
#include "children.h"
#include "in_child.h"
#include "workers.h"

#include <fcntl.h>

static int report; /* stderr's copy */
static int failures;

/* After something was made. */
static void stdio_is_free(const char *made)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			dprintf(report, "%s: %d is open\n", made, fd);
			failures++;
		}
}

/* And it was made indeed. */
static void succeeded(int rc, const char *made)
{
	if (rc < 0) {
		dprintf(report, "%s: %s: %s\n", made, il_error_name(rc), il_error_detail());
		failures++;
	}
	stdio_is_free(made);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

struct connection {
	il_listener *listener;
	il_stream *accepted;
};

static int accept_connection(void *arg)
{
	struct connection *c = arg;

	return il_listener_accept(c->listener, &c->accepted);
}

static void connections(void)
{
	struct connection c = {.listener = NULL};
	il_stream *client = NULL;
	il_future *f = NULL;
	char port[8];

	succeeded(il_listener_open_tcp(&c.listener, "127.0.0.1", "0", NULL), "a listener");
	succeeded(il_loop_spawn(il_loop_current(), &f, accept_connection, &c), "a task");
	snprintf(port, sizeof port, "%u", (unsigned)il_listener_port(c.listener));
	succeeded(il_stream_connect_tcp(&client, "127.0.0.1", port, NULL), "a connection");
	succeeded(il_future_join(f), "an accepted connection");
	il_stream_destroy(client);
	il_stream_destroy(c.accepted);
	il_listener_destroy(c.listener);
}

static void descriptors_sent(void)
{
	il_stream *a = NULL, *b = NULL;
	int fds[2] = {-1, -1}, count = 2, sent;
	char byte;

	succeeded(il_stream_pair(&a, &b), "a pair");
	sent = fds[0] = fds[1] = fcntl(il_stream_fd(a), F_DUPFD, 3);
	succeeded(il_stream_send_fds(a, "x", 1, fds, 2), "sent descriptors");
	close(sent);
	succeeded(il_stream_receive_fds(b, &byte, 1, fds, &count), "received descriptors");
	close(fds[0]);
	close(fds[1]);
	il_stream_destroy(a);
	il_stream_destroy(b);
}

static void children(void)
{
	il_signal_receiver *r = NULL;
	il_process *p = NULL;

	succeeded(il_signal_receiver_open(&r, &(const int){SIGUSR1}, 1), "a receiver");
	succeeded(il_process_spawn(&p, SH("cat"), &piped), "a child process");
	il_process_destroy(p);
	il_signal_receiver_destroy(r);
}

static void threads_and_memory(void)
{
	il_portal *p = NULL;
	il_shared memory;

	succeeded(il_blocking_portal_start(&p, il_test_backend(), NULL), "a blocking portal");
	succeeded(il_run_in_thread(nothing, NULL), "a thread");
	il_blocking_portal_stop(p);
	succeeded(il_shared_create(&memory, 100), "shared memory");
	il_shared_destroy(&memory);
}

static void workers(void)
{
	const il_process_pool_options one = {.max_workers = 1};
	il_executor *ex = NULL;

	succeeded(il_process_pool_create(&ex, &one), "a process pool");
	succeeded(il_executor_run(ex, nothing, NULL, 0), "a worker process");
	il_executor_destroy(ex);
}

/* Of ours: the descriptor itself is the program's. */
static void wait_for_foreign(void)
{
	int fd[2];

	if (pipe(fd) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		int up = fcntl(fd[i], F_DUPFD, 3);
		close(fd[i]);
		fd[i] = up;
	}
	il_wait_writable(fd[1]);
	close(fd[1]);
	succeeded(il_wait_readable(fd[0]), "a wait");
	close(fd[0]);
}

static int make_everything(void *arg)
{
	(void)arg;
	stdio_is_free("the loop");
	connections();
	descriptors_sent();
	children();
	threads_and_memory();
	workers();
	wait_for_foreign();
	return failures;
}

static int without_stdio(void *arg)
{
	(void)arg;
	report = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 50);
	il_set_log(NULL, NULL);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	succeeded(il_run(il_test_backend(), make_everything, NULL), "the run");
	return failures;
}

IL_TEST_OWN_REAL(N, no_descriptor_of_the_librarys_is_0_to_2)
{
	CHECK_IN_CHILD(without_stdio, NULL);
}
