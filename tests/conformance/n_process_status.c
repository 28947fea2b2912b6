/*
 * n_process_status.c: the exit status of a child is told to who started it, whoever reaps it.
 */
#include "children.h"
#include "reapers.h"

static void check_end(const char *script, int expected)
{
	il_process *p;

	p = spawned(SH(script), NULL);
	UNTIL(is_gone(il_process_pid(p))); /* the other one was first */
	CHECK_RC(il_process_returncode(p), expected);
	CHECK_RC(il_process_wait(p), expected);
	il_process_destroy(p);
	p = spawned(SH(script), NULL); /* and whoever is */
	CHECK_RC(il_process_wait(p), expected);
	CHECK_RC(il_process_close(p), expected);
	il_process_destroy(p);
}

IL_TEST(N, n258_a_status_is_not_lost_to_a_program_that_reaps_every_child)
{
	if (!status_is_always_kept())
		return;
	for (int kind = 0; kind < REAPERS; kind++) {
		il_process_result result;
		struct reaper r;
		reaper_start(&r, kind);
		check_end("exit 7", 7);
		check_end("kill -9 $$", IL_PROCESS_SIGNALED + SIGKILL);
		CHECK_RC(il_process_run(&result, SH("echo out; exit 8"), NULL, 0, NULL), 8);
		CHECK_STR(result.output, "out\n");
		il_process_result_clear(&result);
		reaper_stop(&r);
	}
}

IL_TEST(N, n258_a_child_that_somebody_else_has_reaped_can_be_killed_and_closed)
{
	struct reaper r;
	il_process *p;

	if (!status_is_always_kept())
		return;
	reaper_start(&r, REAPS_BY_HANDLER);
	p = spawned(ARGV((char *)"sleep", (char *)"100"), NULL);
	CHECK_RC(il_process_kill(p), 0);
	UNTIL(is_gone(il_process_pid(p)));
	CHECK_RC(il_process_kill(p), 0);
	CHECK_RC(il_process_close(p), IL_PROCESS_SIGNALED + SIGKILL);
	il_process_destroy(p);
	p = spawned(ARGV((char *)"sleep", (char *)"100"), NULL);
	il_process_destroy(p);
	reaper_stop(&r);
}
