/*
 * borrowers.h: who has borrowed a token of a limiter, or waits for one.
 */
#ifndef IL_CORE_SYNC_BORROWERS_H
#define IL_CORE_SYNC_BORROWERS_H

#include "../base/base.h"

struct il__borrower {
	const void *who; /* NULL: an empty place */
	bool holds;      /* false: it waits */
};

struct il__borrowers {
	struct il__borrower *places; /* open addressing, a power of two of them */
	size_t capacity, count;
};

/* 0; -EALREADY: it is in; -ENOMEM. */
int il__borrowers_add(struct il__borrowers *set, const void *who, bool holds);
/* NULL: not in. Valid until the next add or remove. */
struct il__borrower *il__borrowers_find(const struct il__borrowers *set, const void *who);
void il__borrowers_remove(struct il__borrowers *set, struct il__borrower *place);

#endif
