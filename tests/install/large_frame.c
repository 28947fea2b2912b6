/*
 * large_frame.c: a frame larger than a stack and its guard, in a program built with what the package says
 * (pkg-config's stack_cflags, or CMake's target), is a segmentation fault. Only its lowest bytes are
 * written, which lie in the stack of another task.
 */
#include <interloop.h>

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Eight stacks with their guards, and half a stack more. */
enum { TASKS = 60, FRAME = 8 * (132 << 10) + (32 << 10) };

static volatile char seen;

static int large(void *arg)
{
	volatile char frame[FRAME];

	frame[0] = *(const char *)arg;
	seen = frame[0];
	return 0;
}

static int small(void *arg)
{
	return arg ? il_sleep(IL_MSEC(1)) : -EINVAL;
}

static int crowd(void *arg)
{
	il_group group;

	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	for (int i = 0; i < TASKS && rc == 0; i++)
		rc = il_group_start_soon(&group, NULL, small, arg);
	if (rc == 0)
		rc = il_group_start_soon(&group, NULL, large, arg);
	return il_group_close(&group, rc);
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = {0, 0};
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		il_run(il_backend_find(argc > 1 ? argv[1] : NULL), crowd, argv[0]);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 2;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		return 0;
	fprintf(stderr, "no segmentation fault: status %#x\n", (unsigned)status);
	return 1;
}
