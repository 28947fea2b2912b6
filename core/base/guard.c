/*
 * guard.c: what the unwinder asks a frame that no exception passes. It looks for a handler before it unwinds anything; told
 * that there can be none, it gives up, and the program ends where it threw. What pthread_exit unwinds is let through. Any
 * thread. It uses nothing of the unwinder's library, which the core does not link.
 */
#include "guard.h"

#include <unwind.h>

#if defined(__x86_64__) || defined(__aarch64__)

_Unwind_Reason_Code il__exception_ends(int version, _Unwind_Action actions,
				       _Unwind_Exception_Class class,
				       struct _Unwind_Exception *exception,
				       struct _Unwind_Context *context) __attribute__((used));

_Unwind_Reason_Code il__exception_ends(int version, _Unwind_Action actions,
				       _Unwind_Exception_Class class,
				       struct _Unwind_Exception *exception,
				       struct _Unwind_Context *context)
{
	(void)version;
	(void)class;
	(void)exception;
	(void)context;
	return actions & _UA_SEARCH_PHASE ? _URC_FATAL_PHASE1_ERROR : _URC_CONTINUE_UNWIND;
}

#endif
