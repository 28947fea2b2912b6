/* deadline.c: a deadline is not cut to a word of the machine: a far one does not end a wait. */
#include "../../core/base/os.h"
#include "check.h"

#include <sched.h>

static atomic_int word;
static atomic_bool done;

static void *wake(void *arg)
{
	while (!atomic_load(&done)) {
		il__os_futex_wake(&word, 1);
		sched_yield();
	}
	return arg;
}

int main(void)
{
	/* Seconds that fit 31 bits, 32 bits, and neither: 32 bits would leave 1 of the last. */
	const int64_t deadlines[] = {INT32_MAX, UINT32_MAX, INT64_C(1) + UINT32_MAX + 1};
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, wake, NULL) == 0);
	for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++)
		CHECK(il__os_futex_wait(&word, 0, IL_SEC(deadlines[i])) == 0);
	CHECK(il__os_futex_wait(&word, 0, IL_FOREVER - 1) == 0);
	atomic_store(&done, true);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(il__os_futex_wait(&word, 0, 1) == -ETIMEDOUT);
	return 0;
}
