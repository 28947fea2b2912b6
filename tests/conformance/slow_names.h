/*
 * slow_names.h: names that are looked up for as long as a test likes. A lookup of a name *.test is answered by
 * l_connect.c, in front of the system's; that of slow*.test posts slow_begun and waits for slow_go.
 */
#ifndef IL_TESTS_SLOW_NAMES_H
#define IL_TESTS_SLOW_NAMES_H

#include <semaphore.h>

extern sem_t slow_begun, slow_go;
/* Before the first of such names. */
void slow_names(void);

#endif
