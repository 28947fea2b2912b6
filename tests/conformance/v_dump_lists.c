/*
 * v_dump_lists.c: beside its tasks a dump lists a loop's portals with their calls, and the worker processes of pools
 * (servers: v_dump_servers.c). It can be had in the log function, and says why it could not be written.
 */
#define _GNU_SOURCE
#include "aside.h"
#include "objects.h"
#include "processes.h"
#include "terminal.h"
#include "v_dump.h"
#include "waits.h"
#include "workers.h"

#include <poll.h>
#include <signal.h>

/* ---- portals ---- */

static int close_portal(void *portal)
{
	return il_portal_close(portal);
}

IL_TEST(V, n416_portals_are_listed_with_the_calls_that_have_not_ended)
{
	il_portal *p = il_test_portal();
	il_event *event = new_event();
	struct child closing;
	char *text = dump_loop();

	CHECK_DUMPED(text, "portal: 0 calls have not ended");
	free(text);
	CHECK_RC(il_portal_run_coroutine_soon(p, NULL, wait_event, event), 0);
	child_start(&closing, "closing", close_portal, p);
	text = dump_loop();
	CHECK_DUMPED(text, "portal, stopping: 1 calls have not ended");
	CHECK_DUMPED(text, "closing: il_portal_close for ", "1 calls have not ended");
	free(text);
	CHECK_RC(il_event_set(event), 0);
	CHECK_RC(il_group_close(&closing.group, 0), 0);
	il_future_unref(closing.future);
	il_event_destroy(event);
}

/* ---- executors ---- */

static int linger_here(void *arg)
{
	(void)arg;
	usleep(60 * 1000 * 1000);
	return 0;
}

IL_TEST_REAL(V, n416_worker_processes_are_listed_with_their_calls)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .kill_on_cancel = true});
	struct job j = job_on(NULL, 7);
	il_future *f = submit_job(ex, linger_here, &j);
	char *text = NULL;

	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_all();
	} while (!DUMP_HAS(text, "process ", ": has ", " for "));
	CHECK_DUMPED(text, "executor", "1 workers, 0 idle; 1 calls running, 0 queued; 1 submitted");
	free(text);
	CHECK(il_future_cancel(f));
	CHECK_RC(finished(f), -ECANCELED);
	il_executor_destroy(ex);
}

static int take_none(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return -EAGAIN;
}

IL_TEST(V, n416_an_executor_of_ones_own_is_listed_by_its_name)
{
	char name[] = "copied";
	const il_executor_ops ops = {.name = name, .submit = take_none};
	il_executor *ex = NULL;
	char *text;

	CHECK_RC(il_executor_create(&ex, &ops, NULL), 0);
	memset(name, 'x', sizeof name - 1);
	text = dump_all();
	CHECK_DUMPED(text, "executor copied (", "own): 0 calls running, 0 queued; 0 submitted");
	free(text);
	il_executor_destroy(ex);
}

/* ---- where, and where to ---- */

static int logged_dumps;

static void dump_when_logged(int level, const char *message, void *loop)
{
	int fd = dump_file();
	char *text;

	(void)level;
	(void)message;
	CHECK_RC(il_loop_dump(loop, fd), 0);
	text = dump_text(fd);
	CHECK_DUMPED(text, "logs: runs");
	free(text);
	logged_dumps++;
}

static int fail(il_future *f, void *arg)
{
	(void)f;
	(void)arg;
	return -EIO;
}

IL_TEST(V, n418_a_dump_can_be_had_in_the_log_function)
{
	il_future *f = new_future();

	logged_dumps = 0;
	CHECK_RC(il_task_set_name("logs"), 0);
	CHECK_RC(il_future_on_done(f, fail, NULL), 0);
	il_set_log(dump_when_logged, il_loop_current());
	CHECK_RC(il_future_set_result(f, 1), 0);
	il_set_log(NULL, NULL);
	il_future_unref(f);
	CHECK_EQ(logged_dumps, 1);
}

