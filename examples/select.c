/*
 * select.c: waiting for the first of several: jobs from a channel, the result of a call in a thread, a stop, and a
 * time limit.
 */
#include "example.h"

#include <stdio.h>

/* [shared] */
struct shop {
	il_sender *out;
	il_receiver *jobs; /* of int */
	il_event *stop;
};
/* [shared] */

static int audit(void *arg)
{
	(void)arg;
	example_block(50);
	return 42;
}

/* [worker] */
static int worker(struct shop *shop, il_future *audited)
{
	int job = 0;
	il_case cases[] = {
	    il_case_event(shop->stop), /* the first in the array goes first */
	    il_case_receive(shop->jobs, &job),
	    il_case_future(audited),
	};
	for (;;) {
		int rc = il_select(cases, 3, IL_MSEC(300));
		switch (rc) {
		case 0:
			printf("stopped\n");
			return 0;
		case 1:
			if (cases[1].rc == 1)
				printf("job %d\n", job);
			else
				cases[1].object = NULL; /* no more jobs: this case is off */
			break;
		case 2:
			printf("the audit found %d\n", il_future_result(audited, 0));
			cases[2].object = NULL;
			break;
		case -ETIMEDOUT:
			printf("nothing to do for a while\n");
			il_event_set(shop->stop);
			break;
		default:
			return rc; /* -ECANCELED: nothing was taken */
		}
	}
}
/* [worker] */

static int producer(void *arg)
{
	struct shop *shop = arg;
	for (int job = 1; job <= 3; job++) {
		int rc = il_channel_send(shop->out, &job);
		if (rc < 0)
			return rc;
	}
	return il_sender_close(shop->out);
}

static int run_shop(struct shop *shop)
{
	il_executor *pool = NULL;
	il_future *audited = NULL;
	il_group group;
	int rc = il_thread_pool_create(&pool, NULL);
	if (rc < 0)
		return rc;
	rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, producer, shop);
		if (rc == 0)
			rc = il_executor_submit(pool, &audited, audit, NULL, 0);
		if (rc == 0)
			rc = worker(shop, audited);
		rc = il_group_close(&group, rc);
	}
	il_future_unref(audited);
	il_executor_shutdown(pool, 0);
	il_executor_destroy(pool);
	return rc;
}

static int run(void *arg)
{
	struct shop shop = {NULL, NULL, NULL};
	int rc = il_channel_create(&shop.out, &shop.jobs, sizeof(int), 1);
	(void)arg;
	if (rc == 0)
		rc = il_event_create(&shop.stop);
	if (rc == 0)
		rc = run_shop(&shop);
	il_event_destroy(shop.stop);
	il_sender_destroy(shop.out);
	il_receiver_destroy(shop.jobs);
	return rc;
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
