/*
 * channel.c: channels. Invariants: a receiver waits only while the buffer is empty and no sender
 * waits; a sender waits only while the buffer is full; nobody waits on a closed end. An item is
 * copied once on the way in and once on the way out, from hand to hand only once. Loop's thread
 * only; one made outside a loop is anybody's until a task sends or receives.
 */
#include "channel.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "home.h"
#include "queue.h"

static const struct il__channel_wish *channel_pop(struct il__channel_side *side)
{
	struct il__channel_wish *wish;

	if (il__list_empty(&side->waiters))
		return NULL;
	wish = il__queued(side->waiters.next)->arg;
	il__channel_leave(wish);
	return wish;
}

static void channel_wake_all(struct il__channel_side *side, int rc)
{
	const struct il__channel_wish *wish;

	while ((wish = channel_pop(side)))
		il__waiter_wake(wish->waiter, rc);
}

/* The task is cancelled. */
static bool channel_give_up(il_task *task, void *wish)
{
	(void)task;
	il__channel_leave(wish);
	return true;
}

static int channel_wait(struct il__channel_wish *wish, il_task *task, const struct il__wait *wait)
{
	il__channel_join(wish, &task->waiter);
	return il__task_park(task, channel_give_up, wish, wait);
}

/* ---- items ---- */

static void channel_copy(const struct il__channel *c, void *to, const void *from)
{
	if (c->item_size > 0)
		memcpy(to, from, c->item_size);
}

/* The buffer's place that is n items after its head. */
static char *channel_place(const struct il__channel *c, size_t n)
{
	size_t i = c->head + n;

	return c->buffer + (i < c->max ? i : i - c->max) * c->item_size;
}

int il__channel_put(struct il__channel *c, const void *item)
{
	const struct il__channel_wish *wish = channel_pop(&c->receivers);

	if (wish) {
		channel_copy(c, wish->to, item);
		il__waiter_wake(wish->waiter, 1);
		return 0;
	}
	if (c->count == c->max)
		return -EAGAIN;
	channel_copy(c, channel_place(c, c->count), item);
	c->count++;
	return 0;
}

int il__channel_take(struct il__channel *c, void *item)
{
	const struct il__channel_wish *wish;

	if (c->count > 0) {
		channel_copy(c, item, channel_place(c, 0));
		c->head = c->head + 1 < c->max ? c->head + 1 : 0;
		c->count--;
		wish = channel_pop(&c->senders);
		if (wish) {
			channel_copy(c, channel_place(c, c->count), wish->from);
			c->count++;
		}
	} else {
		wish = channel_pop(&c->senders);
		if (!wish)
			return c->senders.open > 0 ? -EAGAIN : 0;
		channel_copy(c, item, wish->from);
	}
	if (wish)
		il__waiter_wake(wish->waiter, 0);
	return 1;
}

/* ---- sending and receiving ---- */

int il__channel_check_arguments(const struct il__channel_end *end, const void *item,
				const char *function)
{
	if (end && (item || end->channel->item_size == 0))
		return 0;
	return il__refuse(-EINVAL, "%s: %s is NULL", function, end ? "item" : "the channel's end");
}

int il__channel_refuse_closed(const char *function)
{
	return il__refuse(-EBADF, "%s: this end of the channel is closed", function);
}

int il__channel_check_sender(const struct il__channel_end *end, const char *function)
{
	if (end->closed)
		return il__channel_refuse_closed(function);
	if (end->channel->receivers.open == 0)
		return il__refuse(-EPIPE, "%s: the channel's last receiver is closed", function);
	return 0;
}

void il__channel_tell(struct il__report *r, const struct il__channel_end *end)
{
	const struct il__channel *c = end->channel;

	if (end->side == &c->senders)
		il__report(r, "room in channel %p, which has %zu of %zu items; %zu open receivers",
			   (const void *)c, c->count, c->max, c->receivers.open);
	else
		il__report(r, "an item of channel %p; %zu open senders", (const void *)c,
			   c->senders.open);
}

static void channel_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__channel_wish *wish = task->waiter.arg;

	il__channel_tell(r, wish->end);
}

static const struct il__wait send_wait = {"il_channel_send", channel_tell_wait};
static const struct il__wait receive_wait = {"il_channel_receive", channel_tell_wait};

