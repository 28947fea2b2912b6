/*
 * v_task_options.c: a task may begin with a name, and with a stack of its own size.
 */
#include "v_options.h"

/* How much of its stack a task touches, page by page. */
static __attribute__((noinline)) int use(size_t bytes)
{
	volatile char here[2048];
	int rc = 0;

	here[0] = here[sizeof here - 1] = 1;
	if (bytes > 2 * sizeof here)
		rc = use(bytes - sizeof here);
	return rc + here[0] - 1;
}

static int use_much(void *bytes)
{
	int rc = use(*(size_t *)bytes);

	il_yield();
	return rc;
}

IL_TEST(V, a_task_has_a_stack_of_its_own_size)
{
	size_t bytes = (size_t)768 << 10;
	il_task_options large = {.stack_size = (size_t)1 << 20};
	il_group g;

	for (int round = 0; round < 3; round++) {
		CHECK_RC(il_group_open(&g), 0);
		for (int i = 0; i < 3; i++)
			CHECK_RC(il_group_start_soon_with(&g, NULL, use_much, &bytes, &large), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
	}
}

static int spawn_large(void *unused)
{
	size_t bytes = (size_t)768 << 10;
	il_task_options large = {.stack_size = (size_t)1 << 20};
	il_future *f = NULL;

	(void)unused;
	CHECK_RC(il_loop_spawn_with(il_loop_current(), &f, use_much, &bytes, &large), 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), 0);
	il_future_unref(f);
	return 0;
}

IL_TEST_OPTIONS(the_largest_guard_lies_below_stacks_of_any_size, spawn_large,
		.guard_size = (size_t)256 << 20);

static int compare_name(void *name)
{
	CHECK_STR(il_task_name(), (const char *)name);
	return 0;
}

IL_TEST(V, n417_a_task_begins_with_its_name)
{
	char longest[201], cut[32];
	il_group g;
	il_future *f = NULL;

	memset(longest, 'x', 200);
	longest[200] = '\0';
	memset(cut, 'x', 31);
	cut[31] = '\0';
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, compare_name, "reader",
					  &(il_task_options){.name = "reader"}),
		 0);
	CHECK_RC(il_group_start_soon_with(&g, &f, compare_name, cut,
					  &(il_task_options){.name = longest}),
		 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, compare_name, "", NULL), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_future_unref(f);
	CHECK_RC(il_loop_spawn_with(il_loop_current(), &f, compare_name, "root",
				    &(il_task_options){.name = "root"}),
		 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), 0);
	il_future_unref(f);
}

IL_TEST(V, a_stack_size_out_of_range_is_refused)
{
	il_task_options small = {.stack_size = 100}, large = {.stack_size = SIZE_MAX};
	il_future *f = NULL;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, compare_name, "", &small), -EINVAL);
	CHECK_DETAIL("il_group_start_soon_with: stack_size is 100");
	CHECK_RC(il_group_start_soon_with(&g, &f, compare_name, "", &large), -EINVAL);
	CHECK_RC(il_loop_spawn_with(il_loop_current(), &f, compare_name, "", &large), -EINVAL);
	CHECK_DETAIL("il_loop_spawn_with: stack_size");
	CHECK(!f);
	CHECK_RC(il_group_close(&g, 0), 0);
}
