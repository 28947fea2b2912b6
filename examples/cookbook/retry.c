/*
 * retry.c: a call that may fail is tried again, each time after a longer pause, each try within a time limit.
 */
#include "../usage.h"

#include <interloop.h>

#include <time.h>
#include <unistd.h>

/* [retry] */
struct pauses {
	il_time first, longest, limit; /* limit: of each try */
	int tries;
};

/* Between half of the pause and all of it, so that many callers do not come back together. */
static il_time jittered(il_time pause)
{
	return pause / 2 + (il_time)((double)rand() / RAND_MAX * (double)(pause / 2));
}

static int retry(const struct pauses *p, il_fn *fn, void *arg)
{
	il_time pause = p->first;
	for (int left = p->tries;; pause *= 2) {
		int rc = il_fail_after(p->limit, fn, arg);
		if (rc >= 0 || rc == -ECANCELED || --left == 0)
			return rc; /* -ECANCELED: nobody wants the result any more */
		if (pause > p->longest)
			pause = p->longest;
		rc = il_sleep(jittered(pause));
		if (rc < 0)
			return rc;
	}
}
/* [retry] */

static int unreliable(void *arg)
{
	int *tries = arg;
	if (++*tries == 1)
		return il_sleep(IL_SEC(60)); /* it hangs */
	return *tries == 2 ? -ECONNREFUSED : 42;
}

static int run(void *arg)
{
	(void)arg;
	const struct pauses pauses = {
	    .first = IL_MSEC(10), .longest = IL_SEC(1), .limit = IL_MSEC(50), .tries = 5};
	int tries = 0, rc = retry(&pauses, unreliable, &tries);
	printf("%d after %d tries\n", rc, tries);
	return rc;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	srand((unsigned)time(NULL) ^ (unsigned)getpid()); /* each process has pauses of its own */
	return il_run(il_backend_find(NULL), run, NULL) < 0;
}
