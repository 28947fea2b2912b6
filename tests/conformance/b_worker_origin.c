/*
 * b_worker_origin.c: what a thread is pinned to, and how it is scheduled, is its own affair:
 * threads and worker processes of the library are as the program was when the library was loaded,
 * whoever starts them.
 */
#include "no_threads.h"

#include "processes.h"
#include "workers.h"

#include <fenv.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Flat: for worker processes, too. */
struct state {
	cpu_set_t cpus;
	int policy, nice, slack, rounding;
};

static int look_at_state(void *arg)
{
	struct state *s = arg;

	s->policy = (int)syscall(SYS_sched_getscheduler, 0);
	s->nice = getpriority(PRIO_PROCESS, 0);
	s->slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	s->rounding = fegetround();
	return sched_getaffinity(0, sizeof s->cpus, &s->cpus) < 0 ? -errno : 0;
}

static void set_state(const struct state *s)
{
	CHECK_EQ(sched_setaffinity(0, sizeof s->cpus, &s->cpus), 0);
	/* musl's function refuses whatever is asked. */
	CHECK_EQ(syscall(SYS_sched_setscheduler, 0, s->policy,
			 &(struct sched_param){.sched_priority = 0}),
		 0);
	CHECK_EQ(prctl(PR_SET_TIMERSLACK, (unsigned long)s->slack, 0, 0, 0), 0);
	CHECK_EQ(fesetround(s->rounding), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, s->nice), 0);
}

static int first_of(const cpu_set_t *cpus)
{
	int cpu = 0;

	while (!CPU_ISSET((size_t)cpu, cpus))
		cpu++;
	return cpu;
}

/* Whether this thread may lower its niceness again. */
static bool may_be_nice(void)
{
	struct rlimit limit;

	return geteuid() == 0 ||
	       (getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_cur >= (rlim_t)20);
}

/* This thread, pinned to one processor, of another policy, and so on. */
static void bind_self(struct state *before)
{
	struct state bound;

	CHECK_RC(look_at_state(before), 0);
	bound = *before;
	CPU_ZERO(&bound.cpus);
	CPU_SET((size_t)first_of(&before->cpus), &bound.cpus);
	bound.policy = SCHED_BATCH;
	bound.slack = before->slack + 1000;
	bound.rounding = FE_UPWARD;
	bound.nice += may_be_nice() ? 3 : 0;
	set_state(&bound);
}

static void check_state(const struct state *s, const struct state *expected)
{
	CHECK_EQ(CPU_COUNT(&s->cpus), CPU_COUNT(&expected->cpus));
	CHECK(CPU_EQUAL(&s->cpus, &expected->cpus));
	CHECK_EQ(s->policy, expected->policy);
	CHECK_EQ(s->nice, expected->nice);
	CHECK_EQ(s->slack, expected->slack);
	CHECK_EQ(s->rounding, expected->rounding);
}

static void check_pool(il_executor *ex, const struct state *expected)
{
	struct state s = {.policy = -1};

	CHECK_RC(il_executor_run(ex, look_at_state, &s, sizeof s), 0);
	check_state(&s, expected);
	il_executor_destroy(ex);
}

/* ---- threads and processes ---- */

static void start_pools_of_a_bound_thread(void)
{
	struct state before;
	il_executor *threads = NULL;

	bind_self(&before);
	CHECK_RC(il_thread_pool_create(&threads, NULL), 0);
	check_pool(threads, &before);
	check_pool(new_processes((il_process_pool_options){.max_workers = 1}), &before);
	set_state(&before);
}

IL_TEST_CORE(B, workers_of_a_pinned_threads_pools_have_the_programs_processors_and_policy)
{
	start_pools_of_a_bound_thread();
}

IL_TEST(B, workers_of_a_pinned_loops_pools_have_the_programs_processors_and_policy)
{
	start_pools_of_a_bound_thread();
}

