/*
 * v_trace.c: traces: what is in the file, that it is whole, and what a trace must not do.
 */
#define _GNU_SOURCE
#include "no_threads.h"

#include "in_child.h"
#include "v_trace.h"

#include <fcntl.h>
#include <signal.h>

static int fd;

static void trace_on(size_t events)
{
	fd = trace_file();
	CHECK_RC(il_trace_start(fd, &(il_trace_options){.events = events}), 0);
}

static struct events trace_off(void)
{
	CHECK_RC(il_trace_stop(), 0);
	return trace_read(fd);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int named(void *name)
{
	CHECK_RC(il_task_set_name(name), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_yield(), 0);
	return il_run_in_thread(nothing, NULL);
}

static void two_tasks(void)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, named, (void *)(uintptr_t) "first \"quoted\\\""), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, named, (void *)(uintptr_t) "second \x1b\xff"), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST(V, a_trace_has_a_track_for_each_task_its_runs_and_its_waits)
{
	struct events e;

	trace_on(0);
	two_tasks();
	e = trace_off();
	check_nesting(&e);
	CHECK_EQ(tracks_called(&e, "first \"quoted\\\""), 1);
	CHECK_EQ(tracks_called(&e, "second \\x1B\\xFF"), 1);
	CHECK_EQ(tracks_called(&e, "loop "), 1);
	CHECK_EQ(spans_called(&e, "il_sleep"), 2);
	CHECK_EQ(spans_called(&e, "il_run_in_thread"), 2);
	CHECK_EQ(spans_called(&e, "call "), 2);
	CHECK(spans_called(&e, "running") >= 8);
	CHECK(spans_called(&e, "turn") >= 1);
	CHECK_EQ(events_dropped(&e), 0);
	free(e.all);
}

/* ---- tasks without a name ---- */

static int nap(void *arg)
{
	(void)arg;
	return il_sleep(IL_MSEC(1));
}

static int call_nap(void *arg)
{
	(void)arg;
	return il_from_thread_run(nap, NULL);
}

/* "task N FUNCTION": from there on. NULL: it is no task's. */
static const char *function_of_track(const struct event *e)
{
	const char *number = strncmp(e->label, "task ", 5) == 0 ? e->label + 5 : NULL;

	return e->phase == 'M' && number ? strchr(number, ' ') : NULL;
}

/* The most tracks of tasks that run one function. */
static int most_alike(const struct events *e)
{
	int most = 0;

	for (size_t i = 0; i < e->count; i++) {
		const char *one = function_of_track(&e->all[i]);
		int alike = 0;
		for (size_t k = 0; one && k < e->count; k++) {
			const char *other = function_of_track(&e->all[k]);
			alike += other && strcmp(one, other) == 0;
		}
		most = alike > most ? alike : most;
	}
	return most;
}

IL_TEST(V, a_task_is_traced_with_its_function_however_it_was_started)
{
	struct events e;
	il_future *f = NULL;
	il_group g;

	trace_on(0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, nap, NULL), 0);
	CHECK_RC(il_group_start_soon(&g, &f, nap, NULL), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_run_in_thread(call_nap, NULL), 0);
	e = trace_off();
	CHECK_EQ(most_alike(&e), 3);
	CHECK_RC(il_future_join(f), 0);
	free(e.all);
}

static int calls_back(void *portal)
{
	CHECK_RC(il_portal_run_sync(portal, nothing, NULL), 0);
	CHECK_RC(il_portal_run_coroutine(portal, nothing, NULL), 0);
	CHECK_RC(il_from_thread_run_sync(nothing, NULL), 0);
	for (int task = 0; task < 2; task++) {
		il_future *f = NULL;
		CHECK_RC(task ? il_portal_run_coroutine_soon(portal, &f, nothing, NULL)
			      : il_portal_run_sync_soon(portal, &f, nothing, NULL),
			 0);
		CHECK_RC(il_future_join(f), 0);
	}
	return il_portal_run_sync_soon(portal, NULL, nothing, NULL);
}

