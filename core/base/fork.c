/*
 * fork.c: what becomes of the library in a forked child: every lock is held around the fork, so that the child finds
 * what they guard whole; then each file forgets what stayed with the parent. Registered when the library is
 * loaded, for a lock may be taken before there is any object.
 */
#include "fork.h"
#include "load.h"

unsigned il__generation = 1;
static struct il__fork_hook *fork_hooks;
static struct il__fork_lock *fork_locks;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

void il__on_fork_child(struct il__fork_hook *hook)
{
	hook->next = fork_hooks;
	fork_hooks = hook;
}

void il__hold_at_fork(struct il__fork_lock *lock)
{
	lock->next = fork_locks;
	fork_locks = lock;
}

static void before_fork(void)
{
	for (struct il__fork_lock *l = fork_locks; l; l = l->next)
		pthread_mutex_lock(l->lock);
}

static void after_fork(void)
{
	for (struct il__fork_lock *l = fork_locks; l; l = l->next)
		pthread_mutex_unlock(l->lock);
}

static void after_fork_in_child(void)
{
	il__generation++;
	after_fork();
	for (struct il__fork_hook *hook = fork_hooks; hook; hook = hook->next)
		hook->run();
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
