/*
 * client.c: a client's life. Its task connects it with the handler: on_connection, handle again and
 * again, on_disconnection; what fails there costs this client only and is reported once. The client
 * outlives its task while somebody holds a reference, but is closed then. Loop's thread only.
 */
#include "client.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"
#include "endpoint.h"
#include "server.h"
#include "server_tasks.h"

#include <limits.h>
#include <stdio.h>

/* ---- what the handler's results mean ---- */

static bool is_connection_error(int rc)
{
	return rc == -EBADF || rc == -EPIPE || rc == -ENODATA || rc == -ECONNRESET ||
	       rc == -ECONNABORTED || rc == -ENOTCONN;
}

static void client_report(const il_client *c, const char *function, int rc)
{
	const il_task *task = il__self.loop->current;
	bool misused;

	if (rc == -ECANCELED && task->scope->effective)
		return;
	/* That its own handler uses a client which it has closed tells of the handler. */
	misused = rc == -EBADF && c->dropped;
	if (is_connection_error(rc) && !misused &&
	    (il__client_is_closed(c) || c->ended || c->broken))
		return;
	if (!il__server_may_log(c->server))
		return;
	il__log(misused ? IL_LOG_WARNING : IL_LOG_ERROR,
		"client %s: %s failed, the client is closed: %s (%s)", c->address, function,
		il_error_name(rc), il_strerror(rc));
}

static void client_note(const il_client *c, const char *what)
{
	il__log(c->server->options.quiet ? IL_LOG_DEBUG : IL_LOG_INFO, "client %s %s", c->address,
		what);
}

/* ---- the task ---- */

/* Closing with received bytes unread would be a reset, which may overtake the last answer. */
static void hang_up(il_client *c)
{
	char scrap[2048];

	for (int i = 0; i < 64 && !c->broken && !il__client_is_closed(c); i++)
		if (il__os_receive(il_stream_fd(c->stream), scrap, sizeof scrap) <= 0)
			break;
	il_stream_close(c->stream);
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
		if (c->server->endless)
			c->asking = false; /* what this call receives is the request */
		rc = h->handle(c, c->server->data);
		if (rc < 0) {
			client_report(c, "handle", rc);
			return;
		}
		if (!c->received)
			return;
	}
}

static int client_main(void *arg)
{
	il_client *c = arg;
	il_task *task = il__self.loop->current;
	const il_handler *h = &c->server->handler;
	int rc = il__task_cancelled(task) ? -ECANCELED : 0;

	snprintf(task->base->name, sizeof task->base->name, "%s", c->address);
	client_note(c, "connected");
	if (rc == 0 && h->on_connection)
		rc = h->on_connection(c, c->server->data);
	if (rc < 0)
		client_report(c, "on_connection", rc);
	else
		client_converse(c, task);
	hang_up(c);
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
	s->buffered -= c->capacity;
	c->server = NULL;
	il_client_unref(c);
	il__queue_wake(&s->want_room, 0);
	il__server_tasks_left(&s->served);
}

/* ---- making one ---- */

static void client_describe(il_server *s, const struct il__endpoint *e, il_stream *stream,
			    char *text, size_t size)
{
	il_address peer = {.length = 0};

	s->serial++;
	if (e->port && il_stream_peer_address(stream, &peer) == 0)
		il_address_text(&peer, text, size);
	else
		snprintf(text, size, "%s#%llu", e->host ? e->host : "",
			 (unsigned long long)s->serial);
}

static il_client *client_create(il_server *s, const struct il__endpoint *e, il_stream *stream)
{
	char address[IL_ADDRESS_TEXT_MAX + 24];
	size_t size;
	il_client *c;

	client_describe(s, e, stream, address, sizeof address);
	size = strlen(address) + 1;
	c = il__calloc(1, sizeof *c + size);
	if (!c)
		return NULL;
	memcpy(c->address, address, size);
	c->refs = 1;
	c->server = s;
	c->loop = s->loop;
	c->stream = stream;
	c->parse.limit = s->options.max_packet;
	il__list_init(&c->senders);
	if (s->options.first_request_timeout != IL_FOREVER)
		c->connected = il__loop_now(s->loop);
	return c;
}

/* What the system keeps for those who do not read is memory, too. It takes any size. */
static void limit_send_buffer(const il_server *s, il_stream *stream)
{
	size_t most = s->options.send_buffer;
	int size = most < INT_MAX / 2 ? (int)most : INT_MAX / 2;

	if (size)
		setsockopt(il_stream_fd(stream), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

int il__client_start(il_server *s, const struct il__endpoint *e, il_stream *stream)
{
	il_client *c = client_create(s, e, stream);
	int rc;

	if (!c) {
		il_stream_destroy(stream);
		if (il__server_may_log(s))
			il__log(IL_LOG_WARNING, "a client was turned away: out of memory");
		return -ENOMEM;
	}
	limit_send_buffer(s, stream);
	rc = il__server_tasks_start(&s->served, NULL, client_main, c, on_ended, c);
	if (rc < 0) {
		if (il__server_may_log(s))
			il__log(IL_LOG_WARNING, "client %s was turned away: %s (%s)", c->address,
				il_error_name(rc), il_strerror(rc));
		il_client_unref(c);
		return rc;
	}
	il__list_push(&s->clients, &c->link);
	s->client_count++;
	return 0;
}

/* ---- the public side ---- */

int il__client_check(const il_client *c, const char *function)
{
	if (!c)
		return il__refuse(-EINVAL, "%s: the client is NULL", function);
	return il__loop_check_thread(c->loop, function);
}

il_client *il_client_ref(il_client *client)
{
	if (client)
		client->refs++;
	return client;
}

void il_client_unref(il_client *client)
{
	if (!client || --client->refs)
		return;
	il_stream_destroy(client->stream);
	il__free(client->buffer);
	il__free(client);
}

static bool is_own_task(const il_client *c)
{
	const il_task *task = il__self.loop ? il__self.loop->current : NULL;

	return task && task->base->fn == client_main && task->base->owner == c;
}

int il_client_close(il_client *client)
{
	int rc = il__client_check(client, "il_client_close");

	if (rc < 0)
		return rc;
	client->dropped |= !il__client_is_closed(client) && is_own_task(client);
	hang_up(client);
	return 0;
}

bool il_client_is_closing(const il_client *client)
{
	return !client || il__client_is_closed(client) || client->end_reported || client->broken;
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
