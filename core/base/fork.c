/*
 * fork.c: what becomes of the library in a forked child: every lock is held around the fork, so that the child finds
 * what they guard whole; then each file forgets what stayed with the parent. Registered when the library is
 * loaded, for a lock may be taken before there is any object.
 */
#include "fork.h"

unsigned il__generation = 1;
static struct il__fork_part *fork_parts;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

void il__add_to_fork(struct il__fork_part *part)
{
	part->next = fork_parts;
	fork_parts = part;
}

static void before_fork(void)
{
	for (struct il__fork_part *p = fork_parts; p; p = p->next)
		if (p->lock)
			pthread_mutex_lock(p->lock);
}

static void after_fork(void)
{
	for (struct il__fork_part *p = fork_parts; p; p = p->next)
		if (p->lock)
			pthread_mutex_unlock(p->lock);
}

static void after_fork_in_child(void)
{
	il__generation++;
	after_fork();
	for (struct il__fork_part *p = fork_parts; p; p = p->next)
		if (p->forget)
			p->forget();
}

static void register_fork_handler(void)
{
	pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

void il__watch_fork(void)
{
	pthread_once(&fork_once, register_fork_handler);
}

static void fork_begin(void)
{
	il__os_stay_loaded();
	il__watch_fork();
}
IL__AT_LOAD(fork_begin, IL__LOADED);
