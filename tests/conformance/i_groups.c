/*
 * i_groups.c: task groups: no child outlives the block, the first failure cancels the rest.
 */
#include "waits.h"

static int count_after_a_while(void *arg)
{
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	++*(int *)arg;
	return 0;
}

static int trace_word(void *arg)
{
	TRACE((const char *)arg);
	return 0;
}

static int fail_at_once(void *arg)
{
	return *(int *)arg;
}

static int fail_when_cancelled(void *arg)
{
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	return *(int *)arg;
}

IL_TEST(I, n165_close_waits_for_every_child)
{
	il_group g;
	int n = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, count_after_a_while, &n), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, count_after_a_while, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_RC(il_group_close(&g, 4), 4);
	CHECK_EQ(n, 2);
	CHECK_EQ(il_group_errors(&g, NULL, 0), 0);
}

IL_TEST_FIFO(I, n165_an_empty_group_yields_once)
{
	il_group outer, empty;

	CHECK_RC(il_group_open(&outer), 0);
	CHECK_RC(il_group_start_soon(&outer, NULL, trace_word, "other"), 0);
	CHECK_RC(il_group_open(&empty), 0);
	TRACE("before");
	CHECK_RC(il_group_close(&empty, 0), 0);
	TRACE("after");
	CHECK_RC(il_group_close(&outer, 0), 0);
	CHECK_TRACE("before other after");
}

IL_TEST_FIFO(I, n165_an_empty_group_yields_in_a_cancelled_scope_too)
{
	il_group outer, empty;

	CHECK_RC(il_group_open(&outer), 0);
	CHECK_RC(il_scope_cancel(il_group_scope(&outer)), 0);
	CHECK_RC(il_group_start_soon(&outer, NULL, trace_word, "other"), 0);
	CHECK_RC(il_group_open(&empty), 0);
	TRACE("before");
	int rc = il_group_close(&empty, 0);
	CHECK(rc == 0 || rc == -ECANCELED);
	TRACE("after");
	CHECK_RC(il_group_close(&outer, rc), 0);
	CHECK_TRACE("before other after");
}

IL_TEST(I, n166_a_closed_group_takes_no_more)
{
	il_group ended, failed;
	int error = -EIO, n = 0;

	CHECK_RC(il_group_open(&ended), 0);
	CHECK_RC(il_group_close(&ended, 0), 0);
	CHECK_RC(il_group_start_soon(&ended, NULL, count_after_a_while, &n), -ESHUTDOWN);
	CHECK_RC(il_group_start(&ended, NULL, count_after_a_while, &n), -ESHUTDOWN);
	CHECK_RC(il_group_open(&failed), 0);
	CHECK_RC(il_group_start_soon(&failed, NULL, fail_at_once, &error), 0);
	CHECK_RC(il_group_close(&failed, 0), -EIO);
	CHECK_RC(il_group_start_soon(&failed, NULL, count_after_a_while, &n), -ESHUTDOWN);
	CHECK_RC(il_group_start(&failed, NULL, count_after_a_while, &n), -ESHUTDOWN);
	CHECK_RC(il_sleep(IL_MSEC(3)), 0);
	CHECK_EQ(n, 0);
}

IL_TEST(I, n166_an_open_group_is_not_opened_again)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_open(&g), -EALREADY);
	CHECK_RC(il_group_close(&g, 1), 1);
	CHECK_RC(il_group_close(&g, 1), -EALREADY);
}

static int leave_the_hosts_group(void *arg)
{
	CHECK_RC(il_group_close(arg, 0), -EALREADY);
	CHECK_RC(il_group_close(arg, -EIO), -EALREADY);
	CHECK_RC(il_scope_exit(il_group_scope(arg), 0), -EALREADY);
	return 0;
}

