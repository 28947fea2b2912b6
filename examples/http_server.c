/*
 * http_server.c: HTTP/1.1 with keep-alive, pipelining and chunked bodies; what is asked is computed
 * in worker threads. Bytes are parsed by http-parser.
 *
 *     http_server --port 4711 &
 *     curl 127.0.0.1:4711/primes/100000
 *     curl --data-binary @README.md 127.0.0.1:4711/count
 *
 * The parser calls back in the middle of its work. A task has a stack of its own, so these
 * callbacks may wait like any other code: a request is answered inside the callback that says it is
 * complete, and the parser goes on with the next one when the answer has been sent.
 */
#include "example.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define REQUEST_TIME IL_SEC(10)
#define LINGER_TIME  IL_SEC(2)

enum {
	WORKERS = 4,
	URL_MAX = 1024,
	HEADERS_MAX = 16 * 1024,
	BODY_MAX = 1 << 20,
	RECEIVE_MAX = 16 * 1024,
	PRIMES_MAX = 10000000,
	ANSWER_MAX = 1024
};

struct service {
	il_executor *pool;
};

struct request { /* on the stack of its handler; those that were pipelined share one */
	struct service *service;
	il_client *client;
	http_parser parser;
	bool open;        /* it has begun and is not complete */
	il_time deadline; /* when it must be complete */
	char url[URL_MAX];
	char header[16]; /* the name of the one that is being read */
	bool after_value, expects_continue;
	size_t url_size, header_size, body_size, body_room;
	char *body; /* owned */
	int rc;     /* of the sending: a callback's result stays in the parser */
	char answer[ANSWER_MAX];
};

/* ---- answers ---- */

static int send_answer(struct request *r, enum http_status status, const char *body,
		       bool keep_alive)
{
	char text[ANSWER_MAX + 256], date[32];
	struct tm tm;
	time_t now = time(NULL);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	int size = snprintf(text, sizeof(text),
			    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: text/plain\r\n"
			    "Content-Length: %zu\r\nConnection: %s\r\n\r\n%s",
			    status, http_status_str(status), date, strlen(body),
			    keep_alive ? "keep-alive" : "close",
			    r->parser.method == HTTP_HEAD ? "" : body);
	r->rc = il_client_send(r->client, text, (size_t)size);
	return r->rc;
}

/* Answers, and parses nothing more of this client. */
static int refuse(struct request *r, enum http_status status, const char *why)
{
	if (send_answer(r, status, why, false) == 0)
		r->rc = il_client_finish(r->client, LINGER_TIME);
	return -1;
}

/* ---- what is computed, in a worker thread ---- */

/* [worker] */
static int count_primes(void *arg)
{
	struct request *r = arg;
	char *end;
	long limit = strtol(r->url + strlen("/primes/"), &end, 10), count = 0;
	if (*end || end[-1] == '/' || limit < 0 || limit > PRIMES_MAX)
		return HTTP_STATUS_BAD_REQUEST;
	char *composite = calloc((size_t)limit + 1, 1);
	if (!composite)
		return -ENOMEM;
	for (long n = 2; n <= limit; n++) {
		count += !composite[n];
		for (long m = n * n; !composite[n] && m <= limit; m += n)
			composite[m] = 1;
	}
	free(composite);
	snprintf(r->answer, sizeof(r->answer), "%ld\n", count);
	return HTTP_STATUS_OK;
}

static int count_words(void *arg) /* as wc does in the C locale */
{
	struct request *r = arg;
	size_t lines = 0, words = 0;
	bool inside = false;
	for (size_t i = 0; i < r->body_size; i++) {
		bool space = r->body[i] && strchr(" \t\n\v\f\r", r->body[i]);
		lines += r->body[i] == '\n';
		words += !space && !inside;
		inside = !space;
	}
	snprintf(r->answer, sizeof(r->answer), "%zu %zu %zu\n", lines, words, r->body_size);
	return HTTP_STATUS_OK;
}

static int fail(void *arg) /* stands for work that goes wrong: it costs this request only */
{
	(void)arg;
	return -EIO;
}
/* [worker] */

static int show_help(void *arg)
{
	struct request *r = arg;
	snprintf(r->answer, sizeof(r->answer),
		 "GET /primes/N: how many primes there are up to N\n"
		 "POST /count: lines, words and bytes of the body\n");
	return HTTP_STATUS_OK;
}

/* [respond] */
static int respond(struct request *r)
{
	static const struct {
		enum http_method method;
		const char *path;
		bool prefix; /* of all paths that begin so */
		il_fn *run;
	} routes[] = {
	    {HTTP_GET, "/primes/", true, count_primes},
	    {HTTP_POST, "/count", false, count_words},
	    {HTTP_GET, "/fail", false, fail},
	    {HTTP_GET, "/", false, show_help},
	};
	enum http_method method = r->parser.method == HTTP_HEAD ? HTTP_GET : r->parser.method;
	int rc = HTTP_STATUS_NOT_FOUND;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		size_t size = strlen(routes[i].path) + !routes[i].prefix; /* and the final zero */
		if (method != routes[i].method || strncmp(r->url, routes[i].path, size) != 0)
			continue;
		rc = il_executor_run(r->service->pool, routes[i].run, r, 0);
		break;
	}
	if (il_check_cancelled() < 0)
		return r->rc = -ECANCELED; /* the server ends */
	enum http_status status = rc < 0 ? HTTP_STATUS_INTERNAL_SERVER_ERROR : (enum http_status)rc;
	if (status != HTTP_STATUS_OK)
		snprintf(r->answer, sizeof(r->answer), "%s\n", http_status_str(status));
	return send_answer(r, status, r->answer, http_should_keep_alive(&r->parser));
}
/* [respond] */

