/*
 * simulation.h: the simulated network of a loop: its hosts and what is under way between them. Whatever happens depends
 * on the seed and on what the tasks do, never on an address in memory, a hash or a real clock. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_SIMULATION_H
#define IL_VIRTUAL_NETWORK_SIMULATION_H

#include "../../../core/base/list.h"
#include "../../../core/runtime/extension.h"
#include "../../../core/runtime/loop.h"
#include "places.h"

#include <interloop/virtual.h>

struct il__sim_host;

/* What holds for one direction between two hosts. */
struct il__sim_rule {
	il_time latency_min, latency_max;
	double loss, loss_ipv4, loss_ipv6; /* 0 to 1; of all, and of each family besides */
	bool reorder;
};

struct il_virtual_network {
	struct il__extension extension;
	il_loop *loop;
	uint64_t random;
	struct il__sim_rule own;  /* as it was opened */
	struct il__sim_rule rule; /* of pairs that have none of their own */
	bool partitioned, holds;  /* likewise: what was done to all hosts */
	bool ipv6;                /* hosts have it, too */
	size_t buffer;            /* bytes that one end of a connection keeps, in each direction */
	struct il__sim_host **hosts; /* by index; the first is "", of tasks that are no host's */
	size_t count, room;
	struct il__list under_way; /* packets */
	struct il__list spare;     /* packets without data, to be used again */
	int trace;                 /* a descriptor; -1: none */
	bool closing;
	size_t joining; /* tasks that wait for the end of a host, and then look at it */
};

static inline struct il_virtual_network *il__sim_of(const il_loop *loop)
{
	return loop->network_self;
}

/* chance.c */
/* 0 to 2^64 - 1, the next of the seed's. */
uint64_t il__sim_random(struct il_virtual_network *n);
/* Whether something of this probability happens. */
bool il__sim_happens(struct il_virtual_network *n, double probability);
il_time il__sim_now(const struct il_virtual_network *n);

/* trace.c: a line of the trace, behind the time. */
void il__sim_trace(const struct il_virtual_network *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* To be asked first, where words cost something. */
static inline bool il__sim_is_traced(const struct il_virtual_network *n)
{
	return n->trace >= 0;
}

/* table.c */
extern const struct il__network il__sim_network;

#endif
