/*
 * names.h: the resolver of a simulated network. Loop's thread only, in a task.
 */
#ifndef IL_VIRTUAL_NETWORK_NAMES_H
#define IL_VIRTUAL_NETWORK_NAMES_H

#include "simulation.h"

#include <interloop/stream.h>

/* As struct il__network has it. */
int il__sim_resolve(il_address **list, const char *host, const char *port, unsigned flags,
		    il_time deadline, const char *function);

#endif
