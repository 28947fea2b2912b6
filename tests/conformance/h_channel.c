/*
 * h_channel.c: channels: each item goes to one receiver, in order; ends close cleanly; a cancellation
 * neither loses an item nor moves one.
 */
#include "aside.h"
#include "dies.h"

#include <interloop/channel.h>

struct ends {
	il_sender *out;
	il_receiver *in;
};

static struct ends new_channel(size_t max)
{
	struct ends c = {NULL, NULL};

	CHECK_RC(il_channel_create(&c.out, &c.in, sizeof(int), max), 0);
	return c;
}

static void destroy(struct ends *c)
{
	il_sender_destroy(c->out);
	il_receiver_destroy(c->in);
}

/* A task that sends or receives once, inside a scope of its own. */
struct party {
	struct ends *c;
	il_scope scope;
	bool sends, begun, returned;
	int rc, item, after;
};

static int take_part(void *arg)
{
	struct party *p = arg;

	CHECK_RC(il_scope_enter(&p->scope, IL_FOREVER, 0), 0);
	p->begun = true;
	p->rc = p->sends ? il_channel_send(p->c->out, &p->item)
			 : il_channel_receive(p->c->in, &p->item);
	p->returned = true;
	p->after = il_check_cancelled();
	return il_scope_exit(&p->scope, p->after);
}

/* Starts it; returns when it waits. */
static void start(il_group *g, struct party *p, struct ends *c, bool sends, int item)
{
	*p = (struct party){.c = c, .sends = sends, .item = item, .scope = IL_SCOPE_INIT};
	CHECK_RC(il_group_start_soon(g, NULL, take_part, p), 0);
	UNTIL(p->begun);
	CHECK_RC(il_yield(), 0);
	CHECK(!p->returned);
}

static void check_part(const struct party *p, int rc, int item)
{
	CHECK(p->returned);
	CHECK_RC(p->rc, rc);
	CHECK_EQ(p->item, item);
	CHECK_RC(p->after, il_scope_cancelled(&p->scope) ? -ECANCELED : 0);
}

static int send_now(struct ends *c, int item)
{
	return il_channel_send_nowait(c->out, &item);
}

static void check_next(struct ends *c, int item)
{
	int got = -1;

	CHECK_RC(il_channel_receive_nowait(c->in, &got), 1);
	CHECK_EQ(got, item);
}

/* ---- 161 ---- */

IL_TEST(H, n161_without_a_buffer_an_item_goes_to_a_waiting_receiver_only)
{
	struct ends c = new_channel(0);
	struct party a, b;
	il_group g;
	int got = 0;

	CHECK_RC(send_now(&c, 1), -EAGAIN);
	CHECK_RC(il_channel_receive_nowait(c.in, &got), -EAGAIN);
	CHECK_RC(il_group_open(&g), 0);
	start(&g, &a, &c, false, 0);
	start(&g, &b, &c, false, 0);
	CHECK_EQ(il_sender_get_statistics(c.out).waiting_receivers, 2);
	CHECK_RC(send_now(&c, 2), 0);
	CHECK_RC(send_now(&c, 3), 0);
	CHECK_RC(send_now(&c, 4), -EAGAIN);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&a, 1, 2);
	check_part(&b, 1, 3);
	destroy(&c);
}

IL_TEST(H, n161_a_sender_waits_for_a_receiver)
{
	struct ends c = new_channel(0);
	struct party a, b;
	il_group g;
	int got = 0;

	CHECK_RC(il_group_open(&g), 0);
	start(&g, &a, &c, true, 5);
	start(&g, &b, &c, true, 6);
	CHECK_EQ(il_receiver_get_statistics(c.in).waiting_senders, 2);
	check_next(&c, 5);
	CHECK_RC(il_channel_receive(c.in, &got), 1);
	CHECK_EQ(got, 6);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&a, 0, 5);
	check_part(&b, 0, 6);
	destroy(&c);
}

