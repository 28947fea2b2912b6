/*
 * client_case.c: waiting for a client's next packet, or its end, in a select. It stands in the place of whoever
 * receives, under the same limits of time; what comes goes to the client's own buffer. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/report.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/timer.h"
#include "../sync/case.h"
#include "client.h"

struct client_case {
	struct il__case base;
	struct il__fd_share share;
	bool late; /* the limit of the client's server has passed */
};

il__case_fits(struct client_case);

static struct client_case *client_case_of(il_case *c)
{
	return (struct client_case *)(void *)il__case_inside(c);
}

static int client_case_check(il_case *c, il_task *task)
{
	const il_client *client = c->object;
	int rc = il__client_enter(client, "il_select");

	(void)task;
	if (rc < 0 || il__client_is_closed(client))
		return rc;
	if (client->receiving || (!client->ops && il__stream_is_read(client->stream)))
		return il__refuse(-EBUSY, "il_select: another task receives from this client");
	return 0;
}

static int client_case_occupy(il_case *c, struct il__select *s)
{
	const il_client *client = c->object;

	if (!client->ops)
		return il__case_occupy(c, s, il__stream_place(client->stream), IL_READABLE);
	return il__client_is_closed(client) ? 0 : il__case_occupy(c, s, client, IL_READABLE);
}

/* Of a datagram server's peer there is no stream. */
static void client_case_own(il_client *client, bool waits)
{
	if (client->ops)
		return;
	if (waits)
		il__stream_select(client->stream, IL_READABLE);
	else
		il__stream_unselect(client->stream, IL_READABLE);
}

static int client_case_take(il_case *c, il_task *task)
{
	il_client *client = c->object;

	(void)task;
	client_case_own(client, false);
	c->rc = il__client_is_closed(client) ? -EBADF : 0;
	return il__client_look(client);
}

/* Once the stream is closed so is the client. */
static void client_case_fire(struct il__fd_share *share)
{
	struct client_case *w = il__container_of(share, struct client_case, share);

	if (share->rc < 0)
		il__case_happened(&w->base, -EBADF);
	else
		il__case_news(w->base.select);
}

/* It is the end, unless a packet has come in time. */
static void client_case_expire(struct il__timer *timer)
{
	const il_client *client = il__container_of(timer, il_client, select_limit);
	struct client_case *w = il__container_of(client->selecting, struct client_case, base);

	w->late = true;
	if (!il__select_is_over(w->base.select))
		il__case_news(w->base.select);
}

static int client_case_watch(il_case *c)
{
	il_client *client = c->object;
	struct client_case *w = client_case_of(c);
	il_time limit = il__client_limit(client, client->select_since);
	int rc = client->unlooked;

	if (!client->ops && client->idle && client->rules->ending) {
		il__client_shut(client);
		il__case_happened(&w->base, -EBADF);
		return 0;
	}
	if (client->ops)
		client->ops->watch(client, &w->base.waiter);
	else if (!rc)
		rc = il__stream_watch(client->stream, &w->share);
	if (rc > 0)
		il__case_news(w->base.select);
	if (rc >= 0 && limit != IL_FOREVER)
		rc = il__timer_arm(client->loop, &client->select_limit, limit);
	client_case_own(client, rc >= 0);
	return rc < 0 ? rc : 0;
}

static int client_case_enqueue(il_case *c, il_task *task)
{
	il_client *client = c->object;
	struct client_case *w = client_case_of(c);

	(void)task;
	w->share = (struct il__fd_share){.asked = IL_READABLE, .fire = client_case_fire};
	w->late = false;
	il_client_ref(client);
	client->receiving = true;
	client->selecting = &w->base;
	client->select_limit = (struct il__timer){.fire = client_case_expire};
	client->select_since = il__loop_now(client->loop);
	client->idle = !client->received && client->begin == client->end;
	if (il__client_is_closed(client)) /* by what another case has called */
		il__case_happened(&w->base, -EBADF);
	return il__select_is_over(w->base.select) ? 0 : client_case_watch(c);
}

/* The protocol's `find`, and perhaps a transport's functions. */
static bool client_case_calls_out(const il_case *c)
{
	return !((const il_client *)c->object)->ops;
}

/* As il_client_receive at the end of its time. */
static int client_case_look_late(il_case *c, il_task *task)
{
	int rc;

	il__stream_unwatch(&client_case_of(c)->share);
	rc = client_case_take(c, task);
	if (rc == 0)
		il__client_expire(c->object);
	return rc < 0 ? rc : 1;
}

static int client_case_look(il_case *c, il_task *task)
{
	il_client *client = c->object;
	int rc;

	if (client_case_of(c)->late)
		return client_case_look_late(c, task);
	rc = client_case_of(c)->share.link ? 0 : client_case_take(c, task);
	if (client->ops)
		return rc;
	client->idle = client->idle && client->begin == client->end;
	if (rc == 0 && !client_case_of(c)->share.link)
		rc = client_case_watch(c);
	return rc;
}

static void client_case_rest(il_case *c, il_task *task)
{
	il_client *client = c->object;

	(void)task;
	il__timer_disarm(client->loop, &client->select_limit);
	if (client->ops)
		client->ops->watch(client, NULL);
	else
		il__stream_unwatch(&client_case_of(c)->share);
	client_case_own(client, false);
	client->waited += il__loop_now(client->loop) - client->select_since;
	client->receiving = client->idle = false;
	client->selecting = NULL;
	il_client_unref(client);
}

static void client_case_tell(struct il__report *r, il_case *c)
{
	const il_client *client = c->object;

	il__report(r, "a packet of client %s", client->address);
}

static const struct il__case_ops client_case = {
    .tell = client_case_tell,
    .check = client_case_check,
    .occupy = client_case_occupy,
    .take = client_case_take,
    .enqueue = client_case_enqueue,
    .calls_out = client_case_calls_out,
    .rest = client_case_rest,
    .look = client_case_look,
};

il_case il_case_client(il_client *client)
{
	return il__case(&client_case, client);
}
