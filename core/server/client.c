/*
 * client.c: a client's life and what one may ask it, whoever it belongs to: a server, whose task runs its
 * handler (client_task.c), or the task that has connected it (client_open.c). It lives while somebody holds a
 * reference; closing never waits. Loop's thread only.
 */
#include "client.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"

/* ---- making one ---- */

il_client *il__client_create(il_loop *loop, struct il__client_rules *rules, il_stream *stream,
			     const char *address, const char *host)
{
	size_t size = strlen(address) + 1, more = host ? strlen(host) + 1 : 0;
	il_client *c = il__calloc(1, sizeof *c + size + more);

	if (!c)
		return NULL;
	c->address = memcpy(c->texts, address, size);
	if (host)
		c->host = memcpy(c->texts + size, host, more);
	c->refs = 1;
	c->loop = loop;
	c->rules = rules;
	c->stream = stream;
	c->parse.limit = rules->max_packet;
	il__list_init(&c->link);
	il__list_init(&c->senders);
	c->since = loop->turns.since;
	if (rules->first_request_timeout != IL_FOREVER)
		c->connected = il__loop_now(loop);
	return c;
}

/* ---- closing ---- */

void il__client_shut(il_client *c)
{
	bool first = !c->closed;

	c->closed = true;
	il__queue_wake_all(&c->senders, -EBADF);
	if (c->layering)
		il_scope_cancel_because(c->layering, "the client was closed");
	if (!c->ops) {
		/* With received bytes unread it would be a reset, which may overtake the last packet. */
		if (!c->broken)
			il__stream_drop_received(c->stream);
		il_stream_close(c->stream);
	} else if (first) {
		c->ops->close(c);
	}
}

int il__client_check(const il_client *c, const char *function)
{
	if (!c)
		return il__refuse(-EINVAL, "%s: the client is NULL", function);
	return il__loop_check_thread(c->loop, function);
}

int il_client_close(il_client *client)
{
	int rc = il__client_check(client, "il_client_close");

	if (rc < 0)
		return rc;
	client->dropped |=
	    client->task && client->task == il__self.loop->current && !il__client_is_closed(client);
	il__client_shut(client);
	return 0;
}

/* ---- references ---- */

il_client *il_client_ref(il_client *client)
{
	if (client)
		client->refs++;
	return client;
}

/* The loop is the parent's in a forked child, and may be gone when the client is closed. */
static void client_shut_last(il_client *c, const char *function)
{
	if (il__client_is_closed(c) || il__inherited(c->loop->generation))
		return;
	if (il__self.loop != c->loop)
		il__fatal("%s: called in another thread than its loop's", function);
	il__client_shut(c);
}

void il__client_discard(il_client *c)
{
	il__free(c->buffer);
	il__free(c->why);
	il__free(c->found_why);
	if (c->address != c->texts)
		il__free(c->address);
	if (c->connected_here)
		il__free(c->rules);
	il__free(c);
}

void il_client_unref(il_client *client)
{
	if (!client || --client->refs)
		return;
	client_shut_last(client, "il_client_unref");
	il_stream_destroy(client->stream);
	il__client_discard(client);
}

void il_client_destroy(il_client *client)
{
	if (!client)
		return;
	if (!client->connected_here)
		il__fatal("il_client_destroy: client %s is its server's; end it with "
			  "il_client_close",
			  client->address);
	client_shut_last(client, "il_client_destroy");
	il_client_unref(client);
}

/* ---- what one may ask ---- */

bool il_client_is_closing(const il_client *client)
{
	return !client || il__client_is_closed(client) || client->end_reported ||
	       (client->broken && !client->ops);
}

il_loop *il_client_loop(il_client *client)
{
	return client ? client->loop : NULL;
}

il_server *il_client_server(const il_client *client)
{
	return client ? client->server : NULL;
}

const char *il_client_address(const il_client *client)
{
	return client ? client->address : "";
}

il_stream *il_client_stream(const il_client *client)
{
	return client ? client->stream : NULL;
}

void il_client_set_data(il_client *client, void *data)
{
	if (client)
		client->data = data;
}

void *il_client_data(const il_client *client)
{
	return client ? client->data : NULL;
}
