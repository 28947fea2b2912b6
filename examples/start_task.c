/*
 * start_task.c: a task that is started, signals that it is ready, and goes on. Whoever started it
 * goes on at the signal, from the loop or from another thread.
 */
#include "example.h"

#include <errno.h>
#include <stdio.h>

/* [service] */
static int service(void *arg)
{
	int port = *(const int *)arg;
	int rc = il_sleep(IL_MSEC(10)); /* in place of getting ready: bind, connect, log in */
	if (rc < 0)
		return rc;
	if (port <= 0)
		return -EADDRNOTAVAIL; /* not ready, and never will be: the starter gets this */
	printf("service %d is up\n", port);
	rc = il_task_started(port);
	if (rc == 0)
		rc = il_sleep_forever(); /* in place of serving, until cancelled */
	printf("service %d ends: %s\n", port, il_error_name(rc));
	return rc;
}
/* [service] */

/* [thread] */
static int worker(void *arg)
{
	il_portal *portal = arg;
	static int port = 2;
	int value = 0;
	il_future *running;
	int rc = il_portal_start_task(portal, &running, &value, service, &port);
	if (rc < 0)
		return rc;
	printf("the thread goes on, service %d is ready\n", value);
	il_future_cancel(running);
	rc = il_future_join(running);
	printf("its future: %s\n", il_error_name(rc));
	return 0;
}
/* [thread] */

/* [group] */
static int start_in_group(void)
{
	static int good = 1, bad = -1;
	int value = 0;
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start(&group, NULL, service, &bad); /* waits until it is ready, or failed */
	printf("the bad one: %s\n", il_error_name(rc));
	rc = il_group_start(&group, &value, service, &good);
	if (rc == 0) {
		printf("the task goes on, service %d is ready\n", value);
		il_scope_cancel(il_group_scope(&group));
	}
	return il_group_close(&group, rc);
}
/* [group] */

static int run(void *arg)
{
	(void)arg;
	int rc = start_in_group();
	if (rc < 0)
		return rc;
	il_portal *portal;
	rc = il_loop_create_threads_portal(il_loop_current(), &portal);
	if (rc < 0)
		return rc;
	rc = il_run_in_thread(worker, portal);
	int closed = il_portal_close(portal);
	return rc < 0 ? rc : closed;
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
