/*
 * single_flight.c: a cache whose values take long to compute. Of many tasks that want one at once, one computes it.
 */
#include "../usage.h"

#include <interloop.h>

/* [cache] */
struct entry {
	il_event *there;    /* NULL: nobody has begun */
	int key, value, rc; /* a failure is kept, too */
};

static int computed; /* how often */

static int compute(void *arg) /* in a worker thread */
{
	struct entry *e = arg;
	e->value = e->key * e->key;
	return 0;
}

/* No lock: tasks change only where a call waits, and between the look and the event none does. */
static int look_up(struct entry *e)
{
	if (e->there) {
		int rc = il_event_wait(e->there);
		return rc < 0 ? rc : e->rc;
	}
	int rc = il_event_create(&e->there);
	if (rc < 0)
		return rc;
	computed++;
	il_scope shield = IL_SCOPE_INIT; /* others wait for it, also if this task is cancelled */
	rc = il_scope_enter(&shield, IL_FOREVER, IL_SHIELD);
	if (rc == 0)
		rc = il_scope_exit(&shield, il_run_in_thread(compute, e));
	e->rc = rc;
	il_event_set(e->there);
	return rc;
}
/* [cache] */

static int want(void *arg)
{
	return look_up(arg);
}

static int run(void *arg)
{
	struct entry entry = {.key = 12};
	il_group group;
	int rc = il_group_open(&group);
	(void)arg;
	if (rc < 0)
		return rc;
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = il_group_start_soon(&group, NULL, want, &entry);
	rc = il_group_close(&group, rc);
	printf("100 tasks: %d, computed %d time\n", entry.value, computed);
	il_event_destroy(entry.there);
	return rc;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	return il_run(il_backend_find(NULL), run, NULL) < 0;
}
