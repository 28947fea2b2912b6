/*
 * n_process_ends.c: the end of a child process: waiting for it, bringing it about, and nothing left behind.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_GETPIPE_SZ */
#endif
#include "children.h"
#include "reapers.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- cancellation and closing ---- */

IL_TEST(N, n258_cancelling_a_wait_leaves_the_child)
{
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_process *p = spawned(ARGV((char *)"cat"), &piped);

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_process, p);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, -ECANCELED);
	CHECK_RC(il_process_returncode(p), -EAGAIN);
	CHECK_RC(il_process_close(p), 0); /* cat ends with its input */
	il_process_destroy(p);
}

static int close_it(void *p)
{
	return il_process_close(p);
}

IL_TEST(N, n258_a_cancelled_close_kills_and_reaps)
{
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_process *p = spawned(ARGV((char *)"sleep", (char *)"100"), &piped);
	char byte;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, close_it, p);
	CHECK_RC(il_stream_read(il_process_stdout(p), &byte, 1), -EBADF);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, -ECANCELED);
	CHECK(is_gone(il_process_pid(p)));
	CHECK_RC(il_process_returncode(p), IL_PROCESS_SIGNALED + SIGKILL);
	il_process_destroy(p);
}

/* Whatever runs first: the one whose close was cancelled, or the one that destroys. */
IL_TEST(N, n258_a_cancelled_close_outlives_the_process)
{
	for (int ended = 0; ended < 2; ended++) {
		struct waiter w = {.name = NULL};
		il_group g = IL_GROUP_INIT;
		il_process *p = spawned(ARGV((char *)"sleep", (char *)"100"), NULL);

		CHECK_RC(il_group_open(&g), 0);
		start_waiting(&g, &w, close_it, p);
		CHECK_RC(il_scope_cancel(&w.scope), 0);
		if (ended)
			UNTIL_THREAD(il_process_returncode(p) != -EAGAIN);
		il_process_destroy(p);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_waited(&w, -ECANCELED);
	}
}

IL_TEST(N, n258_destroying_a_child_tells_who_waits)
{
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_process *p = spawned(ARGV((char *)"sleep", (char *)"100"), NULL);
	int pid = il_process_pid(p);

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_process, p);
	il_process_destroy(p);
	CHECK(is_gone(pid));
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, IL_PROCESS_SIGNALED + SIGKILL);
}

static int spawn_and_leave(void *arg)
{
	*(il_process **)arg = spawned(ARGV((char *)"cat"), &piped);
	return 0;
}

IL_TEST_OWN(N, n258_a_child_outlives_its_loop_until_it_is_destroyed)
{
	il_process *p = NULL;
	il_loop *loop = NULL;
	int pid;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, spawn_and_leave, &p), 0);
	CHECK_RC(il_process_wait(p), -EPERM); /* no task */
	il_loop_destroy(loop);
	pid = il_process_pid(p);
	CHECK_RC(il_process_returncode(p), -ESHUTDOWN);
	il_process_destroy(p);
	CHECK(is_gone(pid));
}

/* In a forked child it is the parent's. */
IL_TEST_OWN_REAL(N, n258_a_forked_child_leaves_its_parents_children_alone)
{
	il_process *p = NULL;
	il_loop *loop = NULL;
	int status = 0;
	pid_t child;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, spawn_and_leave, &p), 0);
	child = fork();
	if (child == 0) {
		bool refused =
		    il_process_returncode(p) == -ESHUTDOWN && il_process_kill(p) == -ESHUTDOWN;
		il_process_destroy(p);
		_exit(refused ? 0 : 1);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_RC(il_process_returncode(p), -EAGAIN);
	il_process_destroy(p);
	il_loop_destroy(loop);
}

static int use_of_another(void *p)
{
	CHECK_RC(il_process_wait(p), -EPERM);
	CHECK_RC(il_process_close(p), -EPERM);
	return il_process_kill(p);
}

static int spawn_without_a_loop(void *arg)
{
	(void)arg;
	return il_process_spawn(&(il_process *){NULL}, SH("exit"), NULL);
}

IL_TEST(N, n258_a_child_belongs_to_its_loops_thread)
{
	struct il_test_thread thread;
	il_process *p = spawned(ARGV((char *)"sleep", (char *)"100"), NULL);

	il_test_thread_start(&thread, use_of_another, p);
	CHECK_RC(il_test_thread_join(&thread), -EPERM);
	il_test_thread_start(&thread, spawn_without_a_loop, NULL);
	CHECK_RC(il_test_thread_join(&thread), -EPERM);
	il_process_destroy(p);
	CHECK_RC(il_process_wait(NULL), -EINVAL);
	CHECK_RC(il_process_close(NULL), -EINVAL);
	CHECK_RC(il_process_kill(NULL), -EINVAL);
	CHECK_RC(il_process_pid(NULL), -EINVAL);
	CHECK(il_process_stdin(NULL) == NULL);
}

/* The detail is this call's, and not an older one's. */
static void check_lost(int rc, const char *detail)
{
	CHECK_RC(rc, -ECHILD);
	CHECK_EQ(strncmp(il_error_detail(), detail, strlen(detail)), 0);
	CHECK_RC(il_process_wait(NULL), -EINVAL);
}

static int wait_and_see_why(void *p)
{
	int rc = il_process_wait(p);

	CHECK(strstr(il_error_detail(), "il_process_wait: the process was destroyed") != NULL);
	return rc;
}

