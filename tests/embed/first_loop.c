/*
 * first_loop.c BACKEND: a program's first loop, and its second, with few descriptors left, and
 * without 0 to 2. Each try is a process of its own: native libraries have things that all loops of
 * a process share.
 */
#include <interloop.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MAX = 40, DONE = 40, REFUSED, WRONG }; /* exit statuses */

static const il_backend *backend;
static int out; /* stderr's copy */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int count_open(void)
{
	int count = 0;

	for (int fd = 0; fd < 100; fd++)
		count += is_open(fd);
	return count;
}

static void limit_to(int count)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)count;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int nap(void *arg)
{
	(void)arg;
	return il_sleep(IL_USEC(10));
}

static int answer(int rc)
{
	if (rc == 0)
		return DONE;
	if (rc == -EMFILE && il_error_detail()[0])
		return REFUSED;
	dprintf(out, "%s: %s\n", il_error_name(rc), il_error_detail());
	return WRONG;
}

/* ---- the tries ---- */

static int first(int limit)
{
	limit_to(limit);
	return answer(il_run(backend, nap, NULL));
}

static int second(int limit)
{
	il_loop *loop, *another;
	int rc = il_loop_open(&loop, backend, NULL), before = count_open();

	if (rc < 0)
		return answer(rc);
	limit_to(limit);
	rc = il_loop_open(&another, backend, NULL);
	if (rc == 0)
		il_loop_destroy(another);
	if (count_open() != before) {
		dprintf(out, "%d descriptors were left\n", count_open() - before);
		return WRONG;
	}
	il_loop_destroy(loop);
	return answer(rc);
}

static void close_stdio(void)
{
	for (int fd = 0; fd < 3; fd++)
		close(fd);
}

static int first_without_stdio(int limit)
{
	close_stdio();
	return first(limit);
}

static int second_without_stdio(int limit)
{
	close_stdio();
	return second(limit);
}

static bool stdio_is_open(void)
{
	return is_open(0) || is_open(1) || is_open(2);
}

static int look_at_stdio(void *arg)
{
	*(bool *)arg = stdio_is_open();
	return il_sleep(IL_USEC(10));
}

/* What was closed stays closed: while the loop runs, and after it. */
static int stdio_stays_closed(int limit)
{
	bool open = false;
	int rc;

	(void)limit;
	close_stdio();
	rc = il_run(backend, look_at_stdio, &open);
	if (open || stdio_is_open()) {
		dprintf(out, "a descriptor is one of 0 to 2\n");
		return WRONG;
	}
	return answer(rc);
}

/* ---- */

static int try_in_child(int (*try)(int limit), int limit)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		_exit(try(limit));
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == DONE || WEXITSTATUS(status) == REFUSED))
		return WEXITSTATUS(status);
	fprintf(stderr, "a limit of %d descriptors: the program ended with status %#x\n", limit,
		(unsigned)status);
	return WRONG;
}

/* With each limit the loop runs or is refused; from one on it runs. */
static bool holds(const char *name, int (*try)(int limit))
{
	int refused = 0, status = WRONG;

	for (int limit = 3; limit <= LIMIT_MAX; limit++) {
		status = try_in_child(try, limit);
		if (status == WRONG)
			break;
		refused += status == REFUSED;
	}
	if (status == DONE && refused > 0)
		return true;
	fprintf(stderr, "%s: refused %d times, and last %s\n", name, refused,
		status == DONE ? "done" : "not done");
	return false;
}

int main(int argc, char **argv)
{
	bool good;

	backend = argc > 1 ? il_backend_find(argv[1]) : NULL;
	if (!backend) {
		fprintf(stderr, "%s\n", il_error_detail());
		return 1;
	}
	out = fcntl(STDERR_FILENO, F_DUPFD, 90);
	good = holds("first loop", first);
	good &= holds("second loop", second);
	good &= holds("first loop without stdio", first_without_stdio);
	good &= holds("second loop without stdio", second_without_stdio);
	good &= try_in_child(stdio_stays_closed, 0) == DONE;
	return good ? 0 : 1;
}
