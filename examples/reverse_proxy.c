/*
 * reverse_proxy.c: an HTTP proxy in front of servers: the one with the fewest requests gets the next, one that fails its
 * health check gets none. Bodies go through in pieces, connections to the servers are kept, and TLS ends here.
 *
 *     http_server --port 4711 & http_server --port 4712 &
 *     reverse_proxy --port 8080 --check /primes/10 --to 127.0.0.1:4711 127.0.0.1:4712 &
 *     curl 127.0.0.1:8080/primes/1000000
 *
 * A request is tried at another server if the first cannot be connected to. It is sent once more if a kept connection
 * turned out to be gone, and only if to carry it out twice is as good as once.
 */
#include "example.h"
#include "http_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIME IL_SEC(2)
#define ANSWER_TIME  IL_SEC(30) /* for each wait for a server */
#define LINGER_TIME  IL_SEC(2)  /* for a client that still sends */
#define CHECK_PERIOD IL_MSEC(500)
#define CHECK_TIME   IL_SEC(2)

enum { SERVERS = 2, KEPT = 16, PIECE = 64 * 1024 };

struct server {
	const char *host, *port;
	bool up;
	int active; /* requests under way */
	il_client *kept[KEPT];
	int kept_count;
};

struct proxy {
	struct server servers[SERVERS];
	const char *check; /* the path */
	bool tls;
	il_group checks;
};

struct exchange { /* on the heap: heads are large */
	struct proxy *proxy;
	struct http_reader from, to; /* the client, the server */
	struct http_head request, response;
	struct server *server;
	unsigned tried; /* a bit a server */
	bool reused, body_begun, answered;
	bool whole; /* the request has been sent */
	bool asked; /* the server has all that it wants of the request: now it is its turn */
};

/* ---- servers ---- */

static struct server *choose(struct proxy *p, unsigned tried)
{
	struct server *best = NULL;
	for (int i = 0; i < SERVERS; i++) {
		struct server *s = &p->servers[i];
		if (s->host && s->up && !(tried & 1u << i) && (!best || s->active < best->active))
			best = s;
	}
	return best;
}

/* What this program lacks says nothing about a server. */
static bool is_ours(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM;
}

static void set_up(struct server *s, bool up)
{
	if (s->up != up)
		fprintf(stderr, "%s:%s is %s\n", s->host, s->port, up ? "up" : "down");
	s->up = up;
	while (!up && s->kept_count > 0)
		il_client_destroy(s->kept[--s->kept_count]);
}

static int connect_to(struct server *s, il_client **c)
{
	const il_client_options options = {.max_packet = PIECE,
					   .receive_buffer = PIECE,
					   .send_timeout = ANSWER_TIME,
					   .connect = {.timeout = CONNECT_TIME}};
	return il_client_connect_tcp(c, s->host, s->port, il_protocol_bytes(), &options);
}

/* One on which nothing has come: neither its end nor what nobody has asked for. */
static il_client *take_kept(struct server *s)
{
	il_packet packet;
	while (s->kept_count > 0) {
		il_client *c = s->kept[--s->kept_count];
		if (il_client_receive(c, &packet, 0) == -ETIMEDOUT)
			return c;
		il_client_destroy(c);
	}
	return NULL;
}

static int join_server(struct exchange *x, bool fresh)
{
	struct server *s = x->server;
	il_client *c = fresh ? NULL : take_kept(s);
	x->reused = c != NULL;
	int rc = c ? 0 : connect_to(s, &c);
	x->to = (struct http_reader){.client = c, .limit = IL_FOREVER}; /* see send_body */
	s->active += rc == 0;
	return rc;
}

static void leave_server(struct exchange *x, bool keep)
{
	struct server *s = x->server;
	s->active--;
	if (keep && s->up && s->kept_count < KEPT && x->to.at == x->to.end)
		s->kept[s->kept_count++] = x->to.client;
	else
		il_client_destroy(x->to.client);
	x->to.client = NULL;
}

/* ---- what is sent ---- */

static int send_request(struct exchange *x)
{
	const struct http_head *h = &x->request;
	const struct server *s = x->server;
	bool named = h->host[0] != '\0'; /* HTTP/1.0 need not, but what is sent is HTTP/1.1 */
	char length[64] = "", client[64];
	snprintf(client, sizeof(client), "%s", il_client_address(x->from.client));
	char *port = strrchr(client, ':'); /* the last one: an IPv6 address has others */
	if (port)
		*port = '\0';
	if (h->length >= 0)
		snprintf(length, sizeof(length), "Content-Length: %lld\r\n", (long long)h->length);
	int version = (int)(strstr(h->line, " HTTP/") - h->line);
	return il_client_printf(
	    x->to.client,
	    "%.*s HTTP/1.1\r\nHost: %s%s%s\r\n"
	    "%s%s%sX-Forwarded-For: %s\r\nX-Forwarded-Proto: %s\r\nConnection: keep-alive\r\n\r\n",
	    version, h->line, named ? h->host : s->host, named ? "" : ":", named ? "" : s->port,
	    h->fields, length, h->chunked ? "Transfer-Encoding: chunked\r\n" : "", client,
	    x->proxy->tls ? "https" : "http");
}

