/*
 * by_pointer.h: included first in core/remote where that is compiled for rules.c: calls go out with the addresses of their function
 * and argument, to a worker in the same process. The rules of executors look into what functions do while they do it.
 */
#ifndef IL_TESTS_REMOTE_BY_POINTER_H
#define IL_TESTS_REMOTE_BY_POINTER_H

#include <interloop.h>

void by_pointer_get_info(const il_call *call, il_call_info *info);
bool by_pointer_begin(il_call *call);
void by_pointer_fail(il_call *call, int rc);
void by_pointer_finish(il_call *call, int rc, const void *out, size_t size, const char *detail);
int by_pointer_portal_start(il_portal **p, const il_backend *backend,
			    const il_blocking_portal_options *options);
int by_pointer_portal_stop(il_portal *p);

#ifndef BY_POINTER_ITSELF
#define il_call_get_info         by_pointer_get_info
#define il_call_begin            by_pointer_begin
#define il_call_fail             by_pointer_fail
#define il_call_finish           by_pointer_finish
#define il_blocking_portal_start by_pointer_portal_start
#define il_blocking_portal_stop  by_pointer_portal_stop
#endif

#endif
