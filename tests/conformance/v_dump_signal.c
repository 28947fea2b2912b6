/*
 * v_dump_signal.c: a signal has the process write what its loops do, also while one is stuck; a signal that is somebody's
 * is refused, and what was there before is put back.
 */
#define _GNU_SOURCE
#include "in_child.h"
#include "v_dump.h"
#include "waits.h"

#include <interloop/executor.h>
#include <interloop/inspect.h>
#include <interloop/process_pool.h>
#include <interloop/signal.h>
#include <interloop/thread_pool.h>

#include <signal.h>

/* What goes to stderr meanwhile. */
struct said {
	int saved, fd;
};

static struct said said_begin(void)
{
	struct said said = {.saved = dup(STDERR_FILENO), .fd = dump_file()};

	CHECK(said.saved >= 0 && dup2(said.fd, STDERR_FILENO) == STDERR_FILENO);
	return said;
}

static char *said_so_far(const struct said *said)
{
	return dump_text(dup(said->fd));
}

static bool said_has(const struct said *said, const char *words)
{
	char *text = said_so_far(said);
	bool has = strstr(text, words) != NULL;

	free(text);
	return has;
}

static void said_end(const struct said *said)
{
	dup2(said->saved, STDERR_FILENO);
	close(said->saved);
	close(said->fd);
}

static void (*handler_of(int number))(int)
{
	struct sigaction now;

	CHECK_EQ(sigaction(number, NULL, &now), 0);
	return now.sa_handler;
}

IL_TEST_REAL(V, a_signal_brings_a_dump_of_every_loop)
{
	struct said said = said_begin();
	il_event *event = NULL;
	il_group g;

	CHECK_RC(il_event_create(&event), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, wait_event, event,
					  &(il_task_options){.name = "child"}),
		 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	for (int i = 0; i < 2; i++) {
		CHECK(ftruncate(said.fd, 0) == 0 && lseek(said.fd, 0, SEEK_SET) == 0);
		CHECK_EQ(raise(SIGUSR1), 0);
		UNTIL(said_has(&said, "child: il_event_wait"));
	}
	CHECK_RC(il_dump_on_signal(0), 0);
	CHECK(handler_of(SIGUSR1) == SIG_DFL);
	CHECK_RC(il_event_set(event), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_event_destroy(event);
	said_end(&said);
}

IL_TEST_REAL(V, a_signal_brings_a_dump_while_a_task_holds_its_loop)
{
	struct said said = said_begin();

	CHECK_RC(il_task_set_name("computes"), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	while (!said_has(&said, "computes has held it for "))
		usleep(1000);
	CHECK_RC(il_dump_on_signal(0), 0);
	said_end(&said);
}

IL_TEST_CORE(V, what_was_asked_for_before_the_end_is_written)
{
	struct said said = said_begin();
	il_executor *pool = NULL;

	CHECK_RC(il_thread_pool_create(&pool, NULL), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_dump_on_signal(0), 0);
	CHECK(said_has(&said, "executor"));
	il_executor_destroy(pool);
	said_end(&said);
}

static void handle_it(int number)
{
	(void)number;
}

IL_TEST_CORE(V, a_signal_that_has_a_handler_is_refused)
{
	CHECK(signal(SIGUSR1, handle_it) == SIG_DFL);
	CHECK_RC(il_dump_on_signal(SIGUSR1), -EBUSY);
	CHECK_DETAIL("has a handler already");
	CHECK(handler_of(SIGUSR1) == handle_it);
	CHECK(signal(SIGUSR1, SIG_DFL) == handle_it);
}

static void handle_once(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
}

/* The system puts the default back, and leaves the flags. */
IL_TEST_CORE(V, a_signal_whose_handler_served_once_is_free)
{
	struct sigaction once = {.sa_flags = SA_SIGINFO | (int)SA_RESETHAND};
	struct said said = said_begin();

	once.sa_sigaction = handle_once;
	CHECK_EQ(sigaction(SIGUSR1, &once, NULL), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), -EBUSY);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_dump_on_signal(0), 0);
	said_end(&said);
	CHECK(handler_of(SIGUSR1) == SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
}

IL_TEST(V, a_signal_has_a_receiver_or_brings_dumps)
{
	il_signal_receiver *receiver = NULL;
	int number = SIGUSR1;

	CHECK_RC(il_signal_receiver_open(&receiver, &number, 1), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), -EBUSY);
	il_signal_receiver_destroy(receiver);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_RC(il_signal_receiver_open(&receiver, &number, 1), -EBUSY);
	CHECK_RC(il_dump_on_signal(0), 0);
	CHECK_RC(il_signal_receiver_open(&receiver, &number, 1), 0);
	il_signal_receiver_destroy(receiver);
}

