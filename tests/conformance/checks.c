/*
 * checks.c: what a test says, and what is told when it is not so. A failure in the test's own thread
 * ends the test, also from a task's stack; in another thread it is only noted, because Criterion's way
 * out is a jump. Any thread.
 */
#include "private.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { LOG_LINES = 256, DEBUG_LINES = LOG_LINES / 2, LINE = 240, TRACE_SIZE = 8192 };

struct line {
	int level;
	char text[LINE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line log_lines[LOG_LINES];
static size_t log_count;
/* What was said at each level, also beyond the lines that are kept; and how many of these were not. */
static size_t log_said[IL_LOG_DEBUG + 1], log_dropped[IL_LOG_DEBUG + 1];
static char trace[TRACE_SIZE];
static const char *run_name = "";
static _Atomic(const char *) skipped; /* for this machine lacks that */
static atomic_bool failed;
static pthread_t own_thread;

void (*il_test_end_process)(void);
const char il_test_zeros[sizeof il_test_zeros];

static void capture(int level, const char *message, void *arg)
{
	size_t room = level == IL_LOG_DEBUG ? DEBUG_LINES : LOG_LINES;

	(void)arg;
	pthread_mutex_lock(&lock);
	log_said[level]++;
	if (log_count < room) {
		log_lines[log_count].level = level;
		snprintf(log_lines[log_count++].text, LINE, "%s", message);
	} else {
		log_dropped[level]++;
	}
	pthread_mutex_unlock(&lock);
}

void il_test_own_thread(void)
{
	own_thread = pthread_self();
}

void il_test_begin_run(const char *where)
{
	pthread_mutex_lock(&lock);
	log_count = 0;
	memset(log_said, 0, sizeof log_said);
	memset(log_dropped, 0, sizeof log_dropped);
	trace[0] = '\0';
	run_name = where;
	pthread_mutex_unlock(&lock);
	il_set_log(capture, NULL);
}

size_t il_test_logged(int level, const char *text)
{
	size_t n = 0, dropped = 0;

	pthread_mutex_lock(&lock);
	if (!*text) {
		n = log_said[level];
	} else {
		dropped = log_dropped[level];
		for (size_t i = 0; i < log_count; i++)
			n += log_lines[i].level == level && strstr(log_lines[i].text, text) != NULL;
	}
	pthread_mutex_unlock(&lock);
	if (dropped > 0)
		il_test_fail(__FILE__, __LINE__, "%zu lines were not kept: which had \"%s\"?",
			     dropped, text);
	return n;
}

void il_test_skip(const char *what)
{
	atomic_store(&skipped, what);
}

const char *il_test_skipped(void)
{
	return atomic_load(&failed) ? NULL : atomic_load(&skipped);
}

void il_test_begin(void)
{
	atomic_store(&skipped, NULL);
	atomic_store(&failed, false);
}

void il_test_trace_add(const char *word)
{
	pthread_mutex_lock(&lock);
	size_t used = strlen(trace);
	if (used + strlen(word) + 2 < TRACE_SIZE)
		snprintf(trace + used, TRACE_SIZE - used, "%s%s", used ? " " : "", word);
	pthread_mutex_unlock(&lock);
}

const char *il_test_trace(void)
{
	return trace;
}

static void report(const char *file, int line, const char *text)
{
#if IL_TEST_CRITERION
	struct criterion_assert_stats stats = {
	    .file = file, .line = (unsigned)line, .message = (char *)(uintptr_t)text};
	if (!il_test_end_process) {
		criterion_send_assert(&stats);
		return;
	}
#endif
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
}

static void end_test(bool fatal)
{
	(void)fatal;
	if (il_test_end_process)
		il_test_end_process();
#if IL_TEST_CRITERION
	else if (fatal)
		criterion_abort_test();
#endif
}

static void fail(const char *file, int line, const char *text)
{
	static char message[4 * LINE + TRACE_SIZE + LOG_LINES * (LINE + 8)];
	static pthread_mutex_t once_at_a_time = PTHREAD_MUTEX_INITIALIZER;
	const char *detail = il_error_detail();
	bool fatal = pthread_equal(pthread_self(), own_thread);

	atomic_store(&failed, true);
	pthread_mutex_lock(&once_at_a_time);
	pthread_mutex_lock(&lock);
	int n = snprintf(message, sizeof message, "%s%s%s%s%s\n  trace: %s", text,
			 *run_name ? "\n  in " : "", run_name, *detail ? "\n  last detail: " : "",
			 detail, trace);
	for (size_t i = 0; i < log_count; i++)
		n += snprintf(message + n, sizeof message - (size_t)n, "\n  log: %s",
			      log_lines[i].text);
	pthread_mutex_unlock(&lock);
	report(file, line, message);
	pthread_mutex_unlock(&once_at_a_time);
	end_test(fatal);
}

void il_test_fail(const char *file, int line, const char *format, ...)
{
	char text[4 * LINE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fail(file, line, text);
}

void il_test_eq(const char *file, int line, const char *what, intmax_t value, intmax_t expected)
{
	if (value != expected)
		il_test_fail(file, line, "%s is %jd, expected %jd", what, value, expected);
}

void il_test_rc(const char *file, int line, const char *what, int rc, int expected)
{
	if (rc != expected)
		il_test_fail(file, line, "%s gave %d (%s), expected %d (%s)", what, rc,
			     il_error_name(rc), expected, il_error_name(expected));
}

void il_test_str(const char *file, int line, const char *what, const char *value,
		 const char *expected)
{
	if (!value || strcmp(value, expected) != 0)
		il_test_fail(file, line, "%s is \"%s\", expected \"%s\"", what,
			     value ? value : "(null)", expected);
}

void il_test_pause(void)
{
	if (il_sleep(IL_MSEC(1)) < 0)
		il_test_pause_really();
}

void il_test_pause_really(void)
{
	struct timespec a_moment = {.tv_nsec = 200000};

	il_yield_shielded();
	nanosleep(&a_moment, NULL);
}

static void *thread_main(void *arg)
{
	struct il_test_thread *thread = arg;

	thread->rc = thread->fn(thread->arg);
	atomic_store(&thread->ended, true);
	return NULL;
}

void il_test_thread_start(struct il_test_thread *thread, il_fn *fn, void *arg)
{
	thread->fn = fn;
	thread->arg = arg;
	atomic_init(&thread->ended, false);
	CHECK_EQ(pthread_create(&thread->id, NULL, thread_main, thread), 0);
}

int il_test_thread_join(struct il_test_thread *thread)
{
	UNTIL_THREAD(atomic_load(&thread->ended));
	CHECK_EQ(pthread_join(thread->id, NULL), 0);
	return thread->rc;
}

il_time il_test_patience(void)
{
	return IL_SEC(il_test_seconds()) / 2;
}

size_t il_test_rounds(size_t n)
{
	return il_test_slow() && n > 20 ? n / 20 : n;
}

static il_time clock_now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return IL_SEC(t.tv_sec) + t.tv_nsec;
}

il_time il_test_cpu(void)
{
	return clock_now(CLOCK_PROCESS_CPUTIME_ID);
}

il_time il_test_thread_cpu(void)
{
	return clock_now(CLOCK_THREAD_CPUTIME_ID);
}
