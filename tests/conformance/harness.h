/*
 * harness.h: what a conformance test is written with.
 *
 * A test is a rule of scenarios.tsv. Its name begins with the numbers that it covers, and reads as the
 * rule: IL_TEST(I, n165_close_waits_for_every_child). Each source is compiled once and linked with each
 * loop's harness, so what differs between loops is asked at run time. Filters name kind, group and test:
 * --filter 'own_I/n165_*'; the kinds are own, real, virtual, adopted and core.
 *
 *     IL_TEST          the body is the root task of a loop; in an own and in an adopted loop, and in
 *                      virtual time under several seeds, which permute the order of ready tasks
 *     IL_TEST_FIFO     IL_TEST that relies on the order of ready tasks: no seeds
 *     IL_TEST_REAL     IL_TEST that needs the real clock or a real peer: not in virtual time
 *     IL_TEST_VIRTUAL  IL_TEST that only virtual time can tell
 *     IL_TEST_OWN      the body is a plain call in the main thread and opens loops of il_test_backend()
 *     IL_TEST_OWN_REAL IL_TEST_OWN that does not go with virtual time
 *     IL_TEST_OWN_VIRTUAL  IL_TEST_OWN that only virtual time can tell
 *     IL_TEST_ADOPTED  the body is a plain call in the main thread and adopts a loop of il_native
 *     IL_TEST_CORE     the body is a plain call in the main thread and needs no loop at all
 *
 * A body returns nothing and says CHECK(condition), CHECK_RC(call, code), CHECK_EQ(a, b). In the main
 * thread the first failure ends the test, in any other thread it is noted and the thread goes on. A body
 * may run many times in one process (seeds, valgrind), so it keeps what it changes in its locals.
 *
 * A test waits for conditions (UNTIL), never for time to pass; lower bounds are exact, upper ones
 * il_test_patience(). TRACE(word) and CHECK_TRACE("a b c") compare an order of events. The log is
 * captured: CHECK_LOGGED(level, "part of the text", n) counts lines.
 *
 * The harness stops a test after ten seconds (a hundred under sanitizers and valgrind), and at its end finds
 * descriptors, threads and child processes left behind, and with ASan or valgrind memory.
 */
#ifndef IL_TESTS_HARNESS_H
#define IL_TESTS_HARNESS_H

/* 0 where there is no Criterion: under an emulator. Then main.c's --in-process is all there is. */
#if IL_TEST_CRITERION
#include <criterion/criterion.h>
#endif
#include <interloop.h>
#include <interloop/backend.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define IL_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IL_TEST_TSAN 1
#endif
#endif
#ifndef IL_TEST_TSAN
#define IL_TEST_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define IL_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IL_TEST_ASAN 1
#endif
#endif
#ifndef IL_TEST_ASAN
#define IL_TEST_ASAN 0
#endif
/* After which a test hangs, where the environment does not say IL_TEST_SECONDS; without Criterion, because it is
 * emulated, it is slow, too. */
#define IL_TEST_SECONDS (IL_TEST_TSAN || IL_TEST_ASAN || !IL_TEST_CRITERION ? 100 : 10)

/* ---- what is under test ---- */

/* The backend of this executable; NULL in conformance-core. */
const il_backend *il_test_backend(void);
/* True while an IL_TEST body runs in an adopted loop. */
bool il_test_adopted(void);
/* True under virtual time: for the few lines that need the real clock. */
#define il_test_virtual() (il_native.virtual_time)

