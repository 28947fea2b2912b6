/*
 * power.h: power cuts of hosts. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_POWER_H
#define IL_VIRTUAL_NETWORK_POWER_H

#include "hosts.h"

/* Its ends and connections have no host from now on, its tasks are cancelled, its portals stopped. */
void il__sim_host_cut(struct il__sim_host *host);
/* Waits, shielded, until none of its tasks and portals is left. By then another task may have started it again.
 * -ECANCELED: the calling task's own host is down, or went down meanwhile. */
int il__sim_host_join(struct il__sim_host *host);

#endif
