/* timers.c: the heap gives timers by (deadline, order of arming), however they were armed and disarmed; one for which there
 * is no memory stays as it was. */
#include "../../core/runtime/loop.h"
#include "check.h"

enum { COUNT = 2000 };

struct one {
	struct il__timer timer;
	il_time deadline;
	unsigned order;
	bool armed;
};

static struct one all[COUNT];
static il_time clock_now;
static struct one *last;
static size_t fired;

static il_time now(void *self)
{
	(void)self;
	return clock_now;
}

static void fire(struct il__timer *timer)
{
	struct one *t = il__container_of(timer, struct one, timer);

	CHECK(t->armed && t->deadline <= clock_now && t->timer.index == 0);
	CHECK(!last || last->deadline < t->deadline ||
	      (last->deadline == t->deadline && last->order < t->order));
	t->armed = false;
	last = t;
	fired++;
}

static uint64_t next_random(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* No entry comes before the one above it, four to one. Those out of order may fire in order all the same. */
static void check_heap(const struct il__timers *timers)
{
	for (size_t i = 1; i < timers->count; i++) {
		const struct il__timer_entry *a = &timers->heap[(i - 1) / 4], *b = &timers->heap[i];
		CHECK(a->deadline < b->deadline ||
		      (a->deadline == b->deadline && (int32_t)(a->order - b->order) < 0));
		CHECK(timers->places[b->slot] == i);
	}
}

static void fire_nothing(struct il__timer *timer)
{
	(void)timer;
}

static struct il__timer more[2 * COUNT];
static size_t used;
static il_loop *more_loop;

static void arm_two(struct il__timer *timer)
{
	(void)timer;
	for (int i = 0; i < 2; i++) {
		more[used].fire = fire_nothing;
		CHECK(il__timer_arm(more_loop, &more[used++], clock_now + 1) == 0);
	}
}

/* While others, taken out of the heap with it, have not fired. */
static void arm_while_firing(il_loop *loop)
{
	static struct il__timer first[64];

	more_loop = loop;
	for (size_t i = 0; i < 64; i++) {
		first[i].fire = arm_two;
		CHECK(il__timer_arm(loop, &first[i], clock_now) == 0);
	}
	while (il__timers_expire(loop))
		;
	CHECK(used == 128 && loop->timers.count == used);
	CHECK(loop->timers.used <= loop->timers.capacity);
	clock_now++;
	while (il__timers_expire(loop))
		;
	CHECK(loop->timers.count == 0);
}

/* ---- without memory ---- */

static bool refuses;

static void *take(size_t size, void *arg)
{
	(void)arg;
	return refuses ? NULL : malloc(size);
}

static void *resize(void *memory, size_t size, void *arg)
{
	(void)arg;
	return refuses ? NULL : realloc(memory, size);
}

static void give(void *memory, void *arg)
{
	(void)arg;
	free(memory);
}

static struct il__timer scarce[64];
static bool scarce_fired;

static void fire_scarce(struct il__timer *timer)
{
	(void)timer;
	scarce_fired = true;
}

/* The first of two that are due: it takes its place again, so there is none for the second. */
static void arm_the_next(struct il__timer *timer)
{
	CHECK(il__timer_arm(more_loop, timer, clock_now + 1) == 0);
	refuses = true;
	CHECK(il__timer_arm(more_loop, &scarce[1], clock_now + 1) == -ENOMEM);
	CHECK(il__timer_arm(more_loop, timer, clock_now + 2) == 0); /* it has one */
	refuses = false;
}

static void arm_without_memory(il_loop *loop)
{
	more_loop = loop;
	for (size_t i = 0; i < 64; i++) {
		scarce[i].fire = i == 0 ? arm_the_next : i == 1 ? fire_scarce : fire_nothing;
		CHECK(il__timer_arm(loop, &scarce[i], clock_now + (i > 1)) == 0);
	}
	CHECK(loop->timers.free_slot == loop->timers.capacity);
	il__timers_expire(loop);
	CHECK(scarce_fired);
}

int main(void)
{
	static const il_backend backend = {
	    .abi = IL_BACKEND_ABI, .name = "test", .driver.now = now};
	/* `turning`: arming does not ask the driver for a turn. */
	static il_loop loop = {.backend = &backend, .own_clock = true, .turning = true};
	static il_loop other = {.backend = &backend, .own_clock = true, .turning = true};
	static il_loop third = {.backend = &backend, .own_clock = true, .turning = true};
	const il_allocator scanty = {.malloc = take, .realloc = resize, .free = give};
	unsigned order = 0;
	size_t armed = 0;

	CHECK(il_set_allocator(&scanty) == 0);
	CHECK(il__timers_next(&loop.timers) == IL_FOREVER);
	il__timers_expire(&loop);
	for (size_t i = 0; i < 100 * COUNT; i++) {
		struct one *t = &all[next_random() % COUNT];
		t->timer.fire = fire;
		if (next_random() % 4 == 0) {
			il__timer_disarm(&loop, &t->timer);
			check_heap(&loop.timers);
			t->armed = false;
			continue;
		}
		t->deadline = (il_time)(next_random() % 500);
		t->order = order++;
		t->armed = true;
		CHECK(il__timer_arm(&loop, &t->timer, t->deadline) == 0);
	}
	for (size_t i = 0; i < COUNT; i++)
		armed += all[i].armed;
	CHECK(armed > 0 && loop.timers.count == armed);
	for (clock_now = 0; clock_now <= 500; clock_now++) {
		CHECK(il__timers_next(&loop.timers) >= clock_now);
		il__timers_expire(&loop);
		check_heap(&loop.timers);
	}
	CHECK(fired == armed && loop.timers.count == 0);
	il__timers_fini(&loop.timers);
	arm_while_firing(&other);
	il__timers_fini(&other.timers);
	arm_without_memory(&third);
	il__timers_fini(&third.timers);
	return 0;
}
