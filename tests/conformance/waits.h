/*
 * waits.h: calls that wait, as functions for the tasks and threads of tests.
 */
#ifndef IL_TESTS_WAITS_H
#define IL_TESTS_WAITS_H

#include "harness.h"

#include <interloop/sync.h>

static inline int sleep_forever(void *unused)
{
	(void)unused;
	return il_sleep_forever();
}

static inline int wait_event(void *event)
{
	return il_event_wait(event);
}

/* It has the lock afterwards, as a rule. */
static inline int wait_condition(void *condition)
{
	CHECK_RC(il_condition_acquire(condition), 0);
	return il_condition_wait(condition);
}

static inline int wait_future(void *future)
{
	return il_future_wait(future, IL_FOREVER);
}

static inline int wait_process(void *process)
{
	return il_process_wait(process);
}

static inline int wait_readable(void *fd)
{
	return il_wait_readable(*(int *)fd);
}

static inline int next_signal(void *receiver)
{
	return il_signal_receiver_next(receiver, IL_FOREVER);
}

/* What is accepted is dropped. */
static inline int accept_one(void *listener)
{
	il_stream *s = NULL;
	int rc = il_listener_accept(listener, &s);

	il_stream_destroy(s);
	return rc;
}

/* At most 16 bytes. */
static inline int read_some(void *stream)
{
	char data[16];

	return il_stream_read(stream, data, sizeof data);
}

/* ---- behind a shield ---- */

static inline int shielded_wait(il_event *event)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, IL_SHIELD), 0);
	return il_scope_exit(&s, il_event_wait(event));
}

static inline int shielded_sleep(il_time delay)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, IL_SHIELD), 0);
	return il_scope_exit(&s, il_sleep(delay));
}

/* ---- what is had, and what is given back at once ---- */

static inline int take_permit(void *semaphore)
{
	return il_semaphore_acquire(semaphore);
}

static inline int await_condition(void *condition)
{
	int rc = il_condition_acquire(condition);

	if (rc < 0)
		return rc;
	rc = il_condition_wait(condition);
	il_condition_release(condition);
	return rc;
}

static inline int borrow_and_return(void *limiter)
{
	int rc = il_limiter_acquire(limiter);

	return rc < 0 ? rc : il_limiter_release(limiter);
}

static inline int lock_and_release(void *lock)
{
	int rc = il_lock_acquire(lock);

	return rc < 0 ? rc : il_lock_release(lock);
}

#endif
