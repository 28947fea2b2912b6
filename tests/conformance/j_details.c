/*
 * j_details.c: il_error_detail() belongs to the code that was returned: who gets a code from elsewhere gets its
 * detail with it, or none, and never that of an older refusal.
 */
#include "waits.h"
#include "workers.h"

#include <stdio.h>

static int sleep_backwards(void *arg)
{
	(void)arg;
	return il_sleep(-7);
}

static int fail_alone(void *arg)
{
	(void)arg;
	il_sleep(-7);
	return -EIO;
}

/* Its siblings hear of their cancellation after it has failed. */
static void check_group(il_fn *fn, int rc, const char *detail)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, sleep_forever, NULL), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fn, NULL), 0);
	CHECK_RC(il_group_close(&g, 0), rc);
	CHECK_STR(il_error_detail(), detail);
}

IL_TEST(J, the_failure_of_a_group_has_its_own_detail)
{
	check_group(sleep_backwards, -EINVAL, "il_sleep: the delay is negative");
	check_group(fail_alone, -EIO, "");
}

/* Asked when others were refused something since. */
static void check_future(il_future *f, const char *detail)
{
	CHECK_RC(il_task_set_name(NULL), -EINVAL);
	CHECK_RC(il_future_join(f), *detail ? -EINVAL : -EIO);
	CHECK_STR(il_error_detail(), detail);
}

static int set_result(void *arg)
{
	return il_future_set_result(arg, il_sleep(-7));
}

IL_TEST(J, a_future_brings_the_detail_with_its_code)
{
	static const char why[] = "il_sleep: the delay is negative";
	il_loop *loop = il_loop_current();
	il_portal *p = NULL;
	il_group g;
	il_future *f[6], *own;

	CHECK_RC(il_loop_create_threads_portal(loop, &p), 0);
	for (int i = 0; i < 2; i++) {
		il_fn *fn = i == 0 ? sleep_backwards : fail_alone;
		CHECK_RC(il_group_open(&g), 0);
		CHECK_RC(il_loop_spawn(loop, &f[0], fn, NULL), 0);
		CHECK_RC(il_group_start_soon(&g, &f[1], fn, NULL), 0);
		CHECK_RC(il_portal_run_sync_soon(p, &f[2], fn, NULL), 0);
		CHECK_RC(il_portal_run_coroutine_soon(p, &f[3], fn, NULL), 0);
		for (int k = 0; k < 4; k++)
			check_future(f[k], i == 0 ? why : "");
		CHECK_RC(il_group_close(&g, 0), i == 0 ? -EINVAL : -EIO);
		CHECK_STR(il_error_detail(), i == 0 ? why : "");
	}
	CHECK_RC(il_future_create(&own), 0);
	CHECK_RC(il_future_set_running(own), 1);
	CHECK_RC(il_loop_spawn(loop, &f[0], set_result, il_future_ref(own)), 0);
	CHECK_RC(il_future_join(f[0]), 0);
	check_future(own, why);
	il_future_unref(own);
	CHECK_RC(il_portal_close(p), 0);
}

static int start_badly(void *arg)
{
	int value, rc = il_group_start(arg, &value, sleep_backwards, NULL);

	CHECK_STR(il_error_detail(), "il_sleep: the delay is negative");
	return rc;
}

IL_TEST(J, a_start_that_failed_has_the_detail_of_its_task)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(start_badly(&g), -EINVAL);
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST_OWN(J, a_run_has_the_detail_of_its_main_function)
{
	CHECK_RC(il_run(il_test_backend(), sleep_backwards, NULL), -EINVAL);
	CHECK_STR(il_error_detail(), "il_sleep: the delay is negative");
	CHECK_RC(il_run(il_test_backend(), fail_alone, NULL), -EIO);
	CHECK_STR(il_error_detail(), "");
}

static int refuse_now_and_then(void *arg)
{
	while (il_yield() == 0)
		il_task_set_name(NULL);
	(void)arg;
	return 0;
}

