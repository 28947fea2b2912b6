/*
 * loan.h: how a loop with a clock of its own learns that a worker's thread waits for a task of the loop. Meanwhile the
 * call that the thread runs owes nothing (ledger.h), and the clock goes on.
 */
#ifndef IL_CORE_RUNTIME_LOAN_H
#define IL_CORE_RUNTIME_LOAN_H

#include <stdbool.h>

#include "ledger.h"

struct il__inbox;
struct il__loan;

/* Of the call that this thread runs, which waits from now on; name 0: it runs none. */
struct il__account il__lender_here(bool gives_up);

/* Before the waiter is known to who will wake it: one more, to a loop whose task may wake it. No more than one to each
 * loop, and none to a loop that has no clock of its own. False: that loop gets none. */
bool il__loan_add(struct il__loan **loans, struct il__inbox *inbox);
/* Once it is known. gives_up: the wait may have another end than by tasks of these loops. */
void il__loans_begin(struct il__loan *loans, bool gives_up);
/* By whoever wakes the waiter, before it does, so that no time passes before the thread goes on; and by the waiter that
 * gives up, while it may still be woken: so no loop ends that has not heard of it. */
void il__loans_end(struct il__loan *loans);
/* By the waiter, last. */
void il__loans_drop(struct il__loan *loans);

#endif
