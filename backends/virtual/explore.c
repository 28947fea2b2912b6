/*
 * explore.c: one program under many seeds, each in a loop of its own, so that each run is what it would be alone. Any
 * thread without a loop.
 */
#include <interloop/virtual.h>

#include <stdio.h>

static int explore_seed(uint64_t seed, il_fn *main, void *arg)
{
	const il_loop_options options = {.seed = seed};
	il_loop *loop;
	char why[240];
	int rc = il_loop_open(&loop, il_virtual(), &options);

	if (rc < 0)
		return rc;
	rc = il_loop_run(loop, main, arg);
	snprintf(why, sizeof why, "%s", rc < 0 ? il_error_detail() : "");
	il_loop_destroy(loop);
	return rc < 0 ? il_fail(rc, "seed %llu: %s", (unsigned long long)seed, why) : 0;
}

int il_virtual_explore(uint64_t first_seed, uint64_t count, il_fn *main, void *arg,
		       uint64_t *failing_seed)
{
	if (!main)
		return il_fail(-EINVAL, "il_virtual_explore: main is NULL");
	if (il_loop_current())
		return il_fail(-EPERM, "il_virtual_explore: a loop runs in this thread; call it in "
				       "a plain one");
	for (uint64_t i = 0; i < count; i++) {
		int rc = explore_seed(first_seed + i, main, arg);
		if (rc < 0) {
			if (failing_seed)
				*failing_seed = first_seed + i;
			return rc;
		}
	}
	return 0;
}
