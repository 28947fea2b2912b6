/*
 * t_children.c: children with a group that ends with them, and children with a terminal of their own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "children.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- a whole group ---- */

static const il_process_options grouped = {
    .output = IL_STDIO_PIPE, .new_group = true, .kill_group = true};

/* Starts a grandchild that would stay, and tells its number. */
#define WITH_GRANDCHILD(then) SH("sleep 3600 & echo $!; " then)

/* A zombie counts as gone: it is init's to reap. */
static bool is_dead(int pid)
{
	char path[40], state = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state == 'Z' || state == 'X';
}

static int grandchild_of(il_process *p)
{
	char line[32];

	read_line(p, line, sizeof line);
	CHECK(atoi(line) > 0);
	return atoi(line);
}

IL_TEST_REAL(T, killing_reaches_the_whole_group)
{
	for (int how = 0; how < 2; how++) {
		il_process *p = spawned(WITH_GRANDCHILD("wait"), &grouped);
		int pid = grandchild_of(p);
		CHECK(!is_dead(pid));
		CHECK_RC(how ? il_process_kill(p) : il_process_terminate(p), 0);
		CHECK_RC(il_process_wait(p), IL_PROCESS_SIGNALED + (how ? SIGKILL : SIGTERM));
		UNTIL(is_dead(pid));
		CHECK_RC(il_process_wait(p), IL_PROCESS_SIGNALED + (how ? SIGKILL : SIGTERM));
		CHECK_RC(il_process_kill(p), 0); /* nobody is left */
		il_process_destroy(p);
	}
}

IL_TEST_REAL(T, killing_reaches_the_group_of_a_child_that_has_ended)
{
	il_process *p = spawned(WITH_GRANDCHILD("exit 3"), &grouped);
	int pid = grandchild_of(p);

	CHECK_RC(il_process_wait(p), 3);
	CHECK_RC(il_process_returncode(p), 3);
	CHECK(!is_dead(pid));
	CHECK_RC(il_process_send_signal(p, SIGKILL), 0); /* the child itself only */
	CHECK(!is_dead(pid));
	CHECK_RC(il_process_kill(p), 0);
	UNTIL(is_dead(pid));
	il_process_destroy(p);
}

IL_TEST_REAL(T, without_kill_group_only_the_child_is_killed)
{
	const il_process_options own = {.output = IL_STDIO_PIPE, .new_group = true};
	il_process *p = spawned(WITH_GRANDCHILD("wait"), &own);
	int pid = grandchild_of(p);

	CHECK_RC(il_process_kill(p), 0);
	CHECK_RC(il_process_wait(p), IL_PROCESS_SIGNALED + SIGKILL);
	CHECK(!is_dead(pid));
	CHECK_EQ(kill(pid, SIGKILL), 0);
	il_process_destroy(p);
}

IL_TEST_REAL(T, destroying_and_a_cancelled_close_reach_the_whole_group)
{
	for (int how = 0; how < 4; how++) {
		il_process *p = spawned(
		    how < 2 ? WITH_GRANDCHILD("wait") : WITH_GRANDCHILD("exit 0"), &grouped);
		int pid = grandchild_of(p);
		il_scope scope = IL_SCOPE_INIT;
		if (how >= 2)
			CHECK_RC(il_process_wait(p), 0);
		if (how != 0) {
			CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
			il_scope_cancel(&scope);
			CHECK_RC(il_process_close(p), -ECANCELED);
			CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
		}
		il_process_destroy(p);
		UNTIL(is_dead(pid));
	}
}

struct run {
	il_scope scope;
	char *file; /* where the grandchild's number is written */
	bool begun;
	int rc;
};

static int run_it(void *arg)
{
	struct run *r = arg;
	char script[120];
	il_process_options o = {.new_group = true, .kill_group = true};
	il_process_result result;
	int rc;

	CHECK_RC(il_scope_enter(&r->scope, IL_FOREVER, 0), 0);
	r->begun = true;
	snprintf(script, sizeof script, "sleep 3600 & echo $! >%s; exit 0", r->file);
	r->rc = il_process_run(&result, SH(script), NULL, 0, &o);
	il_process_result_clear(&result);
	rc = il_scope_exit(&r->scope, r->rc);
	CHECK(rc == r->rc || rc == 0);
	return 0;
}

/* The child has ended; the grandchild, which holds its output, is what the run waits for. */
IL_TEST_REAL(T, a_cancelled_run_reaches_what_is_left_of_the_group)
{
	char path[] = "/tmp/il-test-XXXXXX";
	struct run r = {.scope = IL_SCOPE_INIT, .file = path};
	il_future *f;
	int pid = 0;

	close(mkstemp(path));
	CHECK_RC(il_loop_spawn(il_loop_current(), &f, run_it, &r), 0);
	while (pid == 0) {
		FILE *file = fopen(path, "re");
		if (file && fscanf(file, "%d", &pid) != 1)
			pid = 0;
		if (file)
			fclose(file);
		il_test_pause();
	}
	CHECK(!is_dead(pid));
	il_scope_cancel(&r.scope);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(r.rc, -ECANCELED);
	UNTIL(is_dead(pid));
	unlink(path);
}

