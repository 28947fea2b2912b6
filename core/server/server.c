/*
 * server.c: a server between its rounds of il_server_serve (server_run.c): making it, what one may ask,
 * closing and freeing it. Loop's thread only.
 */
#include "server.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "endpoint.h"
#include "protocol.h"

/* ---- making ---- */

static int server_check_options(const il_server_options *o)
{
	if (o->idle_timeout < 0 || o->first_request_timeout < 0 || o->request_timeout < 0 ||
	    o->send_timeout < 0 || o->grace_period < 0)
		return il__refuse(-EINVAL, "il_server_options: a time is negative");
	if (o->backlog < 0)
		return il__refuse(-EINVAL, "il_server_options: the backlog is negative");
	if (o->limits != IL_LIMITS_DEFAULT && o->limits != IL_LIMITS_PUBLIC)
		return il__refuse(-EINVAL,
				  "il_server_options: limits is %d, expected IL_LIMITS_DEFAULT or "
				  "IL_LIMITS_PUBLIC",
				  (int)o->limits);
	return 0;
}

/* For clients that nobody knows; what the user has set stays. */
static void fill_in_public(il_server_options *o)
{
	if (!o->first_request_timeout)
		o->first_request_timeout = IL_SEC(10);
	if (!o->request_timeout)
		o->request_timeout = IL_SEC(20);
	if (!o->idle_timeout)
		o->idle_timeout = IL_SEC(60);
	if (!o->send_timeout)
		o->send_timeout = IL_SEC(20);
	if (!o->max_clients)
		o->max_clients = 1000;
	if (!o->send_buffer)
		o->send_buffer = 65536;
}

static void fill_in(il_server_options *o, size_t room)
{
	const size_t least = 256; /* for the handlers' sake: a line fits mostly */

	if (!o->receive_buffer)
		o->receive_buffer = 4096;
	if (o->receive_buffer < least)
		o->receive_buffer = least;
	if (o->receive_buffer > room)
		o->receive_buffer = room;
	if (o->limits == IL_LIMITS_PUBLIC)
		fill_in_public(o);
	if (!o->idle_timeout)
		o->idle_timeout = IL_FOREVER;
	if (!o->first_request_timeout)
		o->first_request_timeout = IL_FOREVER;
	if (!o->request_timeout)
		o->request_timeout = IL_FOREVER;
	if (!o->send_timeout)
		o->send_timeout = IL_FOREVER;
}

static int server_create(il_server **server, const il_protocol *protocol, const il_handler *handler,
			 void *data, const il_server_options *options, const char *function)
{
	il_loop *loop = il_loop_current();
	il_server *s;
	int rc;

	if (!server || !handler || !handler->handle)
		return il__refuse(-EINVAL, "%s: %s", function,
				  !server ? "NULL where the server is to be stored"
					  : "a handler needs at least the function handle");
	if (!loop)
		return il__refuse(-EPERM, "%s: call it in the thread of a loop that runs",
				  function);
	rc = il__loop_check_thread(loop, function);
	if (rc == 0 && options)
		rc = server_check_options(options);
	if (rc < 0)
		return rc;
	s = il__calloc(1, sizeof *s);
	if (!s)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	if (options)
		s->options = *options;
	if (!s->options.max_packet)
		s->options.max_packet = (size_t)64 << 10;
	if (s->options.max_packet > SIZE_MAX / 4)
		s->options.max_packet = SIZE_MAX / 4;
	if (!il__protocol_is_valid(protocol) || protocol->least > s->options.max_packet) {
		il__free(s);
		return il__refuse(-EINVAL, "%s: %s", function,
				  !protocol ? "the protocol is NULL"
				  : !protocol->find
				      ? "the protocol has no find: it was made with a bad argument"
				      : "max_packet is too small for the protocol");
	}
	s->loop = loop;
	s->generation = il__generation;
	s->protocol = *protocol;
	s->handler = *handler;
	s->data = data;
	s->endless = protocol->find == il_protocol_bytes()->find;
	s->room = il__protocol_room(protocol, s->options.max_packet) + 1;
	fill_in(&s->options, s->room);
	il__list_init(&s->endpoints);
	il__list_init(&s->clients);
	il__list_init(&s->want_room);
	il__list_init(&s->shutdowns);
	*server = s;
	return 0;
}

