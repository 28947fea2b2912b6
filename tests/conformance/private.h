/*
 * private.h: between the files of the harness. A test includes harness.h only.
 */
#ifndef IL_TESTS_PRIVATE_H
#define IL_TESTS_PRIVATE_H

#include "harness.h"

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

/* True under TSan and valgrind, where everything takes about ten times as long. */
bool il_test_slow(void);
unsigned il_test_seconds(void); /* after which a test hangs */

/* checks.c: forgets the trace and the log; `where` (static) goes into messages of failures. */
void il_test_begin_run(const char *where);
void il_test_own_thread(void); /* a failure in the calling thread ends the test */
/* Without Criterion a failure is printed and ends the process with this. */
extern void (*il_test_end_process)(void);

/* leaks.c */
struct il_test_leaks {
	size_t descriptors, threads;
	unsigned long bytes;
};
void il_test_leaks_start(struct il_test_leaks *leaks);
void il_test_leaks_check(const struct il_test_leaks *leaks);

#endif
