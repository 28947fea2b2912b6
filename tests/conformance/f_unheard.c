/*
 * f_unheard.c: a failure that nobody can hear, because the future that would tell it was cancelled before, is
 * logged once; one that somebody hears is not.
 */
#include "waits.h"

static int fail_when_cancelled(void *arg)
{
	(void)arg;
	il_sleep_forever();
	return -EIO;
}

/* Cancels it while it runs, and waits for its end. */
static void cancel_and_join(il_future *f)
{
	UNTIL(il_future_running(f));
	CHECK(il_future_cancel(f));
	CHECK_RC(il_future_join(f), -ECANCELED);
}

IL_TEST(F, a_failure_after_the_cancellation_of_its_future_is_logged_once)
{
	il_portal *p = NULL;
	il_future *f;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, fail_when_cancelled, NULL), 0);
	cancel_and_join(f);
	CHECK_LOGGED(IL_LOG_WARNING, "failed after its future was cancelled", 1);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, sleep_forever, NULL), 0);
	cancel_and_join(f);
	CHECK_LOGGED(IL_LOG_WARNING, "", 1);
	CHECK_RC(il_loop_spawn(il_loop_current(), &f, fail_when_cancelled, NULL), 0);
	cancel_and_join(f);
	CHECK_LOGGED(IL_LOG_WARNING, "", 2);
	CHECK_RC(il_portal_close(p), 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 2);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

static int cancel_itself(void *arg)
{
	CHECK(il_future_cancel(*(il_future **)arg));
	return -EIO;
}

IL_TEST(F, so_is_that_of_a_plain_call)
{
	il_portal *p = NULL;
	il_future *f;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &f, cancel_itself, &f), 0);
	CHECK_RC(il_future_join(f), -ECANCELED);
	CHECK_LOGGED(IL_LOG_WARNING, "failed after its future was cancelled", 1);
	CHECK_RC(il_portal_close(p), 0);
}

/* The group tells it. */
IL_TEST(F, a_failure_that_a_group_reports_is_not_logged)
{
	il_group g;
	il_future *f;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, fail_when_cancelled, NULL), 0);
	cancel_and_join(f);
	CHECK_RC(il_group_close(&g, 0), -EIO);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
}
