/* gdb_tasks.c: tasks that wait, for gdb.sh to look at; then it stops by SIGABRT, in a task, or with an argument in a
 * plain call, on the stack of the loop. */
#include <interloop.h>
#include <interloop/virtual.h>

#include <stdlib.h>

/* What a backtrace has to show; none of them is inlined, nor ends in a jump. */
#ifdef __clang__
#define SHOWN __attribute__((noinline))
#else
#define SHOWN __attribute__((noinline, noclone))
#endif

static volatile int after;

SHOWN int deep_inside(int depth)
{
	int rc = depth ? deep_inside(depth - 1) : il_sleep_forever();

	after++;
	return rc;
}

static int sleeper(void *arg)
{
	(void)arg;
	return il_task_set_name("a sleeper") < 0 ? 1 : deep_inside(2);
}

SHOWN int waits_for_event(void *event)
{
	int rc = il_event_wait(event);

	after++;
	return rc;
}

static int has_future(void *event)
{
	return il_event_wait(event);
}

static int abort_plainly(void *arg)
{
	(void)arg;
	abort();
}

static int aborts(void *plainly)
{
	il_group g;
	il_event *event;
	il_portal *portal;
	il_future *f;

	if (il_task_set_name("who aborts") < 0 || il_event_create(&event) < 0 ||
	    il_group_open(&g) < 0 || il_group_start_soon(&g, NULL, sleeper, NULL) < 0 ||
	    il_group_start_soon(&g, NULL, waits_for_event, event) < 0 ||
	    il_group_start_soon(&g, &f, has_future, event) < 0 ||
	    il_loop_create_threads_portal(il_loop_current(), &portal) < 0 ||
	    il_sleep(IL_SEC(1)) < 0)
		return 1;
	if (!plainly)
		abort();
	if (il_portal_run_sync_soon(portal, NULL, abort_plainly, NULL) < 0)
		return 1;
	return il_sleep(IL_SEC(1));
}

int main(int argc, char **argv)
{
	return il_run(il_virtual(), aborts, argc > 1 ? argv[1] : NULL) == 0 ? 0 : 1;
}
