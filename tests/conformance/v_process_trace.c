/*
 * v_process_trace.c: what worker processes do is in the trace of the process that has the pool.
 */
#include "v_trace.h"

static int seven(void *arg)
{
	(void)arg;
	return 7;
}

IL_TEST_REAL(V, a_worker_process_has_a_track_with_its_calls)
{
	il_executor *pool = NULL;
	struct events e;
	int fd = trace_file();
	size_t calls = 0;

	CHECK_RC(il_process_pool_create(&pool, &(il_process_pool_options){.max_workers = 1}), 0);
	CHECK_RC(il_trace_start(fd, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_executor_run(pool, seven, NULL, 0), 7);
	CHECK_RC(il_trace_stop(), 0);
	il_executor_destroy(pool);
	e = trace_read(fd);
	check_nesting(&e);
	CHECK_EQ(tracks_called(&e, "worker process"), 1);
	for (size_t i = 0; i < e.count; i++)
		calls += e.all[i].phase == 'X' && e.all[i].process != getpid();
	CHECK_EQ(calls, 3);
	CHECK_EQ(check_arrows(&e), 6);
	free(e.all);
}
