/*
 * tutorial_tasks.c: the first tasks of docs/tutorial.md. One sleeps, then two sleep at once in a group.
 *
 *     cc tutorial_tasks.c -o tasks $(pkg-config --cflags --libs interloop)
 */
#include "usage.h"

#include <interloop.h>

#include <stdio.h>

/* [task] */
static int count(void *arg)
{
	const char *name = arg;
	for (int i = 1; i <= 3; i++) {
		int rc = il_sleep(IL_MSEC(50)); /* parks this task, not the loop */
		if (rc < 0)
			return rc;
		printf("%s %d\n", name, i);
	}
	return 0;
}
/* [task] */

/* [group] */
static int both(void)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, count, "tea");
	if (rc == 0)
		rc = il_group_start_soon(&group, NULL, count, "toast");
	return il_group_close(&group, rc); /* waits for both */
}
/* [group] */

/* [main] */
static int run(void *arg)
{
	int rc = count(arg); /* a call, as any other */
	return rc < 0 ? rc : both();
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	int rc = il_run(il_backend_find(NULL), run, "alone");
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
/* [main] */