/* As errno does: a task that lets others run has its own words again. */
IL_TEST(J, a_detail_goes_with_its_task)
{
	il_group g;
	il_lock *lock = NULL;

	CHECK_RC(il_lock_create(&lock), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, refuse_now_and_then, NULL), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_lock_acquire(lock), 0);
	CHECK_RC(il_lock_release(lock), 0);
	CHECK_STR(il_error_detail(), "il_sleep: the delay is negative");
	CHECK_RC(il_group_close(&g, -EINVAL), -EINVAL);
	CHECK_STR(il_error_detail(), "il_sleep: the delay is negative");
	CHECK_RC(il_sleep(1), 0); /* its end is no failure */
	CHECK_STR(il_error_detail(), "il_sleep: the delay is negative");
	il_lock_destroy(lock);
}

static int be_refused_and_go_on(void *arg)
{
	(void)arg;
	CHECK_RC(il_sleep(-7), -EINVAL);
	return il_yield();
}

static int have_no_words(void *arg)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_exit(&s, -EINVAL), -EINVAL);
	CHECK_STR(il_error_detail(), "");
	(void)arg;
	return 0;
}

IL_TEST(J, a_task_does_not_find_what_another_was_refused)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, be_refused_and_go_on, NULL), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, have_no_words, NULL), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

/* ---- failures without words ---- */

/* The code is the function's own; what it was refused before is not why. */
IL_TEST(J, a_code_of_ones_own_is_handed_on_without_words_of_another)
{
	il_scope s = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_fail_after(IL_FOREVER / 2, fail_alone, NULL), -EIO);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_fail_after(IL_FOREVER / 2, sleep_backwards, NULL), -EINVAL);
	CHECK_STR(il_error_detail(), "il_sleep: the delay is negative");
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_exit(&s, -EIO), -EIO);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_group_close(&g, -EIO), -EIO);
	CHECK_STR(il_error_detail(), "");
}

struct closing {
	il_receiver *receiver;
	il_sender *sender;
};

static int close_both(void *arg)
{
	struct closing *c = arg;

	CHECK_RC(il_task_set_name(NULL), -EINVAL);
	if (c->receiver)
		il_receiver_close(c->receiver);
	if (c->sender)
		il_sender_close(c->sender);
	return 0;
}

IL_TEST(J, who_is_woken_by_a_failure_has_no_words_of_another)
{
	struct closing own = {NULL, NULL};
	il_sender *sender = NULL;
	il_future *f;
	int item = 0;

	CHECK_RC(il_channel_create(&sender, &own.receiver, sizeof item, 0), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &f, close_both, &own), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_channel_receive(own.receiver, &item), -EBADF);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_future_join(f), 0);
	il_receiver_destroy(own.receiver);
	il_sender_destroy(sender);
}

IL_TEST(J, a_timeout_has_its_own_detail)
{
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 0};
	il_future *f = occupy(ex, &g);
	int item = 0;

	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_future_wait(f, 0), -ETIMEDOUT);
	CHECK_DETAIL("il_future_wait");
	if (!il_test_virtual()) { /* its clock stands while a worker is busy */
		CHECK_RC(il_future_result(f, IL_MSEC(1)), -ETIMEDOUT);
		CHECK_DETAIL("il_future_result");
	}
	CHECK_RC(il_executor_map(ex, count_in, &item, 1, sizeof item, NULL, 0), -ETIMEDOUT);
	CHECK_DETAIL("il_executor_map");
	atomic_store(&g.open, true);
	CHECK_RC(finished(f), 0);
	il_executor_destroy(ex);
}

static int fail_with(void *arg)
{
	return *(int *)arg;
}

IL_TEST(J, what_a_worker_was_refused_is_told_with_its_code)
{
	il_executor *ex = new_pool(1);
	int eperm = -EPERM, results[1];

	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_run_in_thread(sleep_forever, NULL), -EPERM);
	CHECK_DETAIL("il_sleep_forever: this thread runs no loop");
	CHECK_RC(il_run_in_thread(fail_with, &eperm), -EPERM);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_executor_run(ex, sleep_forever, NULL, 0), -EPERM);
	CHECK_DETAIL("il_sleep_forever");
	CHECK_RC(il_executor_run(ex, fail_with, &eperm, 0), -EPERM);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_executor_map(ex, sleep_forever, &eperm, 1, sizeof eperm, results, IL_FOREVER),
		 -EPERM);
	CHECK_DETAIL("il_sleep_forever");
	CHECK_RC(finished(submitted(ex, fail_with, &eperm)), -EPERM);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(finished(submitted(ex, sleep_forever, NULL)), -EPERM);
	CHECK_DETAIL("il_sleep_forever");
	il_executor_destroy(ex);
}

