/*
 * moments.h: included first in core/remote where that is compiled for moments.c, which then learns of each moment in which another
 * thread may come between.
 */
#ifndef IL_TESTS_REMOTE_MOMENTS_H
#define IL_TESTS_REMOTE_MOMENTS_H

#include <pthread.h>

int moments_unlock(pthread_mutex_t *lock);

#ifndef MOMENTS_ITSELF
#define pthread_mutex_unlock moments_unlock
#endif

#endif
