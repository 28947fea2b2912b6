/*
 * local.h: task-local values.
 */
#ifndef IL_CORE_RUNTIME_LOCAL_H
#define IL_CORE_RUNTIME_LOCAL_H

struct il__locals; /* immutable while shared; any thread may hold a reference */

struct il__locals *il__locals_ref(struct il__locals *locals); /* NULL is "none" */
void il__locals_unref(struct il__locals *locals);
/* The calling task's, worker call's or thread's; borrowed. */
struct il__locals *il__locals_current(void);

#endif
