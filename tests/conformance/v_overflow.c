/*
 * v_overflow.c: a task that overflows its stack says so, and the program ends as it would have; whoever has a handler of
 * his own keeps it.
 */
#define _GNU_SOURCE
#include "in_child.h"
#include "v_options.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

/* Sanitizers have reports of their own, and valgrind ends the program itself. */
static bool others_report(void)
{
	return IL_TEST_ASAN || IL_TEST_TSAN || il_test_valgrind();
}

static volatile int never;

static __attribute__((noinline)) int overflow(int n)
{
	volatile char room[512];

	room[n % 512] = (char)n;
	return never ? 0 : overflow(n + 1) + room[n % 7];
}

static int overflow_in_task(void *unused)
{
	(void)unused;
	return overflow(0);
}

struct place {
	bool report, adopted;
	size_t stack_size; /* of the task; 0: the loop's */
};

static size_t stack_size;

static int start_deep(void *unused)
{
	il_group g;

	(void)unused;
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(
	    il_group_start_soon_with(&g, NULL, overflow_in_task, NULL,
				     &(il_task_options){.name = "deep", .stack_size = stack_size}),
	    0);
	return il_group_close(&g, 0);
}

static int overflow_in_loop(void *arg)
{
	const struct place *place = arg;
	const il_loop_options options = {.report_overflow = place->report,
					 .stack_size = (size_t)64 << 10};

	stack_size = place->stack_size;
	if (place->adopted)
		run_in_adopted(&options, start_deep);
	else
		run_in_own(&options, start_deep);
	return 0;
}

/* The child's end, and whether it said why. */
static void check_overflow(struct place place, il_fn *fn, int status, const char *text)
{
	char said[4096];
	int now = status_in_child(fn, &place, said, sizeof said);

	CHECK_EQ(now, status);
	if (*text)
		CHECK(strstr(said, text) != NULL);
	else
		CHECK(strstr(said, "overflowed") == NULL);
}

#define SAYS "interloop: deep has overflowed its stack of 64 KiB: raise stack_size"

IL_TEST_OWN(V, a_task_that_overflows_its_stack_says_so_and_dies_as_before)
{
	if (others_report())
		return;
	check_overflow((struct place){.report = true}, overflow_in_loop, SIGSEGV, SAYS);
	check_overflow((struct place){.report = false}, overflow_in_loop, SIGSEGV, "");
	check_overflow((struct place){.report = true, .stack_size = (size_t)1 << 20},
		       overflow_in_loop, SIGSEGV, "deep has overflowed its stack of 1024 KiB");
}

IL_TEST_ADOPTED(V, a_task_of_an_adopted_loop_that_overflows_says_so)
{
	if (!others_report())
		check_overflow((struct place){.report = true, .adopted = true}, overflow_in_loop,
			       SIGSEGV, SAYS);
}

static int overflow_by_environment(void *arg)
{
	setenv("INTERLOOP_REPORT_OVERFLOW", "1", 1);
	return overflow_in_loop(arg);
}

IL_TEST_OWN(V, the_environment_asks_for_reports_of_overflows)
{
	if (!others_report())
		check_overflow((struct place){.report = false}, overflow_by_environment, SIGSEGV,
			       SAYS);
}

/* ---- a program with a handler of its own ---- */

static void on_segv(int number)
{
	static const char words[] = "the program's handler\n";

	(void)!write(STDERR_FILENO, words, sizeof words - 1);
	_exit(number);
}

static int overflow_with_handler(void *arg)
{
	struct sigaction action = {.sa_handler = on_segv, .sa_flags = SA_ONSTACK};

	sigaction(SIGSEGV, &action, NULL);
	return overflow_in_loop(arg);
}

IL_TEST_OWN(V, the_programs_handler_is_called_behind_the_report)
{
	if (others_report())
		return;
	check_overflow((struct place){.report = true}, overflow_with_handler, SIGSEGV << 8, SAYS);
	check_overflow((struct place){.report = true}, overflow_with_handler, SIGSEGV << 8,
		       "the program's handler");
}

static struct sigaction handed_on;

static void report_and_hand_on(int number, siginfo_t *info, void *context)
{
	static const char words[] = "the program's report\n";

	(void)!write(STDERR_FILENO, words, sizeof words - 1);
	handed_on.sa_sigaction(number, info, context);
}

