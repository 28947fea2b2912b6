/*
 * patience.h: how long a thread waits awake before it sleeps.
 */
#ifndef IL_CORE_BASE_PATIENCE_H
#define IL_CORE_BASE_PATIENCE_H

#include "base.h"

/* How long a thread waits awake before it sleeps (patience.c). Zero is a good beginning. */
struct il__patience {
	unsigned yields; /* how many it tries */
	unsigned skip;   /* waits to come that do not try */
	unsigned pause;  /* the last skip: it doubles */
};

/* Yields until ready(arg), but not long. False: sleep now. */
bool il__patience_wait(struct il__patience *p, bool (*ready)(void *arg), void *arg);

#endif
