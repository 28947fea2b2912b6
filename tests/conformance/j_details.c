/*
 * j_details.c: il_error_detail() belongs to the code that was returned: who gets a code from elsewhere gets its
 * detail with it, or none, and never that of an older refusal.
 */
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

static int sleep_on(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

/* Its siblings hear of their cancellation after it has failed. */
static void check_group(il_fn *fn, int rc, const char *detail)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, sleep_on, NULL), 0);
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
	CHECK_RC(il_run_in_thread(sleep_on, NULL), -EPERM);
	CHECK_DETAIL("il_sleep_forever: this thread runs no loop");
	CHECK_RC(il_run_in_thread(fail_with, &eperm), -EPERM);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_executor_run(ex, sleep_on, NULL, 0), -EPERM);
	CHECK_DETAIL("il_sleep_forever");
	CHECK_RC(il_executor_run(ex, fail_with, &eperm, 0), -EPERM);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_executor_map(ex, sleep_on, &eperm, 1, sizeof eperm, results, IL_FOREVER),
		 -EPERM);
	CHECK_DETAIL("il_sleep_forever");
	CHECK_RC(finished(submitted(ex, fail_with, &eperm)), -EPERM);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(finished(submitted(ex, sleep_on, NULL)), -EPERM);
	CHECK_DETAIL("il_sleep_forever");
	il_executor_destroy(ex);
}

static int call_in(void *arg)
{
	int eio = -EIO;

	CHECK_RC(il_portal_run_coroutine(arg, sleep_backwards, NULL), -EINVAL);
	CHECK_DETAIL("il_sleep: the delay is negative");
	CHECK_RC(il_portal_run_sync(arg, fail_with, &eio), -EIO);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_portal_run_sync(arg, sleep_on, NULL), -EPERM);
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
	s->rc = s->ex ? il_executor_run(s->ex, sleep_on, NULL, 0)
		      : il_group_start(&g, NULL, sleep_on, NULL);
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

IL_TEST_CORE(J, the_library_says_its_version)
{
	char version[32];

	snprintf(version, sizeof version, "%d.%d.%d", IL_VERSION_MAJOR, IL_VERSION_MINOR,
		 IL_VERSION_PATCH);
	CHECK(strcmp(il_version(), version) == 0);
}
