/*
 * waiter.h: tasks that wait for something in a scope of their own, so that each can be cancelled alone.
 */
#ifndef IL_TESTS_WAITER_H
#define IL_TESTS_WAITER_H

#include "harness.h"

/* A task that waits for something inside a scope of its own. */
struct waiter {
	il_fn *wait;
	void *object;
	const char *name;
	il_scope scope;
	bool begun, returned;
	int rc, after; /* what it got; whether the cancellation shows after it */
};

static inline int wait_in_scope(void *arg)
{
	struct waiter *w = arg;

	CHECK_RC(il_task_set_name(w->name ? w->name : ""), 0);
	CHECK_RC(il_scope_enter(&w->scope, IL_FOREVER, 0), 0);
	w->begun = true;
	w->rc = w->wait(w->object);
	w->returned = true;
	if (w->name)
		TRACE(w->name);
	w->after = il_check_cancelled();
	return il_scope_exit(&w->scope, w->after);
}

/* Starts it; returns when it waits. */
static inline void start_waiting(il_group *g, struct waiter *w, il_fn *wait, void *object)
{
	*w = (struct waiter){
	    .wait = wait, .object = object, .name = w->name, .scope = IL_SCOPE_INIT};
	CHECK_RC(il_group_start_soon(g, NULL, wait_in_scope, w), 0);
	UNTIL(w->begun);
	CHECK_RC(il_yield(), 0);
	CHECK(!w->returned);
}

static inline void check_waited(const struct waiter *w, int rc)
{
	CHECK(w->returned);
	CHECK_RC(w->rc, rc);
	CHECK_RC(w->after, il_scope_cancelled(&w->scope) ? -ECANCELED : 0);
}

#endif
