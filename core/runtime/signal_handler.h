/*
 * signal_handler.h: who handles a signal: a loop, which asked for SIGINT, and above it a receiver. There is one
 * protocol for both: installing, calling on the handler that was there, handing over, putting back.
 */
#ifndef IL_CORE_RUNTIME_SIGNAL_HANDLER_H
#define IL_CORE_RUNTIME_SIGNAL_HANDLER_H

#include "../base/base.h"

#ifndef NSIG
#define NSIG _NSIG
#endif

/* A receiver lies above the loop, whichever begins or ends first. */
enum il__signal_level { IL__SIGNAL_LOOP, IL__SIGNAL_RECEIVER, IL__SIGNAL_LEVELS };

/* The caller's, from begin to end. */
struct il__signal_use {
	/* In the handler: any thread, at any moment, so atomics and async-signal-safe functions only. heard: the
	 * handler that was there before was called for this one too. */
	void (*arrived)(struct il__signal_use *use, int number, bool heard);
	bool once; /* the next one does what the system does by default */
	bool
	    calls_on; /* the handler that was there before, if it is neither default nor "ignore" */
	bool keeps_mask; /* whoever uses it unblocks the signal, in threads of its own choice */
};

/* Receivers: also unblocks it in the calling thread, so that there is one that takes it, unless the use says no. 0; -EBUSY: this
 * level is somebody's; -EINVAL: it cannot be caught. */
int il__signal_begin(enum il__signal_level level, int number, struct il__signal_use *use);
/* In the same thread: puts back what was there before, unless somebody has put a handler over ours. From then
 * on `use` is the caller's alone: no handler is in it any more. */
void il__signal_end(enum il__signal_level level, int number);
/* Whether the system calls our handler, over which nobody has put another. */
bool il__signal_is_held(enum il__signal_level level, int number);
/* As it came: to the process, but here and at once where this thread takes it. */
void il__signal_raise(int number);
/* Nobody can return from those. */
bool il__signal_is_fault(int number);
/* Whether nobody handles it, but for a receiver. */
bool il__signal_is_default(int number);

#endif
