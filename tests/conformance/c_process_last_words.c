/*
 * c_process_last_words.c: what a worker process wrote last is shown escaped, in il_error_detail() and in the log:
 * it may be anybody's text.
 */
#define _GNU_SOURCE
#include "processes.h"

enum { RUDE, FOREIGN, LONG };

static int say_and_die(void *arg)
{
	static const char rude[] = "\033[2J\033]0;owned\007bad\0input\r2026 INFO login of root\n";

	signal(SIGPIPE, SIG_DFL);
	switch (((struct job *)arg)->value) {
	case RUDE:
		(void)!write(STDERR_FILENO, rude, sizeof rude - 1);
		break;
	case FOREIGN:
		(void)!write(STDERR_FILENO, "na\xc3\xafve\n", 7);
		break;
	default:
		for (int i = 0; i < 200; i++)
			(void)!write(STDERR_FILENO, "\xe2\x82\xac", 3);
		(void)!write(STDERR_FILENO, ".", 1);
	}
	_exit(1);
}

static void check_last_words(void)
{
	static const char *const shown[] = {
	    "; it last wrote: \\x1B[2J\\x1B]0;owned\\x07bad\\x00input\\x0D2026 INFO login of root",
	    "; it last wrote: na\xc3\xafve", "; it last wrote: \xe2\x82\xac\xe2\x82\xac"};
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});

	for (int i = RUDE; i <= LONG; i++) {
		struct job j = job_on(NULL, i);
		CHECK_RC(il_executor_run(ex, say_and_die, &j, sizeof j), -EOWNERDEAD);
		CHECK(strstr(il_error_detail(), shown[i]) != NULL);
		CHECK_LOGGED(IL_LOG_WARNING, shown[i], 1);
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, what_a_worker_wrote_last_is_shown_escaped)
{
	check_last_words();
}

IL_TEST(C, what_a_tasks_worker_wrote_last_is_shown_escaped)
{
	check_last_words();
}