/* ---- an executor of the program's own ---- */

static int refuse_without_words(void *self, il_call *call)
{
	(void)call;
	return *(int *)self;
}

static int shut_down_without_words(void *self, unsigned flags)
{
	(void)flags;
	return *(int *)self;
}

static int refuse_with_words_of_another_code(void *self, il_call *call)
{
	(void)call;
	il_sleep(-7);
	return *(int *)self;
}

static int take(void *self, il_call *call)
{
	*(il_call **)self = call;
	return 0;
}

/* Whether an older failure, which has -EINVAL, had that code or another. */
static void check_refusals(int code)
{
	const il_executor_ops ops = {.submit = refuse_without_words,
				     .shutdown = shut_down_without_words};
	il_executor *ex = NULL;
	il_future *f = NULL;

	CHECK_RC(il_executor_create(&ex, &ops, &code), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_executor_submit(ex, &f, fail_with, NULL, 0), code);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_executor_submit(ex, NULL, fail_with, NULL, 0), code);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_executor_run(ex, fail_with, NULL, 0), code);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_executor_map(ex, fail_with, &code, 1, sizeof code, NULL, IL_FOREVER), code);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT), code);
	CHECK_STR(il_error_detail(), "");
	il_executor_unref(ex);
}

IL_TEST(J, what_an_executor_of_ones_own_refuses_has_no_words_of_another)
{
	const il_executor_ops ops = {.submit = refuse_with_words_of_another_code};
	int code = -EIO;
	il_executor *ex = NULL;

	check_refusals(-EINVAL);
	check_refusals(-EIO);
	CHECK_RC(il_executor_create(&ex, &ops, &code), 0);
	CHECK_RC(il_executor_run(ex, fail_with, NULL, 0), -EIO);
	CHECK_STR(il_error_detail(), "");
	il_executor_unref(ex);
}

IL_TEST(J, what_an_executor_of_ones_own_takes_leaves_the_words_that_are_there)
{
	const il_executor_ops ops = {.submit = take};
	il_executor *ex = NULL;
	il_future *f = NULL;
	il_call *call = NULL;

	CHECK_RC(il_executor_create(&ex, &ops, &call), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_executor_submit(ex, &f, fail_with, NULL, 0), 0);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_STR(il_error_detail(), "il_sleep: the delay is negative");
	il_call_finish(call, 5, NULL, 0, NULL);
	CHECK_RC(finished(f), 5);
	il_executor_unref(ex);
}

static int call_in(void *arg)
{
	int eio = -EIO;

	CHECK_RC(il_portal_run_coroutine(arg, sleep_backwards, NULL), -EINVAL);
	CHECK_DETAIL("il_sleep: the delay is negative");
	CHECK_RC(il_portal_run_sync(arg, fail_with, &eio), -EIO);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_portal_run_sync(arg, sleep_forever, NULL), -EPERM);
	CHECK_DETAIL("il_sleep_forever");
	return 0;
}

IL_TEST(J, what_a_function_in_the_loop_was_refused_is_told_in_the_calling_thread)
{
	il_portal *p = NULL;
	struct il_test_thread t;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	il_test_thread_start(&t, call_in, p);
	UNTIL_THREAD(atomic_load(&t.ended));
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_RC(il_portal_close(p), 0);
}

struct holding {
	il_portal *p;
	char detail[80];
};

static int hold_and_note(void *arg)
{
	struct holding *h = arg;
	int rc = il_portal_hold(0);

	strncat(h->detail, il_error_detail(), sizeof h->detail - 1);
	return rc;
}

static int leave_with_a_refusal(void *arg)
{
	struct holding *h = arg;
	il_portal_context *c = NULL;

	CHECK_RC(il_portal_enter(h->p, &c, hold_and_note, h), 0);
	CHECK_RC(il_portal_exit(c, il_sleep(-7)), -EINVAL);
	CHECK_DETAIL("il_sleep");
	return 0;
}

IL_TEST(J, hold_brings_the_words_with_which_its_context_is_left)
{
	struct holding h = {.detail = ""};
	struct il_test_thread t;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &h.p), 0);
	il_test_thread_start(&t, leave_with_a_refusal, &h);
	UNTIL_THREAD(atomic_load(&t.ended));
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_STR(h.detail, "il_sleep: the delay is negative");
	CHECK_RC(il_portal_close(h.p), 0);
}

