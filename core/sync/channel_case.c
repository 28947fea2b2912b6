/*
 * channel_case.c: sending to and receiving from channels in a select. A case stands in the queue with its wish like
 * a task, so an item goes from hand to hand; it never meets another case of its own select, for by the time
 * these wait nobody asks any more. Loop's thread only.
 */
#include "../runtime/task.h"
#include "case.h"
#include "channel.h"

struct channel_case {
	struct il__case base;
	struct il__channel_wish wish;
};

il__case_fits(struct channel_case);

static int channel_case_check(il_case *c, il_task *task)
{
	const struct il__channel_end *end = c->object;
	int rc = il__channel_check_arguments(end, c->item, "il_select");

	return rc < 0 ? rc : il__case_home(&end->channel->home, task);
}

static int send_case_take(il_case *c, il_task *task)
{
	const struct il__channel_end *end = c->object;

	(void)task;
	c->rc = il__channel_check_sender(end, "il_select");
	if (c->rc == 0)
		c->rc = il__channel_put(end->channel, c->item);
	return c->rc != -EAGAIN;
}

static int receive_case_take(il_case *c, il_task *task)
{
	const struct il__channel_end *end = c->object;

	(void)task;
	c->rc = end->closed ? il__channel_refuse_closed("il_select")
			    : il__channel_take(end->channel, c->item);
	return c->rc != -EAGAIN;
}

static int channel_case_enqueue(il_case *c, il_task *task)
{
	struct il__channel_end *end = c->object;
	struct channel_case *w = (struct channel_case *)(void *)il__case_inside(c);

	(void)task;
	w->wish = (struct il__channel_wish){.end = end, .from = c->item, .to = c->item};
	il__channel_join(&w->wish, &w->base.waiter);
	return 0;
}

static void channel_case_dequeue(il_case *c, il_task *task)
{
	struct channel_case *w = (struct channel_case *)(void *)il__case_inside(c);

	(void)task;
	il__channel_leave(&w->wish);
}

static void channel_case_tell(struct il__report *r, il_case *c)
{
	il__channel_tell(r, c->object);
}

static const struct il__case_ops send_case = {
    .tell = channel_case_tell,
    .check = channel_case_check,
    .take = send_case_take,
    .enqueue = channel_case_enqueue,
    .dequeue = channel_case_dequeue,
};

static const struct il__case_ops receive_case = {
    .tell = channel_case_tell,
    .check = channel_case_check,
    .take = receive_case_take,
    .enqueue = channel_case_enqueue,
    .dequeue = channel_case_dequeue,
};

il_case il_case_send(il_sender *sender, const void *item)
{
	il_case c = il__case(&send_case, sender);

	c.item = (void *)(uintptr_t)item;
	return c;
}

il_case il_case_receive(il_receiver *receiver, void *item)
{
	il_case c = il__case(&receive_case, receiver);

	c.item = item;
	return c;
}
