/*
 * listener.h: listeners: sockets that accept streams. Loop's thread only.
 */
#ifndef IL_CORE_IO_LISTENER_H
#define IL_CORE_IO_LISTENER_H

#include "stream.h"

#include <interloop/stream.h>

/* Takes the sockets over, and the path of a Unix one; on failure closes and removes them. */
int il__listener_create(il_listener **listener, il_loop *loop, const int *fds, int count,
			enum il__stream_kind kind, const char *path);

#endif
