/*
 * inbox.h: how other threads reach a loop.
 */
#ifndef IL_CORE_RUNTIME_INBOX_H
#define IL_CORE_RUNTIME_INBOX_H

#include "../base/base.h"

/* One message, memory of the sender's. Handled in the loop's thread, on its own context, in order of posting. */
struct il__message {
	struct il__message *next;
	void (*handle)(struct il__message *m, il_loop *loop);
};

/* Outlives its loop: reference-counted, any thread. */
struct il__inbox;

struct il__inbox *il__inbox_ref(struct il__inbox *inbox);
void il__inbox_unref(struct il__inbox *inbox);
/* -ESHUTDOWN once the loop is closed: the message was not taken. Until it is in, somebody holds a
 * reference. */
int il__inbox_post(struct il__inbox *inbox, struct il__message *m);
/* Likewise, but the loop may hear of it a moment later: at the latest when this thread calls il__inbox_send, which
 * it must before it rests. */
int il__inbox_post_soon(struct il__inbox *inbox, struct il__message *m);
void il__inbox_send(void);
/* Whether its loop has a clock of its own. */
bool il__inbox_own_clock(const struct il__inbox *inbox);
/* A place among options.queue_limit; -EAGAIN: full. Given back by the handler. */
int il__inbox_reserve(struct il__inbox *inbox);
void il__inbox_unreserve(struct il__inbox *inbox); /* any thread: it was not posted */
void il__inbox_handled(struct il__inbox *inbox);   /* the loop's thread: it begins now */

/* ---- the loop's side ---- */

size_t il__inbox_queued(
    struct il__inbox *inbox); /* places that are taken by calls that have not begun */

int il__inbox_create(struct il__inbox **inbox, size_t limit, bool own_clock);
int il__inbox_fd(const struct il__inbox *inbox);
int il__inbox_wake_fd(const struct il__inbox *inbox);
void il__inbox_drain_fd(struct il__inbox *inbox);
void il__inbox_signal(struct il__inbox *inbox); /* makes the descriptor readable */
bool il__inbox_has_mail(void *inbox);
/* Appends what has come, oldest first, at *end, which moves on. */
void il__inbox_take(struct il__inbox *inbox, struct il__message ***end);
/* Likewise, and refuses from now on. */
void il__inbox_close(struct il__inbox *inbox, struct il__message ***end);
void il__inbox_awake(struct il__inbox *inbox);
/* guarded: the loop looks again by itself after a moment. False: messages came in, stay awake. */
bool il__inbox_asleep(struct il__inbox *inbox, bool guarded);

#endif
