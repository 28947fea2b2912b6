/*
 * os_apart.c: calling something in a thread of its own, which has the processors and the policy that the program was
 * loaded with, or others. Any thread.
 */
#include "error.h"
#include "os.h"
#include "os_origin.h"

struct apart {
	int (*fn)(void *arg);
	void *arg;
	const int *cpus;
	size_t count;
	int rc;
};

static void *apart_main(void *arg)
{
	struct apart *a = arg;

	il__os_thread_name("il-apart", NULL);
	a->rc = a->cpus ? il__os_affinity(a->cpus, a->count) : 0;
	if (a->rc == 0)
		a->rc = a->fn(a->arg);
	return NULL;
}

int il__os_apart(int (*fn)(void *arg), void *arg, const int *cpus, size_t count)
{
	struct apart a = {.fn = fn, .arg = arg, .cpus = cpus, .count = count};
	pthread_t thread;
	int rc;

	if (!cpus && il__os_is_as_loaded())
		return il__no_words(fn(arg));
	rc = il__os_thread_start(&thread, 0, apart_main, &a);
	if (rc < 0)
		return rc;
	pthread_join(thread, NULL);
	return il__no_words(a.rc);
}
