/*
 * echo.c: P10: a server on the first core, its load on the other. What is measured is the server's
 * processor time, and in a run of its own its system calls, which the kernel counts, or else ptrace.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "echo_load.h"
#include "raw.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- our servers ---- */

static int echo_stream(void *arg)
{
	il_stream *stream = arg;
	char bytes[4096];
	int n;

	while ((n = il_stream_read(stream, bytes, sizeof bytes)) > 0)
		if (il_stream_write_all(stream, bytes, (size_t)n) < 0)
			break;
	il_stream_destroy(stream);
	return 0;
}

static int accept_all(void *arg)
{
	const il_listen_options options = {.backlog = 4096};
	il_listener *listener;
	il_stream *stream;
	il_group group;

	if (il_listener_open_tcp(&listener, "127.0.0.1", "0", &options) < 0)
		bench_die(il_error_detail());
	atomic_store((atomic_int *)arg, il_listener_port(listener));
	bench_must(il_group_open(&group));
	while (il_listener_accept(listener, &stream) == 0)
		bench_must(il_group_start_soon(&group, NULL, echo_stream, stream));
	return il_group_close(&group, 0);
}

static void serve_streams(atomic_int *port)
{
	bench_run(accept_all, port);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int handle(il_client *client, void *pool)
{
	il_packet request;
	int rc = il_client_receive(client, &request, IL_FOREVER);

	if (rc > 0 && pool)
		bench_must(il_executor_run(pool, nothing, NULL, 0));
	return rc <= 0 ? rc : il_client_send(client, request.data, request.size);
}

int echo_open_server(il_server **server, const char *port, bool reuse_port, il_executor *pool)
{
	const il_handler handler = {.handle = handle};
	const il_server_options options = {
	    .backlog = 4096, .quiet = true, .reuse_port = reuse_port};
	il_protocol packets;

	il_protocol_fixed_with(&packets, ECHO_BYTES);
	return il_tcp_server_open(server, "127.0.0.1", port, &packets, &handler, pool, &options);
}

static int serve_handler(void *arg)
{
	il_server *server;

	if (echo_open_server(&server, "0", false, NULL) < 0)
		bench_die(il_error_detail());
	atomic_store((atomic_int *)arg, il_server_port(server));
	return il_server_serve(server);
}

void echo_serve(atomic_int *port)
{
	bench_run(serve_handler, port);
}

/* ---- the baselines ---- */

static void serve_raw(atomic_int *port)
{
	uint16_t number;
	int listener = echo_listen(&number);

	atomic_store(port, number);
	bench_raw()->echo(listener);
}

static void serve_bufferevent(atomic_int *port)
{
	uint16_t number;
	int listener = echo_listen(&number);

	atomic_store(port, number);
	raw_bufferevent_echo(listener);
}

/* ---- a server and its load ---- */

struct bout {
	struct echo_load load;
	const struct echo_kind *kind;
	pid_t server;
	size_t requests;
	double memory; /* of the server, for all connections */
	atomic_bool over;
};

static void allow_files(size_t count)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= count)
		return;
	limit.rlim_cur = count;
	if (limit.rlim_max < count)
		limit.rlim_max = count;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_die("too few descriptors allowed (ulimit -n)");
}

