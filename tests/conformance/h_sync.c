/*
 * h_sync.c: events; and what all objects of tasks have in common: the loop that they belong to, who may
 * use them where, misuse. Locks and conditions are in h_lock.c, semaphores and limiters in h_tokens.c.
 */
#include "aside.h"
#include "dies.h"
#include "in_child.h"
#include "objects.h"
#include "waiter.h"
#include "waits.h"

#include <interloop/sync.h>

static int trace_word(void *arg)
{
	TRACE((const char *)arg);
	return 0;
}

/* ---- events ---- */

IL_TEST(H, n141_a_wait_ends_when_the_event_is_set)
{
	struct waiter w[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
	il_event *e = new_event();
	il_group g;

	CHECK(!il_event_is_set(e));
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		start_waiting(&g, &w[i], wait_event, e);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!w[0].returned && !w[1].returned && !w[2].returned);
	CHECK_RC(il_event_set(e), 0);
	CHECK(il_event_is_set(e));
	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	for (int i = 0; i < 3; i++)
		check_waited(&w[i], 0);
	CHECK_RC(il_event_wait(e), 0);
	il_event_destroy(e);
	il_event_destroy(NULL);
}

IL_TEST_FIFO(H, n141_waiters_wake_in_order_and_a_wait_for_a_set_event_yields_once)
{
	struct waiter w[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
	il_event *e = new_event();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		start_waiting(&g, &w[i], wait_event, e);
	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trace_word, "other"), 0);
	TRACE("before");
	CHECK_RC(il_event_wait(e), 0);
	TRACE("after");
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_TRACE("a b c before other after");
	il_event_destroy(e);
}

IL_TEST(H, n142_of_a_set_and_a_cancellation_the_first_counts)
{
	struct waiter cancelled = {.rc = 0}, set = {.rc = 0};
	il_event *e = new_event(), *f = new_event();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &cancelled, wait_event, e);
	start_waiting(&g, &set, wait_event, f);
	CHECK_RC(il_scope_cancel(&cancelled.scope), 0);
	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_event_set(f), 0);
	CHECK_RC(il_scope_cancel(&set.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&cancelled, -ECANCELED);
	check_waited(&set, 0);
	il_event_destroy(e);
	il_event_destroy(f);
}

/* ---- objects and loops ---- */

struct objects {
	il_event *event;
	il_lock *lock;
	il_condition *condition;
	il_semaphore *semaphore;
	il_limiter *limiter;
};

static void create_objects(struct objects *o)
{
	CHECK_RC(il_event_create(&o->event), 0);
	CHECK_RC(il_lock_create(&o->lock), 0);
	CHECK_RC(il_condition_create(&o->condition, o->lock), 0);
	CHECK_RC(il_semaphore_create(&o->semaphore, 0, 1), 0);
	CHECK_RC(il_limiter_create(&o->limiter, 1), 0);
}

static void destroy_objects(struct objects *o)
{
	il_condition_destroy(o->condition);
	il_lock_destroy(o->lock);
	il_semaphore_destroy(o->semaphore);
	il_limiter_destroy(o->limiter);
	il_event_destroy(o->event);
}

static int wait_for_all(void *arg)
{
	struct objects *o = arg;

	CHECK_RC(il_event_wait(o->event), 0);
	CHECK_RC(il_lock_acquire(o->lock), 0);
	TRACE("locked");
	CHECK_RC(il_condition_wait(o->condition), 0);
	CHECK(il_lock_held(o->lock));
	CHECK_RC(il_lock_release(o->lock), 0);
	CHECK_RC(il_semaphore_acquire(o->semaphore), 0);
	CHECK_RC(il_limiter_acquire(o->limiter), 0);
	return il_limiter_release(o->limiter);
}

static int use_objects(void *arg)
{
	struct objects *o = arg;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_for_all, o), 0);
	CHECK_RC(il_event_set(o->event), 0);
	UNTIL(il_condition_get_statistics(o->condition).waiting == 1);
	CHECK_RC(il_lock_acquire(o->lock), 0);
	CHECK_RC(il_condition_notify(o->condition, 1), 0);
	CHECK_RC(il_lock_release(o->lock), 0);
	CHECK_RC(il_semaphore_release(o->semaphore), 0);
	return il_group_close(&g, 0);
}

IL_TEST_OWN(H, n141_objects_may_be_made_before_any_loop_runs)
{
	struct objects o;

	create_objects(&o);
	CHECK_RC(il_run(il_test_backend(), use_objects, &o), 0);
	CHECK_TRACE("locked");
	destroy_objects(&o);
}

struct made_before {
	struct objects objects;
	il_sender *out;
	il_receiver *in;
};

static int send_one(void *out)
{
	int item = 7, rc = il_channel_send(out, &item);

	il_sender_destroy(out);
	return rc;
}

