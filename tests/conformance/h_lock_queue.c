/*
 * h_lock_queue.c: one lock's queue with all that can be in it: who asked for the lock, who was notified of a
 * condition, and who gave up waiting for one while the lock was held.
 */
#include "waiter.h"

#include <interloop/sync.h>

static int acquire(void *arg)
{
	il_condition *c = arg;
	int rc = il_condition_acquire(c);

	if (rc == 0) {
		CHECK(il_lock_held(il_condition_lock(c)));
		CHECK_RC(il_condition_release(c), 0);
	}
	return rc;
}

static int wait_for_notice(void *arg)
{
	il_condition *c = arg;
	int rc;

	CHECK_RC(il_condition_acquire(c), 0);
	rc = il_condition_wait(c);
	CHECK_EQ(il_lock_held(il_condition_lock(c)), rc != -EOWNERDEAD);
	if (rc != -EOWNERDEAD)
		CHECK_RC(il_condition_release(c), 0);
	return rc;
}

struct queue {
	il_condition *c;
	struct waiter asked, notified, cancelled;
};

/* The calling task holds the lock then. */
static void fill(struct queue *q, il_group *g)
{
	il_condition_statistics s;

	start_waiting(g, &q->notified, wait_for_notice, q->c);
	UNTIL(il_condition_get_statistics(q->c).waiting == 1);
	start_waiting(g, &q->cancelled, wait_for_notice, q->c);
	UNTIL(il_condition_get_statistics(q->c).waiting == 2);
	CHECK_RC(il_condition_acquire(q->c), 0);
	start_waiting(g, &q->asked, acquire, q->c);
	CHECK_RC(il_condition_notify(q->c, 1), 0);
	CHECK_RC(il_scope_cancel(&q->cancelled.scope), 0);
	s = il_condition_get_statistics(q->c);
	CHECK_EQ(s.waiting, 0);
	CHECK_EQ(s.lock.waiting, 3);
}

IL_TEST_FIFO(H, n152_one_queue_for_all_who_want_the_lock)
{
	struct queue q = {
	    .asked.name = "asked", .notified.name = "notified", .cancelled.name = "cancelled"};
	il_group g;

	CHECK_RC(il_condition_create(&q.c, NULL), 0);
	CHECK_RC(il_group_open(&g), 0);
	fill(&q, &g);
	CHECK_RC(il_condition_release(q.c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_TRACE("asked notified cancelled");
	check_waited(&q.asked, 0);
	check_waited(&q.notified, 0);
	check_waited(&q.cancelled, -ECANCELED);
	CHECK(!il_lock_locked(il_condition_lock(q.c)));
	il_condition_destroy(q.c);
}

struct owner {
	struct queue *queue;
	il_group *group;
};

static int fill_and_end(void *arg)
{
	struct owner *o = arg;

	fill(o->queue, o->group);
	return 0;
}

IL_TEST(H, n150_an_owner_that_ends_breaks_it_for_all_of_them)
{
	struct queue q = {.asked.rc = 0};
	il_group g;
	struct owner owner = {.queue = &q, .group = &g};

	CHECK_RC(il_condition_create(&q.c, NULL), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fill_and_end, &owner), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&q.asked, -EOWNERDEAD);
	check_waited(&q.notified, -EOWNERDEAD);
	check_waited(&q.cancelled, -EOWNERDEAD);
	il_condition_destroy(q.c);
}
