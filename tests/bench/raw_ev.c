/*
 * raw_ev.c: libev used directly: ev_async, ev_timer, ev_io with recv and send.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "raw.h"

#include <ev.h>
#include <sys/socket.h>
#include <unistd.h>

struct loop {
	struct ev_loop *ev;
	ev_async async;
	ev_timer timer;
	void (*woken)(void *arg);
	void *arg;
	void (*fire)(void *arg);
	void *fire_arg;
};

static void on_async(struct ev_loop *ev, ev_async *async, int events)
{
	struct loop *l = async->data;

	(void)ev;
	(void)events;
	l->woken(l->arg);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct loop *l = timer->data;

	(void)ev;
	(void)events;
	l->fire(l->fire_arg);
}

static void *open_loop(void (*woken)(void *arg), void *arg)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		bench_die("no memory");
	l->ev = ev_loop_new(EVFLAG_AUTO);
	l->woken = woken;
	l->arg = arg;
	ev_async_init(&l->async, on_async);
	ev_init(&l->timer, on_timer);
	l->async.data = l->timer.data = l;
	ev_async_start(l->ev, &l->async);
	return l;
}

static void wake(void *loop)
{
	struct loop *l = loop;

	ev_async_send(l->ev, &l->async);
}

static void run(void *loop)
{
	ev_run(((struct loop *)loop)->ev, 0);
}

static void stop(void *loop)
{
	ev_break(((struct loop *)loop)->ev, EVBREAK_ALL);
}

static void after(void *loop, double seconds, void (*fire)(void *arg), void *arg)
{
	struct loop *l = loop;

	l->fire = fire;
	l->fire_arg = arg;
	ev_now_update(l->ev);
	ev_timer_set(&l->timer, seconds, 0.);
	ev_timer_start(l->ev, &l->timer);
}

/* ---- many timers ---- */

static struct many {
	ev_timer *all;
	void (*fired)(size_t i);
} many;

static void on_one_of_many(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	many.fired((size_t)(timer - many.all));
}

static void timers(size_t count, const double *delays, void (*fired)(size_t i))
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

	many.all = calloc(count, sizeof *many.all);
	many.fired = fired;
	for (size_t i = 0; many.all && i < count; i++) {
		ev_timer_init(&many.all[i], on_one_of_many, delays[i], 0.);
		ev_timer_start(ev, &many.all[i]);
	}
	ev_run(ev, 0);
}

/* ---- echo ---- */

static void (*asked)(int fd); /* NULL: it echoes */

static void on_readable(struct ev_loop *ev, ev_io *io, int events)
{
	char bytes[4096];
	ssize_t n = recv(io->fd, bytes, sizeof bytes, 0);

	(void)events;
	if (n > 0 && asked)
		asked(io->fd);
	else if (n > 0)
		n = send(io->fd, bytes, (size_t)n, MSG_NOSIGNAL) == n;
	if (n <= 0) {
		ev_io_stop(ev, io);
		close(io->fd);
		free(io);
	}
}

static void on_acceptable(struct ev_loop *ev, ev_io *listener, int events)
{
	int fd;

	(void)events;
	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		ev_io *io = malloc(sizeof *io);
		if (!io)
			bench_die("no memory");
		ev_io_init(io, on_readable, fd, EV_READ);
		ev_io_start(ev, io);
	}
}

static void echo(int listener)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	ev_io io;

	ev_io_init(&io, on_acceptable, listener, EV_READ);
	ev_io_start(ev, &io);
	ev_run(ev, 0);
}

static void requests(void *loop, int listener, void (*on_request)(int fd))
{
	static ev_io io;

	asked = on_request;
	ev_io_init(&io, on_acceptable, listener, EV_READ);
	ev_io_start(((struct loop *)loop)->ev, &io);
}

/* ---- datagrams ---- */

static void (*datagrams)(int fd);

static void on_datagrams(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	(void)events;
	datagrams(io->fd);
}

static void readable(int fd, void (*ready)(int fd))
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	ev_io io;

	datagrams = ready;
	ev_io_init(&io, on_datagrams, fd, EV_READ);
	ev_io_start(ev, &io);
	ev_run(ev, 0);
}

const struct raw raw_ev = {.name = "libev",
			   .open = open_loop,
			   .wake = wake,
			   .run = run,
			   .stop = stop,
			   .after = after,
			   .timers = timers,
			   .echo = echo,
			   .requests = requests,
			   .readable = readable};
