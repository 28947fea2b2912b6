/*
 * os_pin.c: code of ours is still to run when a plugin that uses the library is closed: destructors
 * of thread-specific values, the fork handler, threads that end by themselves. So nothing of it is
 * unloaded. The shared libraries are linked so (-z nodelete); where the library is a part of the
 * plugin, that asks for itself.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fork.h"

#include <dlfcn.h>

/* In a program, which nobody closes, this changes nothing. */
void il__os_stay_loaded(void)
{
#if defined(IL_STATIC) && defined(RTLD_NODELETE)
	static const char here;
	Dl_info info;

	if (dladdr(&here, &info) && info.dli_fname)
		dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
#endif
}
