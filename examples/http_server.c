/*
 * http_server.c: HTTP/1.1 with keep-alive, pipelining and chunked bodies; what is asked is computed
 * in worker threads. http_request.c receives the requests, with llhttp as its parser.
 *
 *     http_server --port 4711 &
 *     curl 127.0.0.1:4711/primes/100000
 *     curl --data-binary @README.md 127.0.0.1:4711/count
 *     http_server --root docs --port 4711 &        GET and HEAD are of files then: http_files.c
 *
 * The parser calls back in the middle of its work. A task has a stack of its own, so these
 * callbacks may wait like any other code: a request is answered inside the callback that says it is
 * complete, and the parser goes on with the next one when the answer has been sent.
 *
 * What a client may cost is bounded: a request has REQUEST_TIME from its first byte on, an answer
 * the server's send_timeout, and each part of a request a size.
 */
#include "example.h"
#include "http_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_TIME IL_SEC(10)
#define LINGER_TIME  IL_SEC(2)
#define PIECE_TIME   IL_SEC(20) /* for a piece of a file */

enum {
	WORKERS = 4,
	RECEIVE_MAX = 16 * 1024,
	PRIMES_MAX = 10000000,
	ANSWER_MAX = 1024,
	PIECE_MAX = 1 << 20
};

struct service {
	il_executor *pool;
	int folder; /* of --root; -1: there is none */
};

struct exchange { /* on the stack of its handler */
	struct service *service;
	il_client *client;
	struct http_request request;
	struct http_file file;
	char answer[ANSWER_MAX];
};

/* ---- answers ---- */

