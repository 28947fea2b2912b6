/*
 * priorities.c: an office makes reports, one after the other, when somebody asks a question. The question goes to the same
 * thread by another executor, and is answered before the reports that still wait, also those that wait for room in the queue.
 */
#include "example.h"
#include "priority_pool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

enum { REPORTS = 6, ROOM = 2 };

struct office {
	il_executor *executors[PRIORITIES];
	il_event *busy;
	atomic_bool asked;
	int next;
};

static int set_event(void *event)
{
	il_event_set(event);
	return 0;
}

/* Runs in the thread of the pool. The first report takes until the question has been asked. */
static int make_report(void *arg)
{
	struct office *office = *(struct office **)arg;

	il_from_thread_run_sync(set_event, office->busy);
	while (!atomic_load(&office->asked))
		example_block(1);
	printf("report %d\n", ++office->next);
	return 0;
}

static int answer(void *arg)
{
	(void)arg;
	printf("the answer\n");
	return 42;
}

/* [use] */
static int want_report(void *arg)
{
	struct office *office = arg;

	/* Waits until there is room in the queue, then for the report. */
	return il_executor_run(office->executors[ORDINARY], make_report, &office, sizeof office);
}

static int ask(struct office *office)
{
	il_future *f = NULL;
	int rc = il_executor_submit(office->executors[URGENT], &f, answer, NULL, 0);

	atomic_store(&office->asked, true);
	return rc < 0 ? rc : il_future_join(f);
}

static int work(struct office *office)
{
	il_group g;
	int rc = il_group_open(&g);

	if (rc < 0)
		return rc;
	for (int i = 0; i < REPORTS && rc == 0; i++)
		rc = il_group_start_soon(&g, NULL, want_report, office);
	if (rc == 0)
		rc = il_event_wait(office->busy);
	if (rc == 0)
		rc = ask(office) == 42 ? 0 : -EPROTO;
	return il_group_close(&g, rc);
}

static int run(void *arg)
{
	struct office *office = arg;
	int rc = il_event_create(&office->busy);

	if (rc == 0)
		rc = priority_pool_create(office->executors, 1, ROOM);
	if (rc == 0)
		rc = work(office);
	il_executor_destroy(office->executors[ORDINARY]);
	il_executor_destroy(office->executors[URGENT]);
	il_event_destroy(office->busy);
	return rc;
}
/* [use] */

int main(int argc, char **argv)
{
	struct office office = {.busy = NULL};

	return example_main(argc, argv, run, &office);
}