static void check_arguments(void)
{
	il_sender *out = NULL;
	il_receiver *in = NULL;
	struct ends c;
	int item = 0;

	CHECK_RC(il_channel_create(&out, &in, sizeof(int), (size_t)-1), -EINVAL);
	CHECK_RC(il_channel_create(&out, &in, (size_t)-1, 1), -EINVAL);
	CHECK_RC(il_channel_create(NULL, &in, 1, 1), -EINVAL);
	CHECK_RC(il_channel_create(&out, NULL, 1, 1), -EINVAL);
	CHECK_RC(il_channel_create(&out, &in, PTRDIFF_MAX / 2, 4), -ENOMEM);
	CHECK(!out && !in);
	c = new_channel(1);
	CHECK_RC(il_channel_send_nowait(c.out, NULL), -EINVAL);
	CHECK_RC(il_channel_send_nowait(NULL, &item), -EINVAL);
	CHECK_RC(il_channel_receive_nowait(c.in, NULL), -EINVAL);
	CHECK_RC(il_channel_receive_nowait(NULL, &item), -EINVAL);
	destroy(&c);
	il_sender_destroy(NULL);
	il_receiver_destroy(NULL);
	CHECK_RC(il_channel_create(&out, &in, 0, 2), 0); /* only the number counts */
	CHECK_RC(il_channel_send_nowait(out, NULL), 0);
	CHECK_RC(il_channel_send_nowait(out, NULL), 0);
	CHECK_RC(il_channel_send_nowait(out, NULL), -EAGAIN);
	CHECK_RC(il_channel_receive_nowait(in, NULL), 1);
	il_sender_destroy(out);
	il_receiver_destroy(in);
}

IL_TEST_CORE(H, n161_a_size_is_not_negative)
{
	check_arguments();
}

IL_TEST(H, n161_nor_in_a_task)
{
	check_arguments();
}

IL_TEST(H, n161_a_full_buffer_is_a_bound)
{
	struct ends c = new_channel(2);
	struct party a;
	il_group g;

	CHECK_RC(send_now(&c, 1), 0);
	CHECK_RC(send_now(&c, 2), 0);
	CHECK_RC(send_now(&c, 3), -EAGAIN);
	CHECK_RC(il_group_open(&g), 0);
	start(&g, &a, &c, true, 3);
	CHECK_EQ(il_receiver_get_statistics(c.in).buffered, 2);
	check_next(&c, 1);
	CHECK_EQ(il_receiver_get_statistics(c.in).buffered, 2); /* the sender's came in */
	CHECK_RC(send_now(&c, 4), -EAGAIN);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&a, 0, 3);
	check_next(&c, 2);
	check_next(&c, 3);
	destroy(&c);
}

/* ---- 162 ---- */

IL_TEST(H, n162_after_the_last_sender_the_buffer_then_the_end)
{
	struct ends c = new_channel(4);
	il_sender *second = NULL;
	int got = 9;

	CHECK_RC(il_sender_clone(c.out, &second), 0);
	CHECK_EQ(il_sender_get_statistics(second).open_senders, 2);
	CHECK_RC(send_now(&c, 1), 0);
	CHECK_RC(send_now(&c, 2), 0);
	CHECK_RC(il_sender_close(c.out), 0);
	CHECK_RC(il_sender_close(c.out), 0);
	CHECK_RC(send_now(&c, 3), -EBADF);
	CHECK_RC(il_channel_send(c.out, &got), -EBADF);
	CHECK_RC(il_channel_send_nowait(second, &got), 0);
	il_sender_destroy(second);
	check_next(&c, 1);
	CHECK_RC(il_channel_receive(c.in, &got), 1);
	CHECK_EQ(got, 2);
	check_next(&c, 9);
	CHECK_RC(il_channel_receive(c.in, &got), 0);
	CHECK_RC(il_channel_receive_nowait(c.in, &got), 0);
	CHECK_EQ(got, 2);
	CHECK_RC(il_sender_clone(c.out, &second), -EBADF);
	destroy(&c);
}

