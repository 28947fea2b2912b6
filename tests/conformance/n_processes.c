/*
 * n_processes.c: child processes get what was asked for, and a program can be run from start to end.
 */
#include "children.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- 258 ---- */

IL_TEST(N, n258_an_exit_status_and_a_signal_are_told_apart)
{
	il_process *p = spawned(SH("exit 7"), NULL);

	CHECK(il_process_pid(p) > 0);
	CHECK_RC(il_process_wait(p), 7);
	CHECK_RC(il_process_wait(p), 7);
	CHECK_RC(il_process_returncode(p), 7);
	CHECK_RC(il_process_kill(p), 0); /* it needs none any more */
	CHECK_RC(il_process_send_signal(p, 12345), -EINVAL);
	CHECK_RC(il_process_close(p), 7);
	CHECK(is_gone(il_process_pid(p)));
	il_process_destroy(p);

	p = spawned(SH("exec sleep 100"), NULL);
	CHECK_RC(il_process_returncode(p), -EAGAIN);
	CHECK_RC(il_process_send_signal(p, 12345), -EINVAL);
	CHECK_RC(il_process_send_signal(p, 0), -EINVAL);
	CHECK_RC(il_process_terminate(p), 0);
	CHECK_RC(il_process_wait(p), IL_PROCESS_SIGNALED + SIGTERM);
	il_process_destroy(p);
	il_process_destroy(NULL);
}

IL_TEST(N, n258_a_dialogue_by_pipes)
{
	char line[32];
	il_process *p = spawned(ARGV((char *)"cat"), &piped);

	CHECK_RC(il_stream_write_all(il_process_stdin(p), "one\n", 4), 0);
	read_line(p, line, sizeof line);
	CHECK_STR(line, "one");
	CHECK_RC(il_stream_write_all(il_process_stdin(p), "two\n", 4), 0);
	read_line(p, line, sizeof line);
	CHECK_STR(line, "two");
	CHECK_RC(il_stream_close(il_process_stdin(p)), 0);
	CHECK_RC(il_stream_read(il_process_stdout(p), line, sizeof line), 0);
	CHECK_RC(il_stream_read(il_process_stderr(p), line, sizeof line), 0);
	CHECK_RC(il_process_wait(p), 0);
	CHECK_RC(il_process_close(p), 0);
	CHECK_RC(il_stream_read(il_process_stdout(p), line, sizeof line), -EBADF);
	il_process_destroy(p);
}

/* Runs a script and compares what it says. */
static void check_says(const char *script, const il_process_options *options, const char *expected)
{
	il_process_result r;

	CHECK_RC(il_process_run(&r, SH(script), NULL, 0, options), 0);
	CHECK_STR(r.output, expected);
	CHECK_EQ(r.output_size, strlen(expected));
	il_process_result_clear(&r);
}

IL_TEST(N, n258_environment_directory_and_program_are_as_asked)
{
	il_process_options o = {.environment = ARGV((char *)"GREETING=hi", (char *)"PATH=/bin")};
	char expected[32];

	check_says("echo $GREETING $HOME", &o, "hi\n");
	o = (il_process_options){.directory = "/usr"};
	check_says("pwd -P", &o, "/usr\n");
	o.directory = "/usr/bin/..";
	check_says("pwd -P", &o, "/usr\n");
	o = (il_process_options){.file = "/bin/sh"};
	check_says("echo $0", &o, "sh\n");
	o = (il_process_options){.new_session = true};
	check_says("set -- $(cat /proc/$$/stat); test $6 = $$ && echo leader", &o, "leader\n");
	o = (il_process_options){.new_group = true};
	check_says("set -- $(cat /proc/$$/stat); test $5 = $$ && echo leader", &o, "leader\n");
	snprintf(expected, sizeof expected, "%d\n", (int)getpgid(0));
	check_says("set -- $(cat /proc/$$/stat); echo $5", NULL, expected);
}

/* An empty element of $PATH is the current directory, which is the child's. */
IL_TEST(N, n258_the_path_may_name_the_current_directory)
{
	const char *const paths[] = {"/no/such:", ":/no/such", "/no/such::/bin", "."};
	char *path = strdup(getenv("PATH"));
	char directory[] = "/tmp/il-process-XXXXXX", tool[64];
	il_process_options o = {.directory = directory};
	il_process *p = NULL;
	int fd;

	CHECK(mkdtemp(directory) != NULL);
	snprintf(tool, sizeof tool, "%s/il-tool", directory);
	fd = open(tool, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	CHECK_EQ(write(fd, "#!/bin/sh\nexit 6\n", 17), 17);
	close(fd);
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		setenv("PATH", paths[i], 1);
		CHECK_RC(il_process_run(NULL, ARGV((char *)"il-tool"), NULL, 0, &o), 6);
	}
	setenv("PATH", "/no/such", 1);
	if (!il_test_valgrind()) /* whose posix_spawn does not tell */
		CHECK_RC(il_process_spawn(&p, ARGV((char *)"il-tool"), &o), -ENOENT);
	setenv("PATH", path, 1);
	free(path);
	unlink(tool);
	rmdir(directory);
}

