/*
 * timer_slack.c: many tasks that wait for a time, and need not be woken to the microsecond. With a slack
 * those whose times are close wake together, so the loop sleeps longer and wakes less often.
 */
#include "example.h"

#include <stdio.h>
#include <time.h>

enum { POLLERS = 5000, ROUNDS = 10 };

/* [poller] */
/* Looks at something ten times a second; a few milliseconds later is as good. */
static int poller(void *arg)
{
	il_time slack = *(il_time *)arg;
	int rc = il_task_set_timer_slack(slack);
	for (int i = 0; rc == 0 && i < ROUNDS; i++)
		rc = il_sleep(IL_MSEC(100));
	return rc;
}
/* [poller] */

static int poll_all(il_time slack)
{
	il_group group;
	int rc = il_group_open(&group);
	for (int i = 0; rc == 0 && i < POLLERS; i++) {
		rc = il_group_start_soon(&group, NULL, poller, &slack);
		if (rc == 0 && i % 50 == 0)
			rc = il_sleep(IL_MSEC(1)); /* they do not begin together */
	}
	return il_group_close(&group, rc);
}

static int compare(void *arg)
{
	(void)arg;
	clock_t begin = clock();
	int rc = poll_all(0);
	clock_t precise = clock() - begin;
	if (rc == 0)
		rc = poll_all(IL_MSEC(5));
	clock_t slack = clock() - begin - precise;
	if (rc == 0)
		printf("%d sleeps to the microsecond: %ld ms of processor time\n"
		       "%d sleeps within 5 ms:       %ld ms of processor time\n",
		       POLLERS * ROUNDS, (long)precise * 1000 / CLOCKS_PER_SEC, POLLERS * ROUNDS,
		       (long)slack * 1000 / CLOCKS_PER_SEC);
	return rc;
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, compare, NULL);
}