IL_TEST(I, n166_a_group_is_closed_by_the_task_that_opened_it)
{
	il_group outer, inner;

	CHECK_RC(il_group_open(&outer), 0);
	CHECK_RC(il_group_start_soon(&outer, NULL, leave_the_hosts_group, &outer), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_group_open(&inner), 0);
	CHECK_RC(il_group_close(&outer, -EIO), -EALREADY);
	CHECK(!il_scope_cancelled(il_group_scope(&outer)));
	CHECK_RC(il_group_close(&inner, 0), 0);
	CHECK_RC(il_group_close(&outer, 2), 2);
}

struct spawner {
	il_group *group;
	int n;
};

static int start_a_sibling(void *arg)
{
	struct spawner *s = arg;

	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	return il_group_start_soon(s->group, NULL, count_after_a_while, &s->n);
}

IL_TEST(I, n167_a_child_starts_another_while_the_owner_closes)
{
	il_group g;
	struct spawner s = {.group = &g};

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_a_sibling, &s), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(s.n, 1);
}

static int clean_up_slowly(void *arg)
{
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(shielded_sleep(IL_MSEC(3)), 0);
	++*(int *)arg;
	return -ECANCELED;
}

IL_TEST(I, n169_a_failed_body_cancels_and_joins_the_children)
{
	il_group g;
	int cleaned = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, clean_up_slowly, &cleaned), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, clean_up_slowly, &cleaned), 0);
	CHECK_RC(il_group_close(&g, -EPIPE), -EPIPE);
	CHECK_EQ(cleaned, 2);
}

IL_TEST(I, n169_several_failures_are_kept_and_no_cancellation_among_them)
{
	il_group g;
	int first = -EIO, second = -EPIPE, codes[8] = {0}, cleaned = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fail_when_cancelled, &second), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, clean_up_slowly, &cleaned), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fail_at_once, &first), 0);
	CHECK_RC(il_group_close(&g, il_sleep_forever()), -EIO);
	CHECK_EQ(il_group_errors(&g, codes, 8), 2);
	CHECK_RC(codes[0], -EIO);
	CHECK_RC(codes[1], -EPIPE);
	CHECK_EQ(cleaned, 1);
}

IL_TEST(I, n169_the_body_and_a_child_fail)
{
	il_group g;
	int error = -EIO, codes[8] = {0};
	bool found = false;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fail_when_cancelled, &error), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_group_close(&g, -EPIPE), -EPIPE);
	size_t n = il_group_errors(&g, codes, 8);
	for (size_t i = 0; i < n; i++) {
		found = found || codes[i] == -EIO;
		CHECK(codes[i] != -ECANCELED);
	}
	CHECK(found);
}

IL_TEST(I, the_first_eight_failures_are_kept)
{
	il_group g;
	int errors[10], codes[10] = {0};

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 10; i++) {
		errors[i] = -i - 1;
		CHECK_RC(il_group_start_soon(&g, NULL, fail_at_once, &errors[i]), 0);
	}
	CHECK(il_group_close(&g, 0) < 0);
	CHECK_EQ(il_group_errors(&g, codes, 10), 10);
	for (int i = 0; i < 8; i++)
		CHECK(codes[i] < 0 && codes[i] >= -10);
	CHECK_EQ(codes[8], 0);
}

struct nested {
	il_group inner;
	int inner_error, inner_rc;
	size_t inner_count;
	int inner_codes[4];
};

static int run_inner_group(struct nested *n)
{
	CHECK_RC(il_group_open(&n->inner), 0);
	CHECK_RC(il_group_start_soon(&n->inner, NULL, fail_when_cancelled, &n->inner_error), 0);
	CHECK_RC(il_group_start_soon(&n->inner, NULL, sleep_forever, NULL), 0);
	n->inner_rc = il_group_close(&n->inner, il_sleep_forever());
	n->inner_count = il_group_errors(&n->inner, n->inner_codes, 4);
	return n->inner_rc;
}

static int fail_later(void *arg)
{
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	return *(int *)arg;
}

