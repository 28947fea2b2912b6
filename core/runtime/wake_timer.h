/*
 * wake_timer.h: when a loop is woken for its timers: ahead of the next, or once for many. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_WAKE_TIMER_H
#define IL_CORE_RUNTIME_WAKE_TIMER_H

#include "source.h"

/* Part of a loop: its one native timer, which is a descriptor of the core's own where there is one. */
struct il__wake_timer {
	struct il__source source; /* watch.fd < 0: the driver's timer is used */
	il_time set;              /* for when; IL_FOREVER: for no time */
	/* It was set `lead` ahead of `aim` (IL_FOREVER: it was not), or may be set anew; `lead` was adjusted last
	 * when lead_aim came. */
	il_time aim, lead, lead_aim;
	bool fired; /* its descriptor is readable until it is set */
};

int il__wake_timer_open(il_loop *loop);
void il__wake_timer_close(il_loop *loop);
/* For the next timer. False: the native loop had no memory for it; to be asked again in the next turn. */
bool il__wake_timer_set(il_loop *loop);
/* The same deadline once more, where the host may have closed the driver's own timer. Before a turn. */
void il__wake_timer_again(il_loop *loop);
/* The driver's own timer has fired, and is set for no time now. */
void il__wake_timer_spent(il_loop *loop);

#endif
