/*
 * runtime.h: the floor of loops and tasks. What the floors above build on: the current task, park and
 * wake, timers, scopes, the inbox by which other threads reach a loop, futures.
 *
 * Everything in a loop and in its tasks, scopes and timers is touched by the loop's thread only. What
 * other threads touch is named so: the inbox, futures, wake-ups, locals' reference counts.
 */
#ifndef IL_CORE_RUNTIME_H
#define IL_CORE_RUNTIME_H

#include "future.h"
#include "loop.h"
#include "wakeup.h"

#include <interloop/group.h>

#endif