IL_TEST_REAL(T, a_group_is_killed_only_if_it_is_the_childs_own)
{
	const il_process_options none = {.kill_group = true};
	const il_process_options session = {
	    .output = IL_STDIO_PIPE, .new_session = true, .new_group = true, .kill_group = true};
	il_process *p = NULL;
	int pid;

	CHECK_RC(il_process_spawn(&p, SH("exit 0"), &none), -EINVAL);
	CHECK(p == NULL);
	p = spawned(WITH_GRANDCHILD("wait"), &session); /* a session is a group, too */
	pid = grandchild_of(p);
	il_process_destroy(p);
	UNTIL(is_dead(pid));
}

/* ---- a terminal ---- */

static const il_process_options terminal = {.terminal_rows = 33, .terminal_columns = 111};

/* All that the child writes, up to its end. */
static void read_all(il_process *p, char *text, size_t size)
{
	size_t used = 0;
	int n;

	while ((n = il_stream_read(il_process_terminal(p), text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	CHECK_RC(n, 0); /* not -EIO */
	text[used] = '\0';
}

IL_TEST_REAL(T, a_child_has_a_controlling_terminal_of_its_own)
{
	char text[512];
	il_process *p = spawned(SH("test -t 0 && test -t 1 && test -t 2 && stty size && "
				   "echo to-tty >/dev/tty; exit 7"),
				&terminal);

	CHECK(il_process_stdin(p) == NULL && il_process_terminal(p) != NULL);
	read_all(p, text, sizeof text);
	CHECK_STR(text, "33 111\r\nto-tty\r\n");
	CHECK_RC(il_process_wait(p), 7);
	CHECK_RC(il_stream_read(il_process_terminal(p), text, 1), 0);
	il_process_destroy(p);
}

IL_TEST_REAL(T, a_terminal_carries_input_and_signals)
{
	char line[64];
	il_process *p = spawned(
	    SH("stty -echo; echo ready; read word; echo got $word; exec sleep 3600"), &terminal);
	il_stream *t = il_process_terminal(p);
	int n = il_stream_receive_until(t, line, sizeof line, "\r\n", 2);

	CHECK(n == 5 && memcmp(line, "ready", 5) == 0);
	CHECK_RC(il_stream_write_all(t, "hello\n", 6), 0);
	n = il_stream_receive_until(t, line, sizeof line, "\r\n", 2);
	CHECK(n == 9 && memcmp(line, "got hello", 9) == 0);
	CHECK_RC(il_stream_write_all(t, "\3", 1), 0); /* Ctrl-C */
	CHECK_RC(il_process_wait(p), IL_PROCESS_SIGNALED + SIGINT);
	il_process_destroy(p);
}

IL_TEST_REAL(T, closing_the_terminal_hangs_up)
{
	char line[64];
	il_process *p = spawned(SH("echo up; exec sleep 100"),
				&terminal); /* a reader would see the end first */

	CHECK_RC(il_stream_receive_until(il_process_terminal(p), line, sizeof line, "\r\n", 2), 2);
	CHECK_RC(il_stream_close(il_process_terminal(p)), 0);
	CHECK_RC(il_process_wait(p), IL_PROCESS_SIGNALED + SIGHUP);
	il_process_destroy(p);
}

IL_TEST_REAL(T, pipes_may_stand_beside_a_terminal)
{
	il_process_options o = terminal;
	char text[64];
	il_process *p;

	o.input = o.output = o.errors = IL_STDIO_PIPE;
	p = spawned(SH("echo to-tty >/dev/tty; echo to-pipe; test -t 1 || exit 5"), &o);
	read_line(p, text, sizeof text);
	CHECK_STR(text, "to-pipe");
	read_all(p, text, sizeof text);
	CHECK_STR(text, "to-tty\r\n");
	CHECK_RC(il_process_wait(p), 5);
	il_process_destroy(p);
}

IL_TEST_REAL(T, a_terminal_is_asked_for_in_full_and_not_for_a_run)
{
	il_process_options o = {.terminal_rows = 24};
	il_process_result result;
	il_process *p = NULL;

	CHECK_RC(il_process_spawn(&p, SH("exit 0"), &o), -EINVAL);
	o.terminal_columns = 80;
	CHECK_RC(il_process_run(&result, SH("exit 0"), NULL, 0, &o), -EINVAL);
	o.input = o.output = o.errors = IL_STDIO_INHERIT;
	CHECK_RC(il_process_spawn(&p, SH("exit 0"), &o), -EINVAL);
	CHECK(p == NULL);
	CHECK(il_process_terminal(NULL) == NULL);
}
