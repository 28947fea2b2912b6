/*
 * v_stack_use.c: a loop that measures stacks says how much of its stack each task has used, also after it came back up, and
 * keeps the most.
 */
#define _GNU_SOURCE
#include "v_dump.h"
#include "v_options.h"
#include "waits.h"

#include <interloop/inspect.h>

enum { KIB = 1024, USED = 20 * KIB };

/* On the task's own stack, also with ASan, and back up. */
static __attribute__((noinline, no_sanitize("address"))) int use_stack(size_t bytes)
{
	volatile char *room = __builtin_alloca(bytes);

	for (size_t i = 0; i < bytes; i++)
		room[i] = 0;
	return room[bytes / 2];
}

static int use_and_wait(void *event)
{
	CHECK_EQ(use_stack(USED), 0);
	return il_event_wait(event);
}

/* What the dump says of the task; 0: nothing. */
static size_t dumped_use(const char *name)
{
	char line[64], *text = dump_loop(), *found;
	unsigned long used = 0;

	snprintf(line, sizeof line, "%s: ", name);
	found = strstr(text, line);
	if (found)
		found = strstr(found, "; has used ");
	if (found)
		used = strtoul(found + strlen("; has used "), NULL, 10);
	free(text);
	return used;
}

static size_t most_used(void)
{
	il_loop_statistics s;

	CHECK_RC(il_loop_get_statistics(il_loop_current(), &s), 0);
	return s.most_stack_used;
}

static void start(il_group *g, const char *name, il_fn *fn, void *arg, size_t stack_size)
{
	CHECK_RC(il_group_start_soon_with(
		     g, NULL, fn, arg, &(il_task_options){.name = name, .stack_size = stack_size}),
		 0);
	CHECK_RC(il_sleep(1), 0);
}

static int measure(void *unused)
{
	il_event *event = NULL;
	il_group g;

	(void)unused;
	CHECK_RC(il_event_create(&event), 0);
	for (int round = 0; round < 3; round++) { /* the stacks are used again */
		CHECK_RC(il_group_open(&g), 0);
		start(&g, "little", wait_event, event, 0);
		CHECK(dumped_use("little") < USED);
		start(&g, "much", use_and_wait, event, 0);
		CHECK(dumped_use("much") >= USED && dumped_use("much") < 64 * KIB);
		CHECK(dumped_use("little") > 0 && dumped_use("little") < USED);
		CHECK(dumped_use("main") > 0);
		CHECK_RC(il_event_set(event), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		il_event_destroy(event);
		CHECK_RC(il_event_create(&event), 0);
		CHECK(most_used() >= USED && most_used() <= 256 * KIB);
	}
	il_event_destroy(event);
	return 0;
}

IL_TEST_OPTIONS(n424_the_use_of_stacks_is_measured, measure, .measure_stacks = true,
		.stack_size = 64 * KIB);

static int use_half_a_mib(void *unused)
{
	(void)unused;
	return use_stack(512 * KIB);
}

static int use_nothing(void *unused)
{
	(void)unused;
	return 0;
}

static int measure_special(void *unused)
{
	il_group g;
	size_t most;

	(void)unused;
	CHECK(most_used() < 512 * KIB);
	CHECK_RC(il_group_open(&g), 0);
	start(&g, "large", use_half_a_mib, NULL, 1024 * KIB);
	CHECK_RC(il_group_close(&g, 0), 0);
	most = most_used();
	CHECK(most >= 512 * KIB && most < 1024 * KIB);
	CHECK_RC(il_group_open(&g), 0);
	start(&g, "small", use_nothing, NULL,
	      1024 * KIB); /* on that stack, of which it uses little */
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(most_used(), most);
	return 0;
}

IL_TEST_OPTIONS(n424_the_most_is_kept_also_of_stacks_of_other_sizes, measure_special,
		.measure_stacks = true);

static int measure_nothing(void *unused)
{
	(void)unused;
	CHECK_EQ(use_stack(USED), 0);
	CHECK_EQ(dumped_use("main"), 0);
	CHECK_EQ(most_used(), 0);
	return 0;
}

IL_TEST_OPTIONS(n424_without_the_option_nothing_is_measured, measure_nothing,
		.measure_stacks = false);
