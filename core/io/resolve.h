/*
 * resolve.h: host and port to addresses, as the loop's network knows them. Loop's thread only, in a task.
 */
#ifndef IL_CORE_IO_RESOLVE_H
#define IL_CORE_IO_RESOLVE_H

#include <interloop/stream.h>

/* Like il_resolve; *list is malloc'ed, the number of addresses is the result. */
int il__resolve(il_address **list, const char *host, const char *port, unsigned flags,
		il_time deadline, const char *function);

#endif
