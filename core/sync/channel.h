/*
 * channel.h: a channel from inside: for the cases of a select that send or receive. Loop's thread only.
 */
#ifndef IL_CORE_SYNC_CHANNEL_H
#define IL_CORE_SYNC_CHANNEL_H

#include "../base/list.h"
#include "home.h"
#include "queue.h"

#include <interloop/channel.h>

struct il__channel_side {
	size_t open;             /* ends that are not closed */
	struct il__list waiters; /* each with a struct il__channel_wish */
};

struct il__channel {
	struct il__home home;
	size_t item_size, max;
	size_t head, count; /* items in the buffer, a ring */
	char *buffer;       /* max items; NULL once the last receiver is closed */
	size_t ends;        /* not destroyed; the last one frees the channel */
	struct il__channel_side senders, receivers;
};

struct il__channel_end {
	struct il__channel *channel;
	struct il__channel_side *side;
	struct il__list wishes; /* of those who wait here, in the order of the side's `waiters` */
	bool closed;
};

struct il_sender {
	struct il__channel_end end; /* first */
};

struct il_receiver {
	struct il__channel_end end; /* first */
};

/* What a waiter in a queue waits with. It is in two lists: its waiter in the side's, itself in the end's. */
struct il__channel_wish {
	struct il__list link;
	struct il__channel_end *end;
	struct il__waiter *waiter;
	const void *from; /* a sender's item */
	void *to;         /* a receiver's */
};

static inline void il__channel_join(struct il__channel_wish *wish, struct il__waiter *waiter)
{
	wish->waiter = waiter;
	waiter->arg = wish;
	il__list_push(&wish->end->wishes, &wish->link);
	il__list_push(&wish->end->side->waiters, &waiter->link);
}

/* Also if it has left. */
static inline void il__channel_leave(struct il__channel_wish *wish)
{
	il__list_remove(&wish->link);
	il__list_remove(&wish->waiter->link);
}

/* 0, or -EINVAL with the reason. */
int il__channel_check_arguments(const struct il__channel_end *end, const void *item,
				const char *function);
struct il__report;
/* What somebody at this end waits for. */
void il__channel_tell(struct il__report *r, const struct il__channel_end *end);
/* -EBADF, with words. */
int il__channel_refuse_closed(const char *function);
/* 0, or why nothing can be sent any more. */
int il__channel_check_sender(const struct il__channel_end *end, const char *function);
/* 0, or -EAGAIN: it would have to wait. */
int il__channel_put(struct il__channel *c, const void *item);
/* 1, 0 at the end, or -EAGAIN: it would have to wait. */
int il__channel_take(struct il__channel *c, void *item);

#endif
