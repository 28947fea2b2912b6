/*
 * j_exit_stacks.c: what a task pushes on an exit stack is undone last in, first out, whatever fails meanwhile and
 * whether the task is cancelled or not.
 */
#include "aside.h"
#include "in_child.h"

static int undo(void *word)
{
	TRACE((const char *)word);
	return il_sleep(IL_MSEC(1)); /* may wait */
}

static int fail(void *rc)
{
	return *(const int *)rc;
}

static il_exit_stack *opened(void)
{
	il_exit_stack *stack = NULL;

	CHECK_RC(il_exit_stack_open(&stack), 0);
	return stack;
}

IL_TEST(J, an_exit_stack_is_undone_in_reverse)
{
	il_exit_stack *stack = opened();

	CHECK_RC(il_exit_stack_push(stack, undo, "first"), 0);
	for (int i = 0; i < 20; i++) /* more than a small stack has room for */
		CHECK_RC(il_exit_stack_push(stack, undo, "x"), 0);
	CHECK_RC(il_exit_stack_push(stack, undo, "last"), 0);
	CHECK_RC(il_exit_stack_close(stack, 7), 7);
	CHECK_TRACE("last x x x x x x x x x x x x x x x x x x x x first");
	CHECK_RC(il_exit_stack_close(opened(), 0), 0);
	CHECK_RC(il_exit_stack_close(opened(), -EIO), -EIO);
}

IL_TEST(J, an_exit_stack_of_a_cancelled_task_is_undone)
{
	il_scope s = IL_SCOPE_INIT;
	il_exit_stack *stack;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	stack = opened();
	CHECK_RC(il_exit_stack_push(stack, undo, "first"), 0);
	CHECK_RC(il_exit_stack_push(stack, undo, "last"), 0);
	CHECK_RC(il_exit_stack_close(stack, il_yield()), -ECANCELED);
	CHECK_TRACE("last first");
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
}

IL_TEST(J, an_exit_stack_returns_the_first_error_and_logs_the_others)
{
	int full = -ENOSPC, broken = -EIO;
	il_exit_stack *stack = opened();

	CHECK_RC(il_exit_stack_push(stack, undo, "first"), 0);
	CHECK_RC(il_exit_stack_push(stack, fail, &broken), 0);
	CHECK_RC(il_exit_stack_push(stack, fail, &full), 0);
	CHECK_RC(il_exit_stack_close(stack, 7), -ENOSPC);
	CHECK_LOGGED(IL_LOG_ERROR, "EIO", 1);
	CHECK_TRACE("first");

	stack = opened();
	CHECK_RC(il_exit_stack_push(stack, fail, &full), 0);
	CHECK_RC(il_exit_stack_close(stack, -EDOM), -EDOM);
	CHECK_LOGGED(IL_LOG_ERROR, "ENOSPC", 1);

	stack = opened();
	CHECK_RC(il_exit_stack_push(stack, fail, &full), 0);
	CHECK_RC(il_exit_stack_close(stack, -ECANCELED), -ENOSPC);
}

static int get_over(void *rc)
{
	CHECK_RC(il_fail(*(int *)rc, "which is no failure"), *(int *)rc);
	return 0;
}

IL_TEST(J, an_exit_stack_tells_no_words_of_a_failure_that_an_earlier_entry_got_over)
{
	int full = -ENOSPC;
	il_exit_stack *stack = opened();

	CHECK_RC(il_exit_stack_push(stack, fail, &full), 0);
	CHECK_RC(il_exit_stack_push(stack, get_over, &full), 0);
	CHECK_RC(il_exit_stack_close(stack, 0), -ENOSPC);
	CHECK_STR(il_error_detail(), "");
}

static int sleep_and_tell(void *word)
{
	int rc = il_sleep_forever();

	TRACE(rc == -ECANCELED ? (const char *)word : "not cancelled");
	return rc;
}

