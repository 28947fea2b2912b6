/*
 * main.c: Criterion's main, and another for tools that are slow to start (valgrind), which runs the tests
 * that match in this one process:
 *
 *     conformance-libuv [Criterion's options]
 *     conformance-libuv --in-process 'own_I/n165*' [TIMES]
 *     conformance-libuv --suites
 *
 * The first two fail when nothing matched, and append a row per number to the file that
 * $IL_TEST_RESULTS names: number, backend, mode, pass, fail or skip (SKIP in harness.h), test.
 */
#include "private.h"

#include <ctype.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#if IL_TEST_CRITERION
#include <criterion/hooks.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_COUNT_ERRORS 0u
#endif

extern const struct il_test *const __start_il_tests[];
extern const struct il_test *const __stop_il_tests[];

static const struct il_test *current;
static unsigned long tested;

static const char *mode(const struct il_test *test)
{
	return test->kind == IL_TEST_core ? "-" : test->kind == IL_TEST_adopted ? "adopted" : "own";
}

/* One row for each number that the name begins with (n14_17_...), one with "-" if there is none. */
static void record(const struct il_test *test, const char *result)
{
	const char *path = getenv("IL_TEST_RESULTS");
	FILE *out = path ? fopen(path, "a") : NULL;
	const char *p = test->name + 1;

	tested++;
	if (!out)
		return;
	do {
		size_t digits = strspn(p, "0123456789");
		bool numbered = test->name[0] == 'n' && digits > 0;
		fprintf(out, "%.*s\t%s\t%s\t%s\t%s/%s\n", numbered ? (int)digits : 1,
			numbered ? p : "-", il_native.name, mode(test), result, test->group,
			test->name);
		p += digits + 1;
	} while (test->name[0] == 'n' && p[-1] == '_' && isdigit((unsigned char)*p));
	fclose(out);
}

#if IL_TEST_CRITERION
static const struct il_test *find(const char *suite, const char *name)
{
	for (const struct il_test *const *t = __start_il_tests; t < __stop_il_tests; t++)
		if (strcmp((*t)->suite, suite) == 0 && strcmp((*t)->name, name) == 0)
			return *t;
	return NULL;
}

static const char *result_of(const struct criterion_test_stats *t)
{
	if (t->crashed || t->timed_out || t->test_status == CR_STATUS_FAILED)
		return "fail";
	return t->test_status == CR_STATUS_SKIPPED ? "skip" : "pass";
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
	for (struct criterion_suite_stats *s = stats->suites; s; s = s->next)
		for (struct criterion_test_stats *t = s->tests; t; t = t->next) {
			const struct il_test *test = find(t->test->category, t->test->name);
			/* What was filtered out is disabled, and says that it was skipped. */
			if (test && il_test_applies(test) && !t->test->data->disabled)
				record(test, result_of(t));
		}
}

/* Asked when the program runs: $IL_TEST_SECONDS counts here, too. */
static void set_timeouts(struct criterion_test_set *set)
{
	for (struct criterion_ordered_set_node *s = set->suites->first; s; s = s->next) {
		const struct criterion_suite_set *suite = (const void *)(s + 1);
		for (struct criterion_ordered_set_node *t = suite->tests->first; t; t = t->next)
			((const struct criterion_test *)(const void *)(t + 1))->data->timeout =
			    il_test_seconds();
	}
}

static int run_with_criterion(int argc, char **argv)
{
	struct criterion_test_set *set = criterion_initialize();
	int rc = 0;

	set_timeouts(set);
	if (criterion_handle_args(argc, argv, true))
		rc = !criterion_run_all_tests(set);
	else
		tested = 1; /* it was asked for something else, such as --list */
	criterion_finalize(set);
	return rc;
}
#else
static int run_with_criterion(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "%s: only --in-process in this build\n", argv[0]);
	return 2;
}
#endif

static void hung(int signal)
{
	static const char text[] = ": this test hangs\n";

	if (write(STDERR_FILENO, current->name, strlen(current->name)) < 0 ||
	    write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(3);
	(void)signal;
	abort();
}

static void end_process(void)
{
	record(current, "fail");
	_exit(1);
}

/* Each test begins as in a process of its own. */
static void forget_handlers(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		signal(numbers[i], SIG_DFL);
}

static bool run_one(const char *full, unsigned long times)
{
	unsigned errors = (unsigned)VALGRIND_COUNT_ERRORS;

	printf("%s\n", full);
	fflush(stdout);
	for (unsigned long n = 0; n < times; n++) {
		forget_handlers();
		alarm(il_test_seconds());
		il_test_run(current);
		alarm(0);
	}
	if (il_test_skipped())
		printf("%s: skipped, for this machine lacks %s\n", full, il_test_skipped());
	if ((unsigned)VALGRIND_COUNT_ERRORS != errors)
		fprintf(stderr, "%s: valgrind found an error\n", full);
	return (unsigned)VALGRIND_COUNT_ERRORS == errors;
}

/* In a forked child valgrind extends a stack for the code that runs there, but not for a signal that comes. */
static __attribute__((noinline)) void extend_stack(void)
{
	volatile char some[256 * 1024];

	for (size_t i = 0; i < sizeof some; i += 1024)
		some[i] = 0;
}

static int run_in_process(const char *pattern, unsigned long times)
{
	int failures = 0;
	char full[256];

	extend_stack();
	il_test_end_process = end_process;
	signal(SIGALRM, hung);
	for (const struct il_test *const *t = __start_il_tests; t < __stop_il_tests; t++) {
		snprintf(full, sizeof full, "%s/%s", (*t)->suite, (*t)->name);
		if (!il_test_applies(*t) || fnmatch(pattern, full, 0) != 0)
			continue;
		current = *t;
		bool clean = run_one(full, times);
		failures += !clean;
		record(current, !clean ? "fail" : il_test_skipped() ? "skip" : "pass");
	}
	return failures > 0;
}

static int print_suites(void)
{
	for (const struct il_test *const *t = __start_il_tests; t < __stop_il_tests; t++) {
		bool first = il_test_applies(*t);
		for (const struct il_test *const *s = __start_il_tests; first && s < t; s++)
			first = strcmp((*s)->suite, (*t)->suite) != 0;
		if (first)
			printf("%s\n", (*t)->suite);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int rc = 0;

	if (argc == 2 && strcmp(argv[1], "--suites") == 0)
		return print_suites();
	if (argc >= 3 && strcmp(argv[1], "--in-process") == 0)
		rc = run_in_process(argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 1);
	else
		rc = run_with_criterion(argc, argv);
	if (tested == 0) {
		fprintf(stderr, "%s: no test matches\n", argv[0]);
		return 2;
	}
	return rc;
}
