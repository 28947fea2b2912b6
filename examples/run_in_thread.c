/*
 * run_in_thread.c: a blocking function in a worker thread, while the loop goes on.
 */
#include "example.h"

#include <stdio.h>

/* [blocking] */
static int blocking(void *arg)
{
	const int *n = arg;
	example_block(100); /* the loop does not notice */
	printf("in the loop's thread: %s\n", example_in_main_thread() ? "yes" : "no");
	return *n * *n;
}
/* [blocking] */

static int ticker(void *arg)
{
	int *ticks = arg;
	int rc;
	while ((rc = il_sleep(IL_MSEC(5))) == 0)
		++*ticks;
	return rc;
}

/* [run] */
static int run(void *arg)
{
	(void)arg;
	int n = 6, ticks = 0;
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, ticker, &ticks);
	if (rc == 0) {
		rc = il_run_in_thread(blocking,
				      &n); /* parks this task until the thread is through */
		printf("blocking(%d) = %d\n", n, rc);
		printf("another task ran meanwhile: %s\n", ticks > 0 ? "yes" : "no");
		il_scope_cancel(il_group_scope(&group));
	}
	return il_group_close(&group, rc);
}
/* [run] */

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
