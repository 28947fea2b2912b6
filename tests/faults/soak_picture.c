/*
 * soak_picture.c: a soak in lines, one a minute, and in pictures: a bar a minute, from 0 to the highest.
 */
#include "soak.h"

#include <stdio.h>

enum { HEIGHT = 8, WIDTH_MOST = 120 };

void soak_head(void)
{
	printf(
	    "%s: echo round trips in us, without faults and with\n"
	    "minute  done  failures     KiB  blocks  descriptors  threads |  calm     p50     p99 "
	    "     max | failing     p50     p99      max\n",
	    il_backend_name(work_backend()));
	fflush(stdout);
}

void soak_line(int minute, const struct soak_minute *m)
{
	const struct soak_latency *c = &m->calm, *f = &m->failing;

	printf("%6d %5ld %9ld %7ld %7ld %12d %8d | %5zu %7u %7u %8u | %7zu %7u %7u %8u\n", minute,
	       m->done, m->failures, m->state.kib, m->state.blocks, m->state.descriptors,
	       m->state.threads, c->count, c->p50, c->p99, c->most, f->count, f->p50, f->p99,
	       f->most);
	fflush(stdout);
}

static double of_kib(const struct soak_minute *m)
{
	return (double)m->state.kib;
}

static double of_blocks(const struct soak_minute *m)
{
	return (double)m->state.blocks;
}

static double of_descriptors(const struct soak_minute *m)
{
	return m->state.descriptors;
}

static double of_threads(const struct soak_minute *m)
{
	return m->state.threads;
}

static double of_p50(const struct soak_minute *m)
{
	return m->calm.p50;
}

static double of_p99(const struct soak_minute *m)
{
	return m->calm.p99;
}

/* Of several minutes that share a bar the highest. */
static double highest(double (*of)(const struct soak_minute *), const struct soak_minute *minutes,
		      int from, int to)
{
	double most = 0;

	for (int i = from; i < to; i++)
		most = of(&minutes[i]) > most ? of(&minutes[i]) : most;
	return most;
}

static void picture(const char *what, double (*of)(const struct soak_minute *),
		    const struct soak_minute *minutes, int count)
{
	const int a_bar = (count + WIDTH_MOST - 1) / WIDTH_MOST, bars = (count + a_bar - 1) / a_bar;
	const double most = highest(of, minutes, 0, count);

	printf("\n%s; a bar is %d min\n", what, a_bar);
	for (int row = HEIGHT; row > 0; row--) {
		if (row == HEIGHT)
			printf("%10.0f |", most);
		else
			printf("%10s |", "");
		for (int b = 0; b < bars; b++) {
			const int from = b * a_bar,
				  to = from + a_bar < count ? from + a_bar : count;
			const double value = highest(of, minutes, from, to);
			putchar(value * HEIGHT > most * (row - 0.5) ? '#' : ' ');
		}
		putchar('\n');
	}
	printf("%10d +", 0);
	for (int b = 0; b < bars; b++)
		putchar('-');
	putchar('\n');
}

void soak_pictures(const struct soak_minute *minutes, int count)
{
	picture("KiB of memory", of_kib, minutes, count);
	picture("blocks of the library", of_blocks, minutes, count);
	picture("descriptors", of_descriptors, minutes, count);
	picture("threads", of_threads, minutes, count);
	picture("us of half the round trips, without faults", of_p50, minutes, count);
	picture("us of 99 % of the round trips, without faults", of_p99, minutes, count);
	fflush(stdout);
}
