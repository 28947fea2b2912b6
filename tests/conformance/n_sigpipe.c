/*
 * n_sigpipe.c: nothing that the library writes raises SIGPIPE, whoever has stopped reading.
 */
#include "in_child.h"

#include <signal.h>

/* stderr is a pipe without a reader from now on. */
static bool deafen_stderr(void)
{
	int fd[2];

	if (pipe(fd) < 0)
		return false;
	dup2(fd[1], STDERR_FILENO);
	close(fd[0]);
	close(fd[1]);
	il_set_log(NULL, NULL); /* the default log, not the harness's */
	signal(SIGPIPE, SIG_DFL);
	return true;
}

static int fail(il_future *f, void *arg)
{
	(void)f;
	(void)arg;
	return -EIO;
}

static int log_a_warning(void)
{
	il_future *f;

	if (il_future_create(&f) < 0)
		return 1;
	il_future_on_done(f, fail, NULL);
	il_future_set_result(f, 0);
	il_future_unref(f);
	return 0;
}

static int log_to_nobody(void *arg)
{
	(void)arg;
	return deafen_stderr() ? log_a_warning() : 1;
}

IL_TEST_CORE(N, the_log_raises_no_sigpipe)
{
	CHECK_IN_CHILD(log_to_nobody, NULL);
}

/* One that was pending before is the program's. */
static int log_while_one_is_pending(void *arg)
{
	sigset_t mask, pending;

	(void)arg;
	sigemptyset(&mask);
	sigaddset(&mask, SIGPIPE);
	if (!deafen_stderr())
		return 1;
	sigprocmask(SIG_BLOCK, &mask, NULL);
	raise(SIGPIPE);
	if (log_a_warning() != 0)
		return 2;
	sigpending(&pending);
	return sigismember(&pending, SIGPIPE) ? 0 : 3;
}

IL_TEST_CORE(N, the_log_takes_no_sigpipe_of_the_programs_away)
{
	CHECK_IN_CHILD(log_while_one_is_pending, NULL);
}

static void *destroy(void *loop)
{
	il_loop_destroy(loop);
	return NULL;
}

static int destroy_elsewhere(void *arg)
{
	il_loop *loop;
	pthread_t thread;

	(void)arg;
	if (!deafen_stderr() || il_loop_open(&loop, il_test_backend(), NULL) < 0)
		return 1;
	pthread_create(&thread, NULL, destroy, loop);
	pthread_join(thread, NULL);
	return 2;
}

IL_TEST_OWN(N, misuse_ends_by_abort_also_where_nobody_reads_the_sentence)
{
	char said[200], expected[20];

	snprintf(expected, sizeof expected, "(signal %d)", SIGABRT);
	CHECK_EQ(in_child(destroy_elsewhere, NULL, said, sizeof said), -1);
	CHECK(strstr(said, expected) != NULL);
}
