/* stack.c: stacks come last in, first out, do not overlap, and have a guard below that faults; they are
 * an odd number of pages apart. */
#include "../../core/base/os.h"
#include "../../core/runtime/task.h"
#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 200 };

static int touch(volatile char *p)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		*p = 1;
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* 64 of such stacks do not fit a 32-bit address space. */
static void large(size_t size)
{
	struct il__stacks pool;
	struct il__stack *stacks[3];

	CHECK(il__stacks_init(&pool, size, 4096) == 0);
	for (size_t i = 0; i < 3; i++) {
		stacks[i] = il__stack_get(&pool);
		CHECK(stacks[i]);
		*il__stack_low(&pool, stacks[i]) = stacks[i]->top[-1] = (char)i;
	}
	for (size_t i = 0; i < 3; i++)
		CHECK(*il__stack_low(&pool, stacks[i]) == (char)i && stacks[i]->top[-1] == (char)i);
	il__stacks_fini(&pool);
}

/* A task may ask for a size of its own up to the largest, whatever the guard. */
static void special(void)
{
	const size_t sizes[] = {(size_t)16 << 10, (size_t)1 << 20, IL__STACK_MAX / 2 + 1,
				IL__STACK_MAX};
	struct il__stacks pool;

	CHECK(il__stacks_init(&pool, 65536, (size_t)256 << 20) == 0);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		const struct il__stacks *other = il__stacks_of_size(&pool, sizes[i]);
		CHECK(il__stack_check_size(sizes[i], "") == 0);
		CHECK(other && other->size >= sizes[i] && other->guard >= pool.guard);
	}
	CHECK(il__stack_check_size(IL__STACK_MAX + 1, "") == -EINVAL);
	il__special_stacks_fini(&pool);
	il__stacks_fini(&pool);
}

int main(void)
{
	struct il__stacks pool;
	struct il__stack *stacks[COUNT];

	CHECK(il__stacks_init(&pool, 100, 4096) == -EINVAL);
	CHECK(il__stacks_init(&pool, SIZE_MAX, 4096) == -EINVAL);
	large((size_t)64 << 20);
	large((size_t)256 << 20);
	special();
	CHECK(il__stacks_init(&pool, 65536, 65536) == 0);
	for (size_t i = 0; i < COUNT; i++) {
		stacks[i] = il__stack_get(&pool);
		CHECK(stacks[i] && stacks[i]->top - il__stack_low(&pool, stacks[i]) == 65536);
		memset(il__stack_low(&pool, stacks[i]), (int)i, 65536);
	}
	for (size_t i = 0; i < COUNT; i++)
		CHECK(*il__stack_low(&pool, stacks[i]) == (char)i && stacks[i]->top[-1] == (char)i);
	CHECK(touch(il__stack_low(&pool, stacks[COUNT / 2])) == 0);
	CHECK(touch(il__stack_low(&pool, stacks[COUNT / 2]) - 1) == SIGSEGV);
	CHECK(touch(il__stack_low(&pool, stacks[COUNT / 2]) - 65536) == SIGSEGV);
	CHECK((size_t)(stacks[1]->top - stacks[0]->top) / il__os_page_size() % 2 == 1);
	il__stack_put(&pool, stacks[3]);
	il__stack_put(&pool, stacks[7]);
	CHECK(il__stack_get(&pool) == stacks[7] && il__stack_get(&pool) == stacks[3]);
	il__stacks_fini(&pool);
	return 0;
}
