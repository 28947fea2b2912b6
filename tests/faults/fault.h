/*
 * fault.h: what libfault.so offers to a program that was started under it (LD_PRELOAD). Weak: absent without it.
 *
 * It makes calls of the C library fail, with an error that they have in nature, when they come from libinterloop or from
 * the library of the native loop; those of the program itself and of others always work.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

#define FAULT_API __attribute__((weak, visibility("default")))

struct fault_kind {
	const char *name; /* the call, and its error if it has several */
	bool native;      /* of calls of the native loop's library */
	bool fleeting;    /* what is like that once is not like that forever */
};

enum { FAULT_KINDS_MAX = 200, FAULT_COUNT = -1, FAULT_CHAOS = -2 };

struct fault_order {
	int kind;     /* index of a kind; FAULT_COUNT: none fails; FAULT_CHAOS: any, one in 24 */
	long n;       /* the n-th call; chaos: the seed */
	bool forever; /* and all after it */
};

struct fault_report {
	long calls[FAULT_KINDS_MAX]; /* that might have failed, of each kind */
	long injected;               /* that were made to fail */
	const void *where;           /* where the first of them returns to */
	long live; /* blocks that the library has allocated since, and not freed */
};

FAULT_API int fault_kinds(const struct fault_kind **kinds);
FAULT_API void fault_arm(const struct fault_order *order);
FAULT_API void fault_disarm(void);
FAULT_API void fault_get_report(struct fault_report *report);
/* Prints where each live block was allocated. */
FAULT_API void fault_print_live(void);

/*
 * In worker processes of a pool the order comes from the environment, "KIND N", and the report goes to a file that is
 * mapped; both are there before the worker begins.
 */
#define FAULT_WORKER_ORDER  "FAULT_WORKER_ORDER"
#define FAULT_WORKER_REPORT "FAULT_WORKER_REPORT"
/* Set: each injected call is printed. */
#define FAULT_TRACE "FAULT_TRACE"

#endif