IL_TEST(I, n170_nested_failures_keep_their_shape)
{
	struct nested n = {.inner_error = -EPIPE};
	int error = -EIO, codes[4] = {0};
	bool found = false;
	il_group outer;

	CHECK_RC(il_group_open(&outer), 0);
	CHECK_RC(il_group_start_soon(&outer, NULL, fail_later, &error), 0);
	int rc = il_group_close(&outer, run_inner_group(&n));
	CHECK_RC(n.inner_rc, -EPIPE);
	CHECK_EQ(n.inner_count, 1);
	CHECK_RC(n.inner_codes[0], -EPIPE);
	CHECK(rc == -EPIPE || rc == -EIO);
	size_t count = il_group_errors(&outer, codes, 4);
	CHECK(count <= 2);
	for (size_t i = 0; i < count; i++) {
		found = found || codes[i] == -EIO;
		CHECK(codes[i] != -ECANCELED);
	}
	CHECK(found);
}

IL_TEST(I, n171_an_outer_cancellation_leaves_as_one_cancellation)
{
	il_scope s = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_forever, NULL), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_forever, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_group_close(&g, 0), -ECANCELED);
	CHECK_EQ(il_group_errors(&g, NULL, 0), 0);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK(il_scope_caught(&s));
}

IL_TEST(I, n171_an_error_wins_and_the_cancellation_stays)
{
	il_scope s = IL_SCOPE_INIT;
	il_group g;
	int error = -EIO;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fail_when_cancelled, &error), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_group_close(&g, il_sleep_forever()), -EIO);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
}

static int first_checkpoint(void *arg)
{
	bool *cancelled = arg;

	TRACE("begun");
	*cancelled = il_yield() == -ECANCELED;
	return il_yield();
}

IL_TEST(I, n172_a_child_of_a_cancelled_group_runs_to_its_first_checkpoint)
{
	il_group g;
	bool a = false, b = false;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, first_checkpoint, &a), 0);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, first_checkpoint, &b), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(a && b);
	CHECK_TRACE("begun begun");
	CHECK(il_scope_cancelled(il_group_scope(&g)));
}

struct flag {
	bool waiting, cancelled;
};

static int note_cancellation(void *arg)
{
	struct flag *f = arg;

	f->waiting = true;
	f->cancelled = il_sleep_forever() == -ECANCELED;
	return -ECANCELED;
}

IL_TEST(I, n174_a_shielded_opener_does_not_shield_the_children)
{
	il_scope outer = IL_SCOPE_INIT, shield = IL_SCOPE_INIT;
	struct flag child = {false, false};
	il_group g;

	CHECK_RC(il_scope_enter(&outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, note_cancellation, &child), 0);
	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	UNTIL(child.waiting);
	CHECK_RC(il_scope_cancel(&outer), 0);
	UNTIL(child.cancelled);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_scope_exit(&shield, 0), 0);
	CHECK_RC(il_group_close(&g, 0), -ECANCELED);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
}

static int say_started(void *arg)
{
	struct flag *f = arg;

	CHECK_RC(il_task_set_name("the child"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_task_started(17), 0);
	CHECK_RC(il_task_started(18), -EALREADY);
	CHECK_STR(il_task_name(), "the child");
	return note_cancellation(f);
}

IL_TEST(I, n175_start_returns_what_the_child_says_and_the_child_goes_on)
{
	struct flag child = {false, false};
	il_group g;
	int value = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start(&g, &value, say_started, &child), 0);
	CHECK_EQ(value, 17);
	UNTIL(child.waiting);
	CHECK(!child.cancelled);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(child.cancelled);
	CHECK_RC(il_task_started(1), -EPERM);
}

static int start_then_fail(void *arg)
{
	CHECK_RC(il_task_started(0), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	return *(int *)arg;
}

IL_TEST(I, n176_failing_before_started_leaves_the_group_alone)
{
	int error = -EIO, well = 0, cancelled = -ECANCELED, value = 5;
	struct flag sibling = {false, false};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, note_cancellation, &sibling), 0);
	CHECK_RC(il_group_start(&g, &value, fail_later, &error), -EIO);
	CHECK_RC(il_group_start(&g, &value, fail_later, &well), -EPROTO);
	CHECK_RC(il_group_start(&g, &value, fail_later, &cancelled), -EPROTO);
	CHECK(!il_scope_cancelled(il_group_scope(&g)) && !sibling.cancelled);
	CHECK_EQ(value, 5);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(il_group_errors(&g, NULL, 0), 0);
}

