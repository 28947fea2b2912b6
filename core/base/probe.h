/*
 * probe.h: static probes for perf, bpftrace and SystemTap, where the system has <sys/sdt.h>: each is one nop, and a
 * note in the library that says where its arguments are. docs/debugging.md lists them. Any thread.
 */
#ifndef IL_CORE_BASE_PROBE_H
#define IL_CORE_BASE_PROBE_H

#if defined(__has_include) && !defined(IL_PORTABLE)
#if __has_include(<sys/sdt.h>)
#define IL__PROBES 1
#endif
#endif

#ifdef IL__PROBES
#include <sys/sdt.h>
#ifdef __clang__ /* which finds an empty argument in the system's macros */
#define IL__PROBE(name, first, second)                                                  \
	_Pragma("clang diagnostic push")                                                \
	    _Pragma("clang diagnostic ignored \"-Wgnu-zero-variadic-macro-arguments\"") \
		DTRACE_PROBE2(interloop, name, first, second);                          \
	_Pragma("clang diagnostic pop")
#else
#define IL__PROBE(name, first, second) DTRACE_PROBE2(interloop, name, first, second)
#endif
#else
#define IL__PROBE(name, first, second) ((void)(first), (void)(second))
#endif

#endif