static void begin_bout(struct bout *b, const struct bench_case *c, echo_serve_fn *serve, bool apart,
		       const struct echo_kind *kind)
{
	atomic_int *port =
	    mmap(NULL, sizeof *port, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	b->requests = c->n;
	b->kind = kind;
	allow_files(c->connections + 100);
	b->server = fork();
	if (b->server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (apart)
			bench_pin(0);
		serve(port);
		bench_die("the echo server returned");
	}
	if (apart)
		bench_pin(1);
	while (!atomic_load(port))
		usleep(1000);
	b->memory = bench_memory(b->server);
	kind->open(&b->load, (uint16_t)atomic_load(port), c);
	kind->run(&b->load, c->connections + c->n / 10);
	b->memory = bench_memory(b->server) - b->memory;
}

static void end_bout(struct bout *b)
{
	kill(b->server, SIGKILL);
	waitpid(b->server, NULL, __WALL);
}

void echo_time(const struct bench_case *c, double *values, echo_serve_fn *serve, bool apart,
	       const struct echo_kind *kind)
{
	struct bout b;
	double cpu, begin;

	begin_bout(&b, c, serve, apart, kind);
	cpu = bench_cpu_of(b.server);
	begin = bench_ns();
	kind->run(&b.load, c->n);
	values[0] = (bench_cpu_of(b.server) - cpu) / (double)c->n;
	values[1] = (bench_ns() - begin) / (double)c->n;
	values[2] = b.memory / (double)c->connections;
	end_bout(&b);
}

/* ---- system calls ---- */

static void *load_bout(void *arg)
{
	struct bout *b = arg;

	b->kind->run(&b->load, b->requests);
	atomic_store(&b->over, true);
	kill(b->server, SIGKILL);
	return NULL;
}

static void count_by_ptrace(const struct bench_case *c, double *values, struct bout *b)
{
	size_t stops = 0;
	int status;

	atomic_init(&b->over, false);
	if (ptrace(PTRACE_SEIZE, b->server, NULL, PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, b->server, NULL, NULL) < 0)
		bench_die("no ptrace here");
	waitpid(b->server, &status, __WALL);
	bench_thread(load_bout, b);
	do {
		if (ptrace(PTRACE_SYSCALL, b->server, NULL, NULL) < 0)
			break;
		if (waitpid(b->server, &status, __WALL) < 0)
			break;
		stops += WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80) &&
			 !atomic_load(&b->over);
	} while (WIFSTOPPED(status));
	values[0] = (double)stops / 2 / (double)c->n;
}

static void count_calls(const struct bench_case *c, double *values, echo_serve_fn *serve)
{
	struct bout b;
	double before;
	int counter;

	begin_bout(&b, c, serve, true, &echo_over_tcp);
	usleep(10000); /* it waits for more now */
	counter = bench_counter_open("raw_syscalls/sys_enter", b.server);
	if (counter < 0) {
		count_by_ptrace(c, values, &b);
		return;
	}
	before = bench_counter_read(counter);
	b.kind->run(&b.load, c->n);
	values[0] = (bench_counter_read(counter) - before) / (double)c->n;
	close(counter);
	end_bout(&b);
}

/* ---- the rows ---- */

#define TIMED(name, serve)                                                  \
	static void time_##name(const struct bench_case *c, double *values) \
	{                                                                   \
		echo_time(c, values, serve, true, &echo_over_tcp);          \
	}
#define COUNTED(name, serve)                                                 \
	static void count_##name(const struct bench_case *c, double *values) \
	{                                                                    \
		count_calls(c, values, serve);                               \
	}
TIMED(streams, serve_streams)
TIMED(handler, echo_serve)
TIMED(raw, serve_raw)
TIMED(bufferevent, serve_bufferevent)
COUNTED(streams, serve_streams)
COUNTED(handler, echo_serve)
COUNTED(raw, serve_raw)

static void rows(struct bench_case *c, bench_side_fn *time, bench_side_fn *count)
{
	const struct bench_side raw = {"raw_loop", time_raw};
	const struct bench_side buffered = {"bufferevent", time_bufferevent};
	const struct bench_side raw_count = {"raw_loop", count_raw};
	struct bench_stat stats[] = {{.name = "server_cpu", .limit = 1.05}, {.name = "wall"}};
	const struct bench_stat calls = {.name = "system_calls", .limit = 1.005, .unit = "calls"};

	for (c->connections = 1; c->connections <= 1000; c->connections = c->connections == 1 ? 64
									  : c->connections == 64
									      ? 1000
									      : 1001) {
		c->n = bench_amount(c->connections == 1 ? 2500 : 6000);
		c->passes = 15;
		stats[0].limit = 1.05;
		bench_compare(c, stats, 2, time, &raw, 1);
		c->passes = 5;
		stats[0].limit = 0.8;
		bench_compare(c, stats, 1, time, &buffered, 1);
		c->passes = 3;
		c->n = 2000;
		bench_compare(c, &calls, 1, count, &raw_count, 1);
	}
}

void bench_echo(void)
{
	struct bench_case c = {.work = "P10", .cores = 2};

	c.via = "stream";
	rows(&c, time_streams, count_streams);
	c.via = "server";
	rows(&c, time_handler, count_handler);
}