IL_TEST(B, a_pinned_loops_own_threads_have_the_programs_processors_and_policy)
{
	struct state before, s = {.policy = -1};

	bind_self(&before);
	CHECK_RC(il_run_in_thread(look_at_state, &s), 0);
	set_state(&before);
	check_state(&s, &before);
}

IL_TEST_OWN(B, the_loop_of_a_blocking_portal_has_the_programs_processors_and_policy)
{
	struct state before, s = {.policy = -1};
	il_portal *p = NULL;

	bind_self(&before);
	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), NULL), 0);
	set_state(&before);
	CHECK_RC(il_portal_run_sync(p, look_at_state, &s), 0);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	check_state(&s, &before);
}

/* ---- the option ---- */

IL_TEST_CORE(B, workers_may_have_processors_of_their_own)
{
	struct state expected;
	il_thread_pool_options options = {.max_workers = 1, .cpu_count = 1};
	il_executor *threads = NULL, *processes;
	int cpu;

	CHECK_RC(look_at_state(&expected), 0);
	cpu = first_of(&expected.cpus);
	options.cpus = &cpu;
	CHECK_RC(il_thread_pool_create(&threads, &options), 0);
	processes = new_processes(
	    (il_process_pool_options){.max_workers = 1, .cpus = &cpu, .cpu_count = 1});
	CPU_ZERO(&expected.cpus);
	CPU_SET((size_t)cpu, &expected.cpus);
	cpu = -1; /* they have copies */
	check_pool(threads, &expected);
	check_pool(processes, &expected);
}

IL_TEST_CORE(B, processors_that_are_not_there_are_refused_by_a_process_pool)
{
	static const int nowhere[] = {8191, -1};
	il_executor *ex = NULL;

	for (size_t i = 0; i < 2; i++)
		CHECK_RC(il_process_pool_create(
			     &ex, &(il_process_pool_options){.cpus = &nowhere[i], .cpu_count = 1}),
			 -EINVAL);
	CHECK(strstr(il_error_detail(), "cpus"));
	CHECK_RC(il_process_pool_create(&ex, &(il_process_pool_options){.cpu_count = 1}), -EINVAL);
	CHECK(ex == NULL);
}

/* A thread is made for what is started on other processors: it is what lacks, neither they nor memory. */
static void check_no_thread(int rc)
{
	CHECK_RC(rc, NO_THREAD);
	CHECK(RUNNING_ON_VALGRIND || strstr(il_error_detail(), "no thread could be made"));
}

IL_TEST(B, processors_of_their_own_need_a_thread_which_is_named_where_none_can_be_made)
{
	struct state s;
	il_executor *ex = NULL, *none = NULL;
	pthread_attr_t attr;
	int cpu, rc;

	CHECK_RC(look_at_state(&s), 0);
	cpu = first_of(&s.cpus);
	const il_process_pool_options options = {.max_workers = 1, .cpus = &cpu, .cpu_count = 1};
	CHECK_RC(il_process_pool_create(&ex, &options), 0);
	forbid_threads(&attr);
	rc = il_process_pool_create(&none, &options);
	allow_threads(&attr);
	check_no_thread(rc);
	forbid_threads(&attr);
	rc = il_executor_run(ex, look_at_state, &s, sizeof s);
	allow_threads(&attr);
	check_no_thread(rc);
	CHECK_RC(il_executor_run(ex, look_at_state, &s, sizeof s), 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, n26_a_pinned_thread_makes_a_pool_for_all_processors)
{
	struct gate g = {.result = 0};
	struct state before;
	int workers;
	il_executor *ex = NULL;

	bind_self(&before);
	CHECK_RC(il_thread_pool_create(&ex, NULL), 0);
	set_state(&before);
	workers = il_processor_count() + 4;
	workers = workers < 32 ? workers : 32;
	for (int i = 0; i < workers; i++)
		CHECK_RC(il_executor_submit(ex, NULL, stay, &g, 0), 0);
	UNTIL(atomic_load(&g.begun) == workers);
	atomic_store(&g.open, true);
	il_executor_destroy(ex);
}
