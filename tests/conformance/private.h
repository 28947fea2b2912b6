/*
 * private.h: between the files of the harness. A test includes harness.h only.
 */
#ifndef IL_TESTS_PRIVATE_H
#define IL_TESTS_PRIVATE_H

#include "harness.h"

/* True under TSan and valgrind, where everything takes about ten times as long. */
bool il_test_slow(void);
unsigned il_test_seconds(void); /* $IL_TEST_SECONDS; else the macro's, or valgrind's */

/* checks.c: forgets the trace and the log; `where` (static) goes into messages of failures. */
void il_test_begin_run(const char *where);
void il_test_begin(void);      /* before the first run of a test */
void il_test_own_thread(void); /* a failure in the calling thread ends the test */
/* Without Criterion a failure is printed and ends the process with this. */
extern void (*il_test_end_process)(void);

/* leaks.c */
struct il_test_leaks {
	size_t descriptors, threads;
	bool child; /* one of TSan's own */
};
void il_test_leaks_start(struct il_test_leaks *leaks);
void il_test_leaks_check(const struct il_test_leaks *leaks);

#endif
