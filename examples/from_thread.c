/*
 * from_thread.c: out of a worker thread back into the loop: a task that the thread waits for, and
 * a plain call.
 */
#include "example.h"

#include <stdio.h>

struct import {
	int rows;
	il_event *first_row; /* the loop's: only its thread may touch it */
};

/* [in the loop] */
static int next_row(void *arg) /* a task: it may wait */
{
	struct import *import = arg;
	int rc = il_sleep(IL_MSEC(2)); /* in place of a row that arrives on some connection */
	return rc < 0 ? rc : import->rows + 1;
}

static int publish(void *arg) /* a plain call: it may not wait */
{
	struct import *import = arg;
	printf("row %d is in, in the loop's thread: %s\n", import->rows,
	       example_in_main_thread() ? "yes" : "no");
	return il_event_set(import->first_row);
}
/* [in the loop] */

/* [worker] */
static int worker(void *arg)
{
	struct import *import = arg;
	while (import->rows < 3) {
		int rc = il_from_thread_check_cancelled();
		if (rc == 0)
			rc = il_from_thread_run(next_row, import);
		if (rc < 0)
			return rc;
		import->rows = rc;
		rc = il_from_thread_run_sync(publish, import);
		if (rc < 0)
			return rc;
	}
	return import->rows;
}
/* [worker] */

/* [run] */
static int wait_for_first(void *arg)
{
	struct import *import = arg;
	int rc = il_event_wait(import->first_row);
	if (rc == 0)
		printf("another task saw the first row\n");
	return rc;
}

static int run(void *arg)
{
	(void)arg;
	struct import import = {0};
	int rc = il_event_create(&import.first_row);
	if (rc < 0)
		return rc;
	il_group group;
	rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, wait_for_first, &import);
		if (rc == 0)
			rc = il_run_in_thread(worker, &import);
		rc = il_group_close(&group, rc);
	}
	printf("the worker returned %d\n", rc);
	il_event_destroy(import.first_row);
	return rc;
}
/* [run] */

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
