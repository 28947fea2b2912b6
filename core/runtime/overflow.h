/*
 * overflow.h: a task that overflows its stack says so before the program dies. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_OVERFLOW_H
#define IL_CORE_RUNTIME_OVERFLOW_H

#include "../base/base.h"

/* Whether the options or the environment ask for reports. */
bool il__overflow_wanted(bool option);
/* For a loop that opens in this thread; 0, or -ENOMEM with words. Each is followed by an end in the same thread. */
int il__overflow_begin(void);
void il__overflow_end(void);

#endif