static const char *phrase_of(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} all[] = {
	    {200, "OK"},
	    {206, "Partial Content"},
	    {304, "Not Modified"},
	    {400, "Bad Request"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {412, "Precondition Failed"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {416, "Range Not Satisfiable"},
	    {417, "Expectation Failed"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {505, "HTTP Version Not Supported"},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].status == status)
			return all[i].phrase;
	return "";
}

static const char *date_now(char date[32])
{
	struct tm tm;
	time_t now = time(NULL);
	strftime(date, 32, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	return date;
}

/* `more`: further header lines. */
static int send_answer(struct exchange *x, int status, const char *more, const char *body,
		       bool keep_alive)
{
	char text[ANSWER_MAX + 256], date[32];
	int size = snprintf(text, sizeof(text),
			    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: text/plain\r\n"
			    "Content-Length: %zu\r\n%sConnection: %s\r\n\r\n%s",
			    status, phrase_of(status), date_now(date), strlen(body), more,
			    keep_alive ? "keep-alive" : "close",
			    http_request_is(&x->request, "HEAD") ? "" : body);
	return il_client_send(x->client, text, (size_t)size);
}

static int refuse(struct http_request *request, int status, const char *why)
{
	struct exchange *x = request->data;
	snprintf(x->answer, sizeof(x->answer), "%s\n", why);
	int rc = send_answer(x, status, "", x->answer, false);
	return rc < 0 ? rc : il_client_finish(x->client, LINGER_TIME);
}

static int go_on(struct http_request *request)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const struct exchange *x = request->data;
	return il_client_send(x->client, text, sizeof(text) - 1);
}

/* ---- what is computed, in a worker thread ---- */

/* [worker] */
static int count_primes(void *arg)
{
	struct exchange *x = arg;
	char *end;
	long limit = strtol(x->request.path + strlen("/primes/"), &end, 10), count = 0;
	if (*end || end[-1] == '/' || limit < 0 || limit > PRIMES_MAX)
		return HTTP_STATUS_BAD_REQUEST;
	char *composite = calloc((size_t)limit + 1, 1);
	if (!composite)
		return -ENOMEM;
	for (int64_t n = 2; n <= limit; n++) { /* a long may have 32 bits: no n * n */
		count += !composite[n];
		for (int64_t m = n * n; !composite[n] && m <= limit; m += n)
			composite[m] = 1;
	}
	free(composite);
	snprintf(x->answer, sizeof(x->answer), "%ld\n", count);
	return HTTP_STATUS_OK;
}

static int count_words(void *arg) /* as wc does in the C locale */
{
	struct exchange *x = arg;
	size_t lines = 0, words = 0;
	bool inside = false;
	for (size_t i = 0; i < x->request.body_size; i++) {
		char c = x->request.body[i];
		bool space = c && strchr(" \t\n\v\f\r", c);
		lines += c == '\n';
		words += !space && !inside;
		inside = !space;
	}
	snprintf(x->answer, sizeof(x->answer), "%zu %zu %zu\n", lines, words, x->request.body_size);
	return HTTP_STATUS_OK;
}

static int fail(void *arg) /* in place of work that goes wrong: it costs this request only */
{
	(void)arg;
	return -EIO;
}
/* [worker] */

static int show_help(void *arg)
{
	struct exchange *x = arg;
	snprintf(x->answer, sizeof(x->answer),
		 "GET /primes/N: how many primes there are up to N\n"
		 "POST /count: lines, words and bytes of the body\n");
	return HTTP_STATUS_OK;
}

/* ---- files ---- */

static int find_file(void *arg)
{
	struct exchange *x = arg;
	return http_file_find(&x->file, x->service->folder, &x->request);
}

static int send_file_head(struct exchange *x, int status)
{
	const struct http_file *f = &x->file;
	char text[1024], date[32], range[96] = "", about[96] = "";
	if (status == 206)
		snprintf(range, sizeof(range), "Content-Range: bytes %lld-%lld/%lld\r\n",
			 (long long)f->from, (long long)(f->from + f->length - 1),
			 (long long)f->size);
	if (status != 304)
		snprintf(about, sizeof(about), "Content-Type: %s\r\nContent-Length: %lld\r\n",
			 f->type, (long long)f->length);
	int size = snprintf(text, sizeof(text),
			    "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%sLast-Modified: %s\r\nETag: %s\r\n"
			    "Accept-Ranges: bytes\r\nConnection: %s\r\n\r\n",
			    status, phrase_of(status), date_now(date), about, range, f->date,
			    f->tag, x->request.keep_alive ? "keep-alive" : "close");
	return il_client_send(x->client, text, (size_t)size);
}

/* [file] */
/* In pieces, each with a time limit: a client that does not read is given up. */
static int send_file(struct exchange *x)
{
	il_stream *stream = il_client_stream(x->client);
	off_t at = x->file.from, end = at + x->file.length;
	int rc = 0;
	while (at < end && rc == 0) {
		il_scope limit = IL_SCOPE_INIT;
		off_t size = end - at < PIECE_MAX ? end - at : PIECE_MAX;
		rc = il_scope_enter(&limit, il_deadline(PIECE_TIME), IL_FAIL_AT_DEADLINE);
		if (rc < 0)
			return rc;
		rc = il_stream_send_file(stream, x->file.fd, at, (size_t)size);
		rc = il_scope_exit(&limit, rc);
		at += size;
	}
	if (rc == -ETIMEDOUT || rc == -EPIPE || rc == -ECONNRESET) {
		il_client_close(x->client); /* as il_client_send would: it is nobody's failure */
		rc = -EPIPE;
	}
	return rc;
}
/* [file] */

static int respond_with_file(struct exchange *x, int status)
{
	char range[64] = "";
	int rc;
	if (status == 412 || status == 416) {
		if (status == 416)
			snprintf(range, sizeof(range), "Content-Range: bytes */%lld\r\n",
				 (long long)x->file.size);
		snprintf(x->answer, sizeof(x->answer), "%s\n", phrase_of(status));
		rc = send_answer(x, status, range, x->answer, x->request.keep_alive);
	} else {
		rc = send_file_head(x, status);
		if (rc == 0 && status != 304 && !http_request_is(&x->request, "HEAD"))
			rc = send_file(x);
	}
	close(x->file.fd);
	return rc;
}

/* [respond] */
/* A status, or a negative code; `allow`: the methods that there are instead. */
static int compute(struct exchange *x, const char **allow)
{
	static const struct {
		const char *method, *path;
		bool prefix; /* of all paths that begin so */
		il_fn *run;
	} routes[] = {
	    {"GET", "/primes/", true, count_primes},
	    {"POST", "/count", false, count_words},
	    {"GET", "/fail", false, fail},
	    {"GET", "/", false, show_help},
	};
	bool posts = http_request_is(&x->request, "POST");
	int rc = HTTP_STATUS_NOT_FOUND;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		size_t size = strlen(routes[i].path) + !routes[i].prefix; /* and the final zero */
		bool for_post = strcmp(routes[i].method, "POST") == 0;
		if (strncmp(x->request.path, routes[i].path, size) != 0)
			continue;
		if (posts == for_post) {
			rc = il_executor_run(x->service->pool, routes[i].run, x, 0);
		} else {
			rc = HTTP_STATUS_METHOD_NOT_ALLOWED;
			*allow = for_post ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n";
		}
		break;
	}
	return rc;
}