struct starter {
	il_executor *ex; /* NULL: il_group_start */
	il_scope scope;
	int rc;
	char detail[80];
};

static int start_in_scope(void *arg)
{
	struct starter *s = arg;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	s->rc = s->ex ? il_executor_run(s->ex, sleep_forever, NULL, 0)
		      : il_group_start(&g, NULL, sleep_forever, NULL);
	strncat(s->detail, il_error_detail(), sizeof s->detail - 1);
	CHECK_RC(il_scope_exit(&s->scope, s->rc), 0);
	return il_group_close(&g, 0);
}

static void check_reason(il_executor *ex)
{
	struct starter s = {.ex = ex, .scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_in_scope, &s), 0);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
	CHECK_RC(il_scope_cancel_because(&s.scope, "enough is enough"), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(s.rc, -ECANCELED);
	CHECK(strstr(s.detail, "enough is enough") != NULL);
}

IL_TEST(J, a_start_that_was_cancelled_tells_the_reason)
{
	check_reason(NULL);
}

IL_TEST(J, a_queued_call_that_was_cancelled_tells_the_reason)
{
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 0};
	il_future *busy = occupy(ex, &g);

	check_reason(ex);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(ex);
}

static int be_refused(il_future *f, void *unused)
{
	(void)f;
	(void)unused;
	CHECK_RC(il_sleep(-7), -EINVAL);
	return 0;
}

IL_TEST(J, a_shutdown_that_does_not_wait_tells_the_reason)
{
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 0};
	il_future *busy = occupy(ex, &g), *queued = NULL;
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_executor_submit(ex, &queued, sleep_forever, NULL, 0), 0);
	CHECK_RC(il_future_on_done(queued, be_refused, NULL), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel_because(&s, "enough is enough"), 0);
	CHECK_RC(il_executor_shutdown(ex, IL_CANCEL_FUTURES), -ECANCELED);
	CHECK_DETAIL("enough is enough");
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK_RC(il_future_join(queued), -ECANCELED);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(ex);
}

/* ---- maps ---- */

struct mapping {
	il_executor *ex;
	il_scope scope;
	int rc;
	char detail[80];
};

static int map_two(void *arg)
{
	struct mapping *m = arg;
	char items[2] = {0};

	CHECK_RC(il_scope_enter(&m->scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	m->rc = il_executor_map(m->ex, fail_alone, items, 2, 1, NULL, IL_FOREVER);
	snprintf(m->detail, sizeof m->detail, "%s", il_error_detail());
	CHECK_RC(il_scope_exit(&m->scope, 0), 0);
	return 0;
}

IL_TEST_REAL(J, a_map_whose_executor_is_shut_down_has_no_older_detail)
{
	struct mapping m = {.ex = new_pool(1), .scope = IL_SCOPE_INIT};
	struct gate g = {.result = 0};
	il_future *busy = occupy(m.ex, &g);
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, map_two, &m), 0);
	CHECK_RC(il_sleep(IL_MSEC(20)), 0);
	CHECK_RC(il_executor_shutdown(m.ex, IL_NOWAIT | IL_CANCEL_FUTURES), 0);
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(m.rc, -ECANCELED);
	CHECK_STR(m.detail, "");
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(m.ex);
}

static int keep_call(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return 0;
}

static bool withdraw_and_be_refused(void *self, il_call *call)
{
	(void)self;
	(void)call;
	CHECK_RC(il_sleep(-7), -EINVAL);
	return true;
}

IL_TEST_REAL(J, a_map_that_is_cancelled_tells_the_reason_whatever_its_executor_was_refused)
{
	const il_executor_ops ops = {.submit = keep_call, .withdraw = withdraw_and_be_refused};
	struct mapping m = {.scope = IL_SCOPE_INIT};
	il_group group;

	CHECK_RC(il_executor_create(&m.ex, &ops, NULL), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, map_two, &m), 0);
	CHECK_RC(il_sleep(IL_MSEC(20)), 0);
	CHECK_RC(il_scope_cancel_because(&m.scope, "enough is enough"), 0);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(m.rc, -ECANCELED);
	CHECK_STR(m.detail, "cancelled: enough is enough");
	il_executor_destroy(m.ex);
}

