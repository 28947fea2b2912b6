/*
 * abandon.c: a blocking call that nobody can interrupt, given up when the time is up. The thread
 * goes on with the argument, and releases it when it is through.
 */
#include "example.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
	const char *name;
	bool found;
};

static sem_t name_server; /* which is down */
static atomic_bool released;

/* [lookup] */
static int lookup(void *arg)
{
	struct lookup *l = arg;
	while (sem_wait(&name_server) < 0) /* blocks as long as it likes */
		;
	l->found = strcmp(l->name, "example.org") == 0;
	return 0;
}

static void release(void *arg) /* in the abandoned thread, when it is through */
{
	free(arg);
	atomic_store(&released, true);
}
/* [lookup] */

/* [run] */
static int lookup_within(struct lookup *l, il_time delay, bool *abandoned)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(delay), 0);
	if (rc < 0)
		return rc;
	rc = il_run_in_thread_with(lookup, l,
				   &(il_run_in_thread_options){
				       .abandon_on_cancel = true,
				       .release = release,
				       .abandoned = abandoned,
				   });
	rc = il_scope_exit(&scope, rc);
	return il_scope_caught(&scope) ? -ETIMEDOUT : rc;
}
/* [run] */

static int run(void *arg)
{
	(void)arg;
	struct lookup *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->name = "example.org";
	bool abandoned = false;
	int rc = lookup_within(l, IL_MSEC(100), &abandoned);
	printf("gave up: %s, the thread has the argument: %s\n", il_error_name(rc),
	       abandoned ? "yes" : "no");
	if (!abandoned)
		free(l);
	printf("threads still at it: %zu\n", il_threads_active());
	sem_post(&name_server); /* it is back, much too late */
	rc = il_threads_wait();
	printf("released: %s\n", atomic_load(&released) ? "yes" : "no");
	return rc;
}

int main(int argc, char **argv)
{
	sem_init(&name_server, 0, 0);
	return example_main(argc, argv, run, NULL);
}