IL_TEST(H, n162_after_the_last_receiver_senders_are_told)
{
	struct ends c = new_channel(2);
	il_receiver *second = NULL;
	int item = 1;

	CHECK_RC(il_receiver_clone(c.in, &second), 0);
	CHECK_RC(il_receiver_close(c.in), 0);
	CHECK_RC(il_receiver_close(c.in), 0);
	CHECK_RC(il_channel_receive(c.in, &item), -EBADF);
	CHECK_RC(il_channel_receive_nowait(c.in, &item), -EBADF);
	CHECK_RC(send_now(&c, 1), 0);
	il_receiver_destroy(second);
	CHECK_EQ(il_sender_get_statistics(c.out).buffered, 0);
	CHECK_RC(send_now(&c, 2), -EPIPE);
	CHECK_RC(il_channel_send(c.out, &item), -EPIPE);
	CHECK_RC(il_receiver_clone(c.in, &second), -EBADF);
	destroy(&c);
}

IL_TEST(H, n162_closing_wakes_who_waits_at_the_other_end)
{
	struct ends full = new_channel(1), empty = new_channel(1);
	struct party sender, receiver;
	il_group g;

	CHECK_RC(send_now(&full, 1), 0);
	CHECK_RC(il_group_open(&g), 0);
	start(&g, &sender, &full, true, 2);
	start(&g, &receiver, &empty, false, 7);
	CHECK_RC(il_receiver_close(full.in), 0);
	CHECK_RC(il_sender_close(empty.out), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&sender, -EPIPE, 2);
	check_part(&receiver, 0, 7);
	destroy(&full);
	destroy(&empty);
}

IL_TEST(H, n162_and_who_waits_at_the_closed_end_itself)
{
	struct ends full = new_channel(0), empty = new_channel(0);
	struct party sender, receiver;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start(&g, &sender, &full, true, 2);
	start(&g, &receiver, &empty, false, 7);
	CHECK_RC(il_sender_close(full.out), 0);
	CHECK_RC(il_receiver_close(empty.in), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&sender, -EBADF, 2);
	check_part(&receiver, -EBADF, 7);
	destroy(&full);
	destroy(&empty);
}

static int destroy_with_a_waiter(void *arg)
{
	struct ends c = new_channel(0);
	struct party p;
	il_group g;

	(void)arg;
	CHECK_RC(il_group_open(&g), 0);
	start(&g, &p, &c, false, 0);
	il_receiver_destroy(c.in);
	return il_group_close(&g, 0);
}

static int run_destroy_with_a_waiter(void *arg)
{
	return il_run(il_test_backend(), destroy_with_a_waiter, arg);
}

IL_TEST_OWN(H, n162_an_end_that_a_task_waits_on_is_not_destroyed)
{
	il_test_dies(run_destroy_with_a_waiter, NULL, "il_receiver_destroy");
}

/* ---- 164 ---- */

IL_TEST(H, n164_in_a_cancelled_scope_nothing_moves)
{
	struct ends c = new_channel(2);
	il_scope s = IL_SCOPE_INIT;
	int item = 5;

	CHECK_RC(send_now(&c, 1), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_channel_send(c.out, &item), -ECANCELED);
	CHECK_RC(il_channel_receive(c.in, &item), -ECANCELED);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK_EQ(item, 5);
	CHECK_EQ(il_sender_get_statistics(c.out).buffered, 1);
	check_next(&c, 1);
	destroy(&c);
}

IL_TEST(H, n164_an_item_is_not_for_a_receiver_that_was_cancelled_before)
{
	struct ends c = new_channel(1);
	struct party a, b;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start(&g, &a, &c, false, 0);
	CHECK_RC(il_scope_cancel(&a.scope), 0);
	CHECK_EQ(il_sender_get_statistics(c.out).waiting_receivers, 0);
	CHECK_RC(send_now(&c, 1), 0);
	UNTIL(a.returned);
	check_next(&c, 1);
	start(&g, &a, &c, false, 0);
	start(&g, &b, &c, false, 0);
	CHECK_RC(il_scope_cancel(&a.scope), 0);
	CHECK_RC(send_now(&c, 2), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&a, -ECANCELED, 0);
	check_part(&b, 1, 2);
	destroy(&c);
}