IL_TEST_CORE(V, what_is_no_signal_for_dumps_changes_nothing)
{
	static const int wrong[] = {-1, 1000000, SIGKILL, SIGSTOP, SIGSEGV, SIGFPE};

	CHECK_RC(il_dump_on_signal(0), 0);
	for (int on = 0; on < 2; on++) {
		for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
			CHECK_RC(il_dump_on_signal(wrong[i]), -EINVAL);
		CHECK((handler_of(SIGUSR1) == SIG_DFL) == !on);
		CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	}
	CHECK_RC(il_dump_on_signal(0), 0);
}

IL_TEST_CORE(V, another_signal_takes_the_place_of_the_first)
{
	CHECK(signal(SIGUSR1, SIG_IGN) == SIG_DFL); /* as a shell leaves it */
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR2), 0);
	CHECK(handler_of(SIGUSR1) == SIG_IGN && handler_of(SIGUSR2) != SIG_DFL);
	CHECK_RC(il_dump_on_signal(0), 0);
	CHECK(handler_of(SIGUSR2) == SIG_DFL);
	CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
}

/* Whoever sets a handler later has the signal. Whoever takes ours away leaves it free. */
IL_TEST_CORE(V, asking_again_tells_whether_the_signal_still_brings_dumps)
{
	struct said said = said_begin();
	il_executor *pool = NULL;

	CHECK_RC(il_thread_pool_create(&pool, NULL), 0);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK(signal(SIGUSR1, handle_it) != SIG_DFL);
	CHECK_RC(il_dump_on_signal(SIGUSR1), -EBUSY);
	CHECK_DETAIL("has a handler already");
	CHECK(signal(SIGUSR1, SIG_DFL) == handle_it);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_dump_on_signal(0), 0);
	CHECK(said_has(&said, "executor"));
	CHECK(handler_of(SIGUSR1) == SIG_DFL);
	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK(signal(SIGUSR1, handle_it) != SIG_DFL);
	CHECK_RC(il_dump_on_signal(SIGUSR2), 0);
	CHECK_RC(il_dump_on_signal(0), 0);
	CHECK(signal(SIGUSR1, SIG_DFL) == handle_it);
	il_executor_destroy(pool);
	said_end(&said);
}

static int dump_in_child(void *unused)
{
	il_executor *pool = NULL;

	(void)unused;
	CHILD_CHECK(handler_of(SIGUSR1) == SIG_DFL);
	CHILD_CHECK(il_dump_on_signal(0) == 0);
	if (IL_TEST_TSAN) /* it starts no threads in the child of a process with threads */
		return 0;
	CHILD_CHECK(il_thread_pool_create(&pool, NULL) == 0);
	CHILD_CHECK(il_dump_on_signal(SIGUSR1) == 0);
	CHILD_CHECK(raise(SIGUSR1) == 0);
	CHILD_CHECK(il_dump_on_signal(0) == 0);
	return 0;
}

IL_TEST_CORE(V, a_forked_child_has_the_signal_as_it_was_and_may_ask_for_it)
{
	char said[4096];

	CHECK_RC(il_dump_on_signal(SIGUSR1), 0);
	CHECK_EQ(in_child(dump_in_child, NULL, said, sizeof said), 0);
	CHECK(IL_TEST_TSAN || strstr(said, "executor") != NULL);
	CHECK_RC(il_dump_on_signal(0), 0);
}

int raise_usr1(void *unused)
{
	(void)unused;
	return raise(SIGUSR1);
}

/* A terminal sends the signal to the workers of the program, too. */
IL_TEST_CORE(V, a_worker_process_ignores_the_signal_of_the_variable)
{
	struct said said = said_begin();
	il_executor *pool = NULL;
	char *text;

	CHECK_EQ(setenv("INTERLOOP_DUMP_SIGNAL", "SIGUSR1", 1), 0);
	CHECK_RC(il_process_pool_create(&pool, &(il_process_pool_options){.max_workers = 1}), 0);
	CHECK_RC(il_executor_run(pool, raise_usr1, NULL, 0), 0);
	il_executor_destroy(pool);
	CHECK_EQ(unsetenv("INTERLOOP_DUMP_SIGNAL"), 0);
	text = said_so_far(&said);
	CHECK_STR(text, "");
	free(text);
	said_end(&said);
}
