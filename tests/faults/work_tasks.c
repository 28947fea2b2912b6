/*
 * work_tasks.c: tasks, groups, scopes, and what they share.
 */
#include "work.h"

#include <string.h>

static struct {
	il_lock *lock;
	il_condition *condition;
	il_semaphore *semaphore;
	il_limiter *limiter;
	il_event *event;
	il_sender *sender;
	il_receiver *receiver;
	bool ready;
} w;

static il_local key = IL_LOCAL_INIT;

/* ---- tasks that share ---- */

static int named(void *arg)
{
	TRY(il_task_set_name("sleeper"));
	TRY(il_local_set(&key, arg));
	return TRY(il_sleep(IL_MSEC(1)));
}

static int use_lock(void *arg)
{
	int rc = TRY(il_lock_acquire(w.lock));

	(void)arg;
	if (rc < 0)
		return rc;
	TRY(il_yield());
	MUST(il_lock_release(w.lock));
	return 0;
}

static int wait_condition(void *arg)
{
	int rc = TRY(il_condition_acquire(w.condition));

	(void)arg;
	if (rc < 0)
		return rc;
	while (rc == 0 && !w.ready)
		rc = TRY(il_condition_wait(w.condition));
	MUST(il_condition_release(w.condition));
	return rc;
}

static int notify_condition(void *arg)
{
	(void)arg;
	TRY(il_sleep(IL_MSEC(1)));
	w.ready = true;
	if (TRY(il_condition_acquire(w.condition)) < 0)
		return -ECANCELED; /* the others, too, then */
	MUST(il_condition_notify_all(w.condition));
	MUST(il_condition_release(w.condition));
	return 0;
}

static int use_permit(void *arg)
{
	int rc = TRY(il_semaphore_acquire(w.semaphore));

	(void)arg;
	if (rc < 0)
		return rc;
	TRY(il_sleep(0));
	MUST(il_semaphore_release(w.semaphore));
	return 0;
}

static int use_token(void *arg)
{
	int rc = TRY(il_limiter_acquire(w.limiter));

	(void)arg;
	if (rc < 0)
		return rc;
	TRY(il_yield());
	MUST(il_limiter_release(w.limiter));
	return 0;
}

static int send_five(void *arg)
{
	int rc = 0;

	(void)arg;
	for (int i = 0; i < 5 && rc == 0; i++)
		rc = TRY(il_channel_send(w.sender, &i));
	MUST(il_sender_close(w.sender));
	return 0;
}

static int receive_all(void *arg)
{
	int item, expected = 0, rc;

	(void)arg;
	while ((rc = TRY(il_channel_receive(w.receiver, &item))) == 1)
		if (item != expected++)
			work_odd("item %d came in the place of %d", item, expected - 1);
	return rc;
}

static int wait_event(void *arg)
{
	(void)arg;
	return TRY(il_event_wait(w.event));
}

static int set_event(void *arg)
{
	(void)arg;
	return TRY(il_event_set(w.event));
}

static void share_lock(void)
{
	if (TRY(il_lock_create(&w.lock)) < 0)
		return;
	work_together((il_fn *[]){use_lock, use_lock, use_lock}, 3, NULL);
	if (TRY(il_condition_create(&w.condition, w.lock)) == 0)
		work_together((il_fn *[]){wait_condition, wait_condition, notify_condition}, 3,
			      NULL);
	il_condition_destroy(w.condition);
	il_lock_destroy(w.lock);
}

static void share_counts(void)
{
	if (TRY(il_semaphore_create(&w.semaphore, 1, 1)) == 0) {
		work_together((il_fn *[]){use_permit, use_permit, use_permit}, 3, NULL);
		if (il_semaphore_value(w.semaphore) != 1)
			work_odd("a permit is lost");
		il_semaphore_destroy(w.semaphore);
	}
	if (TRY(il_limiter_create(&w.limiter, 1)) == 0) {
		work_together((il_fn *[]){use_token, use_token, use_token}, 3, NULL);
		if (il_limiter_borrowed(w.limiter) != 0)
			work_odd("a token is lost");
		il_limiter_destroy(w.limiter);
	}
}

static void share_channel(void)
{
	il_sender *clone = NULL;

	if (TRY(il_channel_create(&w.sender, &w.receiver, sizeof(int), 2)) < 0)
		return;
	if (TRY(il_sender_clone(w.sender, &clone)) == 0)
		il_sender_destroy(clone);
	work_together((il_fn *[]){send_five, receive_all}, 2, NULL);
	il_sender_destroy(w.sender);
	il_receiver_destroy(w.receiver);
}

/* ---- scopes and groups ---- */

static int forever(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

static int twice(void *item)
{
	*(int *)item *= 2;
	return TRY(il_sleep(IL_USEC(10)));
}

static void use_scopes(void)
{
	il_scope scope = IL_SCOPE_INIT;

	TRY(il_move_on_after(IL_MSEC(2), forever, NULL));
	TRY(il_fail_after(IL_MSEC(2), forever, NULL));
	if (TRY(il_scope_enter(&scope, IL_FOREVER, IL_SHIELD)) < 0)
		return;
	TRY(il_scope_set_deadline(&scope, il_deadline(IL_MSEC(1))));
	TRY(il_scope_exit(&scope, TRY(il_sleep(IL_MSEC(5)))));
}

static void use_futures(void)
{
	il_future *futures[3] = {NULL};
	il_group group;
	size_t n = 0;
	int value = 0;

	if (TRY(il_group_open(&group)) < 0)
		return;
	while (n < 3 && TRY(il_group_start_soon(&group, &futures[n], named, NULL)) == 0)
		n++;
	TRY(il_futures_wait(futures, n, IL_ALL_COMPLETED, WORK_PATIENCE));
	if (TRY(il_group_start(&group, &value, work_started, NULL)) == 0 && value != 7)
		work_odd("a task told %d", value);
	TRY(il_group_close(&group, 0));
	for (size_t i = 0; i < n; i++) {
		if (!il_future_done(futures[i]))
			work_odd("a task goes on after its group");
		il_future_unref(futures[i]);
	}
}

static int tasks_main(void *arg)
{
	int items[4] = {1, 2, 3, 4}, results[4];

	(void)arg;
	use_futures();
	share_lock();
	share_counts();
	share_channel();
	if (TRY(il_event_create(&w.event)) == 0) {
		work_together((il_fn *[]){wait_event, wait_event, set_event}, 3, NULL);
		il_event_destroy(w.event);
	}
	use_scopes();
	if (TRY(il_gather(twice, items, 4, sizeof items[0], results)) == 0 && items[3] != 8)
		work_odd("il_gather left an item out");
	return 0;
}

void work_tasks(void)
{
	memset(&w, 0, sizeof w); /* it may run many times */
	work_in_loop(tasks_main);
}
