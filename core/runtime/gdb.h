/*
 * gdb.h: what a debugger finds in a process or a core of it, without debug information. Any thread.
 */
#ifndef IL_CORE_RUNTIME_GDB_H
#define IL_CORE_RUNTIME_GDB_H

#include "../base/base.h"

struct il_gdb_layout;

/* What opens loops names it, so that a static program has it. */
IL_API extern const struct il_gdb_layout il_gdb_layout;

#endif