/* The receiver gets the end: the sender that was given up counts no more. */
static int send_and_give_up(void *arg)
{
	struct made_before *m = arg;
	il_sender *out;
	il_group g;
	int item = 0;

	CHILD_CHECK(il_sender_clone(m->out, &out) == 0);
	CHILD_CHECK(il_group_open(&g) == 0);
	CHILD_CHECK(il_group_start_soon(&g, NULL, send_one, out) == 0);
	il_sender_destroy(m->out);
	CHILD_CHECK(il_channel_receive(m->in, &item) == 1 && item == 7);
	CHILD_CHECK(il_channel_receive(m->in, &item) == 0);
	il_receiver_destroy(m->in);
	return il_group_close(&g, 0);
}

static int take_and_leave(void *lock)
{
	return il_lock_acquire(lock);
}

/* The lock looks at the conditions that it has when its holder ends without releasing it. */
static int use_the_lock_alone(void *arg)
{
	struct objects *o = arg;
	il_group g;

	CHILD_CHECK(il_group_open(&g) == 0);
	CHILD_CHECK(il_group_start_soon(&g, NULL, take_and_leave, o->lock) == 0);
	CHILD_CHECK(il_group_close(&g, 0) == 0);
	return 0;
}

static int use_what_was_made_before(void *arg)
{
	struct made_before *m = arg;

	if (il_run(il_test_backend(), send_and_give_up, m) != 0)
		return 1;
	il_condition_destroy(m->objects.condition);
	CHILD_CHECK(il_run(il_test_backend(), use_the_lock_alone, &m->objects) == 0);
	il_lock_destroy(m->objects.lock);
	return 0;
}

/* A server that forks its workers first makes them in main. */
IL_TEST_OWN(H, what_no_loop_has_used_yet_belongs_to_a_forked_child_as_well)
{
	struct made_before m;

	create_objects(&m.objects);
	CHECK_RC(il_channel_create(&m.out, &m.in, sizeof(int), 1), 0);
	CHECK_IN_CHILD(use_what_was_made_before, &m);
	destroy_objects(&m.objects);
	il_sender_destroy(m.out);
	il_receiver_destroy(m.in);
}

static int use_from_elsewhere(void *arg)
{
	struct objects *o = arg;

	CHECK_RC(il_event_set(o->event), -EPERM);
	CHECK_RC(il_event_wait(o->event), -EPERM);
	CHECK_RC(il_lock_acquire(o->lock), -EPERM);
	CHECK_RC(il_lock_acquire_nowait(o->lock), -EPERM);
	CHECK_RC(il_lock_release(o->lock), -EPERM);
	CHECK_RC(il_condition_wait(o->condition), -EPERM);
	CHECK_RC(il_condition_notify(o->condition, 1), -EPERM);
	CHECK_RC(il_condition_notify_all(o->condition), -EPERM);
	CHECK_RC(il_semaphore_acquire(o->semaphore), -EPERM);
	CHECK_RC(il_semaphore_acquire_nowait(o->semaphore), -EPERM);
	CHECK_RC(il_semaphore_release(o->semaphore), -EPERM);
	CHECK_RC(il_limiter_acquire(o->limiter), -EPERM);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(o->limiter, o), -EPERM);
	CHECK_RC(il_limiter_release_on_behalf_of(o->limiter, o), -EPERM);
	CHECK_RC(il_limiter_set_total(o->limiter, 2), -EPERM);
	CHECK(strstr(il_error_detail(), "il_limiter_set_total") != NULL);
	return 0;
}

static int use_from_another_loop(void *arg)
{
	return il_run(il_test_backend(), use_from_elsewhere, arg);
}

IL_TEST(H, another_thread_may_not_touch_them)
{
	struct objects o;

	create_objects(&o);
	CHECK_RC(il_test_aside(use_from_elsewhere, &o), 0);
	CHECK_RC(il_test_aside(use_from_another_loop, &o), 0);
	CHECK(!il_event_is_set(o.event) && il_semaphore_value(o.semaphore) == 0);
	CHECK_EQ(il_limiter_total(o.limiter), 1);
	destroy_objects(&o);
}

static int wait_outside_a_task(void *arg)
{
	struct objects *o = arg;

	CHECK_RC(il_event_wait(o->event), -EPERM);
	CHECK_RC(il_lock_acquire(o->lock), -EPERM);
	CHECK_RC(il_lock_acquire_nowait(o->lock), -EPERM);
	CHECK_RC(il_condition_wait(o->condition), -EPERM);
	CHECK_RC(il_semaphore_acquire(o->semaphore), -EPERM);
	CHECK_RC(il_limiter_acquire(o->limiter), -EPERM);
	CHECK_RC(il_limiter_acquire_nowait(o->limiter), -EPERM);
	/* What does not wait, and names no owner, is allowed. */
	CHECK_RC(il_semaphore_release(o->semaphore), 0);
	CHECK_RC(il_semaphore_acquire_nowait(o->semaphore), 0);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(o->limiter, o), 0);
	CHECK_RC(il_limiter_release_on_behalf_of(o->limiter, o), 0);
	CHECK_RC(il_event_set(o->event), 0);
	return 0;
}

