/*
 * moments.h: included first in core/remote where that is compiled for moments.c, which then learns of each moment in which another
 * thread may come between, and decides for what there is no memory.
 */
#ifndef IL_TESTS_REMOTE_MOMENTS_H
#define IL_TESTS_REMOTE_MOMENTS_H

#include <pthread.h>
#include <stdlib.h>

int moments_unlock(pthread_mutex_t *lock);
int moments_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
void *moments_realloc(void *memory, size_t size);

#ifndef MOMENTS_ITSELF
#define pthread_mutex_unlock moments_unlock
#define pthread_create       moments_create
#define realloc              moments_realloc
#endif

#endif