static int respond(struct exchange *x)
{
	bool posts = http_request_is(&x->request, "POST");
	const char *allow = "";
	x->file.fd = -1;
	int rc = x->service->folder >= 0 && !posts
		     ? il_executor_run(x->service->pool, find_file, x, 0)
		     : compute(x, &allow);
	if (il_check_cancelled() < 0) {
		if (x->file.fd >= 0)
			close(x->file.fd);
		return -ECANCELED; /* the server ends */
	}
	if (x->file.fd >= 0)
		return respond_with_file(x, rc);
	int status = rc < 0 ? HTTP_STATUS_INTERNAL_SERVER_ERROR : rc;
	if (status != HTTP_STATUS_OK)
		snprintf(x->answer, sizeof(x->answer), "%s\n", phrase_of(status));
	return send_answer(x, status, allow, x->answer, x->request.keep_alive);
}
/* [respond] */

/* [complete] */
static int answer(struct http_request *request) /* from inside the parser */
{
	struct exchange *x = request->data;
	int rc = respond(x);
	if (rc < 0 || request->keep_alive)
		return rc;
	request->over = true;
	return il_client_finish(x->client, LINGER_TIME);
}
/* [complete] */

/* ---- the server ---- */

/* [handle] */
static int handle(il_client *client, void *data)
{
	static const struct http_calls calls = {answer, refuse, go_on};
	struct exchange x = {.service = data, .client = client};
	struct http_request *request = &x.request;
	il_packet bytes;
	http_request_init(request, &calls, &x);
	int rc = il_client_receive(client, &bytes, IL_FOREVER); /* the server's idle_timeout */
	while (rc == 1) {
		const char *at = bytes.data;
		rc = http_request_parse(request, at, at + bytes.size);
		if (rc < 0 || request->over || !request->open)
			break;
		il_time left = request->began + REQUEST_TIME - il_now();
		rc = il_client_receive(client, &bytes, left > 0 ? left : 0);
	}
	if (rc == -ETIMEDOUT)
		rc = refuse(request, HTTP_STATUS_REQUEST_TIMEOUT, "the request is too slow");
	http_request_end(request);
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

struct arguments {
	const char *port;
	const struct il_layer *layer; /* TLS, or none: the handler does not know */
	int folder;
};

static int serve(void *arg)
{
	const struct arguments *arguments = arg;
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	/* [limits] */
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC, /* for how long a client may be silent, or not read */
	    .max_packet = RECEIVE_MAX,
	    .receive_buffer = RECEIVE_MAX,
	    .request_timeout = IL_FOREVER, /* a call of handle takes many: each has REQUEST_TIME */
	    .grace_period = IL_SEC(5),
	    .layer = arguments->layer,
	};
	/* [limits] */
	struct service service = {.folder = arguments->folder};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", arguments->port, il_protocol_bytes(),
				    &handler, &service, &options);
	return rc < 0 ? rc : example_serve(server);
}

int main(int argc, char **argv)
{
	example_options(argc, argv,
			"[--backend NAME] [--port NUMBER] [--root FOLDER] [--tls CERTIFICATE KEY]");
	const char *root = example_option(argc, argv, "--root", NULL);
	struct arguments arguments = {.port = example_option(argc, argv, "--port", "0"),
				      .layer = example_layer(argc, argv),
				      .folder = root ? http_folder_open(root) : -1};
	if (root && arguments.folder < 0) {
		perror(root);
		return 1;
	}
	return example_main(argc, argv, serve, &arguments);
}
