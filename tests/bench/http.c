/*
 * http.c: P13: what an offload costs a server: one that sends six bytes of HTTP, in its handler or after a trivial
 * function in its pool; beside it the same loop with a pool as its users write it, nginx and Go.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "echo_load.h"
#include "http_load.h"
#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- our servers ---- */

static il_executor *pool;

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static bool is_complete(const il_packet *bytes)
{
	static const char end[] = {'\r', '\n', '\r', '\n'};

	return bytes->size >= sizeof end &&
	       memcmp((const char *)bytes->data + bytes->size - sizeof end, end, sizeof end) == 0;
}

static int respond(il_client *client, int (*work)(void))
{
	il_packet bytes;
	int rc = il_client_receive(client, &bytes, IL_FOREVER);

	if (rc <= 0 || !is_complete(&bytes))
		return rc < 0 ? rc : 0;
	rc = work ? work() : 0;
	return rc < 0 ? rc : il_client_send(client, HTTP_ANSWER, sizeof HTTP_ANSWER - 1);
}

static int handle_direct(il_client *client, void *data)
{
	(void)data;
	return respond(client, NULL);
}

static int in_pool(void)
{
	return il_executor_run(pool, nothing, NULL, 0);
}

static int in_thread(void)
{
	return il_run_in_thread(nothing, NULL);
}

static int handle_in_pool(il_client *client, void *data)
{
	(void)data;
	return respond(client, in_pool);
}

static int handle_in_thread(il_client *client, void *data)
{
	(void)data;
	return respond(client, in_thread);
}

struct ours {
	atomic_int *port;
	int (*handle)(il_client *client, void *data);
};

static int serve_ours(void *arg)
{
	const struct ours *ours = arg;
	const il_handler handler = {.handle = ours->handle};
	const il_server_options options = {.backlog = 4096, .quiet = true};
	il_server *server;

	if (il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_bytes(), &handler, NULL,
			       &options) < 0)
		bench_die(il_error_detail());
	atomic_store(ours->port, il_server_port(server));
	return il_server_serve(server);
}

static void serve_with(atomic_int *port, int (*handle)(il_client *client, void *data))
{
	const il_thread_pool_options workers = {.max_workers = HTTP_WORKERS};
	const il_loop_options options = {.thread_limit = HTTP_WORKERS};
	struct ours ours = {port, handle};

	if (il_thread_pool_create(&pool, &workers) < 0)
		bench_die(il_error_detail());
	bench_run_with(&options, serve_ours, &ours);
}

static void serve_direct(atomic_int *port)
{
	serve_with(port, handle_direct);
}

static void serve_in_pool(atomic_int *port)
{
	serve_with(port, handle_in_pool);
}

static void serve_in_thread(atomic_int *port)
{
	serve_with(port, handle_in_thread);
}

/* ---- the others ---- */

static void serve_raw_pool(atomic_int *port)
{
	raw_serve(bench_raw(), port, HTTP_ANSWER, HTTP_WORKERS);
}

static void serve_raw(atomic_int *port)
{
	raw_serve(bench_raw(), port, HTTP_ANSWER, 0);
}

/* The number of a port that is free now. */
static int free_port(void)
{
	uint16_t number;

	close(echo_listen(&number));
	return number;
}

static void wait_for_server(int number)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)number),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (int i = 0; i < 1000; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
			return;
		close(fd);
		usleep(10000);
	}
}

/* This process becomes the server; a child tells when it listens. */
static void become(atomic_int *port, int number, char *const argv[])
{
	if (fork() == 0) {
		wait_for_server(number);
		atomic_store(port, number);
		_exit(0);
	}
	execvp(argv[0], argv);
	bench_die("the program cannot be started");
}

