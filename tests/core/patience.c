/*
 * patience.c: how long a thread waits awake: in made-up time, which only yields and sleeps let pass. Two that could
 * stay awake for each other find back after they fell asleep, whatever a wake-up costs; who waits in vain does not pay
 * for it; a pause of the machine is not taken for a crowd, and a crowd is.
 */
#ifndef _TIME_BITS
#define _FILE_OFFSET_BITS 64 /* the clock that the library asks, on machines of 32 bits */
#define _TIME_BITS        64
#endif
#include "../../core/base/patience.h"
#include "check.h"

#include <sched.h>
#include <time.h>

static il_time clock_now = IL_SEC(1), yield_takes = 300;
static unsigned yields;
static unsigned others; /* threads more that yield at the same time */

static bool waits(struct il__patience *p, il_time after, il_time wake);

int clock_gettime(clockid_t id, struct timespec *now)
{
	(void)id;
	*now = (struct timespec){.tv_sec = (time_t)(clock_now / IL_SEC(1)),
				 .tv_nsec = (long)(clock_now % IL_SEC(1))};
	return 0;
}

int sched_yield(void)
{
	yields++;
	if (others) {
		struct il__patience p = {0};
		others--;
		waits(&p, IL_USEC(1), 0);
	} else {
		clock_now += yield_takes;
	}
	return 0;
}

static bool is_due(void *due)
{
	return clock_now >= *(const il_time *)due;
}

/* Whether it stayed awake for something that comes after so long. If not, it has slept until then, and woke late, which
 * it measures. */
static bool waits(struct il__patience *p, il_time after, il_time wake)
{
	il_time due = clock_now + after;
	const bool awake = il__patience_wait(p, is_due, &due);

	if (!awake) {
		clock_now = (due > clock_now ? due : clock_now) + wake;
		il__patience_measured(wake);
	}
	return awake;
}

static void learn_cost(il_time wake)
{
	for (int i = 0; i < 200; i++)
		il__patience_measured(wake);
}

/* Two threads by turns, each of which has a microsecond's work: how many of the hand-overs of a second were met awake. */
static double awake_of(struct il__patience both[2], il_time wake)
{
	const il_time end = clock_now + IL_SEC(1);
	bool asleep[2] = {true, true};
	unsigned all = 0, met = 0;

	for (int turn = 0; clock_now < end; turn = !turn) {
		/* The other one is to work, and is woken first where it sleeps. */
		const bool awake =
		    waits(&both[turn], IL_USEC(1) + (asleep[!turn] ? wake : 0), wake);
		asleep[turn] = !awake;
		met += awake;
		all++;
	}
	return (double)met / all;
}

static void two_stay_awake_for_each_other(il_time wake)
{
	struct il__patience both[2] = {{0}, {0}};

	learn_cost(wake);
	CHECK(awake_of(both, wake) > 0.99);
	/* Each has nothing to wait for, for a while. */
	for (int i = 0; i < 500; i++)
		for (int k = 0; k < 2; k++)
			waits(&both[k], IL_MSEC(1), wake);
	CHECK(awake_of(both, wake) > 0.9);
}

/* Of a second in which each wait ends a millisecond later: what it was awake for. */
static void waiting_in_vain_costs_little(il_time wake)
{
	struct il__patience p = {0};
	const unsigned before = yields;

	learn_cost(wake);
	for (int i = 0; i < 1000; i++)
		CHECK(!waits(&p, IL_MSEC(1), wake));
	CHECK((yields - before) * yield_takes < 1000 * (IL_USEC(2) + wake / 8));
}

/* What comes no sooner than a sleeping thread would be woken is not waited for awake forever. */
static void waiting_as_long_as_a_wake_up_ends(il_time wake)
{
	struct il__patience p = {0};
	unsigned awake = 0;

	learn_cost(wake);
	for (int i = 0; i < 1000; i++) {
		awake += waits(&p, wake, wake);
		clock_now += IL_MSEC(1);
	}
	CHECK(awake < 200);
}

/* What was right when wake-ups were dear is given up when they are cheap. */
static void cheaper_wake_ups_are_noticed(void)
{
	struct il__patience p = {0};
	il_time end = clock_now + IL_SEC(8);
	unsigned all = 0, awake = 0;

	learn_cost(IL_USEC(100));
	while (clock_now < end) {
		const bool counts = end - clock_now < IL_SEC(1);
		const bool stayed = waits(&p, IL_USEC(40), IL_USEC(8));
		awake += counts && stayed;
		all += counts;
	}
	CHECK(awake < all / 2);
}

static void a_clock_that_stands_still_ends_no_wait(void)
{
	il_time due = clock_now + IL_USEC(1);
	struct il__patience p = {0};

	yield_takes = 0;
	CHECK(!il__patience_wait(&p, is_due, &due));
	yield_takes = 300;
}

static void forget(void)
{
	struct il__patience p = {0};

	clock_now += IL_SEC(10);
	CHECK(waits(&p, IL_USEC(1), 0));
}

static void a_pause_of_the_machine_is_no_crowd(void)
{
	struct il__patience p = {0};

	forget();
	for (unsigned i = 0; i < 10; i++) {
		yield_takes = IL_MSEC(5);
		others = i;
		waits(&p, IL_USEC(1), 0);
		yield_takes = 300;
		CHECK(waits(&p, IL_USEC(1), 0));
		clock_now += IL_MSEC(50);
	}
}

/* Yields cost time slices: few are tried. When the others have gone it waits awake again. */
static void a_crowd_is_left_alone(void)
{
	struct il__patience p = {0};
	il_time end;
	unsigned before;

	forget();
	end = clock_now + IL_SEC(10);
	before = yields;
	yield_takes = IL_MSEC(3);
	while (clock_now < end)
		waits(&p, IL_USEC(1), IL_USEC(10));
	yield_takes = 300;
	CHECK(yields - before >= 2 && yields - before < 20);
	forget();
}

int main(void)
{
	static const il_time wakes[] = {IL_USEC(3), IL_USEC(10), IL_USEC(45), IL_USEC(70)};

	for (size_t i = 0; i < sizeof wakes / sizeof wakes[0]; i++) {
		two_stay_awake_for_each_other(wakes[i]);
		waiting_in_vain_costs_little(wakes[i]);
		if (wakes[i] > IL_USEC(5)) /* a few microseconds are not worth a sleep */
			waiting_as_long_as_a_wake_up_ends(wakes[i]);
	}
	cheaper_wake_ups_are_noticed();
	a_clock_that_stands_still_ends_no_wait();
	a_pause_of_the_machine_is_no_crowd();
	a_crowd_is_left_alone();
	return 0;
}
