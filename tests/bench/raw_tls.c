/*
 * raw_tls.c: libevent's own way to serve TLS: a bufferevent over OpenSSL.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "raw.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

static SSL_CTX *context;

static void on_bytes(struct bufferevent *b, void *arg)
{
	(void)arg;
	bufferevent_write_buffer(b, bufferevent_get_input(b));
}

static void on_event(struct bufferevent *b, short what, void *arg)
{
	(void)arg;
	if (!(what & BEV_EVENT_CONNECTED))
		bufferevent_free(b);
}

static void on_acceptable(evutil_socket_t listener, short what, void *base)
{
	int fd;

	(void)what;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct bufferevent *b = bufferevent_openssl_socket_new(
		    base, fd, SSL_new(context), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
		if (!b)
			bench_die("no memory");
		bufferevent_setcb(b, on_bytes, NULL, on_event, NULL);
		bufferevent_enable(b, EV_READ | EV_WRITE);
	}
}

void raw_bufferevent_tls_echo(int listener, void *ssl_ctx)
{
	struct event_base *base = event_base_new();

	context = ssl_ctx;
	event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_acceptable, base), NULL);
	event_base_dispatch(base);
}
