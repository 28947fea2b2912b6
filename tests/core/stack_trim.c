/* stack_trim.c: the pages of stacks that a crowd has left go back, and never those of one in use. */
#include "../../core/runtime/task.h"
#include "check.h"

#include <string.h>
#include <sys/mman.h>

enum { CROWD = 2000, RESTS = 100000, SIZE = 16384 };

static struct il__stacks pool;
static struct il__stack *stacks[CROWD];

static void take(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		stacks[i] = il__stack_get(&pool);
		CHECK(stacks[i]);
		memset(il__stack_low(&pool, stacks[i]), (int)i, SIZE);
	}
}

static void put(size_t from, size_t to)
{
	for (size_t i = to; i-- > from;) {
		CHECK(*il__stack_low(&pool, stacks[i]) == (char)i && stacks[i]->top[-1] == (char)i);
		il__stack_put(&pool, stacks[i]);
	}
}

static void rest(int times)
{
	while (times--)
		il__stacks_rest(&pool);
}

static size_t count_resident(void)
{
	size_t resident = 0;
	unsigned char pages[SIZE / 4096];

	for (const struct il__stack *s = pool.free; s; s = s->next) {
		CHECK(mincore(il__stack_low(&pool, s), SIZE, (void *)pages) == 0);
		resident += pages[0] & 1;
	}
	return resident;
}

int main(void)
{
	CHECK(il__stacks_init(&pool, SIZE, 4096) == 0);
	take(0, CROWD);
	put(100, CROWD);
	CHECK(count_resident() == CROWD - 100);
	rest(RESTS);
	CHECK(count_resident() >= 100 && count_resident() <= 300);
	put(0, 100);

	/* A crowd that comes and goes, and some who stay, in the middle of giving back. */
	take(0, CROWD);
	for (int round = 0; round < 40; round++) {
		put(50, CROWD);
		rest(17000);
		take(50, 60 + (size_t)round * 40);
		rest(3);
		put(50, 60 + (size_t)round * 40);
		rest(3200);
		take(50, CROWD);
	}
	put(0, CROWD);
	rest(RESTS);
	CHECK(count_resident() <= 300);

	/* Stacks that are taken again and again stay warm. */
	take(0, CROWD);
	put(0, CROWD);
	for (int round = 0; round < 100; round++) {
		take(0, CROWD);
		put(0, CROWD);
		rest(100);
	}
	CHECK(count_resident() == CROWD);
	il__stacks_fini(&pool);
	return 0;
}
