/*
 * os_program.c: what a program has of its surroundings, and that a worker process of it has to get:
 * for those who start one, and for the worker itself. IL_PORTABLE builds use the fallbacks on Linux
 * too.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_program.h"
#include "base.h"
#include "os_process.h"
#include "os_spawn.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* ---- the file ---- */

int il__os_program(char *path, size_t size)
{
	static const char link[] = "/proc/self/exe";
	ssize_t n = readlink(link, path, size - 1);

	if (n < 0)
		return -errno;
	path[n] = 0;
	if (!RUNNING_ON_VALGRIND) /* for whose kernel the link is valgrind */
		snprintf(path, size, "%s", link);
	return 0;
}

/* ---- directory and umask ---- */

int il__os_directory_open(void)
{
#ifdef O_PATH
	int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
#else
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
#endif
	int rc = fd < 0 ? -errno : il__os_above_stdio(&fd);

	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

/* Without setting it. */
static bool read_umask(unsigned *mask)
{
	bool found = false;
#if IL__LINUX
	FILE *file = fopen("/proc/self/status", "re");
	char line[128];

	while (file && !found && fgets(line, sizeof line, file))
		found = sscanf(line, "Umask: %o", mask) == 1;
	if (file)
		fclose(file);
#else
	(void)mask;
#endif
	return found;
}

unsigned il__os_umask(void)
{
	unsigned mask;

	if (!read_umask(&mask)) {
		mask = (unsigned)umask(077);
		umask((mode_t)mask);
	}
	return mask;
}

/* ---- arguments ---- */

/* A constructor is given main's arguments. */
#if (defined(__GLIBC__) && !defined(IL_PORTABLE)) || defined(__APPLE__) || defined(__FreeBSD__)
bool il__os_argument(int argc, char **argv, const char *prefix, char *rest, size_t size)
{
	size_t length = strlen(prefix);

	if (argc < 2 || strncmp(argv[1], prefix, length) != 0 || strlen(argv[1] + length) >= size)
		return false;
	memcpy(rest, argv[1] + length, strlen(argv[1] + length) + 1);
	return true;
}
#else
/* False: there are no more of them. */
static bool read_argument(FILE *file, char *text, size_t size)
{
	size_t n = 0;
	int c;

	while ((c = getc(file)) != EOF && c != 0)
		if (n + 1 < size)
			text[n++] = (char)c;
	text[n] = 0;
	return c != EOF;
}

/* A loader that was called by name, and its options, come before the program's own. */
bool il__os_argument(int argc, char **argv, const char *prefix, char *rest, size_t size)
{
	FILE *file = fopen("/proc/self/cmdline", "re");
	size_t length = strlen(prefix);
	char text[256];
	bool found = false;

	(void)argc;
	(void)argv;
	for (int i = 0; file && !found && read_argument(file, text, sizeof text); i++)
		found = i > 0 && strncmp(text, prefix, length) == 0 && strlen(text + length) < size;
	if (found)
		memcpy(rest, text + length, strlen(text + length) + 1);
	if (file)
		fclose(file);
	return found;
}
#endif
