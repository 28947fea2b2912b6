/*
 * soon_memory.h: the memory of posted calls that have neither a task nor a future. Any thread.
 */
#ifndef IL_CORE_PORTAL_SOON_MEMORY_H
#define IL_CORE_PORTAL_SOON_MEMORY_H

struct il__soon;

struct il__soon *il__soon_memory_take(void); /* as malloc */
void il__soon_memory_give(struct il__soon *soon);
void il__soon_memory_free(void); /* at a loop's end: the blocks that nobody uses */

#endif
