/*
 * rate_limit.c: at most so many calls a second, a few of them at once; callers wait in order.
 */
#include "../usage.h"

#include <interloop.h>

/* [limit] */
struct rate {
	il_time interval; /* between two calls in the long run */
	int burst;        /* so many at once after a pause */
	il_time next;     /* when the next place is free, with the burst already used */
};

static int take_place(struct rate *r)
{
	il_time now = il_now(), earliest = now - r->interval * r->burst;
	if (r->next < earliest)
		r->next = earliest;
	r->next += r->interval;
	return r->next <= now ? il_check_cancelled() : il_sleep_until(r->next);
}
/* [limit] */

static int run(void *arg)
{
	(void)arg;
	struct rate rate = {.interval = IL_MSEC(10), .burst = 3};
	il_time begin = il_now();
	int rc = 0;
	for (int i = 0; i < 8 && rc == 0; i++)
		rc = take_place(&rate); /* three at once, five 10 ms apart */
	printf("8 calls took at least 50 ms: %s\n", il_now() - begin >= IL_MSEC(50) ? "yes" : "no");
	return rc;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	return il_run(il_backend_find(NULL), run, NULL) < 0;
}
