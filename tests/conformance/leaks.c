/*
 * leaks.c: what a test left behind. Compared at the end of each test's body and not at the end of the
 * process, where Criterion swallows what the tools find. The test's own thread.
 */
#include "private.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if IL_TEST_ASAN
#include <sanitizer/lsan_interface.h>
#endif
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

bool il_test_valgrind(void)
{
	return RUNNING_ON_VALGRIND;
}

bool il_test_slow(void)
{
	return IL_TEST_TSAN || RUNNING_ON_VALGRIND;
}

unsigned il_test_seconds(void)
{
	const char *given = getenv("IL_TEST_SECONDS");

	if (given)
		return (unsigned)strtoul(given, NULL, 10);
#ifdef IL_TESTS_COVERAGE_DUMP_H /* counting takes its time, too */
	return 100;
#else
	return RUNNING_ON_VALGRIND ? 100 : IL_TEST_SECONDS;
#endif
}

static size_t count(const char *path)
{
	size_t n = 0;
	DIR *dir = opendir(path);

	if (!dir)
		return 0;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static size_t threads(void)
{
	return count("/proc/self/task");
}

/* The bytes that valgrind has found lost so far; 0 without it. */
static unsigned long lost(void)
{
	unsigned long leaked = 0;
#ifdef VALGRIND_COUNT_LEAKS
	unsigned long dubious = 0, reachable = 0, suppressed = 0;

	VALGRIND_DO_QUICK_LEAK_CHECK;
	VALGRIND_COUNT_LEAKS(leaked, dubious, reachable, suppressed);
	(void)dubious; /* the C library keeps the stacks of ended threads by interior pointers */
	(void)reachable;
	(void)suppressed;
#endif
	return leaked;
}

static bool has_child(void)
{
	siginfo_t info; /* valgrind wants one */

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* TSan starts a process for the names in a report, also in one that is suppressed, and keeps it and a pipe each way. */
static bool has_started_symbolizer(const struct il_test_leaks *leaks)
{
	return IL_TEST_TSAN && count("/proc/self/fd") == leaks->descriptors + 2;
}

static const char *descriptor_names(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int fd = 0; fd < 1024 && used + 80 < size; fd++) {
		char path[32], name[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, name, sizeof name - 1);
		if (n > 0)
			used += (size_t)snprintf(text + used, size - used, " %d=%.*s", fd, (int)n,
						 name);
	}
	return text;
}

/* By the end of the test before, or the start of the first: each search takes its time. */
static unsigned long known_lost;
static bool searched;

void il_test_leaks_start(struct il_test_leaks *leaks)
{
	leaks->descriptors = count("/proc/self/fd");
	leaks->threads = threads();
	leaks->child = has_child();
	if (!searched)
		known_lost = lost();
	searched = true;
}

void il_test_leaks_check(const struct il_test_leaks *leaks)
{
	struct timespec a_moment = {.tv_nsec = 1000000};
	il_time limit = il_deadline(il_test_patience());
	unsigned long bytes;
	char names[1024];

	/* A thread that was joined or has detached itself may take a moment to leave the table. */
	while (threads() > leaks->threads && il_now() < limit)
		nanosleep(&a_moment, NULL);
	if (threads() > leaks->threads)
		il_test_fail(__FILE__, __LINE__, "%zu threads are left, %zu at the start",
			     threads(), leaks->threads);
	if (count("/proc/self/fd") > leaks->descriptors && !has_started_symbolizer(leaks))
		il_test_fail(__FILE__, __LINE__, "descriptors left, %zu at the start:%s",
			     leaks->descriptors, descriptor_names(names, sizeof names));
	if (!leaks->child && has_child() && !has_started_symbolizer(leaks))
		il_test_fail(__FILE__, __LINE__, "a child process is left");
	bytes = lost();
	if (bytes > known_lost)
		il_test_fail(__FILE__, __LINE__, "%lu bytes of memory are lost",
			     bytes - known_lost);
	known_lost = bytes;
#if IL_TEST_ASAN
	if (__lsan_do_recoverable_leak_check())
		il_test_fail(__FILE__, __LINE__, "memory is lost; the sanitizer's log has it");
#endif
}