IL_TEST(N, n258_streams_go_where_they_should)
{
	char path[] = "/tmp/il-process-XXXXXX", text[32] = "";
	int fd = mkstemp(path);
	il_process_options o = {.output = fd, .errors = IL_STDIO_STDOUT};
	il_process_result r;

	CHECK(fd > STDERR_FILENO);
	CHECK_RC(il_process_run(&r, SH("echo out; echo err >&2"), NULL, 0, &o), 0);
	CHECK(r.output == NULL && r.errors == NULL);
	CHECK_EQ(pread(fd, text, sizeof text - 1, 0), 8);
	CHECK_STR(text, "out\nerr\n");
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	o = (il_process_options){.input = fd, .errors = IL_STDIO_NULL};
	check_says("cat; echo err >&2", &o, "out\nerr\n");
	o = (il_process_options){.errors = IL_STDIO_STDOUT};
	check_says("echo out; echo err >&2", &o, "out\nerr\n");
	/* Exchanged: each lies where the other goes. */
	o = (il_process_options){.output = STDERR_FILENO, .errors = STDOUT_FILENO};
	CHECK_RC(il_process_run(NULL, SH("exit 3"), NULL, 0, &o), 3);
	check_says("cat", NULL, "");
	/* In its own place already, but close-on-exec. */
	CHECK_EQ(fcntl(STDOUT_FILENO, F_SETFD, FD_CLOEXEC), 0);
	o = (il_process_options){.output = STDOUT_FILENO};
	CHECK_RC(il_process_run(NULL, SH("test -e /dev/fd/1"), NULL, 0, &o), 0);
	CHECK_EQ(fcntl(STDOUT_FILENO, F_SETFD, 0), 0);
	close(fd);
	unlink(path);
}