static int send_response(struct exchange *x)
{
	const struct http_head *h = &x->response;
	char length[64] = "";
	bool chunked = (h->chunked || http_until_end(h)) && !x->request.old;
	bool keep = x->request.keep_alive && (h->length >= 0 || chunked);
	bool none = h->status == 204 || h->status == 304 || strcmp(x->request.method, "HEAD") == 0;
	if (h->length >= 0 && !none)
		snprintf(length, sizeof(length), "Content-Length: %lld\r\n", (long long)h->length);
	x->answered = true;
	x->request.keep_alive = keep;
	int rc = il_client_printf(
	    x->from.client, "HTTP/1.1%s\r\n%s%s%sConnection: %s\r\n\r\n", h->line + 8, h->fields,
	    length, chunked ? "Transfer-Encoding: chunked\r\n" : "", keep ? "keep-alive" : "close");
	return rc < 0 ? rc : http_relay_body(&x->to, x->from.client, h, chunked);
}

static int refuse(struct exchange *x, const char *status)
{
	int rc =
	    il_client_printf(x->from.client,
			     "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			     "Connection: close\r\n\r\n%s\n",
			     status, strlen(status) + 1, status);
	x->request.keep_alive = false;
	return rc < 0 ? rc : il_client_finish(x->from.client, LINGER_TIME);
}

/* ---- a request ---- */

/* Sends the body, as a task beside the one that reads the answer: that may come before the end of the request. Then the
 * server has a time for its answer. */
static int send_body(void *arg)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct exchange *x = arg;
	int rc = 0;
	if (x->body_begun && x->request.expects_continue && !x->request.old)
		rc = il_client_send(x->from.client, go_on, sizeof(go_on) - 1);
	if (rc == 0)
		rc = http_relay_body(&x->from, x->to.client, &x->request, x->request.chunked);
	x->whole = rc == 0;
	if (rc < 0 && rc != -EIO) /* it does not want the body: it may say why */
		return rc;
	x->asked = true;
	rc = x->answered ? 0 : il_sleep(ANSWER_TIME);
	return rc == 0 && !x->answered ? -ETIMEDOUT : rc;
}

static int relay_answer(struct exchange *x)
{
	int rc = http_read_response(&x->to, &x->response, &x->request);
	x->asked = x->asked || rc != -ECANCELED; /* what is wrong now is the server's doing */
	x->to.limit = ANSWER_TIME;
	x->request.keep_alive = x->request.keep_alive && x->whole; /* else more of it may come */
	return rc < 0 ? rc : send_response(x);
}

/* What the server has done with it: 0, or negative; x->answered: the client has a part of it. */
static int ask_server(struct exchange *x)
{
	il_group body;
	int rc = send_request(x);
	if (rc < 0)
		rc = rc == -ECANCELED ? rc : -EIO;
	else
		rc = il_group_open(&body);
	if (rc == 0) {
		x->body_begun = x->request.chunked || x->request.length > 0;
		rc = il_group_start_soon(&body, NULL, send_body, x);
		if (rc == 0)
			rc = relay_answer(x);
		il_scope_cancel(il_group_scope(&body)); /* what is left of it, or the wait */
		rc = il_group_close(&body, rc);
	}
	leave_server(x, rc == 0 && x->whole && x->response.keep_alive);
	return rc;
}

/* A server may end a kept connection while a request is on its way there, and nobody knows whether it has seen it. So only
 * idempotent methods are repeated (RFC 9110, 9.2.2), and only if nothing of an answer has come. */
static bool may_repeat(const struct exchange *x, int rc)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
	bool gone = rc == -EIO || rc == -ENODATA || rc == -ECONNRESET;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(x->request.method, methods[i]) == 0)
			return gone && x->reused && !x->body_begun && !x->to.at;
	return false;
}

/* [forward] */
static int forward(struct exchange *x)
{
	int rc = -EHOSTUNREACH;
	bool fresh = false; /* a new connection, for what is repeated: so it is repeated once */
	x->tried = 0;
	x->body_begun = x->whole = x->asked = x->answered = false;
	while ((x->server = choose(x->proxy, x->tried))) {
		rc = join_server(x, fresh);
		if (rc == -ECANCELED || is_ours(rc))
			return rc;
		if (rc < 0) {
			x->tried |= 1u << (x->server - x->proxy->servers);
			set_up(x->server, false);
			rc = -EHOSTUNREACH;
			continue;
		}
		rc = ask_server(x);
		if (!may_repeat(x, rc))
			break;
		fresh = true;
	}
	return rc;
}
/* [forward] */