/* The native loop, hidden: one harness_<backend>.c each. */
struct il_native {
	const char *name; /* of the backend, or "core" */
	bool virtual_time;
	const il_backend *(*backend)(void);
	void *(*create)(void);
	int (*attach)(il_loop **loop, void *native, const il_loop_options *options);
	/* Runs the loop until it returns by itself, or a callback stops it. */
	void (*run)(void *native);
	void (*stop)(void *native);
	/* Calls fn(arg) from a timer of the loop's own, once: a foreign callback. */
	void (*after)(void *native, il_time delay, void (*fn)(void *arg), void *arg);
	/* The host's own watch: calls fn(arg) while fd is readable, until unwatch, which may be
	 * called in fn. */
	void *(*watch)(void *native, int fd, void (*fn)(void *arg), void *arg);
	void (*unwatch)(void *watch);
	/* Closes all that is registered, whosever it is; NULL: there is no such thing. */
	void (*close_all)(void *native);
	/* In a forked child: makes it the child's own. */
	void (*renew)(void *native);
	/* Frees it; negative when something was still registered. */
	int (*destroy)(void *native);
};
extern const struct il_native il_native;

/* ---- checks ---- */

#define CHECK(condition) \
	((condition) ? (void)0 : il_test_fail(__FILE__, __LINE__, "%s", #condition))
#define CHECK_EQ(value, expected) \
	il_test_eq(__FILE__, __LINE__, #value, (intmax_t)(value), (intmax_t)(expected))
#define CHECK_RC(call, code)         il_test_rc(__FILE__, __LINE__, #call, (call), (code))
#define CHECK_STR(value, expected)   il_test_str(__FILE__, __LINE__, #value, (value), (expected))
#define CHECK_TRACE(expected)        il_test_str(__FILE__, __LINE__, "trace", il_test_trace(), (expected))
#define CHECK_LOGGED(level, text, n) CHECK_EQ(il_test_logged((level), (text)), (n))
#define CHECK_DETAIL(text)           CHECK(strstr(il_error_detail(), (text)) != NULL)

/* This machine lacks that, so the rest of the rule is not tested here: the test counts as skipped, unless it fails. */
#define SKIP(what) il_test_skip(what)

/* Waits in small steps, in a task or in a plain thread. UNTIL_THREAD for what another thread does: it lets
 * real time pass, where in virtual time the clock stands while a worker has not ended its call. */
#define UNTIL(condition)                 \
	do {                             \
		while (!(condition))     \
			il_test_pause(); \
	} while (0)
#define UNTIL_THREAD(condition)                 \
	do {                                    \
		while (!(condition))            \
			il_test_pause_really(); \
	} while (0)

/* Appends a word to the trace of this run. Any thread. */
#define TRACE(word) il_test_trace_add(word)

void il_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void il_test_eq(const char *file, int line, const char *what, intmax_t value, intmax_t expected);
void il_test_rc(const char *file, int line, const char *what, int rc, int expected);
void il_test_str(const char *file, int line, const char *what, const char *value,
		 const char *expected);
void il_test_skip(const char *what); /* a literal */
const char *il_test_skipped(void);   /* for what, by the test that ran last; NULL */
void il_test_trace_add(const char *word);
const char *il_test_trace(void);
void il_test_pause(void);
void il_test_pause_really(void);
/* How many lines of the log at that level contain the text; since the start of this run. Of a level that said
 * more than is kept only the number of all lines, text "", can be asked. */
size_t il_test_logged(int level, const char *text);
/* The time that something quick may take on a busy machine: for upper bounds. */
il_time il_test_patience(void);
/* n, or less where a tool makes everything slow: for the rounds of a race. */
size_t il_test_rounds(size_t n);
/* For the few things that valgrind does not do as the kernel does. */
bool il_test_valgrind(void);
/* The processor time that this process has used. */
il_time il_test_cpu(void);
il_time il_test_thread_cpu(
    void); /* likewise this thread: where others look at something again and again */

/* To send. Nobody writes here: what may be written valgrind searches for pointers, once a test. */
extern const char il_test_zeros[16 << 20];

/* A plain thread that runs fn. Joining waits in small steps, so a task may do it. */
struct il_test_thread {
	pthread_t id;
	il_fn *fn;
	void *arg;
	int rc;
	atomic_bool ended;
};
void il_test_thread_start(struct il_test_thread *thread, il_fn *fn, void *arg);
int il_test_thread_join(struct il_test_thread *thread); /* what fn gave */

/* ---- tests ---- */

enum il_test_kind { IL_TEST_own, IL_TEST_real, IL_TEST_virtual, IL_TEST_adopted, IL_TEST_core };

struct il_test {
	enum il_test_kind kind;
	const char *suite, *group, *name;
	void (*body)(void);
	bool task;  /* run it as a root task */
	bool seeds; /* in virtual time under several */
};
/* Whether a test of that kind can be run with this harness. */
bool il_test_applies(const struct il_test *test);
void il_test_run(const struct il_test *test);

#define IL__BODY(group, name) static void group##_##name(void)

/* The table `il_tests` is for runs without Criterion: a tool that wants one process. */
#define IL__REGISTER(kind_, group_, name_, task_, seeds_)                             \
	static const struct il_test kind_##_##group_##_##name_ = {                    \
	    .kind = IL_TEST_##kind_,                                                  \
	    .suite = #kind_ "_" #group_,                                              \
	    .group = #group_,                                                         \
	    .name = #name_,                                                           \
	    .body = group_##_##name_,                                                 \
	    .task = task_,                                                            \
	    .seeds = seeds_,                                                          \
	};                                                                            \
	static const struct il_test *const kind_##_##group_##_##name_##_entry         \
	    __attribute__((used, section("il_tests"))) = &kind_##_##group_##_##name_; \
	IL__CRITERION(kind_##_##group_, name_, kind_##_##group_##_##name_)
#if IL_TEST_CRITERION
#define IL__CRITERION(suite, name, test)                       \
	Test(suite, name)                                      \
	{                                                      \
		if (!il_test_applies(&test))                   \
			cr_skip_test();                        \
		il_test_run(&test);                            \
		if (il_test_skipped())                         \
			cr_skip_test("%s", il_test_skipped()); \
	}
#else
#define IL__CRITERION(suite, name, test)
#endif

#define IL_TEST(group, name)                            \
	IL__BODY(group, name);                          \
	IL__REGISTER(own, group, name, true, true)      \
	IL__REGISTER(adopted, group, name, true, false) \
	IL__BODY(group, name)
#define IL_TEST_FIFO(group, name)                       \
	IL__BODY(group, name);                          \
	IL__REGISTER(own, group, name, true, false)     \
	IL__REGISTER(adopted, group, name, true, false) \
	IL__BODY(group, name)
#define IL_TEST_REAL(group, name)                       \
	IL__BODY(group, name);                          \
	IL__REGISTER(real, group, name, true, false)    \
	IL__REGISTER(adopted, group, name, true, false) \
	IL__BODY(group, name)
#define IL_TEST_VIRTUAL(group, name)                   \
	IL__BODY(group, name);                         \
	IL__REGISTER(virtual, group, name, true, true) \
	IL__BODY(group, name)
#define IL_TEST_OWN(group, name)                     \
	IL__BODY(group, name);                       \
	IL__REGISTER(own, group, name, false, false) \
	IL__BODY(group, name)
#define IL_TEST_OWN_REAL(group, name)                 \
	IL__BODY(group, name);                        \
	IL__REGISTER(real, group, name, false, false) \
	IL__BODY(group, name)
#define IL_TEST_OWN_VIRTUAL(group, name)                 \
	IL__BODY(group, name);                           \
	IL__REGISTER(virtual, group, name, false, false) \
	IL__BODY(group, name)
#define IL_TEST_ADOPTED(group, name)                     \
	IL__BODY(group, name);                           \
	IL__REGISTER(adopted, group, name, false, false) \
	IL__BODY(group, name)
#define IL_TEST_CORE(group, name)                     \
	IL__BODY(group, name);                        \
	IL__REGISTER(core, group, name, false, false) \
	IL__BODY(group, name)

#endif