static int call_what_waits(void *item)
{
	CHECK_RC(il_move_on_after(1, sleep_backwards, NULL), -EPERM);
	CHECK_DETAIL("il_move_on_after: ");
	CHECK_RC(il_fail_after(1, sleep_backwards, NULL), -EPERM);
	CHECK_DETAIL("il_fail_after: ");
	CHECK_RC(il_gather(sleep_backwards, item, 1, 1, NULL), -EPERM);
	CHECK_DETAIL("il_gather: ");
	return 0;
}

IL_TEST(J, what_may_not_wait_is_told_the_name_of_its_own_call)
{
	il_portal *p = NULL;
	il_future *f = NULL;
	char item = 0;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &f, call_what_waits, &item), 0);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(il_portal_close(p), 0);
}

IL_TEST_CORE(J, every_start_tells_which_backend_there_is_not)
{
	il_portal_provider *provider = NULL;
	il_portal *p = NULL;
	il_loop *loop = NULL;

	CHECK(il_backend_find("libfoo") == NULL);
	CHECK_RC(il_loop_open(&loop, NULL, NULL), -ENOENT);
	CHECK_DETAIL("libfoo");
	CHECK_RC(il_blocking_portal_start(&p, NULL, NULL), -ENOENT);
	CHECK_DETAIL("libfoo");
	CHECK_RC(il_portal_provider_create(&provider, NULL, NULL), -ENOENT);
	CHECK_DETAIL("libfoo");
}

/* ---- details of the user's own functions ---- */

static int find_nobody(void *arg)
{
	return il_fail(-ENOENT, "no user %s in %d rows", (const char *)arg, 3);
}

IL_TEST(J, a_function_of_ones_own_says_why_it_fails)
{
	char name[] = "ann";

	CHECK_RC(find_nobody(name), -ENOENT);
	CHECK_DETAIL("no user ann in 3 rows");
	CHECK_RC(il_run_in_thread(find_nobody, name), -ENOENT);
	CHECK_DETAIL("no user ann in 3 rows");
	CHECK_RC(il_yield(), 0);
}

static int fail_without_words(void *arg)
{
	(void)arg;
	return -EINVAL;
}

static int find_no_end(const il_protocol *p, il_parse *parse)
{
	(void)p;
	(void)parse;
	return -EINVAL;
}

static int frame_nothing(const il_protocol *p, il_frame *frame)
{
	(void)p;
	(void)frame;
	return -EINVAL;
}

/* Calls that return what a function of the caller's has returned; before each there is an older failure with that code. */
static void check_no_older_words(int rc)
{
	CHECK_RC(rc, -EINVAL);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_sleep(-7), -EINVAL);
}

static void check_client_has_no_older_words(void)
{
	const il_protocol protocol = {.find = find_no_end, .frame = frame_nothing};
	il_stream *ends[2];
	il_packet packet;
	il_client *c = NULL;

	CHECK_RC(il_stream_pair(&ends[0], &ends[1]), 0);
	CHECK_RC(il_client_open(&c, ends[0], &protocol, NULL), 0);
	CHECK_RC(il_stream_write_all(ends[1], "x", 1), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	check_no_older_words(il_client_send(c, "x", 1));
	check_no_older_words(il_client_receive(c, &packet, IL_FOREVER));
	il_client_destroy(c);
	il_stream_destroy(ends[1]);
}

IL_TEST(J, a_function_of_ones_own_that_fails_without_words_has_none_of_an_older_failure)
{
	il_condition *condition = NULL;

	CHECK_RC(il_sleep(-7), -EINVAL);
	check_no_older_words(il_fail_after(IL_SEC(9), fail_without_words, NULL));
	check_no_older_words(il_move_on_after(IL_SEC(9), fail_without_words, NULL));
	CHECK_RC(il_condition_create(&condition, NULL), 0);
	CHECK_RC(il_condition_acquire(condition), 0);
	check_no_older_words(il_condition_wait_for(condition, fail_without_words, NULL));
	CHECK_RC(il_condition_release(condition), 0);
	il_condition_destroy(condition);
	check_client_has_no_older_words();
}

IL_TEST_CORE(J, the_library_says_its_version)
{
	char version[32];

	snprintf(version, sizeof version, "%d.%d.%d", IL_VERSION_MAJOR, IL_VERSION_MINOR,
		 IL_VERSION_PATCH);
	CHECK(strcmp(il_version(), version) == 0);
}
