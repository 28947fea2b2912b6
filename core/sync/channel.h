/*
 * channel.h: a channel from inside: for the cases of a select that send or receive. Loop's thread only.
 */
#ifndef IL_CORE_SYNC_CHANNEL_H
#define IL_CORE_SYNC_CHANNEL_H

#include "../base/list.h"
#include "home.h"

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
	bool closed;
};

struct il_sender {
	struct il__channel_end end; /* first */
};

struct il_receiver {
	struct il__channel_end end; /* first */
};

/* What a waiter in a queue waits with. */
struct il__channel_wish {
	const struct il__channel_end *end;
	const void *from; /* a sender's item */
	void *to;         /* a receiver's */
};

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
