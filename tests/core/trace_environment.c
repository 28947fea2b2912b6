/* trace_environment.c: a task in virtual time, for trace_environment.sh to trace. */
#include <interloop.h>
#include <interloop/virtual.h>

static int sleeps(void *arg)
{
	(void)arg;
	return il_task_set_name("sleeper") < 0 ? 1 : il_sleep(IL_SEC(3600));
}

int main(void)
{
	return il_run(il_virtual(), sleeps, NULL) == 0 ? 0 : 1;
}
