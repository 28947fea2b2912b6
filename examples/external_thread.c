/*
 * external_thread.c: a thread that the library did not start (some driver's, some other library's)
 * enters the loop through a portal.
 */
#include "example.h"

#include <pthread.h>
#include <stdio.h>

struct sensor {
	il_portal *portal;
	int reading, sum;
	int rc;
};

/* [calls] */
static int store(void *arg) /* a task: it may wait */
{
	struct sensor *s = arg;
	int rc = il_sleep(IL_MSEC(1)); /* in place of a write to some database */
	if (rc == 0)
		s->sum += s->reading;
	return rc;
}

static int show(void *arg) /* a plain call: it may not wait */
{
	const struct sensor *s = arg;
	printf("reading %d, sum %d, in the loop's thread: %s\n", s->reading, s->sum,
	       example_in_main_thread() ? "yes" : "no");
	return 0;
}
/* [calls] */

/* [thread] */
static void *sensor_thread(void *arg)
{
	struct sensor *s = arg;
	for (s->reading = 1; s->reading <= 3 && s->rc == 0; s->reading++) {
		s->rc = il_portal_run_coroutine(s->portal, store, s);
		if (s->rc == 0)
			s->rc = il_portal_run_sync(s->portal, show, s);
	}
	il_portal_stop(s->portal, false); /* wakes il_portal_sleep_until_stopped */
	il_portal_unref(s->portal);
	return NULL;
}
/* [thread] */

/* [run] */
static int run(void *arg)
{
	struct sensor *sensor = arg;
	il_portal *portal;
	int rc = il_loop_create_threads_portal(il_loop_current(), &portal);
	if (rc < 0)
		return rc;
	sensor->portal = il_portal_ref(portal); /* the thread's own reference */
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, sensor_thread, sensor);
	if (failed) {
		il_portal_unref(portal);
		il_portal_close(portal);
		return -failed;
	}
	rc = il_portal_sleep_until_stopped(portal);
	il_portal_close(portal);    /* from now on the thread's calls return -ESHUTDOWN, */
	pthread_join(thread, NULL); /* so it is as good as through */
	return rc < 0 ? rc : sensor->rc;
}
/* [run] */

int main(int argc, char **argv)
{
	struct sensor sensor = {0};
	return example_main(argc, argv, run, &sensor);
}
