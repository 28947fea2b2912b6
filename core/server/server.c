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
#include "../base/report.h"
#include "../io/layer.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "client.h"
#include "endpoint.h"
#include "stop_signals.h"
#include "udp.h"

#include <interloop/event.h>

/* ---- making ---- */

static int server_check_options(const il_server_options *o)
{
	const struct {
		const char *name;
		il_time value;
	} times[] = {{"idle_timeout", o->idle_timeout},
		     {"first_request_timeout", o->first_request_timeout},
		     {"request_timeout", o->request_timeout},
		     {"send_timeout", o->send_timeout},
		     {"grace_period", o->grace_period}};

	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (times[i].value < 0)
			return il__refuse(-EINVAL, "il_server_options: %s is negative",
					  times[i].name);
	if (o->layer && !o->layer->accept)
		return il__refuse(-EINVAL,
				  "il_server_options: the layer has no function accept: it is for "
				  "clients only, as that of TLS without a certificate");
	if (o->backlog < 0)
		return il__refuse(-EINVAL, "il_server_options: the backlog is negative");
	if (o->unix_mode > 07777)
		return il__refuse(-EINVAL, "il_server_options: unix_mode is 0%o", o->unix_mode);
	if (o->limits != IL_LIMITS_DEFAULT && o->limits != IL_LIMITS_PUBLIC)
		return il__refuse(-EINVAL,
				  "il_server_options: limits is %d, expected IL_LIMITS_DEFAULT or "
				  "IL_LIMITS_PUBLIC",
				  (int)o->limits);
	return il__check_limits("il_server_options", /* the clients' own: il__client_rules_init() */
				(const struct il__limit[]){{"max_clients", o->max_clients},
							   {"send_buffer", o->send_buffer},
							   {"peer_queue", o->peer_queue},
							   {NULL, 0}});
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

static il_time server_limit(il_time asked)
{
	return asked ? asked : IL_FOREVER;
}

/* What of the options is the clients'. */
static int server_fill_in(il_server *s, const il_protocol *protocol, const char *function)
{
	il_server_options *o = &s->options;
	struct il__client_rules *r = &s->rules;
	int rc = il__client_rules_init(r, protocol, o->max_packet, o->receive_buffer, function);

	if (rc < 0)
		return rc;
	if (o->limits == IL_LIMITS_PUBLIC)
		fill_in_public(o);
	r->quiet = o->quiet;
	r->idle_timeout = server_limit(o->idle_timeout);
	r->first_request_timeout = server_limit(o->first_request_timeout);
	r->request_timeout = server_limit(o->request_timeout);
	r->send_timeout = server_limit(o->send_timeout);
	il__layer_hold(&s->layer, o->layer);
	o->layer = NULL; /* the caller's may be gone */
	return 0;
}

/* ---- in a dump of its loop ---- */

static const char *server_state(const il_server *s)
{
	if (s->phase == IL__SERVER_UP)
		return s->stopping ? "stopping" : "serves";
	if (s->phase == IL__SERVER_SETTING_UP)
		return "is being set up";
	if (s->phase == IL__SERVER_ENDING)
		return "is ending";
	return s->closed ? "closed" : "does not serve";
}

static void tell_client(struct il__report *r, const il_client *c)
{
	il__report_indent(r, 2);
	il__report(r, "client %s, connected for ", c->address);
	il__report_duration(r, il__loop_waited(c->loop, c->since));
	il__report(r, "%s%s%s", c->idle ? ", idle" : "", c->sending ? ", sending" : "",
		   c->ended ? ", at its end" : "");
	il__report_line_end(r);
}

static void server_tell(struct il__extension *x, struct il__report *r)
{
	const il_server *s = il__container_of(x, il_server, extension);

	il__report_indent(r, 1);
	il__report(r, "server on port %u %s: %zu clients, %llu in all", (unsigned)il_server_port(s),
		   server_state(s), s->client_count, (unsigned long long)s->clients_total);
	il__report_line_end(r);
	il__list_each (node, &s->clients)
		tell_client(r, il__container_of(node, const il_client, link));
}

static int server_loop_closes(struct il__extension *x, il_loop *loop)
{
	(void)x;
	(void)loop;
	return 0;
}

static const struct il__extension_ops server_ops = {.tell = server_tell,
						    .closing = server_loop_closes};

static int server_create(il_server **server, const il_protocol *protocol, const il_handler *handler,
			 void *data, const il_server_options *options, const char *function)
{
	il_loop *loop;
	il_server *s;
	int rc;

	if (!server || !handler || !handler->handle)
		return il__refuse(-EINVAL, "%s: %s", function,
				  !server ? "NULL where the server is to be stored"
					  : "a handler needs at least the function handle");
	rc = il__loop_here(&loop, function);
	if (rc == 0 && options)
		rc = server_check_options(options);
	if (rc < 0)
		return rc;
	s = il__calloc(1, sizeof *s);
	if (!s)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	if (options)
		s->options = *options;
	rc = il_event_create(&s->stop);
	if (rc == 0)
		rc = server_fill_in(s, protocol, function);
	if (rc < 0) {
		il_event_destroy(s->stop);
		il__free(s);
		return rc;
	}
	s->loop = loop;
	s->generation = il__generation;
	il__loop_extend(loop, &s->extension, &server_ops);
	s->handler = *handler;
	s->data = data;
	s->stop_signals = IL__STOP_SIGNALS_NONE;
	il__list_init(&s->endpoints);
	il__list_init(&s->adding);
	il__list_init(&s->clients);
	il__list_init(&s->want_room);
	il__list_init(&s->shutdowns);
	*server = s;
	return 0;
}

static int may_add(const il_server *s, const char *function)
{
	if (s->udp)
		return il__refuse(-EINVAL, "%s: a UDP server has one address", function);
	if (s->closed)
		return il__refuse(-EBADF, "%s: the server is closed", function);
	if (s->phase != IL__SERVER_IDLE)
		return il__refuse(-EBUSY, "%s: the server serves; add addresses before", function);
	return 0;
}

/* Looking a name up may wait, so the server knows the address only once it is open, and may be gone by then. */
static int server_add(il_server *s, const char *host, const char *port, const char *function)
{
	struct il__endpoint *e;
	int rc = il__endpoint_make(s, host, port, &e);

	if (rc < 0)
		return rc;
	il__list_push(&s->adding, &e->link);
	rc = il__endpoint_open(e);
	il__list_remove(&e->link);
	if (!e->server)
		rc = il__refuse(-EBADF, "%s: the server was destroyed meanwhile", function);
	else if (rc == 0)
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

int il_server_open(il_server **server, const il_protocol *protocol, const il_handler *handler,
		   void *data, const il_server_options *options)
{
	return server_create(server, protocol, handler, data, options, "il_server_open");
}

/* Anybody can claim any address, so a UDP server has bounds unless they are taken away. */
static il_server_options server_udp_options(const il_server_options *options)
{
	il_server_options o = options ? *options : (il_server_options){0};

	if (!o.idle_timeout)
		o.idle_timeout = IL_SEC(60);
	if (!o.max_clients && o.limits != IL_LIMITS_PUBLIC)
		o.max_clients = 10000;
	if (!o.peer_queue)
		o.peer_queue = 64;
	return o;
}

int il_udp_server_open(il_server **server, const char *host, const char *port,
		       const il_protocol *protocol, const il_handler *handler, void *data,
		       const il_server_options *options)
{
	static const char function[] = "il_udp_server_open";
	const il_server_options o = server_udp_options(options);
	il_server *s;
	int rc;

	if (o.layer)
		return il__refuse(-EINVAL, "%s: datagrams have no layers", function);
	rc = server_create(server ? &s : NULL, protocol ? protocol : il_protocol_bytes(), handler,
			   data, &o, function);
	if (rc < 0)
		return rc;
	s->rules.quiet = true;
	rc = il__udp_make(s, host, port ? port : "0", &s->udp);
	if (rc == 0)
		rc = il__udp_open(s->udp);
	return server_created(server, s, rc);
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

int il_server_add_fd(il_server *server, int fd)
{
	struct il__endpoint *e;
	int rc = il__server_check(server, "il_server_add_fd");

	if (rc == 0)
		rc = may_add(server, "il_server_add_fd");
	if (rc == 0)
		rc = il__endpoint_adopt(server, fd, &e);
	if (rc == 0)
		il__list_push(&server->endpoints, &e->link);
	return rc;
}

/* ---- closing ---- */

int il_server_close(il_server *server)
{
	int rc = il__server_check(server, "il_server_close");
	il_task *task = il__task_here();

	if (rc < 0)
		return rc;
	rc = task && il__task_cancelled(task) ? -ECANCELED
					      : 0; /* before this call itself cancels a set-up */
	server->closed = true;
	il_event_set(server->stop);
	il__endpoints_close(server);
	if (server->udp)
		il__udp_stop(server->udp);
	if (server->phase == IL__SERVER_SETTING_UP)
		il_scope_cancel_because(&server->scope, "the server was closed");
	il__server_poke(server);
	return rc;
}

void il_server_destroy(il_server *server)
{
	struct il__list *adding;

	if (!server)
		return;
	if (server->phase != IL__SERVER_IDLE && !il__inherited(server->generation))
		il__fatal("il_server_destroy: il_server_serve still runs; end it with "
			  "il_server_shutdown");
	while ((adding = il__list_pop(&server->adding)))
		il__container_of(adding, struct il__endpoint, link)->server = NULL;
	while (!il__list_empty(&server->endpoints))
		il__endpoint_free(
		    il__container_of(server->endpoints.next, struct il__endpoint, link));
	il__stop_signals_drop(&server->stop_signals);
	il__udp_free(server->udp);
	il__layer_drop(&server->layer);
	il_event_destroy(server->stop);
	if (!il__inherited(server->generation))
		il__list_remove(&server->extension.link);
	il__free(server);
}

/* ---- what one may ask ---- */

uint16_t il_server_port(const il_server *server)
{
	if (server && server->udp)
		return server->udp->bound;
	if (server)
		il__list_each (node, &server->endpoints) {
			const struct il__endpoint *e =
			    il__container_of(node, struct il__endpoint, link);
			if (e->bound)
				return e->bound;
		}
	return 0;
}

int il_server_fd(const il_server *server, size_t index)
{
	int rc = il__server_check(server, "il_server_fd");

	if (rc < 0)
		return rc;
	if (server->closed)
		return il__refuse(-EBADF, "il_server_fd: the server is closed");
	return il__endpoints_fd(server, index);
}

il_loop *il_server_loop(const il_server *server)
{
	return server ? server->loop : NULL;
}

bool il_server_is_serving(const il_server *server)
{
	return server && server->phase == IL__SERVER_UP && !server->closed && !server->stopping;
}

il_event *il_server_stopping(const il_server *server)
{
	return server ? server->stop : NULL;
}

size_t il_server_clients(const il_server *server)
{
	return server ? server->client_count : 0;
}

int il_server_get_statistics(il_server *server, il_server_statistics *statistics)
{
	int rc = il__server_check(server, "il_server_get_statistics");

	if (rc < 0)
		return rc;
	if (!statistics)
		return il__refuse(-EINVAL, "il_server_get_statistics: the statistics are NULL");
	*statistics = (il_server_statistics){.clients = server->client_count,
					     .clients_total = server->clients_total,
					     .failed_layers = server->failed_layers,
					     .packets_received = server->rules.received.packets,
					     .packets_sent = server->rules.sent.packets,
					     .bytes_received = server->rules.received.bytes,
					     .bytes_sent = server->rules.sent.bytes};
	if (server->udp) {
		statistics->dropped_datagrams = server->udp->dropped;
		statistics->dropped_peers = server->udp->evicted;
	}
	return 0;
}
