/**
 * @file sync.h
 * @brief Locks, conditions, semaphores and capacity limiters, among the tasks of one loop.
 *
 * One rule for all four: waiters are served first come, first served. A release hands the object
 * straight to the first waiter, so that nobody can take it in between. A task that is cancelled
 * while it waits leaves the queue; one that was handed the object and is cancelled before it runs
 * passes it on to the next. So a call that returns -ECANCELED has taken nothing, and a call that
 * returns 0 has.
 *
 * An object belongs to one loop's thread: the loop in whose thread it was made, or, made outside a
 * loop, that of the first task that acquires or waits. From another thread use a portal. Taking a
 * free lock, permit or token yields once, so that a loop of acquire and release cannot keep
 * others from running; IL_FAST_ACQUIRE omits that yield. Destroying an object that a task waits for
 * stops the program with a sentence.
 *
 * Unless stated otherwise every call returns -EINVAL for a NULL object, -EPERM in a thread other
 * than the object's, and -ESHUTDOWN for an object inherited across fork. Calls that wait, and those
 * that make the calling task an owner, return -EPERM outside a task. The semantics are AnyIO's.
 */
#ifndef INTERLOOP_SYNC_H
#define INTERLOOP_SYNC_H

#include <interloop/condition.h>
#include <interloop/limiter.h>
#include <interloop/lock.h>
#include <interloop/semaphore.h>

#endif
