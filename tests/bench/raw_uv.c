/*
 * raw_uv.c: libuv used directly: uv_async, uv_queue_work, uv_timer, uv_read and uv_try_write.
 */
#include "raw.h"

#include <unistd.h>
#include <uv.h>

struct loop {
	uv_loop_t uv;
	uv_async_t async;
	uv_timer_t timer;
	void (*woken)(void *arg);
	void *arg;
	void (*fire)(void *arg);
	void *fire_arg;
};

static void on_async(uv_async_t *async)
{
	struct loop *l = async->data;

	l->woken(l->arg);
}

static void *open_loop(void (*woken)(void *arg), void *arg)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		bench_die("no memory");
	l->woken = woken;
	l->arg = arg;
	l->async.data = l->timer.data = l;
	uv_loop_init(&l->uv);
	uv_async_init(&l->uv, &l->async, on_async);
	uv_timer_init(&l->uv, &l->timer);
	return l;
}

static void wake(void *loop)
{
	uv_async_send(&((struct loop *)loop)->async);
}

static void run(void *loop)
{
	uv_run(&((struct loop *)loop)->uv, UV_RUN_DEFAULT);
}

static void stop(void *loop)
{
	uv_stop(&((struct loop *)loop)->uv);
}

static void on_timer(uv_timer_t *timer)
{
	struct loop *l = timer->data;

	l->fire(l->fire_arg);
}

static void after(void *loop, double seconds, void (*fire)(void *arg), void *arg)
{
	struct loop *l = loop;

	l->fire = fire;
	l->fire_arg = arg;
	uv_update_time(&l->uv);
	uv_timer_start(&l->timer, on_timer, (uint64_t)(seconds * 1000), 0);
}

/* ---- many timers ---- */

static struct many {
	uv_timer_t *all;
	void (*fired)(size_t i);
} many;

static void on_one_of_many(uv_timer_t *timer)
{
	many.fired((size_t)(timer - many.all));
}

static void timers(size_t count, const double *delays, void (*fired)(size_t i))
{
	uv_loop_t uv;

	uv_loop_init(&uv);
	many.all = calloc(count, sizeof *many.all);
	many.fired = fired;
	for (size_t i = 0; many.all && i < count; i++) {
		uv_timer_init(&uv, &many.all[i]);
		uv_timer_start(&many.all[i], on_one_of_many, (uint64_t)(delays[i] * 1000 + 0.999),
			       0);
	}
	uv_run(&uv, UV_RUN_DEFAULT);
}

/* ---- echo ---- */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	static char bytes[65536];

	(void)handle;
	(void)size;
	*buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void (*asked)(int fd); /* NULL: it echoes */

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	uv_buf_t out = uv_buf_init(buf->base, n > 0 ? (unsigned)n : 0);
	uv_os_fd_t fd;

	if (asked && n > 0) {
		uv_fileno((uv_handle_t *)stream, &fd);
		asked(fd);
	} else if (n < 0 || (n > 0 && uv_try_write(stream, &out, 1) != n))
		uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *server, int status)
{
	uv_tcp_t *client = malloc(sizeof *client);

	if (status < 0 || !client)
		bench_die("no connection");
	uv_tcp_init(server->loop, client);
	uv_accept(server, (uv_stream_t *)client);
	uv_tcp_nodelay(client, 1);
	uv_read_start((uv_stream_t *)client, on_alloc, on_read);
}

static void echo(int listener)
{
	uv_loop_t uv;
	uv_tcp_t server;

	uv_loop_init(&uv);
	uv_tcp_init(&uv, &server);
	uv_tcp_open(&server, listener);
	uv_listen((uv_stream_t *)&server, 4096, on_connection);
	uv_run(&uv, UV_RUN_DEFAULT);
}

static void requests(void *loop, int listener, void (*on_request)(int fd))
{
	static uv_tcp_t server;

	asked = on_request;
	uv_tcp_init(&((struct loop *)loop)->uv, &server);
	uv_tcp_open(&server, listener);
	uv_listen((uv_stream_t *)&server, 4096, on_connection);
}

