/**
 * @file sync.h
 * @brief Locks, conditions, semaphores and capacity limiters, among the tasks of one loop.
 *
 * One rule for all four: waiters are served first come, first served, and whoever gives something
 * back hands it straight to the first waiter, so that nobody can take it between the release and
 * the wake-up. A task that waits and is cancelled leaves the queue; one that was handed what it
 * waited for and is cancelled before it runs gives it on to the next. So a call that answers
 * -ECANCELED has taken nothing, and a call that answers 0 has.
 *
 * An object belongs to one loop's thread: the loop in whose thread it was made, or, made outside a
 * loop, that of the first task that acquires or waits. From another thread use a portal. Taking a
 * free lock, permit or token yields once, so that a loop of acquire and release cannot keep the
 * others from running; IL_FAST_ACQUIRE leaves that out. Destroying an object that a task waits for
 * stops the program with a sentence.
 *
 * Where not said otherwise every call answers -EINVAL for a NULL object, -EPERM in another thread
 * than the object's, and -ESHUTDOWN for an object inherited across fork. Calls that wait, and those
 * that name the calling task as an owner, answer -EPERM outside a task. The semantics are AnyIO's.
  */
#ifndef INTERLOOP_SYNC_H
#define INTERLOOP_SYNC_H

#include <interloop/condition.h>
#include <interloop/limiter.h>
#include <interloop/lock.h>
#include <interloop/semaphore.h>

#endif
