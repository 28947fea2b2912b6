/*
 * v_elsewhere.c: looking inside from where a stranger may: a forked child, a worker thread and process, a loop that ends, and
 * a program with several loops.
 */
#define _GNU_SOURCE
#include "aside.h"
#include "in_child.h"
#include "m_server.h"
#include "objects.h"
#include "processes.h"
#include "v_dump.h"
#include "waits.h"
#include "workers.h"

/* ---- a forked child ---- */

struct looked_at {
	il_loop *loop;
	il_executor *pool;
	il_server *server;
};

static int look_at_inherited(void *arg)
{
	const struct looked_at *l = arg;
	il_loop_statistics of_loop;
	il_executor_statistics of_pool;
	il_server_statistics of_server;
	char said[4096] = "";
	int fd = memfd_create("dump", 0);

	CHILD_CHECK(il_loop_get_statistics(l->loop, &of_loop) == -ESHUTDOWN);
	CHILD_CHECK(il_loop_dump(l->loop, fd) == -ESHUTDOWN);
	CHILD_CHECK(il_executor_get_statistics(l->pool, &of_pool) == -ESHUTDOWN);
	CHILD_CHECK(il_server_get_statistics(l->server, &of_server) == -ESHUTDOWN);
	CHILD_CHECK(il_dump(fd) == 0);
	CHILD_CHECK(pread(fd, said, sizeof said - 1, 0) >= 0);
	CHILD_CHECK(!strstr(said, "parent"));
	return 0;
}

IL_TEST_REAL(V, a_forked_child_has_nothing_of_its_parents_to_look_at)
{
	struct service s;
	struct looked_at l = {.loop = il_loop_current(), .pool = new_pool(1)};

	CHECK_RC(il_task_set_name("parent"), 0);
	service_lines(&s, &echo_handler, &s.visits);
	l.server = s.server;
	CHECK_IN_CHILD(look_at_inherited, &l);
	service_end(&s);
	il_executor_destroy(l.pool);
}

/* ---- workers ---- */

static int dump_here(void *text)
{
	*(char **)text = dump_all();
	return 0;
}

IL_TEST_REAL(V, a_worker_thread_may_ask_for_all)
{
	char *text = NULL;

	CHECK_RC(il_task_set_name("waits"), 0);
	CHECK_RC(il_run_in_thread(dump_here, &text), 0);
	CHECK_DUMPED(text, "waits: il_run_in_thread", "a worker thread, which runs it");
	CHECK_DUMPED(text, "thread il-thread", "runs ");
	free(text);
}

int dump_in_worker(void *unused)
{
	int fd = memfd_create("dump", 0), rc;
	char text[2048] = "";
	ssize_t n;

	(void)unused;
	rc = il_dump(fd);
	n = pread(fd, text, sizeof text - 1, 0);
	close(fd);
	return rc < 0 ? rc : n < 0 ? -EIO : strstr(text, "loop ") != NULL;
}

IL_TEST_REAL(V, a_worker_process_lists_what_is_its_own)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});

	CHECK_RC(il_executor_run(ex, dump_in_worker, NULL, 0), 0);
	il_executor_destroy(ex);
}

/* ---- several loops ---- */

static int sleep_long(void *unused)
{
	(void)unused;
	CHECK_RC(il_task_set_name("far away"), 0);
	return il_sleep(IL_SEC(60));
}

IL_TEST_REAL(V, every_loop_of_the_process_is_listed)
{
	il_portal *portal = NULL;
	il_future *f = NULL;
	char *text = NULL;

	CHECK_RC(il_task_set_name("here"), 0);
	CHECK_RC(il_blocking_portal_start(&portal, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(portal, &f, sleep_long, NULL), 0);
	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_all();
	} while (!DUMP_HAS(text, "far away: il_sleep"));
	CHECK_DUMPED(text, "here: ");
	free(text);
	CHECK(il_future_cancel(f));
	CHECK_RC(il_future_result(f, IL_FOREVER), -ECANCELED);
	il_future_unref(f);
	CHECK_RC(il_blocking_portal_stop(portal), 0);
}

/* ---- a loop that ends ---- */

static int dump_at_the_end(void *text)
{
	CHECK_RC(il_task_set_name("ends"), 0);
	CHECK_RC(il_sleep(IL_SEC(60)), -ECANCELED);
	*(char **)text = dump_loop();
	return 0;
}

static int leave_it(void *text)
{
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, dump_at_the_end, text), 0);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
	return 0;
}

IL_TEST_OWN(V, a_loop_that_ends_can_still_be_looked_at)
{
	char *text = NULL;

	CHECK_RC(il_run(il_test_backend(), leave_it, &text), 0);
	CHECK_DUMPED(text, "ends: runs; cancelled");
	free(text);
}

/* ---- a stuck loop ---- */

static int hold_the_loop(void *arg)
{
	struct gate *g = arg;

	CHECK_RC(il_task_set_name("stubborn"), 0);
	atomic_fetch_add(&g->begun, 1);
	while (!atomic_load(&g->open))
		usleep(1000);
	return 0;
}

IL_TEST_REAL(V, a_task_learns_of_another_loop_that_is_stuck)
{
	struct gate g = {.open = false};
	il_portal *portal = NULL;
	il_future *f = NULL;
	char *text;

	CHECK_RC(il_blocking_portal_start(&portal, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(portal, &f, hold_the_loop, &g), 0);
	UNTIL(atomic_load(&g.begun) == 1);
	CHECK_RC(il_task_set_name("asks"), 0);
	text = dump_all();
	CHECK_DUMPED(text, "does not come to it within a second", "stubborn has held it for ");
	CHECK_DUMPED(text, "asks: ");
	free(text);
	atomic_store(&g.open, true);
	CHECK_RC(il_future_result(f, IL_FOREVER), 0);
	il_future_unref(f);
	CHECK_RC(il_blocking_portal_stop(portal), 0);
}

/* ---- names ---- */

IL_TEST(V, n417_a_long_name_is_cut_and_an_empty_one_is_made_up)
{
	char name[201];
	il_event *event = new_event();
	il_group g;
	char *text;

	memset(name, 'n', 200);
	name[200] = '\0';
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(
	    il_group_start_soon_with(&g, NULL, wait_event, event, &(il_task_options){.name = name}),
	    0);
	CHECK_RC(
	    il_group_start_soon_with(&g, NULL, wait_event, event, &(il_task_options){.name = ""}),
	    0);
	CHECK_RC(il_yield(), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: ");
	CHECK_DUMPED(text, " task ", "): ");
	CHECK(!strstr(text, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"));
	free(text);
	CHECK_RC(il_event_set(event), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_event_destroy(event);
}

static int wait_with_deadline(void *event)
{
	il_scope scope = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_SEC(60)), 0), 0);
	return il_scope_exit(&scope, il_event_wait(event));
}

IL_TEST(V, n416_a_childs_scope_tells_its_deadline)
{
	il_event *event = new_event();
	struct child c;
	char *text;

	child_start(&c, "child", wait_with_deadline, event);
	text = dump_loop();
	CHECK_DUMPED(text, "scope of child, ends in ");
	free(text);
	child_end(&c);
	il_event_destroy(event);
}