IL_TEST(V, n418_a_dump_says_why_it_could_not_be_written)
{
	int fd[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	CHECK(full >= 0);
	CHECK_RC(il_loop_dump(il_loop_current(), full), -ENOSPC);
	CHECK_DETAIL("il_loop_dump: descriptor ");
	CHECK_RC(il_dump(full), -ENOSPC);
	close(full);
	CHECK_RC(il_loop_dump(il_loop_current(), full), -EBADF);
	CHECK_EQ(pipe2(fd, O_CLOEXEC), 0);
	close(fd[0]);
	CHECK_RC(il_loop_dump(il_loop_current(), fd[1]), -EPIPE);
	close(fd[1]);
}

/* fd[1] is left blocking. */
static void fill(int fd)
{
	static const char rubbish[4096];

	CHECK_EQ(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	while (write(fd, rubbish, sizeof rubbish) > 0)
		;
	CHECK_EQ(fcntl(fd, F_SETFL, O_RDWR), 0);
}

static void full_pipe(int fd[2])
{
	CHECK_EQ(pipe2(fd, O_CLOEXEC), 0);
	fill(fd[1]);
}

/* With room for a part of a dump; line by line, as they are. */
static void almost_full_terminal(int fd[2])
{
	struct pollfd p = {.events = POLLOUT};
	struct termios settings;
	char byte;

	open_terminal(fd);
	CHECK_EQ(tcgetattr(fd[1], &settings), 0);
	settings.c_oflag |= OPOST | ONLCR;
	CHECK_EQ(tcsetattr(fd[1], TCSANOW, &settings), 0);
	fill(fd[1]);
	for (p.fd = fd[1]; poll(&p, 1, 0) == 0;)
		CHECK_EQ(read(fd[0], &byte, 1), 1);
}

static void crowd_open(il_group *g, il_event *event)
{
	CHECK_RC(il_group_open(g), 0);
	for (int i = 0; i < 300; i++)
		CHECK_RC(il_group_start_soon(g, NULL, wait_event, event), 0);
}

static void crowd_close(il_group *g, il_event *event)
{
	CHECK_RC(il_event_set(event), 0);
	CHECK_RC(il_group_close(g, 0), 0);
	il_event_destroy(event);
}

/* Who does not read holds the loop up for a second, no longer. */
IL_TEST_REAL(V, n418_whoever_does_not_read_a_dump_is_given_up)
{
	struct timespec before, after;
	il_event *event = new_event();
	il_group g;
	int fd[2];

	crowd_open(&g, event);
	if (IL_TEST_PORTABLE) /* which cannot write to a terminal without sleeping */
		full_pipe(fd);
	else
		almost_full_terminal(fd);
	clock_gettime(CLOCK_MONOTONIC, &before);
	CHECK_RC(il_loop_dump(il_loop_current(), fd[1]), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >=
	      999);
	close(fd[0]);
	close(fd[1]);
	crowd_close(&g, event);
}

static void on_signal(int signal)
{
	(void)signal;
}

struct nagging {
	pthread_t whom;
	atomic_bool over;
};

static int nag(void *arg) /* in a thread; SIGALRM is the harness's */
{
	struct nagging *n = arg;

	while (!atomic_load(&n->over)) {
		usleep(100 * 1000);
		pthread_kill(n->whom, SIGUSR1);
	}
	return 0;
}

IL_TEST_REAL(V, n418_nor_do_signals_hold_up_a_dump_that_nobody_reads)
{
	void (*before)(int) = signal(SIGUSR1, on_signal);
	struct nagging n = {.whom = pthread_self()};
	struct il_test_thread nagger;
	int fd[2];

	il_test_thread_start(&nagger, nag, &n);

	for (int blocking = 0; blocking < 2; blocking++) {
		full_pipe(fd);
		CHECK_EQ(fcntl(fd[1], F_SETFL, blocking ? 0 : O_NONBLOCK), 0);
		CHECK_RC(il_loop_dump(il_loop_current(), fd[1]), -ETIMEDOUT);
		close(fd[0]);
		close(fd[1]);
	}
	atomic_store(&n.over, true);
	CHECK_RC(il_test_thread_join(&nagger), 0);
	signal(SIGUSR1, before);
}

IL_TEST(V, n418_a_dump_is_no_cancellation_point)
{
	il_scope scope = IL_SCOPE_INIT;
	char *text;

	CHECK_RC(il_scope_cancel(&scope), 0);
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_task_set_name("cancelled one"), 0);
	text = dump_all();
	CHECK_DUMPED(text, "cancelled one: runs; cancelled");
	free(text);
	CHECK_RC(il_scope_exit(&scope, 0), 0);
}

IL_TEST_OWN(V, n418_a_closed_loop_is_not_dumped)
{
	il_loop *loop = NULL;
	char *text;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_close(loop), 0);
	CHECK_RC(il_loop_dump(loop, 2), -ESHUTDOWN);
	text = dump_all();
	CHECK(!DUMP_HAS(text, "loop ", il_native.name));
	free(text);
	il_loop_destroy(loop);
}
