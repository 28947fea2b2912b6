/*
 * endpoint.c: the addresses of a server, and the task that accepts on each. An endpoint outlives its
 * listener: it is opened again for the next il_server_serve, on the port that it had. Loop's thread only.
 */
#include "endpoint.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../io/listener.h"
#include "../io/unix_path.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"
#include "client.h"
#include "server.h"
#include "server_tasks.h"

#include <stdio.h>

/* ---- making ---- */

static char *endpoint_copy(const char *text)
{
	return text ? il__strdup(text) : NULL;
}

int il__endpoint_make(il_server *s, const char *host, const char *port, struct il__endpoint **made)
{
	struct il__endpoint *e = il__calloc(1, sizeof *e);

	if (!e)
		return il__refuse(-ENOMEM, "out of memory for a server's address");
	il__list_init(&e->link);
	e->server = s;
	e->host = endpoint_copy(host);
	e->port = endpoint_copy(port);
	if (host && !port)
		e->path = il__path_absolute(host);
	if ((host && !e->host) || (port && !e->port) || (host && !port && !e->path)) {
		il__endpoint_free(e);
		return il__refuse(-ENOMEM, "out of memory for a server's address");
	}
	*made = e;
	return 0;
}

int il__endpoint_adopt(il_server *s, int fd, struct il__endpoint **made)
{
	char text[IL_ADDRESS_TEXT_MAX] = "";
	il_address address = {.length = sizeof address.storage};
	struct il__endpoint *e = NULL;
	int rc;

	if (getsockname(fd, (struct sockaddr *)&address.storage, &address.length) == 0)
		il_address_text(&address, text, sizeof text);
	rc = il__endpoint_make(s, text, "", &e);
	if (rc < 0)
		return rc;
	e->handed = true;
	rc = il_listener_open_fd(&e->listener, fd);
	if (rc < 0) {
		il__endpoint_free(e);
		return rc;
	}
	e->bound = il_listener_port(e->listener);
	*made = e;
	return 0;
}

void il__endpoint_free(struct il__endpoint *e)
{
	il__list_remove(&e->link);
	il_listener_destroy(e->listener);
	il__free(e->host);
	il__free(e->port);
	il__free(e->path);
	il__free(e);
}

static int listen_tcp(struct il__endpoint *e)
{
	const il_server_options *o = &e->server->options;
	const il_listen_options options = {.backlog = o->backlog, .reuse_port = o->reuse_port};
	char again[8];
	int rc;

	if (!e->bound)
		return il_listener_open_tcp(&e->listener, e->host, e->port, &options);
	snprintf(again, sizeof again, "%u", (unsigned)e->bound);
	rc = il_listener_open_tcp(&e->listener, e->host, again, &options);
	/* Any port was asked for, and somebody has taken ours meanwhile. */
	if (rc == -EADDRINUSE && strcmp(e->port, "0") == 0)
		rc = il_listener_open_tcp(&e->listener, e->host, e->port, &options);
	return rc;
}

/* As it was given while it means the same; else by the place that it meant. */
static int listen_unix(struct il__endpoint *e, const il_listen_options *options)
{
	char *now;
	int rc;

	if (!e->host)
		return il_listener_open_unix(&e->listener, NULL, options);
	now = il__path_absolute(e->host);
	if (!now)
		return il__refuse(-ENOMEM, "out of memory for a server's address");
	rc = il__listener_open_unix(&e->listener, strcmp(now, e->path) == 0 ? e->host : e->path,
				    e->path, options);
	il__free(now);
	return rc;
}

int il__endpoint_open(struct il__endpoint *e)
{
	const il_server_options *o = &e->server->options;
	const il_listen_options unix_options = {.backlog = o->backlog, .mode = o->unix_mode};
	int rc;

	if (e->listener) /* a socket that was handed over always has one */
		return 0;
	if (!e->port)
		return listen_unix(e, &unix_options);
	rc = listen_tcp(e);
	if (rc == 0)
		e->bound = il_listener_port(e->listener);
	return rc;
}

static void close_listener(struct il__endpoint *e)
{
	il_listener_destroy(e->listener);
	e->listener = NULL;
}

void il__endpoints_close(il_server *s)
{
	il__list_each (node, &s->endpoints)
		close_listener(il__container_of(node, struct il__endpoint, link));
}

