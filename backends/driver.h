/*
 * driver.h: what the backends of our drivers have in common: they call their functions alike.
 */
#ifndef IL_BACKENDS_DRIVER_H
#define IL_BACKENDS_DRIVER_H

#include <interloop/backend.h>

/* Defines `backend`; behind its name come the primitives that not every driver has. */
#define DRIVER_BACKEND(its_name, ...)         \
	static const il_backend backend = {   \
	    .abi = IL_BACKEND_ABI,            \
	    .name = its_name,                 \
	    .driver = {.open = driver_open,   \
		       .close = driver_close, \
		       .run = driver_run,     \
		       .stop = driver_stop,   \
		       .timer = driver_timer, \
		       .watch = driver_watch, \
		       __VA_ARGS__},          \
	    IL_CORE_SERVICES,                 \
	}

/* Defines what applications call: the backend, and the attach of one of their own loops. */
#define DRIVER_ENTRIES(loop_name, native_type)                           \
	const il_backend *il_##loop_name(void)                           \
	{                                                                \
		return &backend;                                         \
	}                                                                \
	int il_##loop_name##_attach(il_loop **loop, native_type *native, \
				    const il_loop_options *options)      \
	{                                                                \
		return il_loop_attach(loop, &backend, native, options);  \
	}                                                                \
	_Static_assert(sizeof(native_type *) > 0, "the macro's semicolon")

#endif