IL_TEST(H, n164_an_item_handed_over_stays_received)
{
	struct ends c = new_channel(0);
	struct party a;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start(&g, &a, &c, false, 0);
	CHECK_RC(send_now(&c, 3), 0);
	CHECK_RC(il_scope_cancel(&a.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&a, 1, 3);
	destroy(&c);
}

IL_TEST(H, n164_a_cancelled_sender_has_sent_or_not)
{
	struct ends c = new_channel(0);
	struct party before, after;
	il_group g;
	int got = 0;

	CHECK_RC(il_group_open(&g), 0);
	start(&g, &before, &c, true, 1);
	start(&g, &after, &c, true, 2);
	CHECK_RC(il_scope_cancel(&before.scope), 0);
	check_next(&c, 2);
	CHECK_RC(il_scope_cancel(&after.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_part(&before, -ECANCELED, 1);
	check_part(&after, 0, 2);
	CHECK_RC(il_channel_receive_nowait(c.in, &got), -EAGAIN);
	destroy(&c);
}

enum { PARTIES = 3, ITEMS = 60 };

struct market {
	struct ends c;
	il_scope *now[2 * PARTIES]; /* of each party's call; senders first */
	int sent, seen[PARTIES * ITEMS], senders, receivers, ticks;
	bool over;
};

static int cancel_now_and_then(void *arg)
{
	struct market *m = arg;

	for (; !m->over; CHECK_RC(il_yield(), 0))
		for (int i = 0; i < 2 * PARTIES; i++)
			if (++m->ticks % 5 == 0 && m->now[i])
				CHECK_RC(il_scope_cancel(m->now[i]), 0);
	return 0;
}

static int send_all(void *arg)
{
	struct market *m = arg;
	int me = m->senders++;

	for (int i = 0; i < ITEMS;) {
		il_scope s = IL_SCOPE_INIT;
		int item = me * ITEMS + i;
		CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
		m->now[me] = &s;
		int rc = il_channel_send(m->c.out, &item);
		m->now[me] = NULL;
		CHECK(rc == 0 || rc == -ECANCELED);
		CHECK_RC(il_scope_exit(&s, -ECANCELED), il_scope_cancelled(&s) ? 0 : -ECANCELED);
		i += rc == 0;
		m->sent += rc == 0;
	}
	return 0;
}

static int receive_all(void *arg)
{
	struct market *m = arg;
	int me = PARTIES + m->receivers++, rc = 1;

	while (rc != 0) {
		il_scope s = IL_SCOPE_INIT;
		int item = -1;
		CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
		m->now[me] = &s;
		rc = il_channel_receive(m->c.in, &item);
		m->now[me] = NULL;
		CHECK(rc == 1 || rc == 0 || rc == -ECANCELED);
		CHECK_EQ(item >= 0, rc == 1);
		CHECK_RC(il_scope_exit(&s, -ECANCELED), il_scope_cancelled(&s) ? 0 : -ECANCELED);
		if (rc == 1)
			m->seen[item]++;
	}
	return 0;
}

IL_TEST(H, n164_no_item_is_lost_or_doubled_however_often_they_are_cancelled)
{
	for (size_t max = 0; max < 3; max++) {
		struct market m = {.c = new_channel(max)};
		il_group senders, others;
		CHECK_RC(il_group_open(&others), 0);
		CHECK_RC(il_group_start_soon(&others, NULL, cancel_now_and_then, &m), 0);
		CHECK_RC(il_group_open(&senders), 0);
		for (int i = 0; i < PARTIES; i++) {
			CHECK_RC(il_group_start_soon(&others, NULL, receive_all, &m), 0);
			CHECK_RC(il_group_start_soon(&senders, NULL, send_all, &m), 0);
		}
		CHECK_RC(il_group_close(&senders, 0), 0);
		CHECK_RC(il_sender_close(m.c.out), 0);
		m.over = true;
		CHECK_RC(il_group_close(&others, 0), 0);
		CHECK_EQ(m.sent, PARTIES * ITEMS);
		for (int i = 0; i < PARTIES * ITEMS; i++)
			CHECK_EQ(m.seen[i], 1);
		destroy(&m.c);
	}
}

/* ---- very many ends ---- */

struct producer {
	il_sender *out;
	int rc;
};

static int produce(void *arg)
{
	struct producer *p = arg;
	int item = 1;

	p->rc = il_channel_send(p->out, &item);
	return 0;
}

/* The ends that are closed here, one after the other, have nobody who waits at them, or one task. There are not more tasks than there
 * can be guards of stacks on an old kernel; in virtual time each turn looks at all that are ready. */
IL_TEST(H, an_end_that_is_closed_does_not_look_at_who_waits_at_others)
{
	const size_t count = il_test_rounds(il_test_virtual() ? 2000 : 8000), closed = 5 * count;
	struct producer *all = calloc(count, sizeof *all);
	struct ends c = new_channel(0);
	il_sender *unused = NULL;
	il_time begin;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (size_t i = 0; i < count; i++) {
		CHECK_RC(il_sender_clone(c.out, &all[i].out), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, produce, &all[i]), 0);
	}
	UNTIL(il_sender_get_statistics(c.out).waiting_senders == count);
	begin = il_test_thread_cpu();
	for (size_t i = 0; i < closed; i++) {
		CHECK_RC(il_sender_clone(c.out, &unused), 0);
		il_sender_destroy(unused);
	}
	CHECK_EQ(il_sender_get_statistics(c.out).waiting_senders, count);
	for (size_t i = count; i-- > 0;)
		CHECK_RC(il_sender_close(all[i].out), 0);
	CHECK(il_test_thread_cpu() - begin < il_test_patience());
	CHECK_RC(il_group_close(&g, 0), 0);
	for (size_t i = 0; i < count; i++) {
		CHECK_RC(all[i].rc, -EBADF);
		il_sender_destroy(all[i].out);
	}
	destroy(&c);
	free(all);
}

/* ---- channels and loops ---- */

static int use_from_elsewhere(void *arg)
{
	struct ends *c = arg;
	il_sender *clone = NULL;
	int item = 0;

	CHECK_RC(il_channel_send_nowait(c->out, &item), -EPERM);
	CHECK_RC(il_channel_receive_nowait(c->in, &item), -EPERM);
	CHECK_RC(il_channel_send(c->out, &item), -EPERM);
	CHECK_RC(il_channel_receive(c->in, &item), -EPERM);
	CHECK_RC(il_sender_clone(c->out, &clone), -EPERM);
	CHECK_RC(il_sender_close(c->out), -EPERM);
	CHECK_RC(il_receiver_close(c->in), -EPERM);
	return 0;
}

IL_TEST(H, another_thread_may_not_touch_a_channel)
{
	struct ends c = new_channel(1);

	CHECK_RC(il_test_aside(use_from_elsewhere, &c), 0);
	CHECK_RC(send_now(&c, 1), 0);
	destroy(&c);
}

static int exchange(void *arg)
{
	struct ends *c = arg;
	int item = 4;

	CHECK_RC(il_channel_send(c->out, &item), 0);
	check_next(c, 3);
	CHECK_RC(il_channel_receive(c->in, &item), 1);
	return item;
}

IL_TEST_OWN(H, a_channel_may_be_made_before_any_loop_runs)
{
	struct ends c = new_channel(4);

	CHECK_RC(send_now(&c, 3), 0);
	CHECK_RC(il_run(il_test_backend(), exchange, &c), 4);
	destroy(&c);
}
