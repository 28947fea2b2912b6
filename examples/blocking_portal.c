/*
 * blocking_portal.c: a program that has no loop of its own: the loop runs in a thread, and the
 * program uses it through the portal, one call at a time or several at once.
 */
#include "example.h"

#include <stdio.h>

/* [task] */
static int fetch(void *arg)
{
	int n = *(const int *)arg;
	int rc = il_sleep(IL_MSEC(20 * n)); /* in place of a request to some server */
	return rc < 0 ? rc : n * n;
}
/* [task] */

/* [several] */
static int fetch_all(il_portal *portal)
{
	static int numbers[] = {3, 1, 2};
	il_future *futures[3];
	size_t started = 0;
	int rc = 0;
	while (rc == 0 && started < 3) {
		rc = il_portal_run_coroutine_soon(portal, &futures[started], fetch,
						  &numbers[started]);
		started += rc == 0;
	}
	il_as_completed *it = NULL;
	if (rc == 0)
		rc = il_as_completed_open(&it, futures, started, IL_SEC(10));
	for (il_future *f; rc >= 0 && (rc = il_as_completed_next(it, &f)) == 1;)
		printf("one of several: %d\n", il_future_result(f, 0));
	il_as_completed_close(it);
	for (size_t i = 0; i < started; i++)
		il_future_join(futures[i]);
	return rc;
}
/* [several] */

/* [main] */
int main(int argc, char **argv)
{
	il_portal *portal;
	int rc = il_blocking_portal_start(&portal, example_backend(argc, argv), NULL);
	if (rc < 0)
		return example_exit(rc);
	int n = 5;
	printf("alone: %d\n", il_portal_run_coroutine(portal, fetch, &n)); /* blocks this thread */
	rc = fetch_all(portal);
	int stopped = il_blocking_portal_stop(portal); /* joins the loop's thread */
	return example_exit(rc < 0 ? rc : stopped);
}
/* [main] */