IL_TEST(V, arrows_lead_from_submit_to_run_to_answer_and_have_both_ends)
{
	il_portal *portal = NULL;
	il_executor *pool = NULL;
	il_future *f = NULL;
	int items[3] = {0};
	struct events e;

	CHECK_RC(il_thread_pool_create(&pool, &(il_thread_pool_options){.max_workers = 2}), 0);
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &portal), 0);
	trace_on(0);
	CHECK_RC(il_run_in_thread(nothing, NULL), 0);         /* 2 */
	CHECK_RC(il_executor_run(pool, nothing, NULL, 0), 0); /* 2 */
	CHECK_RC(il_executor_submit(pool, &f, nothing, NULL, 0), 0);
	CHECK_RC(il_future_join(f), 0); /* 2 */
	CHECK_RC(il_executor_map(pool, nothing, items, 3, sizeof items[0], NULL, IL_FOREVER),
		 0);                                       /* 6 */
	CHECK_RC(il_run_in_thread(calls_back, portal), 0); /* 2, and 2 + 2 + 2 + 2 + 2 + 1 */
	CHECK_RC(il_portal_close(portal), 0);
	e = trace_off();
	il_executor_destroy(pool);
	check_nesting(&e);
	CHECK_EQ(check_arrows(&e), 25);
	CHECK_EQ(spans_called(&e, "portal call"), 4);
	CHECK_EQ(spans_called(&e, "il_portal_run_sync"), 1);
	free(e.all);
}

static int many_yields(void *count)
{
	for (size_t i = 0; i < *(size_t *)count; i++)
		il_yield();
	return 0;
}

static void yield_by_turns(size_t count)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, many_yields, &count), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, many_yields, &count), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

/* Three spans each: the task's wait, its run, and that of the loop. */
IL_TEST_REAL(V, a_million_events_are_written_or_counted)
{
	const size_t count = il_test_rounds(170000);
	struct events e;
	size_t written;

	trace_on(0);
	yield_by_turns(count);
	e = trace_off();
	check_nesting(&e);
	written = spans_called(&e, "running");
	CHECK((long long)written + events_dropped(&e) >= (long long)(2 * count));
	free(e.all);
}

IL_TEST_REAL(V, a_full_ring_drops_and_counts_and_the_rest_is_whole)
{
	const size_t count = il_test_rounds(20000);
	struct events e;

	trace_on(1);
	yield_by_turns(count);
	CHECK_RC(il_run_in_thread(nothing, NULL), 0);
	e = trace_off();
	check_nesting(&e);
	check_arrows(&e);
	CHECK(events_dropped(&e) > 0);
	CHECK(spans_called(&e, "running") < 2 * count);
	CHECK_LOGGED(IL_LOG_WARNING, "events were dropped", 1);
	free(e.all);
}