static int outside_a_task(il_future *f, void *arg)
{
	(void)f;
	return wait_outside_a_task(arg);
}

IL_TEST(H, a_callback_may_set_and_release_but_not_wait)
{
	struct objects o;
	il_future *f = new_future();

	create_objects(&o);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, outside_a_task, &o), 0);
	il_future_unref(f);
	CHECK(il_event_is_set(o.event));
	destroy_objects(&o);
}

IL_TEST_CORE(H, without_a_loop_nothing_can_wait)
{
	struct objects o;

	create_objects(&o);
	wait_outside_a_task(&o);
	destroy_objects(&o);
}

IL_TEST_CORE(H, null_is_refused)
{
	CHECK_RC(il_event_create(NULL), -EINVAL);
	CHECK_RC(il_event_set(NULL), -EINVAL);
	CHECK_RC(il_event_wait(NULL), -EINVAL);
	CHECK_RC(il_lock_create(NULL), -EINVAL);
	CHECK_RC(il_lock_acquire(NULL), -EINVAL);
	CHECK_RC(il_lock_release(NULL), -EINVAL);
	CHECK_RC(il_condition_create(NULL, NULL), -EINVAL);
	CHECK_RC(il_condition_wait(NULL), -EINVAL);
	CHECK_RC(il_condition_notify(NULL, 1), -EINVAL);
	CHECK_RC(il_semaphore_create(NULL, 0, 1), -EINVAL);
	CHECK_RC(il_semaphore_acquire(NULL), -EINVAL);
	CHECK_RC(il_semaphore_release(NULL), -EINVAL);
	CHECK_RC(il_limiter_create(NULL, 1), -EINVAL);
	CHECK_RC(il_limiter_acquire(NULL), -EINVAL);
	CHECK_RC(il_limiter_release(NULL), -EINVAL);
	il_lock_destroy(NULL);
	il_condition_destroy(NULL);
	il_semaphore_destroy(NULL);
	il_limiter_destroy(NULL);
}

static int check_inherited(struct objects *o)
{
	return il_event_set(o->event) == -ESHUTDOWN && il_event_wait(o->event) == -ESHUTDOWN &&
	       il_lock_acquire(o->lock) == -ESHUTDOWN &&
	       il_semaphore_release(o->semaphore) == -ESHUTDOWN &&
	       il_limiter_set_total(o->limiter, 2) == -ESHUTDOWN;
}