int il_channel_send(il_sender *sender, const void *item)
{
	struct il__channel_end *end = (struct il__channel_end *)sender;
	int rc = il__channel_check_arguments(end, item, "il_channel_send");
	struct il__channel_wish wish = {.end = end, .from = item};
	il_task *task;

	if (rc < 0)
		return rc;
	task = il__home_task(&end->channel->home, "il_channel_send", &rc);
	if (!task)
		return rc;
	rc = il__task_check(task);
	if (rc == 0)
		rc = il__channel_check_sender(end, "il_channel_send");
	if (rc < 0)
		return rc;
	if (il__channel_put(end->channel, item) < 0)
		return channel_wait(&wish, task, &send_wait);
	il__task_yield(task);
	return 0;
}

int il_channel_send_nowait(il_sender *sender, const void *item)
{
	const struct il__channel_end *end = (const struct il__channel_end *)sender;
	int rc = il__channel_check_arguments(end, item, "il_channel_send_nowait");

	if (rc == 0)
		rc = il__home_check(&end->channel->home, "il_channel_send_nowait");
	if (rc == 0)
		rc = il__channel_check_sender(end, "il_channel_send_nowait");
	if (rc < 0)
		return rc;
	rc = il__channel_put(end->channel, item);
	if (rc < 0)
		il__refuse(
		    rc,
		    "il_channel_send_nowait: %zu of %zu items are buffered and no receiver waits",
		    end->channel->count, end->channel->max);
	return rc;
}

int il_channel_receive(il_receiver *receiver, void *item)
{
	struct il__channel_end *end = (struct il__channel_end *)receiver;
	int rc = il__channel_check_arguments(end, item, "il_channel_receive");
	struct il__channel_wish wish = {.end = end, .to = item};
	il_task *task;

	if (rc < 0)
		return rc;
	task = il__home_task(&end->channel->home, "il_channel_receive", &rc);
	if (!task)
		return rc;
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	if (end->closed)
		return il__channel_refuse_closed("il_channel_receive");
	rc = il__channel_take(end->channel, item);
	if (rc < 0)
		return channel_wait(&wish, task, &receive_wait);
	il__task_yield(task);
	return rc;
}

int il_channel_receive_nowait(il_receiver *receiver, void *item)
{
	const struct il__channel_end *end = (const struct il__channel_end *)receiver;
	int rc = il__channel_check_arguments(end, item, "il_channel_receive_nowait");

	if (rc == 0)
		rc = il__home_check(&end->channel->home, "il_channel_receive_nowait");
	if (rc < 0)
		return rc;
	if (end->closed)
		return il__channel_refuse_closed("il_channel_receive_nowait");
	rc = il__channel_take(end->channel, item);
	if (rc < 0)
		il__refuse(rc, "il_channel_receive_nowait: there is no item now");
	return rc;
}

/* ---- the life of ends ---- */

static struct il__channel *channel_make(size_t item_size, size_t max)
{
	struct il__channel *c = il__calloc(1, sizeof *c);

	if (!c)
		return NULL;
	il__home_init(&c->home, il__self.loop);
	c->item_size = item_size;
	c->max = max;
	il__list_init(&c->senders.waiters);
	il__list_init(&c->receivers.waiters);
	if (item_size == 0 || max <= PTRDIFF_MAX / item_size)
		c->buffer = il__malloc(item_size * max + 1); /* never malloc(0) */
	if (c->buffer)
		return c;
	il__free(c);
	return NULL;
}

/* NULL: no memory. */
static void *open_end(struct il__channel *c, struct il__channel_side *side)
{
	struct il__channel_end *end = il__malloc(sizeof *end);

	if (!end)
		return NULL;
	end->channel = c;
	end->side = side;
	end->closed = false;
	il__list_init(&end->wishes);
	c->ends++;
	side->open++;
	return end;
}

static void *clone_end(const struct il__channel_end *end, const char *function, int *rc)
{
	void *clone;

	*rc = il__home_check(&end->channel->home, function);
	if (*rc == 0 && end->closed)
		*rc = il__channel_refuse_closed(function);
	if (*rc < 0)
		return NULL;
	clone = open_end(end->channel, end->side);
	if (!clone)
		*rc = il__refuse(-ENOMEM, "%s: no memory", function);
	return clone;
}

/* Whoever waits on this end. A wake may take others out of it: cases of one select. */
static void wake_end(struct il__channel_end *end)
{
	while (!il__list_empty(&end->wishes)) {
		struct il__channel_wish *wish =
		    il__container_of(end->wishes.next, struct il__channel_wish, link);
		il__channel_leave(wish);
		il__waiter_wake(wish->waiter, -EBADF);
	}
}

