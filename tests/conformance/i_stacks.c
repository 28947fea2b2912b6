/*
 * i_stacks.c: stacks are used again; and what lies below one: a guard that a frame of some size cannot jump over.
 */
#include "harness.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 64 << 10, NEAR_THE_TOP = 8 << 10 };

/* What a write there, in a child, ends with: 0, or the signal. */
static int touch(uintptr_t address)
{
	const struct rlimit no_core = {0, 0};
	int status = 0;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		*(volatile char *)address = 1;
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* From a task's frame, which is near the top of its stack, down to the guard's end. */
static int touch_below(void *arg)
{
	const size_t guard = *(size_t *)arg;
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);

	if (il_test_valgrind()) /* each fault would be a finding */
		return 0;
	CHECK_EQ(touch(frame - NEAR_THE_TOP), 0);
	for (uintptr_t below = STACK; below < STACK + guard - NEAR_THE_TOP; below += guard / 4)
		CHECK_EQ(touch(frame - below), SIGSEGV);
	CHECK_EQ(touch(frame - (STACK + guard - NEAR_THE_TOP)), SIGSEGV);
	return 0;
}

static int touch_below_second(void *arg)
{
	il_group group;

	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, touch_below, arg);
	return il_group_close(&group, rc);
}

static size_t default_guard(void)
{
	return SIZE_MAX > UINT32_MAX ? 64 << 10 : 16 << 10;
}

static void own(size_t option, size_t guard)
{
	const il_loop_options options = {.stack_size = STACK, .guard_size = option};
	il_loop *loop;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(loop, touch_below_second, &guard), 0);
	il_loop_destroy(loop);
}

IL_TEST_OWN(I, a_frame_that_is_not_very_large_does_not_jump_the_guard)
{
	own(0, default_guard());
}

IL_TEST_OWN(I, the_size_of_the_guard_is_an_option)
{
	own(256 << 10, 256 << 10);
}

IL_TEST_ADOPTED(I, a_frame_that_is_not_very_large_does_not_jump_the_guard_in_an_adopted_loop)
{
	const il_loop_options options = {.stack_size = STACK};
	void *native = il_native.create();
	size_t guard = default_guard();
	il_loop *loop;

	CHECK_RC(il_native.attach(&loop, native, &options), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, touch_below_second, &guard), 0);
	il_native.run(native);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native); /* libuv closes handles in its next turn */
	CHECK(il_native.destroy(native) >= 0);
}

static void refused(il_loop_options options, const char *why)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), -EINVAL);
	CHECK(!loop && strstr(il_error_detail(), why));
}

IL_TEST_OWN(I, sizes_of_stacks_and_guards_that_no_stack_can_have_are_refused)
{
	refused((il_loop_options){.stack_size = SIZE_MAX}, "stack_size");
	refused((il_loop_options){.stack_size = SIZE_MAX - 4096}, "stack_size");
	refused((il_loop_options){.stack_size = 1}, "stack_size");
	refused((il_loop_options){.guard_size = SIZE_MAX}, "guard_size");
	refused((il_loop_options){.guard_size = SIZE_MAX - 65536}, "guard_size");
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

IL_TEST_CORE(I, sizes_of_a_workers_stack_that_no_stack_can_have_are_refused)
{
	const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096};
	il_executor *pool = NULL;

	for (int i = 0; i < 2; i++) {
		const il_thread_pool_options options = {.stack_size = sizes[i]};
		CHECK_RC(il_thread_pool_create(&pool, &options), -EINVAL);
		CHECK(!pool && strstr(il_error_detail(), "stack_size"));
	}
	const il_thread_pool_options large = {.max_workers = 1, .stack_size = 1 << 20};
	CHECK_RC(il_thread_pool_create(&pool, &large), 0);
	CHECK_RC(il_executor_run(pool, nothing, NULL, 0), 0);
	il_executor_destroy(pool);
}

/* ---- used again ---- */

enum { ROUNDS = 50, AT_ONCE = 3 };

struct frames {
	uintptr_t at[ROUNDS * AT_ONCE];
	size_t count;
};

/* Each has been parked before it ends, and so has who runs then. */
static int note_frame(void *arg)
{
	struct frames *f = arg;

	CHECK_RC(il_yield(), 0);
	f->at[f->count++] = (uintptr_t)__builtin_frame_address(0);
	return 0;
}

/* Frames of one stack lie no further apart than its top is moved about. */
static size_t count_stacks(const struct frames *f)
{
	size_t stacks = 0;

	for (size_t i = 0; i < f->count; i++) {
		size_t j = 0;
		while (j < i && (f->at[i] > f->at[j] ? f->at[i] - f->at[j] : f->at[j] - f->at[i]) >
				    NEAR_THE_TOP)
			j++;
		stacks += j == i;
	}
	return stacks;
}

IL_TEST(I, stacks_of_tasks_that_end_one_behind_the_other_are_used_again)
{
	struct frames f = {.count = 0};

	for (int round = 0; round < ROUNDS; round++) {
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		for (int i = 0; i < AT_ONCE; i++)
			CHECK_RC(il_group_start_soon(&g, NULL, note_frame, &f), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
	}
	CHECK_EQ(f.count, ROUNDS * AT_ONCE);
	CHECK(count_stacks(&f) <= 2 * AT_ONCE);
}
