/*
 * client_task.c: a server's client. Its task connects it with the handler: on_connection, handle again and
 * again, on_disconnection; what fails there costs this client only and is reported once. The client
 * outlives its task while somebody holds a reference, but is closed then. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"
#include "client.h"
#include "endpoint.h"
#include "server.h"
#include "server_tasks.h"

#include <limits.h>
#include <stdio.h>

/* ---- what the handler's results mean ---- */

static bool is_connection_error(const il_client *c, int rc)
{
	return rc == -EBADF || rc == -EPIPE || rc == -ENODATA || rc == -ECONNRESET ||
	       rc == -ECONNABORTED || rc == -ENOTCONN || rc == c->failure;
}

static void client_report(const il_client *c, const char *function, int rc)
{
	const il_task *task = il__self.loop->current;
	bool misused;

	if (rc == -ECANCELED && task->scope->effective)
		return;
	/* That its own handler uses a client which it has closed tells of the handler. */
	misused = rc == -EBADF && c->dropped;
	if (is_connection_error(c, rc) && !misused &&
	    (il__client_is_closed(c) || c->ended || c->broken))
		return;
	if (!il__server_may_log(c->server))
		return;
	il__log(misused ? IL_LOG_WARNING : IL_LOG_ERROR,
		"client %s: %s failed, the client is closed: %s (%s)", c->address, function,
		il_error_name(rc), il__has_refused(rc) ? il_error_detail() : il_strerror(rc));
}

static void client_note(const il_client *c, const char *what)
{
	il__log(c->rules->quiet ? IL_LOG_DEBUG : IL_LOG_INFO, "client %s %s", c->address, what);
}

/* ---- the task ---- */

/* The words of a failure before it, which was got over, are not those of its own. */
static int client_call(il_client *c, int (*function)(il_client *, void *))
{
	if (il__unlikely(il__refusal.rc))
		il__clear_refusal();
	return function(c, c->server->data);
}

static bool client_stays(const il_client *c, il_task *task)
{
	return !il__client_is_closed(c) && !c->end_reported && !c->server->stopping &&
	       !il__task_cancelled(task);
}

static void client_converse(il_client *c, il_task *task)
{
	const il_handler *h = &c->server->handler;

	while (client_stays(c, task)) {
		int rc;
		c->received = false;
		if (c->rules->endless)
			c->asking = false; /* what this call receives is the request */
		rc = client_call(c, h->handle);
		if (rc < 0) {
			client_report(c, "handle", rc);
			return;
		}
		if (!c->received)
			return;
	}
}

/* What layers hold back of what the handler has sent; a close would drop it. Whoever sends meanwhile is cut off. */
static void client_flush(il_client *c)
{
	if (c->ops || il__client_is_closed(c) || c->broken || c->sending ||
	    il__client_acquire(c) < 0)
		return;
	il__stream_flush(c->stream, il__client_end_of_patience(c), "il_server_serve");
	il__client_release(c);
}

/* A layer may know better who the peer is. */
static int client_describe_again(il_client *c)
{
	char text[IL_ADDRESS_TEXT_MAX] = "", *address;
	il_address peer;

	if (il_stream_peer_address(c->stream, &peer) == 0 && peer.storage.ss_family != AF_UNIX)
		il_address_text(&peer, text, sizeof text);
	if (!*text || strcmp(text, c->address) == 0)
		return 0;
	address = il__strdup(text);
	if (!address)
		return il__refuse(-ENOMEM, "out of memory for a client's address");
	c->address = address;
	return 0;
}

/* The server's end has come before it: whoever closes the idle clients then has passed it by. */
static bool overtaken(const il_server *s, il_task *task)
{
	return s->stopping || il__task_cancelled(task);
}

/* One that is closed because the server ends has not failed. */
static int client_put_layer(il_client *c)
{
	il_server *s = c->server;
	int rc;

	c->idle = true; /* a shutdown need not wait for it */
	rc = il__client_put_layer(c, &s->layer,
				  il__deadline_from(c->connected, s->rules.first_request_timeout),
				  "il_server_serve");
	c->idle = false;
	s->failed_layers += rc < 0 && rc != -ECANCELED && !s->rules.ending;
	return rc;
}

