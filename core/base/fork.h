/*
 * fork.h: objects remember the generation of the process that they were made in. Any thread.
 */
#ifndef IL_CORE_BASE_FORK_H
#define IL_CORE_BASE_FORK_H

#include "base.h"
#include "load.h"

extern unsigned il__generation;
/* Registers the fork handler once: when the library is loaded, or an object is made before that. */
void il__watch_fork(void);
void il__os_stay_loaded(void); /* whoever closes the plugin that we are a part of (os_pin.c) */
/* A file's part in a fork. Its lock, of the whole process, the forking thread takes before and gives back on both sides, so
 * that the child finds what it guards whole, and held by nobody; NULL: none. An object's own lock has no such need: the
 * child does not touch what it inherited. Then the child forgets what stayed with the parent, in the forking thread, where
 * every such lock is free; NULL: nothing. In no order, for under none of these locks another is taken. */
struct il__fork_part {
	pthread_mutex_t *lock;
	void (*forget)(void);
	struct il__fork_part *next;
};

/* By constructors, once. */
void il__add_to_fork(struct il__fork_part *part);

#define IL__AT_FORK(its_lock, its_forget)                                                 \
	static struct il__fork_part fork_part = {.lock = its_lock, .forget = its_forget}; \
	static void add_to_fork(void)                                                     \
	{                                                                                 \
		il__add_to_fork(&fork_part);                                              \
	}                                                                                 \
	IL__AT_LOAD(add_to_fork, IL__LOADED)

static inline bool il__inherited(unsigned generation)
{
	return il__unlikely(generation != il__generation);
}

#endif
