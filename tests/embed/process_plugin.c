/* process_plugin.c: what process_host.c loads. */
#include <interloop.h>

#include <stdlib.h>

int process_plugin_call(int depth);

/* In a worker, which does not hand on what it was started with. */
static int job(void *arg)
{
	int depth = *(int *)arg;

	if (getenv("LD_PRELOAD"))
		return -1;
	return depth > 0 ? process_plugin_call(depth) : 7;
}

int process_plugin_call(int depth)
{
	il_process_pool_options options = {.max_workers = 1, .restart_budget = 1};
	il_executor *ex = NULL;
	int rc = il_process_pool_create(&ex, &options);

	if (rc < 0)
		return rc;
	depth--;
	rc = il_executor_run(ex, job, &depth, sizeof depth);
	il_executor_destroy(ex);
	return rc;
}