/* The server's layer. What fails there is this client's, which is no client yet: it is not logged as one. */
static int client_begin_layer(il_client *c, il_task *task)
{
	const il_server *s = c->server;
	int rc = -ECANCELED;

	if (!s->layer.accept)
		return 0;
	if (!overtaken(s, task))
		rc = client_put_layer(c);
	if (rc == 0)
		rc = client_describe_again(c);
	if (rc == 0 && overtaken(s, task))
		rc = -ECANCELED;
	if (rc < 0) {
		il__log(IL_LOG_DEBUG, "client %s has no layer: %s (%s)", c->address,
			il_error_name(rc),
			il__has_refused(rc) ? il_error_detail() : il_strerror(rc));
		il__client_shut(c);
	}
	return rc;
}

static int client_main(void *arg)
{
	il_client *c = arg;
	il_task *task = il__self.loop->current;
	const il_handler *h = &c->server->handler;
	int rc;

	if (client_begin_layer(c, task) < 0)
		return 0;
	c->task = task;
	/* Whom the server's end has overtaken its handler does not get to know. */
	rc = overtaken(c->server, task) ? -ECANCELED : 0;
	il__task_set_name(task, c->address);
	client_note(c, "connected");
	if (rc == 0 && h->on_connection) {
		rc = client_call(c, h->on_connection);
		if (rc < 0)
			client_report(c, "on_connection", rc);
	}
	if (rc >= 0)
		client_converse(c, task);
	client_flush(c);
	c->task = NULL;
	il__client_shut(c);
	if (rc >= 0 && h->on_disconnection)
		h->on_disconnection(c, c->server->data);
	client_note(c, "disconnected");
	return 0;
}

static void on_ended(il_task *task, int rc)
{
	il_client *c = task->base->owner;
	il_server *s = c->server;

	(void)rc;
	il__list_remove(&c->link);
	s->client_count--;
	s->rules.buffered -= c->capacity;
	if (c->ops)
		c->ops->left(c);
	c->server = NULL;
	c->rules = NULL;
	il_client_unref(c);
	il__queue_wake_all(&s->want_room, 0); /* who comes next is not known */
	il__server_tasks_left(&s->served);
}

/* ---- making one ---- */

static void client_describe(il_server *s, const struct il__endpoint *e, il_stream *stream,
			    char *text, size_t size)
{
	il_address peer = {.length = 0};

	s->serial++;
	if (e->bound && il_stream_peer_address(stream, &peer) == 0)
		il_address_text(&peer, text, size);
	else
		snprintf(text, size, "%s#%llu", e->host ? e->host : "",
			 (unsigned long long)s->serial);
}

/* What the system keeps for those who do not read is memory, too. It takes any size. */
static void limit_send_buffer(const il_server *s, il_stream *stream)
{
	size_t most = s->options.send_buffer;
	int size = most < INT_MAX / 2 ? (int)most : INT_MAX / 2;

	if (size)
		il__stream_set_option(stream, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* For want of something, with its name. */
static void client_turned_away(il_server *s, const il_client *c, int rc)
{
	if (!il__server_may_log(s))
		return;
	if (c)
		il__log(IL_LOG_WARNING, "client %s was turned away: %s (%s)", c->address,
			il_error_name(rc),
			il__has_refused(rc) ? il_error_detail() : il_strerror(rc));
	else
		il__log(IL_LOG_WARNING, "a client was turned away: out of memory");
}

int il__client_start(il_server *s, il_client *c)
{
	int rc;

	c->server = s;
	c->accepted = true;
	il__clear_refusal();
	rc = il__server_tasks_start(&s->served, NULL, client_main, c, on_ended, c);
	if (rc < 0) {
		client_turned_away(s, c, rc);
		il_client_unref(c);
		return rc;
	}
	il__list_push(&s->clients, &c->link);
	s->client_count++;
	s->clients_total++;
	return 0;
}

int il__client_accepted(il_server *s, const struct il__endpoint *e, il_stream *stream)
{
	char address[IL_ADDRESS_TEXT_MAX + 24];
	il_client *c;

	client_describe(s, e, stream, address, sizeof address);
	c = il__client_create(s->loop, &s->rules, stream, address, NULL);
	if (!c) {
		il_stream_destroy(stream);
		client_turned_away(s, NULL, -ENOMEM);
		return -ENOMEM;
	}
	limit_send_buffer(s, stream);
	return il__client_start(s, c);
}