IL_TEST(N, n258_a_child_has_three_descriptors_and_no_signal_blocked)
{
	int fd = open("/dev/null", O_RDONLY); /* not close-on-exec */
	il_process_options keep = {.keep_descriptors = true};
	char script[80];
	sigset_t usr1, before;

	CHECK(fd >= 0);
	snprintf(script, sizeof script, "test -e /proc/self/fd/%d && echo kept || echo closed", fd);
	check_says(script, NULL, "closed\n");
	check_says(script, &keep, "kept\n");
	close(fd);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, &before);
	set_handler(SIGUSR2, SIG_IGN);
	check_says("grep -c -E 'SigBlk:.0{16}$|SigIgn:.*00000$' /proc/self/status", NULL, "2\n");
	set_handler(SIGUSR2, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

IL_TEST(N, n258_what_cannot_be_started_leaves_nothing)
{
	il_process_options o = piped;
	il_process *p = NULL;
	size_t before;

	if (il_test_valgrind()) /* whose posix_spawn does not tell */
		return;
	il_process_destroy(spawned(SH("exit"), NULL)); /* what a loop keeps is there */
	before = open_descriptors();
	CHECK_RC(il_process_spawn(&p, ARGV((char *)"/no/such/program"), &o), -ENOENT);
	CHECK(strstr(il_error_detail(), "/no/such/program") != NULL);
	CHECK_RC(il_process_spawn(&p, ARGV((char *)"no-such-program"), &o), -ENOENT);
	CHECK_RC(il_process_spawn(&p, ARGV((char *)"/etc/passwd"), &o), -EACCES);
	o.directory = "/no/such/directory";
	CHECK_RC(il_process_spawn(&p, SH("exit"), &o), -ENOENT);
	CHECK(strstr(il_error_detail(), "/no/such/directory") != NULL);
	o.directory = "/etc/passwd";
	CHECK_RC(il_process_spawn(&p, SH("exit"), &o), -ENOTDIR);
	o.directory = NULL;
	o.errors = 250;
	CHECK_RC(il_process_spawn(&p, SH("exit"), &o), -EBADF);
	o.errors = -17;
	CHECK_RC(il_process_spawn(&p, SH("exit"), &o), -EINVAL);
	o.output = IL_STDIO_STDOUT;
	CHECK_RC(il_process_spawn(&p, SH("exit"), &o), -EINVAL);
	CHECK_RC(il_process_spawn(&p, (char *[]){NULL}, NULL), -EINVAL);
	CHECK_RC(il_process_spawn(&p, NULL, NULL), -EINVAL);
	CHECK_RC(il_process_spawn(NULL, SH("exit"), NULL), -EINVAL);
	CHECK(p == NULL);
	CHECK_EQ(open_descriptors(), before);
}

/* Our pipes and terminals get the lowest numbers that are free. */
static void check_not_open(il_process_options o)
{
	il_process *p = NULL;
	int lowest = fcntl(0, F_DUPFD_CLOEXEC, 3);

	close(lowest);
	for (int i = 0; i < 6; i++) {
		o.errors = lowest + i;
		if (fcntl(o.errors, F_GETFD) < 0)
			CHECK_RC(il_process_spawn(&p, SH("exit"), &o), -EBADF);
		il_process_destroy(p);
		p = NULL;
	}
}

IL_TEST(N, n258_what_is_not_open_is_not_taken_for_a_descriptor_of_ours)
{
	const il_process_options terminal = {.terminal_rows = 25, .terminal_columns = 80};

	check_not_open(piped);
	check_not_open(terminal);
}

/* Whatever descriptor is the one too many: how many limits there are under which it fails. */
static size_t spawn_under_limits(const il_process_options *o)
{
	struct rlimit limit, low;
	il_process *p = NULL;
	size_t before, failed = 0;
	int fd;

	il_process_destroy(spawned(SH("exit"), o));
	before = open_descriptors();
	fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
	close(fd);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	for (low.rlim_cur = (rlim_t)fd; !p && failed < 20; low.rlim_cur++) {
		int rc;
		setrlimit(RLIMIT_NOFILE, &low);
		rc = il_process_spawn(&p, SH("exit"), o);
		setrlimit(RLIMIT_NOFILE, &limit);
		if (rc == 0)
			break;
		CHECK_RC(rc, -EMFILE);
		CHECK(p == NULL);
		CHECK_EQ(open_descriptors(), before);
		CHECK(waitpid(-1, NULL, WNOHANG) == -1);
		failed++;
	}
	il_process_destroy(p);
	return failed;
}

IL_TEST_REAL(N, n258_without_descriptors_there_is_no_child)
{
	const il_process_options crossed = {.output = STDERR_FILENO, .errors = STDOUT_FILENO};

	CHECK(spawn_under_limits(&piped) >= 4);
	CHECK(spawn_under_limits(&crossed) >= 2); /* each lies where the other goes */
}

/* ---- il_process_run ---- */

IL_TEST(N, n258_run_feeds_and_collects)
{
	static char input[300000];
	il_process_result r;

	memset(input, 'x', sizeof input);
	CHECK_RC(il_process_run(&r, ARGV((char *)"cat"), input, sizeof input, NULL), 0);
	CHECK_EQ(r.output_size, sizeof input);
	CHECK(memcmp(r.output, input, sizeof input) == 0 && !r.output[r.output_size]);
	CHECK_EQ(r.errors_size, 0);
	il_process_result_clear(&r);
	il_process_result_clear(&r);
	CHECK_RC(il_process_run(&r, SH("echo out; echo err >&2; exit 5"), NULL, 0, NULL), 5);
	CHECK_STR(r.output, "out\n");
	CHECK_STR(r.errors, "err\n");
	il_process_result_clear(&r);
	/* It need not read all of it. */
	CHECK_RC(il_process_run(&r, SH("read line; kill -9 $$"), input, sizeof input, NULL),
		 IL_PROCESS_SIGNALED + SIGKILL);
	il_process_result_clear(&r);
	CHECK_RC(il_process_run(NULL, SH("exit 6"), NULL, 0, NULL), 6);
}

IL_TEST(N, n258_run_that_fails_has_killed)
{
	il_process_options o = {.output_limit = 1000};
	il_process_result r;

	CHECK_RC(il_process_run(&r, SH("while :; do echo again and again; done"), NULL, 0, &o),
		 -EMSGSIZE);
	CHECK(r.output == NULL && r.output_size == 0);
	o = (il_process_options){.input = IL_STDIO_NULL};
	CHECK_RC(il_process_run(&r, ARGV((char *)"cat"), "x", 1, &o), -EINVAL);
	CHECK_RC(il_process_run(&r, ARGV((char *)"cat"), NULL, 1, NULL), -EINVAL);
	CHECK_RC(il_process_run(&r, ARGV((char *)"cat"), "x", (size_t)-1, NULL), -EINVAL);
	if (!il_test_valgrind())
		CHECK_RC(il_process_run(&r, ARGV((char *)"/no/such"), NULL, 0, NULL), -ENOENT);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static int run_for_ever(void *arg)
{
	il_process_result r;
	int rc;

	(void)arg;
	rc = il_process_run(&r, SH("echo begun; exec sleep 100"), NULL, 0, NULL);
	CHECK(r.output == NULL);
	return rc;
}

IL_TEST(N, n258_a_cancelled_run_leaves_no_child)
{
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, run_for_ever, NULL);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, -ECANCELED);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}