IL_TEST(I, n176_failing_after_started_fails_the_group)
{
	struct flag sibling = {false, false};
	int error = -EIO;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, note_cancellation, &sibling), 0);
	CHECK_RC(il_group_start(&g, NULL, start_then_fail, &error), 0);
	CHECK_RC(il_group_close(&g, 0), -EIO);
	CHECK(sibling.cancelled);
}

struct starter {
	il_group *group;
	il_scope scope;
	struct flag child;
	bool clean;
	int rc;
};

static int never_start(void *arg)
{
	struct starter *s = arg;

	CHECK_RC(note_cancellation(&s->child), -ECANCELED);
	CHECK_RC(shielded_sleep(IL_MSEC(3)), 0);
	s->clean = true;
	return -ECANCELED;
}

static int start_in_scope(void *arg)
{
	struct starter *s = arg;

	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	s->rc = il_group_start(s->group, NULL, never_start, s);
	CHECK(s->clean);
	return il_scope_exit(&s->scope, s->rc);
}

/* Cancels who starts a child in a group, which is none the worse. */
static void cancel_start(il_fn *start, struct starter *s)
{
	il_group target, callers;

	*s = (struct starter){.group = &target, .scope = IL_SCOPE_INIT};
	CHECK_RC(il_group_open(&target), 0);
	CHECK_RC(il_group_open(&callers), 0);
	CHECK_RC(il_group_start_soon(&callers, NULL, start, s), 0);
	UNTIL(s->child.waiting);
	CHECK_RC(il_scope_cancel(&s->scope), 0);
	CHECK_RC(il_group_close(&callers, 0), 0);
	CHECK(!il_scope_cancelled(il_group_scope(&target)));
	CHECK_RC(il_group_close(&target, 0), 0);
}

IL_TEST(I, n177_a_cancelled_start_cancels_the_child_and_waits_for_it)
{
	struct starter s;

	cancel_start(start_in_scope, &s);
	CHECK_RC(s.rc, -ECANCELED);
	CHECK(s.clean && il_scope_caught(&s.scope));
}

static int fail_in_clean_up(void *arg)
{
	struct starter *s = arg;

	CHECK_RC(never_start(s), -ECANCELED);
	return -EIO;
}

static int start_failing_in_scope(void *arg)
{
	struct starter *s = arg;

	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	s->rc = il_group_start(s->group, NULL, fail_in_clean_up, s);
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	CHECK_RC(il_scope_exit(&s->scope, s->rc), -EIO);
	return 0;
}

IL_TEST(I, n177_an_error_in_clean_up_is_told_by_the_cancelled_start)
{
	struct starter s;

	cancel_start(start_failing_in_scope, &s);
	CHECK_RC(s.rc, -EIO);
}

struct late {
	il_group *target;
	bool go, ended;
	int rc, value;
};

static int start_when_told(void *arg)
{
	struct late *l = arg;

	UNTIL(l->go);
	CHECK_RC(il_task_started(3), 0);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	l->ended = true;
	return 0;
}

static int start_into_target(void *arg)
{
	struct late *l = arg;

	l->rc = il_group_start(l->target, &l->value, start_when_told, l);
	CHECK(!l->ended);
	return 0;
}

static int let_go(void *arg)
{
	struct late *l = arg;

	CHECK_RC(il_sleep(IL_MSEC(3)), 0);
	l->go = true;
	return 0;
}