static void close_end(struct il__channel_end *end)
{
	struct il__channel *c = end->channel;

	if (end->closed)
		return;
	end->closed = true;
	wake_end(end);
	if (--end->side->open > 0)
		return;
	if (end->side == &c->senders) {
		channel_wake_all(&c->receivers, 0);
	} else {
		channel_wake_all(&c->senders, -EPIPE);
		il__free(c->buffer);
		c->buffer = NULL;
		c->count = 0;
	}
}

static void end_check_unused(const struct il__channel_end *end, const char *function)
{
	if (!il__list_empty(&end->wishes))
		il__fatal("%s: a task waits on this end; close it first, which wakes the task",
			  function);
}

static void destroy_end(struct il__channel_end *end, const char *function)
{
	struct il__channel *c = end->channel;

	if (!il__home_is_inherited(&c->home)) {
		end_check_unused(end, function);
		close_end(end);
	}
	il__free(end);
	if (--c->ends == 0) {
		il__free(c->buffer);
		il__free(c);
	}
}

/* ---- the public side of it ---- */

int il_channel_create(il_sender **sender, il_receiver **receiver, size_t item_size, size_t max)
{
	struct il__channel *c;
	il_sender *s = NULL;
	il_receiver *r = NULL;

	if (!sender || !receiver)
		return il__refuse(-EINVAL, "il_channel_create: %s is NULL",
				  sender ? "receiver" : "sender");
	if (il__was_negative(item_size) || il__was_negative(max))
		return il__refuse(-EINVAL,
				  "il_channel_create: item_size is %td and max %td; 0 or more is "
				  "expected",
				  (ptrdiff_t)item_size, (ptrdiff_t)max);
	c = channel_make(item_size, max);
	if (c)
		s = open_end(c, &c->senders);
	if (s)
		r = open_end(c, &c->receivers);
	if (r) {
		*sender = s;
		*receiver = r;
		return 0;
	}
	il__free(s);
	if (c)
		il__free(c->buffer);
	il__free(c);
	return il__refuse(-ENOMEM, "il_channel_create: no memory for %zu items of %zu bytes", max,
			  item_size);
}

int il_sender_clone(il_sender *sender, il_sender **clone)
{
	int rc;

	if (!sender || !clone)
		return il__refuse(-EINVAL, "il_sender_clone: %s is NULL",
				  sender ? "clone" : "sender");
	il_sender *s = clone_end(&sender->end, "il_sender_clone", &rc);
	if (s)
		*clone = s;
	return rc;
}

int il_receiver_clone(il_receiver *receiver, il_receiver **clone)
{
	int rc;

	if (!receiver || !clone)
		return il__refuse(-EINVAL, "il_receiver_clone: %s is NULL",
				  receiver ? "clone" : "receiver");
	il_receiver *r = clone_end(&receiver->end, "il_receiver_clone", &rc);
	if (r)
		*clone = r;
	return rc;
}

int il_sender_close(il_sender *sender)
{
	int rc = sender ? il__home_check(&sender->end.channel->home, "il_sender_close")
			: il__refuse(-EINVAL, "il_sender_close: sender is NULL");

	if (rc == 0)
		close_end(&sender->end);
	return rc;
}

int il_receiver_close(il_receiver *receiver)
{
	int rc = receiver ? il__home_check(&receiver->end.channel->home, "il_receiver_close")
			  : il__refuse(-EINVAL, "il_receiver_close: receiver is NULL");

	if (rc == 0)
		close_end(&receiver->end);
	return rc;
}

void il_sender_destroy(il_sender *sender)
{
	if (sender)
		destroy_end(&sender->end, "il_sender_destroy");
}

void il_receiver_destroy(il_receiver *receiver)
{
	if (receiver)
		destroy_end(&receiver->end, "il_receiver_destroy");
}

/* ---- looking at it ---- */

static il_channel_statistics channel_look(const struct il__channel *c)
{
	il_channel_statistics s = {0};

	s.item_size = c->item_size;
	s.max = c->max;
	s.buffered = c->count;
	s.open_senders = c->senders.open;
	s.open_receivers = c->receivers.open;
	s.waiting_senders = il__list_length(&c->senders.waiters);
	s.waiting_receivers = il__list_length(&c->receivers.waiters);
	return s;
}

il_channel_statistics il_sender_get_statistics(const il_sender *sender)
{
	return sender ? channel_look(sender->end.channel) : (il_channel_statistics){0};
}

il_channel_statistics il_receiver_get_statistics(const il_receiver *receiver)
{
	return receiver ? channel_look(receiver->end.channel) : (il_channel_statistics){0};
}
