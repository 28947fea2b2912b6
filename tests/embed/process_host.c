/*
 * process_host.c: a program that knows nothing of the library, and loads a plugin that uses a process pool. A
 * worker is this program, started anew, with the library from the start: main runs once.
 *
 *     process_host PLUGIN
 */
#define _GNU_SOURCE
#include "../core/check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often main has run, by the file that the first one left. */
static void check_first(void)
{
	char path[64];
	const char *left = getenv("HOST_RAN");
	int fd;

	if (left) {
		fd = open(left, O_WRONLY | O_APPEND | O_CLOEXEC);
		_exit(write(fd, "x", 1) == 1 ? 66 : 67);
	}
	snprintf(path, sizeof path, "/tmp/process_host.%d", (int)getpid());
	CHECK((fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0);
	CHECK(setenv("HOST_RAN", path, 1) == 0);
	close(fd);
}

static int count_others(void)
{
	char marks[64];
	int fd = open(getenv("HOST_RAN"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, marks, sizeof marks);

	close(fd);
	CHECK(unlink(getenv("HOST_RAN")) == 0);
	return (int)n;
}

int main(int argc, char **argv)
{
	int (*call)(int depth) = NULL;
	int results[2];
	void *plugin, *symbol;

	check_first();
	CHECK(argc == 2);
	CHECK((plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) != NULL);
	CHECK((symbol = dlsym(plugin, "process_plugin_call")) != NULL);
	memcpy(&call, &symbol, sizeof call);
	results[0] = call(1);
	results[1] = call(2); /* a worker's worker */
	CHECK(count_others() == 0);
	CHECK(results[0] == 7 && results[1] == 7);
	return 0;
}