IL_TEST(I, n179_a_pending_start_keeps_the_group_open)
{
	il_group target, callers;
	struct late l = {.target = &target};

	CHECK_RC(il_group_open(&callers), 0);
	CHECK_RC(il_group_open(&target), 0);
	CHECK_RC(il_group_start_soon(&callers, NULL, start_into_target, &l), 0);
	CHECK_RC(il_group_start_soon(&callers, NULL, let_go, &l), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_group_close(&target, 0), 0);
	CHECK(l.ended);
	CHECK_RC(il_group_close(&callers, 0), 0);
	CHECK_RC(l.rc, 0);
	CHECK_EQ(l.value, 3);
}

struct doomed {
	il_group *target;
	struct flag sub[2];
	int rc, value, after;
};

static int cancel_target_then_start(void *arg)
{
	struct doomed *d = arg;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, note_cancellation, &d->sub[0]), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, note_cancellation, &d->sub[1]), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_scope_cancel(il_group_scope(d->target)), 0);
	CHECK_RC(il_task_started(4), 0);
	d->after = il_sleep_forever();
	return il_group_close(&g, d->after);
}

static int start_the_doomed(void *arg)
{
	struct doomed *d = arg;

	d->rc = il_group_start(d->target, &d->value, cancel_target_then_start, d);
	return 0;
}

IL_TEST(I, n179_started_into_a_cancelled_group_is_cancelled)
{
	il_group target, callers;
	struct doomed d = {.target = &target};

	CHECK_RC(il_group_open(&callers), 0);
	CHECK_RC(il_group_open(&target), 0);
	CHECK_RC(il_group_start_soon(&callers, NULL, start_the_doomed, &d), 0);
	CHECK_RC(il_group_close(&target, il_sleep_forever()), 0);
	CHECK_RC(il_group_close(&callers, 0), 0);
	CHECK_RC(d.rc, 0);
	CHECK_EQ(d.value, 4);
	CHECK_RC(d.after, -ECANCELED);
	CHECK(d.sub[0].cancelled && d.sub[1].cancelled);
}

static int give_later(void *arg)
{
	return fail_later(arg);
}

IL_TEST(I, n180_a_childs_future)
{
	il_future *well, *failed;
	int five = 5, error = -EIO;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &well, give_later, &five), 0);
	CHECK_RC(il_future_result(well, 0), -ETIMEDOUT);
	CHECK(!il_future_done(well));
	CHECK_RC(il_future_wait(well, IL_FOREVER), 0);
	CHECK_RC(il_future_result(well, 0), 5);
	CHECK_RC(il_group_start_soon(&g, &failed, give_later, &error), 0);
	CHECK_RC(il_group_close(&g, 0), -EIO);
	CHECK_RC(il_future_wait(failed, 0), 0);
	CHECK_RC(il_future_join(failed), -EIO);
	CHECK_RC(il_future_join(well), 5);
}

IL_TEST(I, n180_a_child_cancelled_before_it_began_never_begins)
{
	il_future *f;
	il_group g;
	int n = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, count_after_a_while, &n), 0);
	CHECK(il_future_cancel(f));
	CHECK(il_future_cancelled(f));
	CHECK_RC(il_future_result(f, IL_FOREVER), -ECANCELED);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_future_unref(f);
	CHECK_EQ(n, 0);
}

IL_TEST(I, n181_cancelling_a_child_ends_that_child_only)
{
	struct flag a = {false, false}, b = {false, false};
	il_future *fa, *fb;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &fa, note_cancellation, &a), 0);
	CHECK_RC(il_group_start_soon(&g, &fb, note_cancellation, &b), 0);
	UNTIL(a.waiting && b.waiting);
	CHECK(il_future_cancel(fa));
	CHECK_RC(il_future_wait(fa, IL_FOREVER), 0);
	CHECK_RC(il_future_result(fa, 0), -ECANCELED);
	CHECK(a.cancelled);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!b.cancelled && !il_scope_cancelled(il_group_scope(&g)));
	CHECK(il_future_cancel(fb));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(b.cancelled);
	il_future_unref(fa);
	il_future_unref(fb);
}

