/*
 * v_dump.c: a dump names every task of a loop, what each waits for, and how long already; it can be had anywhere in
 * the loop's thread, and changes nothing.
 */
#define _GNU_SOURCE
#include "v_dump.h"
#include "aside.h"
#include "objects.h"
#include "waits.h"

#include <interloop/semaphore.h>
#include <interloop/sync.h>

static int wait_long(void *arg)
{
	(void)arg;
	return il_sleep(IL_SEC(60));
}

IL_TEST(V, n415_every_task_is_listed_with_its_call_and_for_how_long)
{
	il_event *event = new_event();
	il_future *sleeper = NULL;
	il_group g;
	char *text;

	CHECK_RC(il_task_set_name("parent"), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, wait_event, event,
					  &(il_task_options){.name = "one"}),
		 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, wait_event, event,
					  &(il_task_options){.name = "two"}),
		 0);
	CHECK_RC(il_group_start_soon_with(&g, &sleeper, wait_long, NULL,
					  &(il_task_options){.name = "three"}),
		 0);
	text = dump_loop();
	CHECK_DUMPED(text, "one: ready, has not begun");
	free(text);
	CHECK_RC(il_sleep(IL_MSEC(50)), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "loop ", "4 tasks");
	CHECK_DUMPED(text, "group of parent");
	CHECK_DUMPED(text, "parent: runs");
	CHECK_DUMPED(text, "one: il_event_wait for 0.0");
	CHECK_DUMPED(text, "two: il_event_wait for 0.0");
	CHECK_DUMPED(text, "three: il_sleep for 0.0", "for 59.");
	CHECK(!DUMP_HAS(text, "one: il_event_wait for 0.00"));
	free(text);
	CHECK_RC(il_event_set(event), 0);
	il_future_cancel(sleeper);
	CHECK_RC(il_group_close(&g, 0), 0);
	text = dump_loop();
	CHECK(!DUMP_HAS(text, "one: ") && !DUMP_HAS(text, "three: "));
	free(text);
	il_future_unref(sleeper);
	il_event_destroy(event);
}

static int acquire(void *lock)
{
	return il_lock_acquire(lock);
}

IL_TEST(V, n416_locks_semaphores_events_and_futures_say_whose_they_are)
{
	il_semaphore *semaphore = new_semaphore(0, 3);
	il_event *event = new_event();
	il_lock *lock = new_lock();
	struct child other;

	CHECK_RC(il_task_set_name("owner"), 0);
	CHECK_RC(il_lock_acquire(lock), 0);
	CHECK_WAITS(acquire, lock, "il_lock_acquire", "which owner has, 1 wait");
	CHECK_RC(il_lock_release(lock), 0);
	il_lock_destroy(lock);
	CHECK_WAITS(take_permit, semaphore, "il_semaphore_acquire", "1 wait");
	il_semaphore_destroy(semaphore);
	CHECK_WAITS(wait_event, event, "il_event_wait", "event ", "1 wait");
	child_start(&other, "worker", wait_event, event);
	CHECK_WAITS(wait_future, other.future, "il_future_wait", "a future of worker");
	child_end(&other);
	il_event_destroy(event);
}

static int receive(void *receiver)
{
	int item;

	return il_channel_receive(receiver, &item);
}

static int send_two(void *sender)
{
	int item = 1, rc = il_channel_send(sender, &item);

	return rc < 0 ? rc : il_channel_send(sender, &item);
}

IL_TEST(V, n416_channels_say_which_side)
{
	il_sender *sender = NULL;
	il_receiver *receiver = NULL;

	CHECK_RC(il_channel_create(&sender, &receiver, sizeof(int), 1), 0);
	CHECK_WAITS(receive, receiver, "il_channel_receive", "an item of channel",
		    "1 open senders");
	CHECK_WAITS(send_two, sender, "il_channel_send", "room in channel", "1 of 1 items");
	il_sender_destroy(sender);
	il_receiver_destroy(receiver);
}

static int wait_fd(void *fd)
{
	return il_wait_fd(*(int *)fd, IL_READABLE);
}

static int select_both(void *cases)
{
	return il_select(cases, 2, IL_FOREVER);
}