static void endpoint_rest(struct il__endpoint *e)
{
	if (!e->handed)
		close_listener(e);
	else if (e->listener)
		il__listener_stop(e->listener);
}

void il__endpoints_rest(il_server *s)
{
	il__list_each (node, &s->endpoints)
		endpoint_rest(il__container_of(node, struct il__endpoint, link));
}

/* A host may have several sockets. */
int il__endpoints_fd(const il_server *s, size_t index)
{
	size_t sockets = 0, here;

	il__list_each (node, &s->endpoints) {
		const struct il__endpoint *e = il__container_of(node, struct il__endpoint, link);
		for (here = 0; e->listener && here < (size_t)e->listener->count; here++)
			if (sockets++ == index)
				return il_listener_fd(e->listener, here);
	}
	return il__refuse(-ENOENT, "il_server_fd: the server has %zu sockets now, not %zu", sockets,
			  index + 1);
}

/* ---- accepting ---- */

static void room_tell(struct il__report *r, const il_task *task)
{
	const il_server *s = task->waiter.arg;

	il__report(r, "one of %zu clients to leave (max_clients)", s->client_count);
}

static const struct il__wait room_wait = {"il_server_serve", room_tell};

#define FULL_ENDS IL_SEC(10)

/* Once, however many leave and come meanwhile, until there has been room for that long. */
static void log_full(const il_server *s)
{
	if (il__loop_now(s->loop) >= s->full_until)
		il__log(IL_LOG_WARNING,
			"il_server_serve: there are max_clients, %zu; nobody is accepted until one "
			"leaves",
			s->client_count);
}

static int wait_for_room(il_server *s)
{
	il_task *task = il__self.loop->current;
	int rc = 0;

	while (rc == 0 && !s->stopping && s->options.max_clients &&
	       s->client_count >= s->options.max_clients) {
		rc = il__task_check(task);
		if (rc < 0)
			break;
		log_full(s);
		s->full_until = IL_FOREVER;
		rc = il__queue_wait(&s->want_room, task, s, &room_wait);
		s->full_until = il__deadline_from(il__loop_now(s->loop), FULL_ENDS);
	}
	return rc;
}

/* Nobody is accepted for whom there is no place: another process may have one, or the next round. */
static int accept_next(const struct il__endpoint *e, il_stream **stream)
{
	int rc = wait_for_room(e->server);

	if (rc < 0)
		return rc;
	return e->listener && !e->server->stopping ? il_listener_accept(e->listener, stream)
						   : -EBADF;
}

static int accept_clients(void *arg)
{
	struct il__endpoint *e = arg;
	il_server *s = e->server;

	il_task_set_name("accept_clients");
	for (;;) {
		il_stream *stream;
		int rc = accept_next(e, &stream);

		if (rc < 0)
			return rc;
		rc = wait_for_room(s); /* another address may have taken the last place */
		if (rc < 0 || s->stopping) {
			il_stream_destroy(stream);
			return rc < 0 ? rc : -EBADF;
		}
		il__client_accepted(s, e, stream);
	}
}

static void on_accept_ended(il_task *task, int rc)
{
	struct il__endpoint *e = task->base->owner;
	il_server *s = e->server;

	s->accepting--;
	if (rc != -EBADF && rc != -ECANCELED) {
		il__log(IL_LOG_ERROR,
			"il_server_serve: accepting on %s%s%s failed, it is given up: %s (%s)",
			e->host ? e->host : "all interfaces", e->port && *e->port ? ", port " : "",
			e->port ? e->port : "", il_error_name(rc), il__system_words(rc));
		endpoint_rest(e);
		if (!s->accepting && !s->closed) {
			s->accept_rc = rc;
			s->accept_why = il__keep_refusal(rc);
			il__server_stop(s);
		}
	}
	il__server_tasks_left(&s->served);
}

int il__endpoints_accept(il_server *s)
{
	il__list_each (node, &s->endpoints) {
		struct il__endpoint *e = il__container_of(node, struct il__endpoint, link);
		int rc =
		    il__server_tasks_start(&s->served, NULL, accept_clients, e, on_accept_ended, e);
		if (rc < 0)
			return rc;
		s->accepting++;
	}
	return 0;
}
