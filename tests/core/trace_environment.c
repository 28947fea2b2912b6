/*
 * trace_environment.c [FILE]: a task in virtual time, for trace_environment.sh to trace; then a forked child, which closes
 * all it has inherited, as daemons do, and writes FILE.
 */
#include <interloop.h>
#include <interloop/virtual.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int sleeps(void *arg)
{
	(void)arg;
	return il_task_set_name("sleeper") < 0 ? 1 : il_sleep(IL_SEC(3600));
}

static void child_write(const char *path)
{
	FILE *file;

	for (int i = STDERR_FILENO + 1; i < 64; i++)
		close(i);
	file = fopen(path, "w"); /* written when the process ends */
	exit(file && fputs("written\n", file) >= 0 ? 0 : 1);
}

int main(int argc, char **argv)
{
	int status = 0;

	if (il_run(il_virtual(), sleeps, NULL) < 0)
		return 1;
	if (argc < 2)
		return 0;
	switch (fork()) {
	case -1:
		return 1;
	case 0:
		child_write(argv[1]);
	}
	return wait(&status) > 0 && status == 0 ? 0 : 1;
}