/* ---- what the parser calls; not 0: parse no further ---- */

static int on_begin(http_parser *parser)
{
	struct request *r = parser->data;
	r->open = true;
	r->deadline = il_deadline(REQUEST_TIME);
	r->url_size = r->header_size = r->body_size = 0;
	r->after_value = r->expects_continue = false;
	return 0;
}

static int on_url(http_parser *parser, const char *at, size_t size)
{
	struct request *r = parser->data;
	if (size >= sizeof(r->url) - r->url_size)
		return refuse(r, HTTP_STATUS_URI_TOO_LONG, "the URL is too long\n");
	memcpy(r->url + r->url_size, at, size);
	r->url_size += size;
	r->url[r->url_size] = '\0';
	return 0;
}

static int on_header_name(http_parser *parser, const char *at, size_t size)
{
	struct request *r = parser->data;
	if (r->after_value)
		r->header_size = 0;
	r->after_value = false;
	for (size_t i = 0; i < size && r->header_size < sizeof(r->header); i++)
		r->header[r->header_size++] = at[i];
	return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t size)
{
	struct request *r = parser->data;
	(void)at, (void)size;
	r->after_value = true;
	if (r->header_size == 6 && strncasecmp(r->header, "expect", 6) == 0)
		r->expects_continue = true;
	return 0;
}

static int on_headers_complete(http_parser *parser)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request *r = parser->data;
	parser->upgrade = 0; /* no other protocol is spoken here */
	if (parser->flags & F_CONTENTLENGTH && parser->content_length > BODY_MAX)
		return refuse(r, HTTP_STATUS_PAYLOAD_TOO_LARGE, "the body is too large\n");
	if (r->expects_continue)
		r->rc = il_client_send(r->client, go_on, sizeof(go_on) - 1);
	return r->rc;
}

static int on_body(http_parser *parser, const char *at, size_t size)
{
	struct request *r = parser->data;
	if (size > BODY_MAX - r->body_size)
		return refuse(r, HTTP_STATUS_PAYLOAD_TOO_LARGE, "the body is too large\n");
	if (size > r->body_room - r->body_size) {
		size_t room = (r->body_size + size) * 2;
		char *body = realloc(r->body, room);
		if (!body)
			return refuse(r, HTTP_STATUS_INTERNAL_SERVER_ERROR, "out of memory\n");
		r->body = body;
		r->body_room = room;
	}
	memcpy(r->body + r->body_size, at, size);
	r->body_size += size;
	return 0;
}

/* [complete] */
static int on_complete(http_parser *parser) /* answers, and only then goes on parsing */
{
	struct request *r = parser->data;
	r->open = false;
	if (respond(r) < 0)
		return -1;
	if (!http_should_keep_alive(parser))
		r->rc = il_client_finish(r->client, LINGER_TIME);
	return r->rc;
}
/* [complete] */

/* ---- the server ---- */

/* [handle] */
static int parse(struct request *r, const il_packet *bytes)
{
	static const http_parser_settings settings = {
	    .on_message_begin = on_begin,
	    .on_url = on_url,
	    .on_header_field = on_header_name,
	    .on_header_value = on_header_value,
	    .on_headers_complete = on_headers_complete,
	    .on_body = on_body,
	    .on_message_complete = on_complete,
	};
	http_parser_execute(&r->parser, &settings, bytes->data, bytes->size);
	enum http_errno error = HTTP_PARSER_ERRNO(&r->parser);
	if (error == HPE_HEADER_OVERFLOW)
		refuse(r, HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers\n");
	else if (error > HPE_CB_chunk_complete) /* not one of those that a callback stopped */
		refuse(r, HTTP_STATUS_BAD_REQUEST, http_errno_description(error));
	return r->rc;
}

static int handle(il_client *client, void *data)
{
	struct request r = {.service = data, .client = client};
	il_packet bytes;
	http_parser_init(&r.parser, HTTP_REQUEST);
	r.parser.data = &r;
	int rc = il_client_receive(client, &bytes, IL_FOREVER); /* the server's idle_timeout */
	while (rc == 1 && (rc = parse(&r, &bytes)) == 0 && r.open) {
		il_time left = r.deadline - il_now();
		rc = il_client_receive(client, &bytes, left > 0 ? left : 0);
	}
	if (rc == -ETIMEDOUT) {
		refuse(&r, HTTP_STATUS_REQUEST_TIMEOUT, "too slow\n");
		rc = r.rc;
	}
	free(r.body);
	return rc;
}
/* [handle] */

static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	struct service *service = data;
	int rc = il_thread_pool_create(
	    &service->pool, &(il_thread_pool_options){.max_workers = WORKERS, .name = "http"});
	if (rc == 0)
		rc = il_exit_stack_executor(stack, service->pool);
	if (rc == 0)
		rc = il_server_start_soon(server, NULL, example_stop_on_sigterm, server);
	return rc;
}

static int serve(void *arg)
{
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	const il_server_options options = {
	    .max_packet = RECEIVE_MAX,
	    .receive_buffer = RECEIVE_MAX,
	    .max_clients = 1000,
	    .idle_timeout = IL_SEC(60),
	    .grace_period = IL_SEC(5),
	};
	struct service service;
	il_server *server;
	http_parser_set_max_header_size(HEADERS_MAX);
	int rc = il_tcp_server_open(&server, "127.0.0.1", arg, il_protocol_bytes(), &handler,
				    &service, &options);
	return rc < 0 ? rc : example_serve(server);
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, serve, (char *)example_option(argc, argv, "--port", "0"));
}