static int waits_forever(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

IL_TEST(V, what_waits_or_runs_when_the_trace_ends_has_a_span_until_then)
{
	struct events e;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	trace_on(0);
	CHECK_RC(il_group_start_soon(&g, NULL, waits_forever, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	e = trace_off();
	il_scope_cancel(il_group_scope(&g));
	CHECK_RC(il_group_close(&g, 0), 0);
	check_nesting(&e);
	CHECK_EQ(spans_called(&e, "il_sleep_forever"), 1);
	CHECK_EQ(spans_called(&e, "il_sleep"), 2);
	free(e.all);
}

IL_TEST(V, traces_follow_one_another)
{
	for (int i = 0; i < 3; i++) {
		struct events e;
		trace_on(0);
		CHECK_RC(il_trace_start(fd, NULL), -EALREADY);
		two_tasks();
		e = trace_off();
		check_nesting(&e);
		CHECK_EQ(tracks_called(&e, "second"), 1);
		CHECK_EQ(spans_called(&e, "il_sleep"), 2);
		free(e.all);
		CHECK_RC(il_trace_stop(), -EALREADY);
		two_tasks();
	}
}

IL_TEST_CORE(V, a_trace_needs_a_file_that_can_be_written)
{
	int reading = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK_RC(il_trace_start(-1, NULL), -EBADF);
	CHECK_RC(il_trace_start(reading, NULL), -EBADF);
	CHECK_DETAIL("not open for writing");
	CHECK_RC(il_trace_start(2, &(il_trace_options){.events = SIZE_MAX}), -EINVAL);
	CHECK_DETAIL("events");
	close(reading);
}

IL_TEST_CORE(V, why_a_trace_could_not_be_written_is_told_at_its_end)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	if (full < 0)
		return;
	CHECK_RC(il_trace_start(full, NULL), 0);
	CHECK_RC(il_trace_stop(), -ENOSPC);
	CHECK_DETAIL("il_trace_stop");
	close(full);
}

/* ---- a fork ---- */

static int traces_itself(void *arg)
{
	int mine = trace_file();
	struct stat st;

	(void)arg;
	CHILD_CHECK(il_trace_stop() == -EALREADY);
	CHILD_CHECK(il_trace_start(mine, NULL) == 0);
	CHILD_CHECK(il_trace_stop() == 0);
	CHILD_CHECK(fstat(mine, &st) == 0 && st.st_size > 0);
	return 0;
}

IL_TEST_REAL(V, a_forked_child_writes_nothing_and_may_trace_itself)
{
	struct events e;

	if (IL_TEST_ASAN) /* its allocator may be locked in the child by the thread that writes the trace */
		return;
	trace_on(0);
	two_tasks();
	CHECK_IN_CHILD(traces_itself, NULL);
	two_tasks();
	e = trace_off();
	check_nesting(&e);
	CHECK_EQ(tracks_called(&e, "second"), 2);
	free(e.all);
}

static void log_by_a_child(int level, const char *message, void *arg)
{
	pid_t child = fork();
	int *logged = arg;

	(void)message;
	if (child == 0)
		_exit(level);
	CHECK(child > 0 && waitpid(child, NULL, 0) == child);
	++*logged;
}

/* What is told of a trace at its end: no lock that a fork waits for is held. */
IL_TEST_REAL(V, the_log_may_fork_when_a_trace_ends)
{
	struct events e;
	int logged = 0;

	trace_on(64);
	for (int i = 0; i < 20000; i++)
		CHECK_RC(il_yield(), 0);
	il_set_log(log_by_a_child, &logged);
	CHECK_RC(il_trace_stop(), 0);
	il_set_log(NULL, NULL);
	e = trace_read(fd);
	CHECK_EQ(logged, events_dropped(&e) > 0);
	CHECK_EQ(logged, 1);
	free(e.all);
}

IL_TEST_OWN(V, a_trace_that_has_no_thread_writes_nothing)
{
	pthread_attr_t before;
	struct stat st;

	fd = trace_file();
	forbid_threads(&before);
	CHECK_RC(il_trace_start(fd, NULL), NO_THREAD);
	allow_threads(&before);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, 0);
	CHECK_RC(il_trace_stop(), -EALREADY);
	close(fd);
}

/* ---- a pipe without a reader ---- */

/* The last bytes are written by whoever ends the trace. */
IL_TEST_CORE(V, a_trace_into_a_pipe_whose_reader_has_gone_ends_with_a_code_and_no_signal)
{
	void (*before)(int) = signal(SIGPIPE, SIG_DFL);
	char text[4096];
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	CHECK_RC(il_trace_start(ends[1], NULL), 0);
	CHECK(read(ends[0], text, sizeof text) > 0); /* its first lines are written */
	close(ends[0]);
	CHECK_RC(il_trace_stop(), -EPIPE);
	close(ends[1]);
	signal(SIGPIPE, before);
}