static void serve_nginx(atomic_int *port)
{
	int number = free_port(), config = memfd_create("nginx", 0);
	char path[32];
	char *const argv[] = {"nginx", "-c", path, NULL};

	dprintf(config,
		"daemon off; master_process off; pid /dev/null; error_log /dev/null crit; "
		"events { worker_connections 4096; } "
		"http { access_log off; keepalive_requests 100000000; server_tokens off; "
		"server { listen 127.0.0.1:%d backlog=4096; location / { default_type text/plain; "
		"return 200 \"hello\\n\"; } } }\n",
		number);
	snprintf(path, sizeof path, "/proc/self/fd/%d", config);
	become(port, number, argv);
}

static void serve_go(atomic_int *port)
{
	int number = free_port();
	char address[32];
	char *const argv[] = {getenv("BENCH_GO_SERVER"), address, NULL};

	snprintf(address, sizeof address, "127.0.0.1:%d", number);
	become(port, number, argv);
}

/* ---- the rows ---- */

#define SIDES(name)                                                         \
	static void time_##name(const struct bench_case *c, double *values) \
	{                                                                   \
		http_time(c, values, serve_##name);                         \
	}
SIDES(direct)
SIDES(in_pool)
SIDES(in_thread)
SIDES(raw_pool)
SIDES(raw)
SIDES(nginx)
SIDES(go)

static void count_in_pool(const struct bench_case *c, double *values)
{
	http_count(c, values, serve_in_pool);
}

/* CPU, requests (as the wall time of one), p50 and p99. */
static void compare(struct bench_case *c, bench_side_fn *ours, bench_side_fn *base,
		    const char *name, double cpu, double p99)
{
	const struct bench_side side = {name, base};
	const struct bench_stat stats[] = {{.name = "server_cpu", .limit = cpu},
					   {.name = "wall"},
					   {.name = "p50"},
					   {.name = "p99", .limit = p99}};

	bench_compare(c, stats, 4, ours, &side, 1);
}

static void offloaded(struct bench_case *c)
{
	double cpu = c->connections > 1 ? 1.15 : 0;

	c->passes = 5;
	c->via = "executor_run";
	compare(c, time_in_pool, time_direct, "direct", cpu, 0);
	c->passes = 3;
	compare(c, time_in_pool, time_raw_pool, "raw_pool", 0, 1.0);
	c->via = "run_in_thread";
	compare(c, time_in_thread, time_direct, "direct", cpu, 0);
}

static void counted(struct bench_case *c)
{
	const struct bench_stat stats[] = {
	    {.name = "futex_calls", .absolute = 1, .limit = 0.1, .unit = "calls"},
	    {.name = "eventfd_writes", .absolute = 1, .limit = 0.1, .unit = "calls"},
	    {.name = "sched_yield_calls", .unit = "calls"},
	    {.name = "polls", .unit = "calls"},
	    {.name = "context_switches", .unit = "switches"}};

	c->passes = 3;
	c->via = "executor_run";
	bench_alone(c, stats, 5, count_in_pool);
}

static void direct(struct bench_case *c)
{
	c->via = "direct";
	c->passes = 3;
	compare(c, time_direct, time_raw, "raw_loop", 0, 0);
	if (system("command -v nginx >/dev/null") == 0)
		compare(c, time_direct, time_nginx, "nginx", 1.05, 0);
	else
		fprintf(stderr, "Left out: nginx, which is not installed\n");
	if (getenv("BENCH_GO_SERVER"))
		compare(c, time_direct, time_go, "go", 0, 0);
	else
		fprintf(stderr, "Left out: Go, as golang-go is not installed\n");
}

void bench_http(void)
{
	static const size_t connections[] = {1, 64, 1000};
	struct bench_case c = {.work = "P13", .n = 1};

	if (!http_can_load())
		return;
	for (c.cores = 1; c.cores <= 2; c.cores++)
		for (size_t i = 0; i < 3; i++) {
			c.connections = connections[i];
			offloaded(&c);
			if (c.connections == 64 && http_can_count())
				counted(&c);
			if (c.connections == 64 && c.cores == 1)
				direct(&c);
		}
}
