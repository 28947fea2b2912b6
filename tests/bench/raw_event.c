/*
 * raw_event.c: libevent used directly: events on an eventfd, timers, descriptors with recv and send; and
 * a bufferevent, its own way to write a stream handler.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "raw.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct loop {
	struct event_base *base;
	struct event *wake, *timer;
	int fd;
	void (*woken)(void *arg);
	void *arg;
	void (*fire)(void *arg);
	void *fire_arg;
};

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof count) == (ssize_t)sizeof count)
		l->woken(l->arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->fire(l->fire_arg);
}

static void *open_loop(void (*woken)(void *arg), void *arg)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		bench_die("no memory");
	l->base = event_base_new();
	l->woken = woken;
	l->arg = arg;
	l->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->wake = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_wake, l);
	l->timer = event_new(l->base, -1, 0, on_timer, l);
	event_add(l->wake, NULL);
	return l;
}

static void wake(void *loop)
{
	const uint64_t one = 1;

	if (write(((struct loop *)loop)->fd, &one, sizeof one) < 0)
		bench_die("eventfd");
}

static void run(void *loop)
{
	event_base_dispatch(((struct loop *)loop)->base);
}

static void stop(void *loop)
{
	event_base_loopbreak(((struct loop *)loop)->base);
}

static struct timeval timeval_of(double seconds)
{
	long usec = (long)(seconds * 1e6);

	return (struct timeval){usec / 1000000, usec % 1000000};
}

static void after(void *loop, double seconds, void (*fire)(void *arg), void *arg)
{
	struct loop *l = loop;
	struct timeval delay = timeval_of(seconds);

	l->fire = fire;
	l->fire_arg = arg;
	event_add(l->timer, &delay);
}

/* ---- many timers ---- */

static void (*one_fired)(size_t i);

static void on_one_of_many(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	one_fired((size_t)(uintptr_t)arg);
}

static void timers(size_t count, const double *delays, void (*fired)(size_t i))
{
	struct event_base *base = event_base_new();

	one_fired = fired;
	for (size_t i = 0; i < count; i++) {
		struct timeval delay = timeval_of(delays[i]);
		struct event *one = event_new(base, -1, 0, on_one_of_many, (void *)(uintptr_t)i);
		event_add(one, &delay);
	}
	event_base_dispatch(base);
}

/* ---- echo ---- */

struct connection {
	struct event *readable;
};

static void (*asked)(int fd); /* NULL: it echoes */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof bytes, 0);

	(void)what;
	if (n > 0 && asked)
		asked(fd);
	else if (n > 0)
		n = send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n;
	if (n <= 0) {
		event_free(c->readable);
		close(fd);
		free(c);
	}
}

static void on_acceptable(evutil_socket_t listener, short what, void *arg)
{
	int fd;

	(void)what;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = malloc(sizeof *c);
		if (!c)
			bench_die("no memory");
		c->readable = event_new(arg, fd, EV_READ | EV_PERSIST, on_readable, c);
		event_add(c->readable, NULL);
	}
}

static void echo(int listener)
{
	struct event_base *base = event_base_new();
	struct event *acceptable =
	    event_new(base, listener, EV_READ | EV_PERSIST, on_acceptable, base);

	event_add(acceptable, NULL);
	event_base_dispatch(base);
}

static void requests(void *loop, int listener, void (*on_request)(int fd))
{
	struct event_base *base = ((struct loop *)loop)->base;

	asked = on_request;
	event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_acceptable, base), NULL);
}

static void on_buffered(struct bufferevent *b, void *arg)
{
	(void)arg;
	bufferevent_write_buffer(b, bufferevent_get_input(b));
}

static void on_buffered_end(struct bufferevent *b, short what, void *arg)
{
	(void)what;
	(void)arg;
	bufferevent_free(b);
}

static void on_buffered_acceptable(evutil_socket_t listener, short what, void *arg)
{
	int fd;

	(void)what;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct bufferevent *b = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
		bufferevent_setcb(b, on_buffered, NULL, on_buffered_end, NULL);
		bufferevent_enable(b, EV_READ | EV_WRITE);
	}
}

void raw_bufferevent_echo(int listener)
{
	struct event_base *base = event_base_new();
	struct event *acceptable =
	    event_new(base, listener, EV_READ | EV_PERSIST, on_buffered_acceptable, base);

	event_add(acceptable, NULL);
	event_base_dispatch(base);
}

/* ---- datagrams ---- */

static void (*datagrams)(int fd);

static void on_datagrams(evutil_socket_t fd, short events, void *arg)
{
	(void)events;
	(void)arg;
	datagrams(fd);
}

static void readable(int fd, void (*ready)(int fd))
{
	struct event_base *base = event_base_new();

	datagrams = ready;
	event_add(event_new(base, fd, EV_READ | EV_PERSIST, on_datagrams, NULL), NULL);
	event_base_dispatch(base);
}

const struct raw raw_event = {.name = "libevent",
			      .open = open_loop,
			      .wake = wake,
			      .run = run,
			      .stop = stop,
			      .after = after,
			      .timers = timers,
			      .echo = echo,
			      .requests = requests,
			      .readable = readable};
