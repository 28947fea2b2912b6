/*
 * ticks.c: from ticks to times. The rate is the average since the library was loaded, so it is exact to what the
 * system's clock was corrected by meanwhile.
 */
#include "ticks.h"
#include "load.h"

/* One moment by both clocks. */
struct moment {
	il__ticks ticks;
	il_time time;
};

static struct moment first;

/* Of a few looks the one that took least: a thread that is interrupted between the two clocks sees two moments. */
static struct moment moment_now(void)
{
	struct moment best = {0, 0};
	il__ticks least = UINT64_MAX;

	for (int i = 0; i < 4; i++) {
		il__ticks before = il__ticks_now();
		il_time time = il__os_now();
		il__ticks took = il__ticks_now() - before;
		if (took >= least)
			continue;
		least = took;
		best = (struct moment){before + took / 2, time};
	}
	return best;
}

static void ticks_begin(void)
{
	first = moment_now();
}
IL__AT_LOAD(ticks_begin, IL__LOADED);

il_time il__ticks_time(il__ticks ticks)
{
	struct moment now = moment_now();
	double passed = (double)(now.ticks - first.ticks);

	return passed > 0 ? (il_time)((double)ticks * ((double)(now.time - first.time) / passed))
			  : 0;
}

il_time il__ticks_ago(il__ticks since)
{
	il__ticks now = il__ticks_now();

	return now > since ? il__ticks_time(now - since) : 0;
}
