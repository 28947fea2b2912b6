/*
 * sockets.h: the sockets that are made elsewhere, as ends of the network that is there. Loop's thread only.
 */
#ifndef IL_CORE_IO_SOCKETS_H
#define IL_CORE_IO_SOCKETS_H

#include "network.h"

/* A descriptor that the system has just given us; on failure it stays the caller's. */
int il__socket_own(il_loop *loop, int fd, struct il__fd **end);

#endif
