/*
 * switch.h: the machine's part of a context switch: switch_x86_64.S, switch_aarch64.S, or
 * switch_ucontext.c. Both functions are for context.c only.
 */
#ifndef IL_CORE_RUNTIME_SWITCH_H
#define IL_CORE_RUNTIME_SWITCH_H

/* Saves where the caller is in *save, and goes on at `to`. */
void il__switch(void **save, void *to);
/* A context on the stack that ends at top, which will call fn(arg); fn must not return. */
void *il__switch_prepare(char *top, void (*fn)(void *arg), void *arg);

#endif
