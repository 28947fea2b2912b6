/*
 * sigint.h: SIGINT cancels the main task of a loop that asked for it. One owner at a time handles it, who is
 * compared, never followed.
 */
#ifndef IL_CORE_RUNTIME_SIGINT_H
#define IL_CORE_RUNTIME_SIGINT_H

#include "../base/base.h"

bool il__sigint_is_default(void);
bool il__sigint_install(const void *owner); /* false: it is somebody else's */
void il__sigint_aim(il_loop *loop); /* by its owner, in the loop's thread: whose main it cancels */
bool il__sigint_taken(il_loop *loop);      /* true once after each */
bool il__sigint_report(const void *owner); /* one came, and the caller will tell the user */
/* Puts back what was there before. True: one came, and nobody has told. */
bool il__sigint_restore(const void *owner);
void il__sigint_after_fork(void); /* in the child: it handles none */

#endif
