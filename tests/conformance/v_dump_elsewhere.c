/*
 * v_dump_elsewhere.c: a task that waits for what another thread, loop or host does says for what.
 */
#define _GNU_SOURCE
#include "u_network.h"
#include "v_dump.h"
#include "waits.h"
#include "workers.h"

static int run_gate(void *gate)
{
	return il_run_in_thread(stay, gate);
}

static int wait_for_threads(void *unused)
{
	(void)unused;
	return il_threads_wait();
}

IL_TEST_REAL(V, calls_in_threads_are_counted_for_whoever_waits_for_all)
{
	struct gate gate = {.open = false};
	struct child first;

	child_start(&first, "first", run_gate, &gate);
	UNTIL(atomic_load(&gate.begun) == 1);
	CHECK_WAITS(wait_for_threads, NULL, "il_threads_wait", "1 calls in worker threads");
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&first.group, 0), 0);
	il_future_unref(first.future);
}

struct limited {
	struct gate *gate;
	il_limiter *limiter;
};

static int run_limited(void *arg)
{
	const struct limited *l = arg;

	return il_run_in_thread_with(stay, l->gate,
				     &(il_run_in_thread_options){.limiter = l->limiter});
}

IL_TEST_REAL(V, a_call_without_a_token_says_which_limiter)
{
	struct gate gate = {.open = false};
	struct limited l = {.gate = &gate};
	struct child first;

	CHECK_RC(il_limiter_create(&l.limiter, 1), 0);
	child_start(&first, "first", run_limited, &l);
	UNTIL(atomic_load(&gate.begun) == 1);
	CHECK_WAITS(run_limited, &l, "il_run_in_thread", "has to wait for", "limiter");
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&first.group, 0), 0);
	il_future_unref(first.future);
	il_limiter_destroy(l.limiter);
}

IL_TEST_REAL(V, a_future_of_an_executor_says_whose_call_it_is)
{
	struct gate gate = {.open = false};
	il_executor *pool = new_pool(1);
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(pool, &f, stay, &gate, 0), 0);
	UNTIL(atomic_load(&gate.begun) == 1);
	CHECK_WAITS(wait_future, f, "il_future_wait", "of ", "which runs it");
	atomic_store(&gate.open, true);
	CHECK_RC(il_future_result(f, IL_FOREVER), 0);
	il_future_unref(f);
	il_executor_destroy(pool);
}

static int shut_down(void *pool)
{
	return il_executor_shutdown(pool, 0);
}

IL_TEST_REAL(V, a_shutdown_says_which_executor_it_waits_for)
{
	struct gate gate = {.open = false};
	il_executor *pool = new_pool(1);
	struct child c;
	il_future *f = NULL;
	char *text;

	CHECK_RC(il_executor_submit(pool, &f, stay, &gate, 0), 0);
	UNTIL(atomic_load(&gate.begun) == 1);
	child_start(&c, "child", shut_down, pool);
	text = dump_loop();
	CHECK_DUMPED(text, "child: il_executor_shutdown", "the end of executor (a worker thread)");
	free(text);
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&c.group, 0), 0);
	il_future_unref(c.future);
	il_future_unref(f);
	il_executor_destroy(pool);
}

/* ---- a task that serves a call from elsewhere ---- */

struct meeting {
	il_event *over;
	il_portal *portal;
	int begun;
};

static int attend(void *arg)
{
	struct meeting *m = arg;

	m->begun++;
	return il_event_wait(m->over);
}

static int attend_from_thread(void *arg)
{
	return il_portal_run_coroutine(((struct meeting *)arg)->portal, attend, arg);
}

/* What the line says behind a task without a name: " (FUNCTION)". */
static void function_in(const char *line, char function[100])
{
	const char *begin = strchr(line, '('), *end = begin ? strchr(begin, ')') : NULL;

	snprintf(function, 100, "%.*s", end ? (int)(end - begin) : 0, begin ? begin : "");
}

IL_TEST_REAL(V, a_task_of_a_portals_call_is_listed_with_the_calls_function)
{
	struct meeting m = {.begun = 0};
	struct il_test_thread t;
	il_future *f = NULL;
	char functions[3][100] = {"", "", ""}, *text, *rest;
	int count = 0;

	CHECK_RC(il_event_create(&m.over), 0);
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &m.portal), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &f, attend, &m), 0);
	il_test_thread_start(&t, attend_from_thread, &m);
	UNTIL(m.begun == 2);
	text = dump_loop();
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, "il_event_wait") && count < 3)
			function_in(line, functions[count++]);
	free(text);
	CHECK_EQ(count, 2);
	CHECK(functions[0][0]);
	CHECK_STR(functions[1], functions[0]);
	CHECK_RC(il_event_set(m.over), 0);
	CHECK_RC(il_future_join(f), 0);
	UNTIL(atomic_load(&t.ended));
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_RC(il_portal_close(m.portal), 0);
	il_event_destroy(m.over);
}

/* ---- another loop ---- */

static int sleep_long(void *unused)
{
	(void)unused;
	return il_sleep(IL_SEC(60));
}

static int wait_there(void *portal)
{
	return il_portal_run_coroutine(portal, sleep_long, NULL);
}

static int start_there(void *portal)
{
	int value;

	return il_portal_start_task(portal, NULL, &value, sleep_long, NULL);
}

IL_TEST_REAL(V, a_call_of_another_loop_says_that_it_runs_there)
{
	il_portal *portal = NULL;

	CHECK_RC(il_blocking_portal_start(&portal, il_test_backend(), NULL), 0);
	CHECK_WAITS(wait_there, portal, "il_future_wait", "a future of a task of another loop");
	CHECK_WAITS(start_there, portal, "il_portal_start_task", "started in another loop");
	CHECK_RC(il_blocking_portal_stop(portal), 0);
}

/* ---- another host ---- */

static int stay_on(void *unused)
{
	il_scope s = IL_SCOPE_INIT;

	(void)unused;
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, IL_SHIELD), 0);
	return il_scope_exit(&s, il_sleep(IL_SEC(1)));
}

static int crash(void *network)
{
	return il_virtual_host_crash(network, "far");
}

IL_TEST_VIRTUAL(V, a_crash_says_which_host_it_waits_for)
{
	il_virtual_network *n = network_with(NULL);
	struct child c;
	char *text;

	host(n, "far", stay_on, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	child_start(&c, "child", crash, n);
	text = dump_loop();
	CHECK_DUMPED(text, "child: il_virtual_host_crash", "the tasks of host far");
	free(text);
	CHECK_RC(il_group_close(&c.group, 0), 0);
	il_future_unref(c.future);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static int connect_far(void *unused)
{
	il_stream *s = NULL;
	int rc = il_sleep(IL_SEC(1));

	(void)unused;
	if (rc == 0)
		rc = stream_to(&s, "far");
	il_stream_destroy(s);
	return rc;
}

IL_TEST_VIRTUAL(V, a_connect_says_where_to_and_how_many_addresses_it_has_tried)
{
	il_virtual_network *n = network_with(NULL);
	char *text;

	host(n, "far", echo_server, NULL);
	host(n, "near", connect_far, NULL);
	CHECK_RC(il_virtual_hold(n, "near", "far"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1100)), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "il_stream_connect_tcp", "far, port 7: 1 of 1 addresses tried");
	free(text);
	CHECK_RC(il_virtual_release(n, "near", "far"), 0);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}
