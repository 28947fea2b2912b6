/*
 * run.c: runs a program on a loop in virtual time.
 */
#include "world.h"

#include <interloop/virtual.h>

/* More task steps than any program takes: one that goes on is a task that spins. */
enum { STEP_LIMIT = 200000 };

static int run_main(void *program)
{
	struct program *p = program;
	struct place places[STEPS_MAX];
	il_group group;
	int rc, n = 0;

	if (il_group_open(&group) < 0)
		broken("il_group_open: %s", il_error_detail());
	for (int i = 0; i < p->count; i += p->steps[i].size) {
		if (p->steps[i].gone)
			continue;
		places[n] = (struct place){.step = &p->steps[i]};
		if (il_group_start_soon(&group, NULL, task_run, &places[n++]) < 0)
			broken("il_group_start_soon: %s", il_error_detail());
	}
	rc = il_group_close(&group, 0);
	if (rc < 0 && rc != -EIO)
		broken("the tasks ended with %s", il_error_name(rc));
	world_check_end();
	return 0;
}

void program_run(struct program *p)
{
	const il_loop_options options = {.seed = p->schedule, .step_limit = STEP_LIMIT};
	il_loop *loop;
	int rc;

	world_open(p);
	if (il_loop_open(&loop, il_virtual(), &options) < 0)
		broken("il_loop_open: %s", il_error_detail());
	rc = il_loop_run(loop, run_main, p);
	if (rc < 0)
		broken("%s: %s", il_error_name(rc), il_error_detail());
	world_close();
	if (il_loop_close(loop) < 0)
		broken("il_loop_close: %s", il_error_detail());
	il_loop_destroy(loop);
}
