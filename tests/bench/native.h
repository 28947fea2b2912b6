/*
 * native.h: the benchmarked loop as callback programs use it, for the baselines of P15: descriptors, a timer, run and
 * stop, as its manual has them. BENCH_ON_(loop) says which one. Everything is inlined.
 */
#ifndef IL_TESTS_BENCH_NATIVE_H
#define IL_TESTS_BENCH_NATIVE_H

#include <stdbool.h>
#include <stdlib.h>

struct native_io;
typedef void native_io_fn(struct native_io *io, bool readable, bool writable);

#if defined(BENCH_ON_libuv)
#include <uv.h>

extern uv_loop_t *native_loop; /* clients.c */

struct native_io {
	uv_poll_t watch;
	int fd;
	native_io_fn *ready;
	void *arg;
};

struct native_timer {
	uv_timer_t watch;
	void (*due)(void);
};

static inline void native_open(void)
{
	native_loop = uv_default_loop();
}

static inline void native_run(void)
{
	uv_run(native_loop, UV_RUN_DEFAULT);
}

static inline void native_stop(void)
{
	uv_stop(native_loop);
}

static inline void native_on_io(uv_poll_t *watch, int status, int events)
{
	struct native_io *io = watch->data;

	io->ready(io, status < 0 || (events & UV_READABLE), events & UV_WRITABLE);
}

static inline void native_io_init(struct native_io *io)
{
	uv_poll_init(native_loop, &io->watch, io->fd);
	io->watch.data = io;
}

static inline void native_io_set(struct native_io *io, bool in, bool out)
{
	uv_poll_start(&io->watch, (in ? UV_READABLE : 0) | (out ? UV_WRITABLE : 0), native_on_io);
}

static inline void native_on_closed(uv_handle_t *watch)
{
	free(watch->data);
}

static inline void native_io_close(struct native_io *io)
{
	uv_close((uv_handle_t *)&io->watch, native_on_closed);
}

static inline void native_on_timer(uv_timer_t *watch)
{
	((struct native_timer *)watch->data)->due();
}

static inline void native_timer_init(struct native_timer *timer)
{
	uv_timer_init(native_loop, &timer->watch);
	timer->watch.data = timer;
}

static inline void native_timer_set(struct native_timer *timer, long us)
{
	if (us < 0)
		uv_timer_stop(&timer->watch);
	else
		uv_timer_start(&timer->watch, native_on_timer, (uint64_t)(us + 999) / 1000, 0);
}

#elif defined(BENCH_ON_libev)
#include <ev.h>

extern struct ev_loop *native_loop; /* clients.c */

struct native_io {
	ev_io watch;
	int fd;
	native_io_fn *ready;
	void *arg;
};

struct native_timer {
	ev_timer watch;
	void (*due)(void);
};

static inline void native_open(void)
{
	native_loop = ev_loop_new(EVFLAG_AUTO);
}

static inline void native_run(void)
{
	ev_run(native_loop, 0);
}

static inline void native_stop(void)
{
	ev_break(native_loop, EVBREAK_ALL);
}

static inline void native_on_io(struct ev_loop *loop, ev_io *watch, int events)
{
	struct native_io *io = watch->data;

	(void)loop;
	io->ready(io, events & EV_READ, events & EV_WRITE);
}

static inline void native_io_init(struct native_io *io)
{
	ev_io_init(&io->watch, native_on_io, io->fd, 0);
	io->watch.data = io;
}

static inline void native_io_set(struct native_io *io, bool in, bool out)
{
	ev_io_stop(native_loop, &io->watch);
	ev_io_set(&io->watch, io->fd, (in ? EV_READ : 0) | (out ? EV_WRITE : 0));
	ev_io_start(native_loop, &io->watch);
}

static inline void native_io_close(struct native_io *io)
{
	ev_io_stop(native_loop, &io->watch);
	free(io);
}

static inline void native_on_timer(struct ev_loop *loop, ev_timer *watch, int events)
{
	(void)loop;
	(void)events;
	((struct native_timer *)watch->data)->due();
}

static inline void native_timer_init(struct native_timer *timer)
{
	ev_timer_init(&timer->watch, native_on_timer, 0, 0);
	timer->watch.data = timer;
}

static inline void native_timer_set(struct native_timer *timer, long us)
{
	ev_timer_stop(native_loop, &timer->watch);
	if (us < 0)
		return;
	ev_timer_set(&timer->watch, (double)us / 1e6, 0);
	ev_timer_start(native_loop, &timer->watch);
}

#else
#include <event2/event.h>
#include <event2/event_struct.h>

extern struct event_base *native_loop; /* clients.c */

struct native_io {
	struct event watch;
	int fd;
	native_io_fn *ready;
	void *arg;
};

struct native_timer {
	struct event watch;
	void (*due)(void);
};

static inline void native_open(void)
{
	native_loop = event_base_new();
}

static inline void native_run(void)
{
	event_base_dispatch(native_loop);
}

static inline void native_stop(void)
{
	event_base_loopbreak(native_loop);
}

static inline void native_on_io(evutil_socket_t fd, short events, void *arg)
{
	struct native_io *io = arg;

	(void)fd;
	io->ready(io, events & EV_READ, events & EV_WRITE);
}

static inline void native_io_init(struct native_io *io)
{
	event_assign(&io->watch, native_loop, io->fd, EV_PERSIST, native_on_io, io);
}

static inline void native_io_set(struct native_io *io, bool in, bool out)
{
	const int events = EV_PERSIST | (in ? EV_READ : 0) | (out ? EV_WRITE : 0);

	event_del(&io->watch);
	event_assign(&io->watch, native_loop, io->fd, (short)events, native_on_io, io);
	event_add(&io->watch, NULL);
}

static inline void native_io_close(struct native_io *io)
{
	event_del(&io->watch);
	free(io);
}

static inline void native_on_timer(evutil_socket_t fd, short events, void *timer)
{
	(void)fd;
	(void)events;
	((struct native_timer *)timer)->due();
}

static inline void native_timer_init(struct native_timer *timer)
{
	evtimer_assign(&timer->watch, native_loop, native_on_timer, timer);
}

static inline void native_timer_set(struct native_timer *timer, long us)
{
	const struct timeval after = {us / 1000000, us % 1000000};

	if (us < 0)
		evtimer_del(&timer->watch);
	else
		evtimer_add(&timer->watch, &after);
}
#endif

/* Not watched yet. native_io_close() frees it. */
static inline struct native_io *native_io_open(int fd, native_io_fn *ready, void *arg)
{
	struct native_io *io = calloc(1, sizeof *io);

	if (!io)
		abort();
	io->fd = fd;
	io->ready = ready;
	io->arg = arg;
	native_io_init(io);
	return io;
}

/* native_timer_set() has it call due() once, in so many microseconds; below 0: not at all. */
static inline void native_timer_open(struct native_timer *timer, void (*due)(void))
{
	timer->due = due;
	native_timer_init(timer);
}

#endif