IL_TEST(V, n416_descriptors_and_selects_say_which)
{
	il_event *event = new_event();
	char number[32];
	int fd[2];
	il_case cases[2];

	CHECK_EQ(pipe(fd), 0);
	snprintf(number, sizeof number, "descriptor %d (pipe", fd[0]);
	CHECK_WAITS(wait_fd, &fd[0], "il_wait_fd", number, "readable");
	cases[0] = il_case_event(event);
	cases[1] = il_case_fd(fd[0], IL_READABLE);
	CHECK_WAITS(select_both, cases, "il_select", "2 cases", "0: event", "1: descriptor");
	il_event_destroy(event);
	close(fd[0]);
	close(fd[1]);
}

static int block(void *open)
{
	UNTIL_THREAD(atomic_load((atomic_bool *)open));
	return 0;
}

static int run_blocking(void *open)
{
	return il_run_in_thread(block, open);
}

IL_TEST_REAL(V, n416_calls_in_threads_say_that_they_run)
{
	atomic_bool open = false;
	il_group g;
	char *text = NULL;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, run_blocking, &open,
					  &(il_task_options){.name = "child"}),
		 0);
	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_loop();
	} while (!DUMP_HAS(text, "child: il_run_in_thread", "a worker thread, which runs it"));
	free(text);
	text = dump_all();
	CHECK_DUMPED(text, "executor", "a worker thread", "1 calls running");
	CHECK_DUMPED(text, "thread il-thread", "runs ");
	free(text);
	atomic_store(&open, true);
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST(V, n416_scopes_tell_their_deadlines_and_shields)
{
	il_scope scope = IL_SCOPE_INIT;
	char *text;

	CHECK_RC(il_task_set_name("parent"), 0);
	CHECK_RC(il_scope_enter(&scope, il_now() + IL_SEC(60), IL_SHIELD), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "scope of parent, ends in ", ", shielded");
	free(text);
	CHECK_RC(il_scope_exit(&scope, 0), 0);
}

/* Before any time that a clock shows. */
IL_TEST(V, a_scope_whose_deadline_is_long_past_has_no_time_left)
{
	il_scope scope = IL_SCOPE_INIT;
	char *text;

	CHECK_RC(il_task_set_name("parent"), 0);
	CHECK_RC(il_scope_enter(&scope, INT64_MIN, 0), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "scope of parent, ends in 0.000 s, cancelled: its deadline passed");
	free(text);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
}

IL_TEST(V, n417_names_are_shown_or_made_up_and_escaped)
{
	il_event *event = new_event();
	il_group g;
	char *text;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, wait_event, event), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, wait_event, event,
					  &(il_task_options){.name = "two\nlines"}),
		 0);
	text = dump_loop();
	if (!il_test_adopted())
		CHECK_DUMPED(text, "main: runs");
	CHECK_DUMPED(text, " task 2 (", "): ready");
	CHECK_DUMPED(text, " task 3 (", "): ready");
	CHECK_DUMPED(text, "two\\x0Alines: ready");
	free(text);
	CHECK_RC(il_task_set_name("renamed"), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "renamed: runs");
	free(text);
	CHECK_RC(il_event_set(event), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_event_destroy(event);
}

/* 30 bytes and half a character fit. */
static const char too_long[] = "123456789012345678901234567890\xc3\xa9";

static int check_name(void *unused)
{
	(void)unused;
	CHECK_EQ(strlen(il_task_name()), 30);
	return 0;
}

IL_TEST(V, n417_a_name_that_is_too_long_is_cut_between_characters)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, check_name, NULL,
					  &(il_task_options){.name = too_long}),
		 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_task_set_name(too_long), 0);
	check_name(NULL);
}

/* ---- among many ---- */

enum { TASKS = 1000 };

struct crowd {
	struct numbered {
		int number;
		bool ended;
	} tasks[TASKS];
	int dumps;
};

static int yield_some(void *arg)
{
	struct numbered *task = arg;

	for (int i = 0; i < task->number % 5; i++)
		CHECK_RC(il_yield(), 0);
	task->ended = true;
	return 0;
}