static int may_add(const il_server *s, const char *function)
{
	if (s->closed)
		return il__refuse(-EBADF, "%s: the server is closed", function);
	if (s->phase != IL__SERVER_IDLE)
		return il__refuse(-EBUSY, "%s: the server serves; add addresses before", function);
	return 0;
}

/* Looking a name up may wait, so the server knows the address only once it is open. */
static int server_add(il_server *s, const char *host, const char *port, const char *function)
{
	struct il__endpoint *e;
	int rc = il__endpoint_make(s, host, port, &e);

	if (rc < 0)
		return rc;
	rc = il__endpoint_open(e);
	if (rc == 0)
		rc = may_add(s, function);
	if (rc < 0)
		il__endpoint_free(e);
	else
		il__list_push(&s->endpoints, &e->link);
	return rc;
}

static int server_created(il_server **server, il_server *s, int rc)
{
	if (rc < 0)
		il_server_destroy(s);
	else
		*server = s;
	return rc;
}

int il_tcp_server_open(il_server **server, const char *host, const char *port,
		       const il_protocol *protocol, const il_handler *handler, void *data,
		       const il_server_options *options)
{
	il_server *s;
	static const char function[] = "il_tcp_server_open";
	int rc = server_create(server ? &s : NULL, protocol, handler, data, options, function);

	return rc < 0 ? rc
		      : server_created(server, s, server_add(s, host, port ? port : "0", function));
}

int il_unix_server_open(il_server **server, const char *path, const il_protocol *protocol,
			const il_handler *handler, void *data, const il_server_options *options)
{
	il_server *s;
	static const char function[] = "il_unix_server_open";
	int rc = server_create(server ? &s : NULL, protocol, handler, data, options, function);

	return rc < 0 ? rc : server_created(server, s, server_add(s, path, NULL, function));
}

static int add_later(il_server *s, const char *host, const char *port, const char *function)
{
	int rc = il__server_check(s, function);

	if (rc == 0)
		rc = may_add(s, function);
	return rc < 0 ? rc : server_add(s, host, port, function);
}

int il_server_add_tcp(il_server *server, const char *host, const char *port)
{
	return add_later(server, host, port ? port : "0", "il_server_add_tcp");
}

int il_server_add_unix(il_server *server, const char *path)
{
	return add_later(server, path, NULL, "il_server_add_unix");
}

/* ---- closing ---- */

int il_server_close(il_server *server)
{
	int rc = il__server_check(server, "il_server_close");
	il_task *task = il__task_here();

	if (rc < 0)
		return rc;
	rc = task ? il__task_check(task) : 0; /* before this call itself cancels a set-up */
	server->closed = true;
	il__endpoints_close(server);
	if (server->phase == IL__SERVER_SETTING_UP)
		il_scope_cancel_because(&server->scope, "the server was closed");
	il__server_poke(server);
	return rc;
}

void il_server_destroy(il_server *server)
{
	if (!server)
		return;
	if (server->phase != IL__SERVER_IDLE && !il__inherited(server->generation))
		il__fatal("il_server_destroy: il_server_serve still runs; end it with "
			  "il_server_shutdown");
	while (!il__list_empty(&server->endpoints))
		il__endpoint_free(
		    il__container_of(server->endpoints.next, struct il__endpoint, link));
	il__free(server);
}

/* ---- what one may ask ---- */

uint16_t il_server_port(const il_server *server)
{
	if (server)
		il__list_each (node, &server->endpoints) {
			const struct il__endpoint *e =
			    il__container_of(node, struct il__endpoint, link);
			if (e->port)
				return e->bound;
		}
	return 0;
}

il_loop *il_server_loop(const il_server *server)
{
	return server ? server->loop : NULL;
}

bool il_server_is_serving(const il_server *server)
{
	return server && server->phase == IL__SERVER_UP && !server->closed && !server->stopping;
}

size_t il_server_clients(const il_server *server)
{
	return server ? server->client_count : 0;
}