/* ---- datagrams ---- */

static void (*datagrams)(int fd);

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
	uv_os_fd_t fd;

	(void)status;
	(void)events;
	if (uv_fileno((const uv_handle_t *)poll, &fd) == 0)
		datagrams(fd);
}

static void readable(int fd, void (*ready)(int fd))
{
	static uv_loop_t loop;
	static uv_poll_t poll;

	datagrams = ready;
	uv_loop_init(&loop);
	uv_poll_init(&loop, &poll, fd);
	uv_poll_start(&poll, UV_READABLE, on_datagrams);
	uv_run(&loop, UV_RUN_DEFAULT);
}

const struct raw raw_uv = {.name = "libuv",
			   .open = open_loop,
			   .wake = wake,
			   .run = run,
			   .stop = stop,
			   .after = after,
			   .timers = timers,
			   .echo = echo,
			   .requests = requests,
			   .readable = readable};

/* ---- uv_queue_work: one call after another ---- */

static void nothing(void *arg)
{
	(void)arg;
}

struct trips {
	struct loop *loop;
	uv_work_t work;
	const struct bench_case *c;
	struct bench_samples samples;
	size_t warm_up, left;
	double begin, cpu;
};

static void do_nothing(uv_work_t *work)
{
	(void)work;
}

static void next_trip(void *arg);

static void on_trip(uv_work_t *work, int status)
{
	struct trips *t = work->data;

	(void)status;
	if (t->warm_up) {
		if (--t->warm_up == 0)
			t->cpu = bench_cpu();
	} else {
		bench_samples_add(&t->samples, bench_ns() - t->begin);
		t->left--;
	}
	if (!t->left)
		stop(t->loop);
	else if (t->c->gap_us)
		after(t->loop, (double)t->c->gap_us / 1e6, next_trip, t);
	else
		next_trip(t);
}

static void next_trip(void *arg)
{
	struct trips *t = arg;

	t->begin = bench_ns();
	uv_queue_work(&t->loop->uv, &t->work, do_nothing, on_trip);
}

void raw_uv_queue_work_trips(const struct bench_case *c, double *values)
{
	struct trips t = {.c = c, .warm_up = c->n / 10 + 1, .left = c->n};

	bench_samples_init(&t.samples, c->n);
	t.loop = open_loop(nothing, NULL);
	t.work.data = &t;
	next_trip(&t);
	run(t.loop);
	values[2] = (bench_cpu() - t.cpu) / (double)c->n;
	values[1] = bench_samples_mean(&t.samples);
	values[0] = bench_samples_quantile(&t.samples, 0.5);
}

/* ---- uv_queue_work: many at once ---- */

struct flight {
	uv_loop_t uv;
	size_t left, pending, warm_up;
	double begin;
};

static void on_landed(uv_work_t *work, int status)
{
	struct flight *f = work->data;

	(void)status;
	if (f->warm_up && --f->warm_up == 0)
		f->begin = bench_ns();
	if (f->left == 0) {
		if (--f->pending == 0)
			uv_stop(&f->uv);
		return;
	}
	f->left--;
	uv_queue_work(&f->uv, work, do_nothing, on_landed);
}

void raw_uv_queue_work_inflight(const struct bench_case *c, double *values)
{
	struct flight f = {.left = c->n, .pending = c->inflight, .warm_up = c->inflight};
	uv_work_t *works = calloc(c->inflight, sizeof *works);
	char workers[16];

	snprintf(workers, sizeof workers, "%zu", c->workers);
	setenv("UV_THREADPOOL_SIZE", workers, 1);
	uv_loop_init(&f.uv);
	for (size_t i = 0; works && i < c->inflight; i++)
		works[i].data = &f;
	for (size_t i = 0; i < c->inflight; i++)
		uv_queue_work(&f.uv, &works[i], do_nothing, on_landed);
	uv_run(&f.uv, UV_RUN_DEFAULT);
	values[0] = (bench_ns() - f.begin) / (double)c->n;
}
