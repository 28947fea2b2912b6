/*
 * soon_memory.c: blocks of posted calls that are all through are kept for the next ones, as many as
 * docs/performance.md says, and given back when a loop ends.
 */
#include "../../core/portal/soon_memory.h"
#include "check.h"

#include <interloop.h>

enum { CALLS = 63, KEPT = 1024, MORE = KEPT + 2 };

static long blocks;

static void *take(size_t size, void *arg)
{
	(void)arg;
	blocks++;
	return malloc(size);
}

static void *resize(void *memory, size_t size, void *arg)
{
	(void)arg;
	return realloc(memory, size);
}

static void give(void *memory, void *arg)
{
	(void)arg;
	blocks--;
	free(memory);
}

int main(void)
{
	const il_allocator counting = {.malloc = take, .realloc = resize, .free = give};
	struct il__soon **calls = calloc((size_t)MORE * CALLS, sizeof(struct il__soon *));

	CHECK(calls);
	CHECK(il_set_allocator(&counting) == 0);
	for (size_t i = 0; i < (size_t)MORE * CALLS; i++)
		CHECK((calls[i] = il__soon_memory_take()));
	CHECK(blocks == MORE);
	for (size_t i = 0; i < (size_t)MORE * CALLS; i++)
		il__soon_memory_give(calls[i]);
	CHECK(blocks == KEPT);
	CHECK((calls[0] = il__soon_memory_take()));
	CHECK(blocks == KEPT);
	for (size_t i = 1; i < CALLS; i++)
		CHECK((calls[i] = il__soon_memory_take()));
	for (size_t i = 0; i < CALLS; i++)
		il__soon_memory_give(calls[i]);
	CHECK(blocks == KEPT);
	il__soon_memory_free();
	CHECK(blocks == 0);
	free(calls);
	return 0;
}
