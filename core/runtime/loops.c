/*
 * loops.c: every loop of the process. Any thread, under one lock; while that is held no loop can end.
 */
#include "loops.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "loop.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
struct il__loops il__loops = {.list = {&il__loops.list, &il__loops.list}};
static unsigned numbers;
static void (*on_remove)(struct il__loops *loops);
static void (*on_add)(void);

/* In a forked child the others' loops are not there. */
static void loops_forget(void)
{
	il__list_init(&il__loops.list);
}

IL__AT_FORK(&lock, loops_forget);

struct il__loops *il__loops_lock(void)
{
	pthread_mutex_lock(&lock);
	return &il__loops;
}

void il__loops_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void il__loops_on_remove(void (*fn)(struct il__loops *loops))
{
	on_remove = fn;
}

void il__loops_on_add(void (*fn)(void))
{
	on_add = fn;
}

void il__loops_add(il_loop *loop)
{
	il__loops_lock();
	loop->entry.number = ++numbers;
	loop->entry.served = il__loops.dumps; /* those that are under way do not wait for it */
	il__list_push(&il__loops.list, &loop->entry.link);
	il__loops_unlock();
	if (on_add) /* else it is not part of a static program */
		on_add();
}

void il__loops_remove(il_loop *loop)
{
	il__loops_lock();
	il__list_remove(&loop->entry.link);
	if (on_remove)
		on_remove(&il__loops);
	il__loops_unlock();
}
