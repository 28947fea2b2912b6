/*
 * n_process_starts.c: what decides whether a child process is started, and which program: after an error
 * nobody has run, and the words say which program it was, and why.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "children.h"
#include "waits.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- a program of our own ---- */

struct tool {
	char directory[32], path[64];
};

static void make_tool(struct tool *t, const char *script)
{
	int fd;

	strcpy(t->directory, "/tmp/il-process-XXXXXX");
	CHECK(mkdtemp(t->directory) != NULL);
	snprintf(t->path, sizeof t->path, "%s/il-tool", t->directory);
	fd = open(t->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	CHECK_EQ(write(fd, script, strlen(script)), (int)strlen(script));
	close(fd);
}

static void remove_tool(struct tool *t)
{
	unlink(t->path);
	rmdir(t->directory);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IL_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IL_TEST_SANITIZED 1
#endif
#endif
#ifndef IL_TEST_SANITIZED
#define IL_TEST_SANITIZED 0
#endif

/* ---- after an error there was none ---- */

static bool was_opened(int watch)
{
	char events[1024];

	return read(watch, events, sizeof events) > 0;
}

/* With that many descriptors left; nothing when there are enough. */
static il_process *spawned_with(int spare, struct tool *t)
{
	struct rlimit limit, low;
	il_process *p = NULL;
	int fds[64], n = 0, rc;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &low);
	while (n < 64 && (fds[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0)
		n++;
	for (int i = 0; i < spare; i++)
		close(fds[--n]);
	rc = il_process_spawn(&p, ARGV(t->path), &piped);
	while (n > 0)
		close(fds[--n]);
	setrlimit(RLIMIT_NOFILE, &limit);
	CHECK(rc == -EMFILE || rc == 0);
	CHECK(rc == 0 || strstr(il_error_detail(), strerror(EMFILE)) != NULL);
	CHECK(rc == 0 || strstr(il_error_detail(), "raise RLIMIT_NOFILE") != NULL);
	CHECK(rc == 0 || strstr(il_error_detail(), "options.") == NULL);
	return rc == 0 ? p : NULL;
}

/* The system opens a program's file when a child has come to it. */
IL_TEST_REAL(N, n258_without_descriptors_no_program_runs)
{
	il_process *p = NULL;
	struct tool t;
	int watch;

	if (il_test_valgrind()) /* whose posix_spawn does not wait */
		return;
	watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	make_tool(&t, "#!/bin/sh\nexit 6\n");
	CHECK(inotify_add_watch(watch, t.path, IN_OPEN) >= 0);
	for (int spare = 0; !p; spare++) {
		CHECK(spare < 20);
		p = spawned_with(spare, &t);
		CHECK_EQ(was_opened(watch), p != NULL);
	}
	CHECK_RC(il_process_wait(p), 6);
	il_process_destroy(p);
	close(watch);
	remove_tool(&t);
}

/* ---- not even by il_process_run, whose tasks need memory too ---- */

/* From here on the system gives no memory; the old limit. */
static struct rlimit forbid_memory(void)
{
	struct rlimit limit, low;

	CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
	low = limit;
	low.rlim_cur = 1 << 20;
	CHECK_EQ(setrlimit(RLIMIT_AS, &low), 0);
	return limit;
}

/* Parks tasks until there is no memory for one more. */
static int run_without_stacks(void *arg)
{
	struct tool *t = arg;
	struct rlimit limit;
	il_process_result result;
	il_group g = IL_GROUP_INIT;
	int rc, status, watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	CHECK(inotify_add_watch(watch, t->path, IN_OPEN) >= 0);
	CHECK_RC(il_group_open(&g), 0);
	limit = forbid_memory();
	while ((rc = il_group_start_soon(&g, NULL, sleep_forever, NULL)) == 0)
		;
	status = il_process_run(&result, ARGV(t->path), "x", 1, NULL);
	setrlimit(RLIMIT_AS, &limit);
	CHECK_RC(rc, -ENOMEM);
	CHECK_RC(status, -ENOMEM);
	CHECK(!was_opened(watch));
	close(watch);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	return il_group_close(&g, 0);
}

IL_TEST_OWN_REAL(N, n258_without_memory_no_program_runs)
{
	struct tool t;

	if (il_test_valgrind() || IL_TEST_SANITIZED) /* which need much memory themselves */
		return;
	make_tool(&t, "#!/bin/sh\nexit 6\n");
	CHECK_RC(il_run(il_test_backend(), run_without_stacks, &t), 0);
	remove_tool(&t);
}

static int reap_any(void)
{
	int status, pid;

	do
		pid = waitpid(-1, &status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	return pid < 0 ? -errno : pid;
}

/* Not even for a moment: who reaps whatever there is finds nothing, and hears nothing. */
IL_TEST(N, n258_what_cannot_be_started_is_nobodys_child)
{
	il_process *p = NULL;

	if (il_test_valgrind() || IL_TEST_TSAN ||
	    IL_TEST_PORTABLE) /* where posix_spawn starts it */
		return;
	set_handler(SIGCHLD, count_signal);
	CHECK_RC(il_process_spawn(&p, ARGV((char *)"/no/such/program"), &piped), -ENOENT);
	CHECK_RC(reap_any(), -ECHILD);
	CHECK_EQ(signals_seen, 0);
	set_handler(SIGCHLD, SIG_DFL);
}

/* ---- which program ---- */

static int run_tool(char *const *environment)
{
	il_process_options o = {.environment = environment};

	return il_process_run(NULL, ARGV((char *)"il-tool"), NULL, 0, &o);
}

IL_TEST(N, n258_a_program_is_looked_for_in_the_path_that_it_will_have)
{
	char *path = strdup(getenv("PATH")), theirs[64], many[128];
	il_process_options none = {.environment = ARGV((char *)"GREETING=hi")};
	struct tool t;

	make_tool(&t, "#!/bin/sh\nexit 6\n");
	snprintf(theirs, sizeof theirs, "PATH=%s", t.directory);
	snprintf(many, sizeof many, "PATH=/no/such:%s::/etc/passwd:%s", t.path, t.directory);
	CHECK_RC(run_tool(ARGV(theirs)), 6);
	CHECK_RC(run_tool(ARGV((char *)"PATHS=/bin", many)), 6);
	if (!il_test_valgrind()) { /* whose posix_spawn does not tell */
		setenv("PATH", t.directory, 1);
		CHECK_RC(run_tool(ARGV((char *)"PATH=/no/such")), -ENOENT);
		CHECK_RC(run_tool(ARGV((char *)"GREETING=hi")), -ENOENT);
		CHECK(strstr(il_error_detail(), "il-tool") != NULL);
		CHECK(strstr(il_error_detail(), "PATH") != NULL);
	}
	setenv("PATH", "/no/such", 1); /* without one the system's own folders are */
	CHECK_RC(il_process_run(NULL, SH("exit 5"), NULL, 0, &none), 5);
	setenv("PATH", path, 1);
	free(path);
	remove_tool(&t);
}

/* One that is not for us is passed over, and told of if there is no other. */
IL_TEST(N, n258_the_search_goes_on_behind_what_cannot_run)
{
	char both[128], first[64];
	struct tool bad, good;

	make_tool(&bad, "no program");
	make_tool(&good, "#!/bin/sh\nexit 6\n");
	CHECK_EQ(chmod(bad.path, 0600), 0);
	snprintf(both, sizeof both, "PATH=%s:%s", bad.directory, good.directory);
	snprintf(first, sizeof first, "PATH=%s:/no/such", bad.directory);
	CHECK_RC(run_tool(ARGV(both)), 6);
	CHECK_RC(run_tool(ARGV(first)), -EACCES);
	remove_tool(&bad);
	remove_tool(&good);
}

/* ---- in words ---- */

static void check_refused(int rc, const char *name)
{
	const char *detail = il_error_detail();

	CHECK(strstr(detail, name) != NULL);
	CHECK(strstr(detail, strerror(-rc)) != NULL);
}

IL_TEST(N, n258_a_failure_to_start_names_the_program_and_the_systems_reason)
{
	il_process_options o = {.directory = "/no/such/directory"};
	il_process *p = NULL;
	struct tool t;
	char *huge;

	if (il_test_valgrind())
		return;
	huge = calloc(1, 1 << 22);
	make_tool(&t, "no program");
	CHECK_RC(il_process_spawn(&p, ARGV((char *)"/no/such/program"), NULL), -ENOENT);
	check_refused(-ENOENT, "/no/such/program");
	CHECK_RC(il_process_spawn(&p, ARGV(t.path), NULL), -ENOEXEC);
	check_refused(-ENOEXEC, t.path);
	CHECK_RC(il_process_spawn(&p, SH("exit"), &o), -ENOENT);
	check_refused(-ENOENT, "/no/such/directory");
	CHECK_RC(il_process_spawn(&p, ARGV((char *)"/etc"), NULL), -EACCES);
	check_refused(-EACCES, "/etc");
	memset(huge, 'x', (1 << 22) - 1);
	CHECK_RC(il_process_spawn(&p, ARGV((char *)"true", huge), NULL), -E2BIG);
	check_refused(-E2BIG, "true");
	free(huge);
	remove_tool(&t);
}

/* ---- what is inherited ---- */

/* Close-on-exec says that it is not for every child; what is asked for is handed over. */
IL_TEST(N, n258_an_inherited_stream_arrives_whatever_its_flags)
{
	il_process_options o = {.output = IL_STDIO_INHERIT};

	CHECK_EQ(fcntl(STDOUT_FILENO, F_SETFD, FD_CLOEXEC), 0);
	CHECK_RC(il_process_run(NULL, SH("test -e /dev/fd/1"), NULL, 0, &o), 0);
	CHECK_EQ(fcntl(STDOUT_FILENO, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(STDOUT_FILENO, F_SETFD, 0), 0);
}
