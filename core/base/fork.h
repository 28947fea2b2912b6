/*
 * fork.h: objects remember the generation of the process that they were made in. Any thread.
 */
#ifndef IL_CORE_BASE_FORK_H
#define IL_CORE_BASE_FORK_H

#include "base.h"

extern unsigned il__generation;
/* Registers the fork handler once: when the library is loaded, or an object is made before that. */
void il__watch_fork(void);
void il__os_stay_loaded(void); /* whoever closes the plugin that we are a part of (os_pin.c) */
/* A lock of the whole process: the forking thread takes it before a fork and gives it back on both
 * sides, so that the child finds what it guards whole, and held by nobody. Added by constructors,
 * once; in no order, for under none of them another is taken. An object's own lock has no such
 * need: the child does not touch what it inherited. */
struct il__fork_lock {
	pthread_mutex_t *lock;
	struct il__fork_lock *next;
};

void il__hold_at_fork(struct il__fork_lock *lock);
/* What a floor above has to forget in the child, in the forking thread, where every such lock is
 * free. Added by constructors, once; in no order. */
struct il__fork_hook {
	void (*run)(void);
	struct il__fork_hook *next;
};

void il__on_fork_child(struct il__fork_hook *hook);

static inline bool il__inherited(unsigned generation)
{
	return il__unlikely(generation != il__generation);
}

#endif