IL_TEST(I, n181_cancelling_a_finished_child_does_nothing)
{
	il_future *f;
	int five = 5;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, give_later, &five), 0);
	CHECK_RC(il_future_wait(f, IL_FOREVER), 0);
	CHECK(!il_future_cancel(f));
	CHECK(!il_future_cancelled(f));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_future_join(f), 5);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

struct joiner {
	il_future *f;
	il_scope scope;
	bool waiting;
	int rc;
};

static int join_in_scope(void *arg)
{
	struct joiner *j = arg;

	CHECK_RC(il_scope_enter(&j->scope, IL_FOREVER, 0), 0);
	j->waiting = true;
	j->rc = il_future_wait(j->f, IL_FOREVER);
	return il_scope_exit(&j->scope, j->rc);
}

IL_TEST(I, n182_a_cancelled_joiner_leaves_and_the_task_goes_on)
{
	struct joiner j = {.scope = IL_SCOPE_INIT};
	struct flag child = {false, false};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &j.f, note_cancellation, &child), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, join_in_scope, &j), 0);
	UNTIL(j.waiting && child.waiting);
	CHECK_RC(il_scope_cancel(&j.scope), 0);
	UNTIL(il_scope_caught(&j.scope));
	CHECK_RC(j.rc, -ECANCELED);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!child.cancelled && !il_future_cancelled(j.f));
	CHECK(il_future_cancel(j.f));
	CHECK_RC(il_future_join(j.f), -ECANCELED);
	CHECK_RC(il_group_close(&g, 0), 0);
}

static int join_shielded(void *arg)
{
	struct joiner *j = arg;

	CHECK_RC(il_scope_enter(&j->scope, IL_FOREVER, 0), 0);
	j->waiting = true;
	j->rc = il_future_join(j->f);
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	return il_scope_exit(&j->scope, 0);
}

static int give_when_cancelled(void *arg)
{
	struct joiner *j = arg;

	UNTIL(il_scope_cancelled(&j->scope));
	return 5;
}

IL_TEST(I, n182_join_waits_for_the_end_whatever_happens)
{
	struct joiner j = {.scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &j.f, give_when_cancelled, &j), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, join_shielded, &j), 0);
	UNTIL(j.waiting);
	CHECK_RC(il_scope_cancel(&j.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(j.rc, 5);
}

static int wait_for_oneself(void *arg)
{
	il_future *self = *(il_future **)arg;

	CHECK_RC(il_future_wait(self, IL_FOREVER), -EDEADLK);
	CHECK_RC(il_future_result(self, IL_FOREVER), -EDEADLK);
	CHECK_RC(il_future_join(self), -EDEADLK);
	CHECK_RC(il_futures_wait(&self, 1, IL_ALL_COMPLETED, IL_FOREVER), -EDEADLK);
	CHECK_RC(il_future_wait(self, IL_MSEC(1)), -ETIMEDOUT);
	return 3;
}

IL_TEST(I, n182_a_task_does_not_wait_for_itself)
{
	il_future *f;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, wait_for_oneself, &f), 0);
	CHECK_RC(il_future_wait(f, IL_FOREVER), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_future_join(f), 3);
}

IL_TEST_FIFO(I, n182_waiting_for_a_finished_task_does_not_yield)
{
	il_future *f;
	int five = 5;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, give_later, &five), 0);
	CHECK_RC(il_future_wait(f, IL_FOREVER), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trace_word, "other"), 0);
	CHECK_RC(il_future_wait(f, IL_FOREVER), 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), 5);
	TRACE("waited");
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_TRACE("waited other");
	CHECK_RC(il_future_join(f), 5);
}

static int start_from_thread(void *arg)
{
	CHECK_RC(il_group_start_soon(arg, NULL, sleep_forever, NULL), -EPERM);
	CHECK_RC(il_group_start(arg, NULL, sleep_forever, NULL), -EPERM);
	return 0;
}

IL_TEST(I, another_thread_may_not_start_children)
{
	struct il_test_thread thread;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	il_test_thread_start(&thread, start_from_thread, &g);
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}
