/*
 * resolver.h: host and port to addresses, as the system knows them. Loop's thread only, in a task.
 */
#ifndef IL_CORE_IO_RESOLVER_H
#define IL_CORE_IO_RESOLVER_H

#include <interloop/stream.h>

/* As il__resolve (resolve.h), whose arguments were checked; the port is not NULL. */
int il__lookup(il_address **list, const char *host, const char *port, unsigned flags,
	       il_time deadline, const char *function);

#endif