IL_TEST(J, an_exit_stack_closes_groups_portals_and_executors)
{
	il_exit_stack *stack = opened();
	il_group group = IL_GROUP_INIT;
	il_executor *pool = NULL;
	il_portal *portal = NULL;
	il_future *f = NULL;

	CHECK_RC(il_thread_pool_create(&pool, NULL), 0);
	CHECK_RC(il_exit_stack_executor(stack, il_executor_ref(pool)), 0);
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &portal), 0);
	CHECK_RC(il_exit_stack_portal(stack, il_portal_ref(portal)), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_exit_stack_group(stack, &group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, sleep_and_tell, "group"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* it has begun */
	CHECK_RC(il_exit_stack_close(stack, 0), 0);
	CHECK_TRACE("group");
	CHECK_RC(il_executor_submit(pool, &f, undo, NULL, 0), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync_soon(portal, &f, undo, NULL), -ESHUTDOWN);
	il_executor_unref(pool);
	il_portal_unref(portal);
}

static int meddle(void *stack)
{
	CHECK_RC(il_exit_stack_push(stack, undo, "late"), -ESHUTDOWN);
	CHECK_RC(il_exit_stack_close(stack, 0), -EALREADY);
	TRACE("meddled");
	return 0;
}

static int close_anothers(void *stack)
{
	CHECK_RC(il_exit_stack_push(stack, undo, "another's"), 0);
	CHECK_RC(il_exit_stack_close(stack, 0), -EPERM);
	CHECK_DETAIL("another task");
	return 0;
}

IL_TEST(J, an_exit_stack_is_closed_by_its_opener_only)
{
	il_exit_stack *stack = opened();
	il_group group = IL_GROUP_INIT;

	CHECK_RC(il_exit_stack_open(NULL), -EINVAL);
	CHECK_RC(il_exit_stack_close(NULL, 0), -EINVAL);
	CHECK_RC(il_exit_stack_push(stack, NULL, NULL), -EINVAL);
	CHECK_RC(il_exit_stack_push(NULL, undo, "x"), -EINVAL);
	CHECK_RC(il_exit_stack_push(stack, meddle, stack), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, close_anothers, stack), 0);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(il_exit_stack_close(stack, 0), 0);
	CHECK_TRACE("another's meddled");
}

static int open_one(void *stack)
{
	return il_exit_stack_open(stack);
}

static int close_one(void *stack)
{
	return il_exit_stack_close(*(il_exit_stack **)stack, 0);
}

static int in_a_child(il_fn *fn, void *arg)
{
	il_group group;
	int rc = il_group_open(&group);

	return rc < 0 ? rc : il_group_close(&group, il_group_start_soon(&group, NULL, fn, arg));
}

static int leave_a_stack_behind(void *unused)
{
	static il_exit_stack *stack; /* nobody can free it, and it is no leak */
	int rc = in_a_child(open_one, &stack);

	(void)unused;
	for (int i = 0; rc == 0 && i < 8; i++) /* one of them lies where the opener did */
		rc = in_a_child(close_one, &stack) == -EPERM ? 0 : -EPROTO;
	return rc;
}

static int run_and_leave_a_stack(void *unused)
{
	return -il_run(il_test_backend(), leave_a_stack_behind, unused);
}

IL_TEST_OWN(J, a_task_is_never_taken_for_an_opener_that_has_ended)
{
	char said[400];
	const int status = status_in_child(run_and_leave_a_stack, NULL, said, sizeof said);

	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

IL_TEST_CORE(J, no_task_no_exit_stack)
{
	il_exit_stack *stack = NULL;

	CHECK_RC(il_exit_stack_open(&stack), -EPERM);
	CHECK(!stack);
}

static int push_from_here(void *stack)
{
	return il_exit_stack_push(stack, undo, "pushed");
}

IL_TEST(J, an_exit_stack_is_pushed_to_in_its_loops_thread_task_or_not)
{
	il_exit_stack *stack = opened();
	il_portal *portal = il_test_portal();
	il_future *f = NULL;

	CHECK_RC(il_test_aside(push_from_here, stack), -EPERM);
	CHECK_RC(il_portal_run_sync_soon(portal, &f, push_from_here, stack), 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), 0);
	il_future_unref(f);
	CHECK_RC(il_exit_stack_close(stack, 7), 7);
	CHECK_TRACE("pushed");
	CHECK_RC(il_portal_close(portal), 0);
}

static int close_the_servers(il_exit_stack *stack, il_server *server, void *data)
{
	(void)server;
	(void)data;
	CHECK_RC(il_exit_stack_push(stack, undo, "server's"), 0);
	CHECK_RC(il_exit_stack_close(stack, 0), -EPERM);
	return -EDOM;
}

static int handle_nothing(il_client *client, void *data)
{
	(void)data;
	return il_client_close(client);
}

IL_TEST(J, an_exit_stack_of_a_server_is_the_servers_to_close)
{
	const il_handler h = {.service_init = close_the_servers, .handle = handle_nothing};
	il_server *s = NULL;

	CHECK_RC(il_server_open(&s, il_protocol_lines(), &h, NULL, NULL), 0);
	CHECK_RC(il_server_serve(s), -EDOM);
	CHECK_TRACE("server's");
	il_server_destroy(s);
}