IL_TEST(H, after_fork_they_are_refused_in_the_child)
{
	struct objects o;
	int status = 0;
	pid_t child;

	create_objects(&o);
	child = fork();
	if (child == 0)
		_exit(check_inherited(&o) ? 0 : 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_RC(il_event_set(o.event), 0);
	destroy_objects(&o);
}

struct fatal {
	il_fn *wait;
	void (*destroy)(struct objects *o);
	struct objects objects;
};

static int wait_lock(void *arg)
{
	struct objects *o = arg;

	return il_lock_acquire(o->lock);
}

static int wait_for_event(void *arg)
{
	return il_event_wait(((struct objects *)arg)->event);
}

static int wait_for_condition(void *arg)
{
	return wait_condition(((struct objects *)arg)->condition);
}

static int wait_for_semaphore(void *arg)
{
	return il_semaphore_acquire(((struct objects *)arg)->semaphore);
}

static int wait_for_limiter(void *arg)
{
	return il_limiter_acquire(((struct objects *)arg)->limiter);
}

static void destroy_event(struct objects *o)
{
	il_event_destroy(o->event);
}

static void destroy_lock(struct objects *o)
{
	il_lock_destroy(o->lock);
}

static void destroy_condition(struct objects *o)
{
	il_condition_destroy(o->condition);
}

static void destroy_semaphore(struct objects *o)
{
	il_semaphore_destroy(o->semaphore);
}

static void destroy_limiter(struct objects *o)
{
	il_limiter_destroy(o->limiter);
}

static int destroy_with_a_waiter(void *arg)
{
	struct fatal *f = arg;
	il_group g;

	create_objects(&f->objects);
	CHECK_RC(il_limiter_acquire(f->objects.limiter), 0);
	if (f->wait == wait_lock)
		CHECK_RC(il_lock_acquire(f->objects.lock), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, f->wait, &f->objects), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	f->destroy(&f->objects);
	return il_group_close(&g, 0);
}

static int run_fatal(void *arg)
{
	return il_run(il_test_backend(), destroy_with_a_waiter, arg);
}

IL_TEST_OWN(H, destroying_one_that_a_task_waits_for_stops_with_a_sentence)
{
	struct fatal event = {.wait = wait_for_event, .destroy = destroy_event};
	struct fatal lock = {.wait = wait_lock, .destroy = destroy_lock};
	struct fatal condition = {.wait = wait_for_condition, .destroy = destroy_condition};
	struct fatal semaphore = {.wait = wait_for_semaphore, .destroy = destroy_semaphore};
	struct fatal limiter = {.wait = wait_for_limiter, .destroy = destroy_limiter};

	il_test_dies(run_fatal, &event, "il_event_destroy");
	il_test_dies(run_fatal, &lock, "il_lock_destroy");
	il_test_dies(run_fatal, &condition, "il_condition_destroy");
	il_test_dies(run_fatal, &semaphore, "il_semaphore_destroy");
	il_test_dies(run_fatal, &limiter, "il_limiter_destroy");
}

/* The lock of the condition is another's: who was notified waits for that. */
static void notify_condition(struct objects *o)
{
	CHECK_RC(il_lock_acquire(o->lock), 0);
	CHECK_RC(il_condition_notify_all(o->condition), 0);
	il_condition_destroy(o->condition);
	CHECK_RC(il_lock_release(o->lock), 0);
}

static int is_set(void *arg)
{
	return il_event_is_set(((struct objects *)arg)->event);
}

static int wait_for_predicate(void *arg)
{
	struct objects *o = arg;

	CHECK_RC(il_condition_acquire(o->condition), 0);
	CHECK_RC(il_condition_wait_for(o->condition, is_set, o), 1);
	return il_lock_release(o->lock);
}

struct handed {
	struct objects objects;
	int semaphore, limiter; /* what their calls returned */
};

static int take_semaphore(void *arg)
{
	struct handed *h = arg;

	h->semaphore = il_semaphore_acquire(h->objects.semaphore);
	return 0;
}

static int take_limiter(void *arg)
{
	struct handed *h = arg;

	h->limiter = il_limiter_acquire(h->objects.limiter);
	return 0;
}

static void give_both(struct objects *o)
{
	CHECK_RC(il_semaphore_release(o->semaphore), 0);
	CHECK_RC(il_limiter_release(o->limiter), 0);
}

/* Two tasks wait, or have just taken what was free, and are about to return when all is destroyed. */
static void destroy_what_was_handed(bool they_wait, bool cancelled)
{
	struct handed h;
	int expected = cancelled ? -ECANCELED : 0;
	il_group g;

	create_objects(&h.objects);
	CHECK_RC(il_limiter_acquire(h.objects.limiter), 0);
	if (!they_wait)
		give_both(&h.objects);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, take_semaphore, &h), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, take_limiter, &h), 0);
	CHECK_RC(il_yield(), 0);
	if (they_wait)
		give_both(&h.objects);
	destroy_objects(&h.objects);
	if (cancelled)
		il_scope_cancel(il_group_scope(&g));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(h.semaphore, expected);
	CHECK_RC(h.limiter, expected);
}

IL_TEST_FIFO(H, a_task_returns_with_what_it_was_handed_before_that_was_destroyed)
{
	destroy_what_was_handed(true, false);
	destroy_what_was_handed(true, true);
	destroy_what_was_handed(false, false);
	destroy_what_was_handed(false, true);
}

IL_TEST_OWN(H, waiting_again_for_a_condition_that_was_destroyed_stops_likewise)
{
	struct fatal condition = {.wait = wait_for_predicate, .destroy = notify_condition};

	il_test_dies(run_fatal, &condition, "il_condition_wait_for: the condition was destroyed");
}

IL_TEST(H, a_condition_may_be_destroyed_once_all_are_notified_whose_predicate_holds)
{
	struct objects o;
	il_group g;

	create_objects(&o);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, wait_for_predicate, &o), 0);
	UNTIL(il_condition_get_statistics(o.condition).waiting == 3);
	CHECK_RC(il_event_set(o.event), 0);
	notify_condition(&o);
	CHECK_RC(il_group_close(&g, 0), 0);
	o.condition = NULL;
	destroy_objects(&o);
}

static int wait_in_vain(void *arg)
{
	struct objects *o = arg;

	CHECK_RC(il_condition_acquire(o->condition), 0);
	CHECK_RC(il_condition_wait_for(o->condition, is_set, o), -ECANCELED);
	return il_lock_release(o->lock);
}

IL_TEST(H, who_is_cancelled_does_not_wait_again_for_a_condition_that_was_destroyed)
{
	struct objects o;
	il_group g;

	create_objects(&o);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, wait_in_vain, &o), 0);
	UNTIL(il_condition_get_statistics(o.condition).waiting == 3);
	notify_condition(&o);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	o.condition = NULL;
	destroy_objects(&o);
}
