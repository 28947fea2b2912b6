/*
 * s_select.h: a task that selects once, in a scope of its own.
 */
#ifndef IL_TESTS_S_SELECT_H
#define IL_TESTS_S_SELECT_H

#include "objects.h"

struct chooser {
	il_case cases[4];
	size_t count;
	il_time timeout;
	il_scope scope;
	bool begun, returned;
	int rc, after; /* what it got; whether the cancellation shows after it */
};

static inline int choose(void *arg)
{
	struct chooser *c = arg;

	CHECK_RC(il_scope_enter(&c->scope, IL_FOREVER, 0), 0);
	c->begun = true;
	c->rc = il_select(c->cases, c->count, c->timeout);
	c->returned = true;
	c->after = il_check_cancelled();
	return il_scope_exit(&c->scope, c->after);
}

/* Starts it with the cases that were set; returns when it waits. */
static inline void start_choosing(il_group *g, struct chooser *c, size_t count)
{
	c->count = count;
	c->timeout = IL_FOREVER;
	c->scope = (il_scope)IL_SCOPE_INIT;
	c->begun = c->returned = false;
	CHECK_RC(il_group_start_soon(g, NULL, choose, c), 0);
	UNTIL(c->begun);
	CHECK_RC(il_yield(), 0);
	CHECK(!c->returned);
}

/* It has returned this index, and that case this code. */
static inline void check_chose(const struct chooser *c, int index, int rc)
{
	CHECK(c->returned);
	CHECK_RC(c->rc, index);
	if (index >= 0)
		CHECK_RC(c->cases[index].rc, rc);
	CHECK_RC(c->after, il_scope_cancelled(&c->scope) ? -ECANCELED : 0);
}

static inline int use_stream(void *choice)
{
	const il_case *c = choice;
	char byte = 'x', line[16];
	int rc;

	if (c->mask == IL_WRITABLE) {
		CHECK_RC(il_stream_write(c->object, &byte, 1), -EBUSY);
		CHECK_RC(il_stream_write_now(c->object, &(struct iovec){&byte, 1}, 1), -EBUSY);
		return il_stream_write_all(c->object, &byte, 1);
	}
	rc = il_stream_receive_until(c->object, line, sizeof line, "\n", 1);
	CHECK_RC(il_stream_read(c->object, &byte, 1), -EBUSY);
	CHECK_RC(il_stream_read_now(c->object, &byte, 1), -EBUSY);
	return rc;
}

/* While a select waits for a direction of a stream, which is not ready, nobody else has it. */
static inline void check_has_alone(il_stream *s, unsigned direction)
{
	struct chooser c = {.cases = {il_case_stream(s, direction)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_fail_after(IL_MSEC(20), use_stream, &c.cases[0]), -EBUSY);
	CHECK(!c.returned);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, -ECANCELED, 0);
	CHECK_RC(direction == IL_READABLE ? il_stream_read_now(s, &(char){0}, 1)
					  : il_stream_write_now(s, &(struct iovec){"x", 1}, 1),
		 -EAGAIN);
}

/* Selects now, without waiting. */
static inline int poll_case(il_case one)
{
	int rc = il_select(&one, 1, 0);

	return rc < 0 ? rc : one.rc;
}

/* The next of a sequence (xorshift), for random rounds. */
static inline uint64_t random_below(uint64_t *random, uint64_t below)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (*random * UINT64_C(2685821657736338717) >> 33) % below;
}

struct both_ends {
	il_sender *out;
	il_receiver *in;
};

static inline struct both_ends new_channel(size_t max)
{
	struct both_ends c = {NULL, NULL};

	CHECK_RC(il_channel_create(&c.out, &c.in, sizeof(int), max), 0);
	return c;
}

static inline void destroy_channel(struct both_ends *c)
{
	il_channel_statistics s = il_sender_get_statistics(c->out);

	CHECK_EQ(s.waiting_senders + s.waiting_receivers, 0);
	il_sender_destroy(c->out);
	il_receiver_destroy(c->in);
}

static inline void send_now(struct both_ends *c, int item)
{
	CHECK_RC(il_channel_send_nowait(c->out, &item), 0);
}

static inline void check_next(struct both_ends *c, int item)
{
	int got = -1;

	CHECK_RC(il_channel_receive_nowait(c->in, &got), 1);
	CHECK_EQ(got, item);
}

#endif
