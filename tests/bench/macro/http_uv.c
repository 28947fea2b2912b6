/*
 * http_uv.c PORT: the same in callbacks of libuv.
 */
#define _GNU_SOURCE /* memmem */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static const char reply[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";

struct client {
	uv_tcp_t tcp;
	char bytes[4096];
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_written(uv_write_t *write, int status)
{
	(void)status;
	free(write);
}

static void answer(struct client *c)
{
	uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)reply, sizeof(reply) - 1);
	int n = uv_try_write((uv_stream_t *)&c->tcp, &buffer, 1);
	if (n == (int)buffer.len)
		return;
	uv_write_t *write = malloc(sizeof(*write));
	if (write) {
		buffer = uv_buf_init(buffer.base + (n > 0 ? n : 0),
				     (unsigned)buffer.len - (unsigned)(n > 0 ? n : 0));
		uv_write(write, (uv_stream_t *)&c->tcp, &buffer, 1, on_written);
	}
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *c = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(c->bytes, sizeof(c->bytes));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct client *c = stream->data;
	if (n < 0)
		uv_close((uv_handle_t *)stream, on_closed);
	for (const char *at = buffer->base, *end = at + n; n > 0; at += 4) {
		at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		if (!at)
			return;
		answer(c);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct client *c = status < 0 ? NULL : calloc(1, sizeof(*c));
	if (!c)
		return;
	uv_tcp_init(listener->loop, &c->tcp);
	c->tcp.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0)
		uv_close((uv_handle_t *)&c->tcp, on_closed);
	else
		uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read);
}

int main(int argc, char **argv)
{
	uv_tcp_t listener;
	struct sockaddr_in address;
	signal(SIGPIPE, SIG_IGN);
	uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &address);
	uv_tcp_init(uv_default_loop(), &listener);
	if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) != 0 ||
	    uv_listen((uv_stream_t *)&listener, 1024, on_connection) != 0)
		return 1;
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