static int serve_request(struct exchange *x)
{
	int rc = forward(x);
	if (rc == 0 || rc == -ECANCELED || x->answered)
		return rc; /* a response that was cut is seen by the client, as its connection ends */
	return refuse(x, rc == -EHOSTUNREACH || is_ours(rc) ? "503 Service Unavailable"
			 : rc == -EBADMSG && !x->asked      ? "400 Bad Request"
			 : rc == -EMSGSIZE && !x->asked     ? "413 Content Too Large"
			 : rc == -ETIMEDOUT && !x->asked    ? "408 Request Timeout"
			 : rc == -ETIMEDOUT                 ? "504 Gateway Timeout"
							    : "502 Bad Gateway");
}

static int handle(il_client *client, void *data)
{
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->proxy = data;
	x->from = (struct http_reader){.client = client,
				       .limit = IL_FOREVER}; /* the server's idle_timeout */
	int rc;
	do {
		rc = http_read_request(&x->from, &x->request);
		if (rc == 1)
			rc = serve_request(x);
		else if (rc == -EBADMSG)
			rc = refuse(x, "400 Bad Request");
		else if (rc == -EMSGSIZE)
			rc = refuse(x, "431 Request Header Fields Too Large");
		else if (rc == -ETIMEDOUT)
			rc = refuse(x, "408 Request Timeout");
		else
			x->request.keep_alive = false;
	} while (rc == 0 && x->request.keep_alive);
	free(x);
	if (rc == 0)
		return il_client_finish(client, LINGER_TIME);
	il_client_close(client);
	return rc == -EIO || rc == -EBADMSG ? 0 : rc; /* logged as nobody's failure here */
}

/* ---- health ---- */

struct check {
	struct exchange x;
	struct proxy *proxy;
	struct server *server;
};

static int ask_health(void *arg)
{
	struct check *c = arg;
	il_client *client;
	int rc = connect_to(c->server, &client);
	if (rc < 0)
		return rc;
	c->x.to = (struct http_reader){.client = client, .limit = CHECK_TIME};
	strcpy(c->x.request.method, "GET");
	rc = il_client_printf(client, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			      c->proxy->check, c->server->host);
	if (rc == 0)
		rc = http_read_response(&c->x.to, &c->x.response, &c->x.request);
	il_client_destroy(client);
	return rc < 0 ? rc : c->x.response.status;
}

static int watch(void *arg)
{
	struct check *c = arg;
	int rc;
	do {
		int status = il_fail_after(CHECK_TIME, ask_health, c);
		rc = il_check_cancelled();
		if (rc == 0 && !is_ours(status))
			set_up(c->server, status >= 200 && status < 500);
		if (rc == 0)
			rc = il_sleep(CHECK_PERIOD);
	} while (rc == 0);
	free(c);
	return rc;
}

static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	struct proxy *p = data;
	(void)server;
	int rc = il_group_open(&p->checks);
	if (rc < 0)
		return rc;
	rc = il_exit_stack_group(stack, &p->checks);
	if (rc < 0)
		return il_group_close(&p->checks, rc);
	for (int i = 0; i < SERVERS && p->servers[i].host && rc == 0; i++) {
		struct check *c = calloc(1, sizeof(*c));
		if (!c)
			return -ENOMEM;
		*c = (struct check){.proxy = p, .server = &p->servers[i]};
		rc = il_group_start_soon(&p->checks, NULL, watch, c);
		if (rc < 0)
			free(c);
	}
	return rc;
}

/* ---- the program ---- */

struct arguments {
	const char *port;
	const struct il_layer *layer;
	struct proxy proxy;
};

static int serve(void *arg)
{
	struct arguments *a = arg;
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC,
	    .max_packet = PIECE,
	    .receive_buffer = 16 * 1024,
	    .request_timeout = IL_FOREVER, /* one call of the handler is all of a connection */
	    .grace_period = IL_SEC(5),
	    .stop_at_signals = true,
	    .layer = a->layer,
	};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", a->port, il_protocol_bytes(), &handler,
				    &a->proxy, &options);
	if (rc == 0)
		rc = example_serve(server);
	for (int i = 0; i < SERVERS; i++)
		set_up(&a->proxy.servers[i], false);
	return rc;
}

int main(int argc, char **argv)
{
	example_options(argc, argv,
			"[--backend NAME] [--port NUMBER] [--check PATH] [--tls CERTIFICATE KEY] "
			"[--to HOST:PORT HOST:PORT]");
	char **to = example_values(argc, argv, "--to");
	struct arguments a = {.port = example_option(argc, argv, "--port", "0"),
			      .layer = example_layer(argc, argv)};
	a.proxy.check = example_option(argc, argv, "--check", "/");
	a.proxy.tls = a.layer != NULL;
	for (int i = 0; to && i < SERVERS; i++) {
		char *colon = strrchr(to[i], ':');
		if (!colon)
			return fprintf(stderr, "reverse_proxy: %s is not HOST:PORT\n", to[i]), 2;
		*colon = '\0';
		a.proxy.servers[i] = (struct server){.host = to[i], .port = colon + 1};
	}
	return to ? example_main(argc, argv, serve, &a)
		  : (fprintf(stderr,
			     "reverse_proxy: for whom? --to HOST:PORT HOST:PORT is missing\n"),
		     2);
}