/* Each task that lives is listed, once, and none that has ended. */
static void check_complete(const struct crowd *c, const char *text)
{
	static const char mark[] = "numbered ";
	int *seen = calloc(TASKS, sizeof *seen);

	CHECK(seen);
	for (const char *at = strstr(text, mark); at; at = strstr(at + 1, mark))
		seen[atoi(at + sizeof mark - 1)]++;
	for (int i = 0; i < TASKS; i++)
		CHECK_EQ(seen[i], !c->tasks[i].ended);
	free(seen);
}

static int dump_the_crowd(void *arg)
{
	struct crowd *c = arg;
	il_loop_statistics before, after;
	char *text;

	CHECK_RC(il_loop_get_statistics(il_loop_current(), &before), 0);
	text = dump_loop();
	CHECK_RC(il_loop_get_statistics(il_loop_current(), &after), 0);
	CHECK_EQ(after.tasks, before.tasks);
	CHECK_EQ(after.ready, before.ready);
	CHECK_EQ(after.queue, before.queue);
	CHECK_EQ(after.timers, before.timers);
	check_complete(c, text);
	free(text);
	c->dumps++;
	return 0;
}

IL_TEST(V, n418_a_dump_among_a_thousand_tasks_changes_nothing)
{
	struct crowd *c = calloc(1, sizeof *c);
	il_portal *p = il_test_portal();
	il_group g;

	CHECK(c);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < TASKS; i++) {
		char name[20];
		snprintf(name, sizeof name, "numbered %d", i);
		c->tasks[i].number = i;
		CHECK_RC(il_group_start_soon_with(&g, NULL, yield_some, &c->tasks[i],
						  &(il_task_options){.name = name}),
			 0);
	}
	CHECK_RC(il_portal_run_sync_soon(p, NULL, dump_the_crowd, c), 0);
	for (int i = 0; i < 10; i++) {
		CHECK_RC(dump_the_crowd(c), 0);
		CHECK_RC(il_yield(), 0);
	}
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_portal_close(p), 0);
	CHECK_EQ(c->dumps, 11);
	free(c);
}

static int dump_elsewhere(void *loop)
{
	CHECK_RC(il_loop_dump(loop, 2), -EPERM);
	return 0;
}

IL_TEST(V, n418_another_thread_may_not_dump_a_loop)
{
	CHECK_RC(il_test_aside(dump_elsewhere, il_loop_current()), 0);
	CHECK_RC(il_loop_dump(NULL, 2), -EINVAL);
	CHECK_RC(il_loop_dump(il_loop_current(), -1), -EINVAL);
	CHECK_RC(il_dump(-1), -EINVAL);
}

/* ---- every loop ---- */

static int dump_from_thread(void *text)
{
	*(char **)text = dump_all();
	return 0;
}

IL_TEST_REAL(V, another_thread_has_every_loop_dump_itself)
{
	il_event *event = new_event();
	struct child c;
	char *text = NULL;

	child_start(&c, "child", wait_event, event);
	CHECK_RC(il_test_aside(dump_from_thread, &text), 0);
	CHECK_DUMPED(text, "child: il_event_wait");
	free(text);
	child_end(&c);
	il_event_destroy(event);
}

IL_TEST_REAL(V, a_loop_that_is_stuck_is_listed_with_the_task_that_holds_it)
{
	struct il_test_thread thread;
	char *text = NULL, whose[80];

	snprintf(whose, sizeof whose, "(%s, %s): it does not come to it within a second",
		 il_backend_name(il_test_backend()), il_test_adopted() ? "adopted" : "own");
	CHECK_RC(il_task_set_name("computes"), 0);
	il_test_thread_start(&thread, dump_from_thread, &text);
	while (!atomic_load(&thread.ended))
		usleep(1000);
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_DUMPED(text, whose, "computes has held it for ", " s at most");
	free(text);
}

static int dump_own(void *arg)
{
	char *text = dump_all();

	CHECK_DUMPED(text, arg);
	free(text);
	return 0;
}

IL_TEST(V, in_a_task_every_loop_is_dumped_and_outside_of_one_too)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_task_set_name("dumps"), 0);
	CHECK_RC(dump_own("dumps: runs"), 0);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, dump_own, "dumps: il_portal_close"), 0);
	CHECK_RC(il_portal_close(p), 0);
}