/* The calling thread's alone, which the C library does not know. */
static bool become(long user)
{
	return syscall(SYS_setresuid, user, user, -1L) == 0;
}

/* Somebody else's child by now: a thread that lost its rights may not kill it. */
IL_TEST(N, a_wait_that_ends_with_the_process_object_says_why)
{
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_process *p;
	int pid, status;

	if (geteuid() != 0) {
		SKIP("the rights of root");
		return;
	}
	p = spawned(ARGV((char *)"sleep", (char *)"100"), NULL);
	pid = il_process_pid(p);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_and_see_why, p);
	CHECK(become(65534));
	il_process_destroy(p);
	CHECK(become(0));
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, -EBADF);
	CHECK_LOGGED(IL_LOG_WARNING, "cannot be killed", 1);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

/* It has ended by itself, and nobody has looked; what may be left of its group is not ours to kill. */
IL_TEST(N, a_close_that_is_cancelled_when_its_child_has_ended_returns)
{
	const il_process_options group = {.new_group = true, .kill_group = true};
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_process *p;
	siginfo_t info;

	if (geteuid() != 0) {
		SKIP("the rights of root");
		return;
	}
	p = spawned(ARGV((char *)"sleep", (char *)"100"), &group);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, close_it, p);
	CHECK_EQ(kill(il_process_pid(p), SIGKILL), 0);
	CHECK_EQ(waitid(P_PID, (id_t)il_process_pid(p), &info, WEXITED | WNOWAIT), 0);
	CHECK(become(65534));
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK(become(0));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(w.rc == -ECANCELED || w.rc == -EPERM); /* a thread that waits for it may tell later */
	UNTIL_THREAD(il_process_returncode(p) == IL_PROCESS_SIGNALED + SIGKILL);
	il_process_destroy(p);
}

/* Other children are their parents' business, and this one's end is known without a signal. */
IL_TEST(N, n258_only_its_own_child_is_reaped)
{
	int status = 0;
	pid_t other = fork();
	il_process *p;

	if (other == 0)
		_exit(9);
	CHECK(other > 0);
	set_handler(SIGCHLD, count_signal);
	p = spawned(SH("exit 4"), NULL);
	CHECK_RC(il_process_wait(p), 4);
	il_process_destroy(p);
	CHECK(handles(SIGCHLD, count_signal));
	CHECK_EQ(waitpid(other, &status, 0), other);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	set_handler(SIGCHLD, SIG_DFL);
}

/* Its number may be another's now. */
IL_TEST(N, n258_a_status_that_is_lost_is_told_as_lost)
{
	il_process *p;

	if (status_is_kept())
		return;
	p = spawned(SH("exit 4"), NULL);
	CHECK_EQ(waitpid(il_process_pid(p), NULL, 0), il_process_pid(p));
	CHECK_RC(il_process_kill(p), 0);
	check_lost(il_process_wait(p), "il_process_wait: the child");
	check_lost(il_process_returncode(p), "il_process_returncode: the child");
	il_process_destroy(p);
	set_handler(SIGCHLD, SIG_IGN); /* the system reaps */
	p = spawned(SH("exit 4"), NULL);
	check_lost(il_process_wait(p), "il_process_wait: the child");
	CHECK_RC(il_process_kill(p), 0);
	check_lost(il_process_close(p), "il_process_close: the child");
	il_process_destroy(p);
	p = spawned(SH("exit 4"), NULL);
	check_lost(il_process_close(p), "il_process_close: the child");
	il_process_destroy(p);
	set_handler(SIGCHLD, SIG_DFL);
}

/* ---- 259 ---- */

IL_TEST(N, n259_waiting_ends_with_the_child_whatever_a_grandchild_holds)
{
	il_process *p = spawned(SH("sleep 100 & echo $!"), &piped);
	char line[32], byte;
	int grandchild;

	CHECK_RC(il_process_wait(p), 0);
	read_line(p, line, sizeof line);
	grandchild = atoi(line);
	CHECK_EQ(kill(grandchild, 0), 0); /* it lives, and holds the pipe */
	CHECK_EQ(kill(grandchild, SIGKILL), 0);
	CHECK_RC(il_stream_read(il_process_stdout(p), &byte, 1), 0);
	il_process_destroy(p);
}

static bool is_full(int pipe)
{
	int bytes = 0;

	return ioctl(pipe, FIONREAD, &bytes) == 0 && bytes > fcntl(pipe, F_GETPIPE_SZ) - 4096;
}

IL_TEST(N, n259_a_child_blocked_on_a_full_pipe_can_be_closed)
{
	const char *endless = "while :; do echo again and again and again and again; done";
	il_process *p = spawned(SH(endless), &piped);
	int status;

	UNTIL_THREAD(is_full(il_stream_fd(il_process_stdout(p))));
	status = il_process_close(p); /* SIGPIPE, or the shell told of a failed write */
	CHECK(status > 0);
	il_process_destroy(p);
}

IL_TEST(N, n259_several_tasks_wait_for_one_child)
{
	struct waiter w[3] = {{.name = NULL}};
	il_group g = IL_GROUP_INIT;
	il_process *p = spawned(ARGV((char *)"cat"), &piped);

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		start_waiting(&g, &w[i], wait_process, p);
	CHECK_RC(il_scope_cancel(&w[1].scope), 0);
	CHECK_RC(il_stream_close(il_process_stdin(p)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w[0], 0);
	check_waited(&w[1], -ECANCELED);
	check_waited(&w[2], 0);
	il_process_destroy(p);
}
