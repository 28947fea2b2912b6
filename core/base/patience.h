/*
 * patience.h: how long a thread waits awake before it sleeps.
 */
#ifndef IL_CORE_BASE_PATIENCE_H
#define IL_CORE_BASE_PATIENCE_H

#include "base.h"

/* How long a thread waits awake before it sleeps (patience.c). Zero is a good beginning. */
struct il__patience {
	il_time budget; /* of one wait; 0: the whole trial */
	uint64_t epoch; /* its trial in this one has failed */
	unsigned level; /* trials that failed one after the other: it tries in fewer epochs */
	unsigned slow;  /* waits that ended well, but no sooner than asleep */
};

/* Yields until ready(arg), but not long. False: sleep now. */
bool il__patience_wait(struct il__patience *p, bool (*ready)(void *arg), void *arg);

/* So long a thread that slept took to run after its wake-up. */
void il__patience_measured(il_time wake);

#endif
