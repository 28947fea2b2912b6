/*
 * libuv.c: the server of interloop.c in callbacks of libuv.
 */
#include "primes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* [handler] */
struct client {
	uv_tcp_t tcp;
	uv_work_t work;
	uv_write_t write;
	char line[64], reply[16];
	size_t size;
	int number, primes;
	int working, closing; /* the struct goes when both are over */
};

static void next_line(struct client *c);

static void on_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	c->closing = 2;
	if (!c->working)
		free(c);
}

static void close_client(struct client *c)
{
	if (!c->closing) {
		c->closing = 1;
		uv_close((uv_handle_t *)&c->tcp, on_closed);
	}
}

static void on_written(uv_write_t *write, int status)
{
	struct client *c = write->data;
	if (status < 0)
		close_client(c);
	else
		next_line(c);
}

static void in_thread(uv_work_t *work)
{
	struct client *c = work->data;
	c->primes = count_primes(c->number);
}

static void on_worked(uv_work_t *work, int status)
{
	struct client *c = work->data;
	c->working = 0;
	if (c->closing || status < 0) {
		if (c->closing == 2)
			free(c);
		return;
	}
	int n = snprintf(c->reply, sizeof(c->reply), "%d\n", c->primes);
	uv_buf_t buffer = uv_buf_init(c->reply, (unsigned)n);
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buffer, 1, on_written) != 0)
		close_client(c);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *c = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(c->line + c->size, (unsigned)(sizeof(c->line) - c->size));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct client *c = stream->data;
	(void)buffer;
	if (n < 0) {
		close_client(c);
		return;
	}
	c->size += (size_t)n;
	next_line(c);
}

/* The next whole line goes to a thread; without one, read on. */
static void next_line(struct client *c)
{
	char *end = memchr(c->line, '\n', c->size);
	if (!end && c->size == sizeof(c->line)) {
		close_client(c);
	} else if (!end) {
		uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read);
	} else {
		uv_read_stop((uv_stream_t *)&c->tcp);
		*end++ = '\0';
		c->number = atoi(c->line);
		c->size -= (size_t)(end - c->line);
		memmove(c->line, end, c->size);
		c->working = uv_queue_work(c->tcp.loop, &c->work, in_thread, on_worked) == 0;
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct client *c = status < 0 ? NULL : calloc(1, sizeof(*c));
	if (!c)
		return;
	uv_tcp_init(listener->loop, &c->tcp);
	c->tcp.data = c->work.data = c->write.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) == 0)
		next_line(c);
	else
		close_client(c);
}
/* [handler] */

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t listener;
	struct sockaddr_in address;
	int size = sizeof(address);
	signal(SIGPIPE, SIG_IGN);
	uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &address);
	uv_tcp_init(loop, &listener);
	int rc = uv_tcp_bind(&listener, (struct sockaddr *)&address, 0);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&listener, 128, on_connection);
	if (rc == 0)
		rc = uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
	if (rc < 0) {
		fprintf(stderr, "libuv: %s\n", uv_strerror(rc));
		return 1;
	}
	printf("listening on port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return uv_run(loop, UV_RUN_DEFAULT);
}
