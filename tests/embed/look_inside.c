/*
 * look_inside.c: a program that asks for all that tells what it does; docs/howto.md quotes it.
 */
#include "../core/check.h"

#include <interloop.h>
#include <interloop/virtual.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

static int serve(void *most)
{
	il_loop_statistics s;

	CHECK(il_sleep(IL_SEC(1)) == 0);
	CHECK(il_loop_get_statistics(il_loop_current(), &s) == 0);
	*(size_t *)most = s.most_stack_used;
	return 0;
}

int main(void)
{
	char said[4096] = "";
	size_t most = 0;
	il_loop *loop;
	int out[2], rc;

	CHECK(pipe(out) == 0 && dup2(out[1], STDERR_FILENO) == STDERR_FILENO);
	/* [signal] */
	rc = il_dump_on_signal(SIGQUIT);
	if (rc < 0)
		fprintf(stderr, "no dumps: %s\n", il_error_detail());
	/* [signal] */
	/* [options] */
	il_loop_options options = {
	    .slow_task = IL_MSEC(100), .report_overflow = true, .measure_stacks = true};
	rc = il_loop_open(&loop, il_virtual(), &options);
	/* [options] */
	CHECK(rc == 0);
	CHECK(raise(SIGQUIT) == 0);
	CHECK(read(out[0], said, sizeof said - 1) > 0);
	CHECK(strstr(said, "loop 1 (virtual, own)"));
	CHECK(il_loop_run(loop, serve, &most) == 0);
	CHECK(most > 0);
	il_loop_destroy(loop);
	CHECK(il_dump_on_signal(0) == 0);
	return 0;
}