/* Its handler is over that of the first loop, which cannot be put back so. */
static int overflow_in_the_second_loop(void *arg)
{
	struct sigaction action = {.sa_sigaction = report_and_hand_on,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK};
	il_loop *loop = NULL;

	CHECK_RC(
	    il_loop_open(&loop, il_test_backend(), &(il_loop_options){.report_overflow = true}), 0);
	sigaction(SIGSEGV, &action, &handed_on);
	il_loop_destroy(loop);
	return overflow_in_loop(arg);
}

IL_TEST_OWN(V, a_handler_that_hands_faults_on_is_called_once_each)
{
	if (!others_report())
		check_overflow((struct place){.report = true}, overflow_in_the_second_loop, SIGSEGV,
			       SAYS);
}

static sigjmp_buf behind;

static void jump(int number, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	siglongjmp(behind, number);
}

static int overflow_and_go_on(void *unused)
{
	return sigsetjmp(behind, 1) == 0 ? overflow_in_task(unused) : 0;
}

/* Also while another loop lives on. */
static int overflow_in_two_loops(void *beside)
{
	const il_loop_options options = {.report_overflow = true};
	struct sigaction action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	il_loop *other = NULL;

	sigaction(SIGSEGV, &action, NULL);
	if (*(bool *)beside)
		CHILD_CHECK(il_loop_open(&other, il_test_backend(), &options) == 0);
	for (int i = 0; i < 2; i++)
		run_in_own(&options, overflow_and_go_on);
	il_loop_destroy(other);
	return 0;
}

IL_TEST_OWN(V, a_program_that_outlives_an_overflow_hears_of_the_next_loops_too)
{
	static const char words[] = "has overflowed";
	char said[4096], *first;

	if (others_report())
		return;
	for (int beside = 0; beside < 2; beside++) {
		CHECK_RC(in_child(overflow_in_two_loops, &(bool){beside != 0}, said, sizeof said),
			 0);
		first = strstr(said, words);
		CHECK(first && strstr(first + 1, words));
	}
}

static char *forbidden;

static int touch_what_is_forbidden(void *unused)
{
	struct sigaction now;

	(void)unused;
	for (int i = 0; i < 3; i++)
		if (sigsetjmp(behind, 1) == 0) {
			*(volatile char *)forbidden = 1;
			return 1;
		}
	return sigaction(SIGSEGV, NULL, &now) < 0 || now.sa_sigaction == jump;
}

/* A fault that is no overflow is the program's, which may go on; and its handler is put back at the end. */
static int recover(void *unused)
{
	struct sigaction action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO}, now;

	(void)unused;
	forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &action, NULL);
	run_in_own(&(il_loop_options){.report_overflow = true}, touch_what_is_forbidden);
	sigaction(SIGSEGV, NULL, &now);
	CHILD_CHECK(now.sa_sigaction == jump);
	return 0;
}

static int fault(void *unused)
{
	(void)unused;
	forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)forbidden = 1;
	return 0;
}

static int raise_segv(void *unused)
{
	(void)unused;
	return raise(SIGSEGV);
}

static int fault_in_loop(void *fn)
{
	run_in_own(&(il_loop_options){.report_overflow = true}, *(il_fn **)fn);
	return 0;
}

IL_TEST_OWN(V, other_faults_are_not_reported_and_end_as_before)
{
	il_fn *ways[] = {fault, raise_segv};
	char said[4096];

	if (others_report())
		return;
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(status_in_child(fault_in_loop, &ways[i], said, sizeof said), SIGSEGV);
		CHECK(strstr(said, "overflowed") == NULL);
	}
	CHECK_IN_CHILD(recover, NULL);
}

/* ---- the alternate stack ---- */

static bool has_alternate_stack(void)
{
	stack_t now;

	CHECK_EQ(sigaltstack(NULL, &now), 0);
	return !(now.ss_flags & SS_DISABLE);
}

static int open_and_close(void *out)
{
	const il_loop_options options = {.report_overflow = true};
	il_loop **loop = out;

	CHECK_RC(il_loop_open(loop, il_test_backend(), &options), 0);
	CHECK(has_alternate_stack());
	CHECK_RC(il_loop_close(*loop), 0);
	CHECK(!has_alternate_stack());
	return 0;
}

IL_TEST_OWN(V, a_closed_loop_leaves_its_thread_no_alternate_stack)
{
	struct il_test_thread thread;
	il_loop *loop = NULL;

	if (others_report()) {
		SKIP("a build in which nobody else reports overflows");
		return;
	}
	il_test_thread_start(&thread, open_and_close, &loop);
	CHECK_RC(il_test_thread_join(&thread), 0);
	il_loop_destroy(loop);
}
