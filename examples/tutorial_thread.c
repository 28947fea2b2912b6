/*
 * tutorial_thread.c: a blocking call in a worker thread, while another task goes on; see
 * docs/tutorial.md.
 */
#include "usage.h"

#include <interloop.h>

#include <stdio.h>
#include <time.h>

/* [blocking] */
static int look_up(void *arg) /* blocks its thread: a database, a disk, a computation */
{
	const struct timespec a_while = {0, 300000000};
	nanosleep(&a_while, NULL);
	*(int *)arg = 42;
	return 0;
}
/* [blocking] */

/* [run] */
static int count(void *arg)
{
	(void)arg;
	for (int i = 1; i <= 3; i++) {
		int rc = il_sleep(IL_MSEC(20));
		if (rc < 0)
			return rc;
		printf("the loop goes on: %d\n", i);
	}
	return 0;
}

static int run(void *arg)
{
	(void)arg;
	int answer = 0;
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, count, NULL);
	if (rc == 0)
		rc = il_run_in_thread(look_up, &answer); /* parks this task until it has ended */
	if (rc == 0)
		printf("from the thread: %d\n", answer);
	return il_group_close(&group, rc);
}
/* [run] */

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	int rc = il_run(il_backend_find(NULL), run, NULL);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
