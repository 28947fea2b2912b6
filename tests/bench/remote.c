/*
 * remote.c: calls in a worker program by way of a gearmand, against raw sockets that speak the same protocol with nothing around
 * it, which is the floor, and against a process pool. Everything on loopback.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bench.h"

#include <interloop/function.h>
#include <interloop/remote.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ARGUMENT = 64, CREDITS = 9 };

static char port[16], address[40];

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* ---- sockets ---- */

static int open_socket(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)atoi(port)),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static void choose_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &size) < 0)
		bench_die("no port");
	close(fd);
	snprintf(port, sizeof port, "%d", ntohs(a.sin_port));
	snprintf(address, sizeof address, "127.0.0.1:%s", port);
}

/* Forked, while this process has one thread; it ends with it. */
static bool in_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	return pid == 0;
}

static void start_server(void)
{
	int fd;

	choose_port();
	if (in_child()) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(126);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(GEARMAND, "gearmand", "-L", "127.0.0.1", "-p", port, "--worker-wakeup=2",
		      "--hashtable-buckets=200003", "--job-retries=1", "-l", "stderr",
		      "--verbose=CRITICAL", NULL);
		_exit(127);
	}
	while ((fd = open_socket()) < 0)
		usleep(1000);
	close(fd);
}

/* ---- the floor ---- */

enum {
	CAN_DO = 1,
	PRE_SLEEP = 4,
	NOOP = 6,
	SUBMIT = 7,
	NO_JOB = 10,
	COMPLETE = 13,
	GRAB = 30,
	ASSIGN = 31
};

static void send_raw(int fd, unsigned type, const void *data, size_t size)
{
	unsigned char packet[512] = {0,
				     'R',
				     'E',
				     'Q',
				     0,
				     0,
				     0,
				     (unsigned char)type,
				     0,
				     0,
				     (unsigned char)(size >> 8),
				     (unsigned char)size};

	memcpy(packet + 12, data, size);
	if (send(fd, packet, 12 + size, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static unsigned receive_raw(int fd, char data[512])
{
	unsigned char h[12];
	size_t size;

	if (recv(fd, h, sizeof h, MSG_WAITALL) != sizeof h)
		_exit(0);
	size = (size_t)h[10] << 8 | h[11];
	if (size > 0 && recv(fd, data, size, MSG_WAITALL) < 0)
		_exit(0);
	return h[7];
}

static void work_raw(int credits)
{
	int fd = open_socket(), asked = 0;
	char data[512];

	send_raw(fd, CAN_DO, "raw", 3);
	for (;;) {
		for (; asked < credits; asked++)
			send_raw(fd, GRAB, "", 0);
		switch (receive_raw(fd, data)) {
		case ASSIGN:
			asked--;
			send_raw(fd, COMPLETE, data, strlen(data) + 1);
			break;
		case NO_JOB:
			if (--asked > 0)
				break;
			send_raw(fd, PRE_SLEEP, "", 0);
			while (receive_raw(fd, data) != NOOP)
				;
			break;
		}
	}
}

static void start_raw(const struct bench_case *c)
{
	start_server();
	for (size_t i = 0; i < c->workers; i++)
		if (in_child()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work_raw(c->inflight > 1 ? CREDITS : 1);
		}
}

static void submit_raw(int fd)
{
	static const char call[4 + 1 + ARGUMENT] = "raw"; /* and no name of its own */

	send_raw(fd, SUBMIT, call, sizeof call);
}

static void await_raw(int fd)
{
	char data[512];

	while (receive_raw(fd, data) != COMPLETE)
		;
}

static void raw_trips(const struct bench_case *c, double *values)
{
	struct bench_samples samples;
	int fd;

	start_raw(c);
	fd = open_socket();
	bench_samples_init(&samples, c->n);
	for (size_t i = 0; i < c->n; i++) {
		double begin = bench_ns();
		submit_raw(fd);
		await_raw(fd);
		bench_samples_add(&samples, bench_ns() - begin);
	}
	values[0] = bench_samples_quantile(&samples, 0.5);
}

static void raw_many(const struct bench_case *c, double *values)
{
	double begin;
	int fd;

	start_raw(c);
	fd = open_socket();
	submit_raw(fd);
	await_raw(fd);
	begin = bench_ns();
	for (size_t i = 0; i < c->n + c->inflight; i++) {
		if (i >= c->inflight)
			await_raw(fd);
		if (i < c->n)
			submit_raw(fd);
	}
	values[0] = (bench_ns() - begin) / (double)c->n;
}

/* ---- ours ---- */

static int serve(void *options)
{
	return il_remote_worker_serve(options);
}

static void start_worker(const struct bench_case *c)
{
	const char *server = address;
	int slots = (int)c->workers;
	il_remote_worker_options o = {.servers = &server,
				      .server_count = 1,
				      .slots = slots,
				      .prefetch = c->inflight > 1 ? slots * (CREDITS - 1) : 0};

	bench_must(il_function_register("bench.nothing", nothing));
	start_server();
	if (!in_child())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	il_run(bench_backend(), serve, &o);
	_exit(1);
}

static il_executor *start_pool(void)
{
	const char *server = address;
	il_executor *ex = NULL;

	bench_must(il_remote_pool_create(&ex, &(il_remote_pool_options){.servers = &server,
									.server_count = 1,
									.backend = bench_backend(),
									.queue_limit = 1 << 20}));
	return ex;
}

static void trips(il_executor *ex, const struct bench_case *c, double *values)
{
	struct bench_samples samples;
	char argument[ARGUMENT] = {1};

	bench_samples_init(&samples, c->n);
	bench_must(il_executor_run(ex, nothing, argument, sizeof argument));
	for (size_t i = 0; i < c->n; i++) {
		double begin = bench_ns();
		bench_must(il_executor_run(ex, nothing, argument, sizeof argument));
		bench_samples_add(&samples, bench_ns() - begin);
	}
	values[0] = bench_samples_quantile(&samples, 0.5);
}

static void our_trips(const struct bench_case *c, double *values)
{
	start_worker(c);
	trips(start_pool(), c, values);
}

static void many(il_executor *ex, const struct bench_case *c, double *values)
{
	il_future **f = calloc(c->inflight, sizeof(il_future *));
	char argument[ARGUMENT] = {1};
	double begin;

	bench_must(il_executor_run(ex, nothing, argument, sizeof argument));
	begin = bench_ns();
	for (size_t i = 0; i < c->n + c->inflight; i++) {
		il_future **slot = &f[i % c->inflight];
		if (i >= c->inflight) {
			bench_must(il_future_result(*slot, IL_FOREVER));
			il_future_unref(*slot);
		}
		if (i < c->n)
			bench_must(il_executor_submit(ex, slot, nothing, NULL, 0));
	}
	values[0] = (bench_ns() - begin) / (double)c->n;
}

static void our_many(const struct bench_case *c, double *values)
{
	start_worker(c);
	many(start_pool(), c, values);
}

static void pool_many(const struct bench_case *c, double *values)
{
	il_executor *ex = NULL;

	bench_must(il_process_pool_create(
	    &ex, &(il_process_pool_options){.max_workers = (int)c->workers}));
	many(ex, c, values);
}

/* ---- many idle worker programs ---- */

/* As many workers in one program as there are connections: what is measured is the server's part, and who is woken. */
static int run_here(void *self, il_call *call)
{
	(void)self;
	il_call_run(call);
	return 0;
}

static int serve_all(void *arg)
{
	const il_executor_ops ops = {.submit = run_here, .in_loop = true};
	const size_t count = *(const size_t *)arg;
	const char *server = address;
	il_remote_worker_options o = {.servers = &server, .server_count = 1, .slots = 1};
	il_group group;

	bench_must(il_executor_create(&o.executor, &ops, NULL));
	bench_must(il_group_open(&group));
	for (size_t i = 0; i < count; i++)
		bench_must(il_group_start_soon(&group, NULL, serve, &o));
	return il_group_close(&group, 0);
}

/* How many workers the server's status tells of. */
static size_t count_workers(void)
{
	char text[1024] = "", *tab;
	size_t size = 0;
	ssize_t n = 1;
	int fd = open_socket();

	if (send(fd, "status\n", 7, MSG_NOSIGNAL) < 0)
		bench_die("status");
	while (n > 0 && !strstr(text, ".\n")) {
		n = recv(fd, text + size, sizeof text - 1 - size, 0);
		size += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	tab = strrchr(text, '\t');
	return tab ? strtoul(tab + 1, NULL, 10) : 0;
}

static void idle_trips(const struct bench_case *c, double *values)
{
	size_t count = c->workers;

	bench_must(il_function_register("bench.nothing", nothing));
	start_server();
	if (in_child()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		il_run(bench_backend(), serve_all, &count);
		_exit(1);
	}
	while (count_workers() < count)
		usleep(10000);
	trips(start_pool(), c, values);
}

/* P16 */
void bench_remote(void)
{
	const struct bench_side raw_one = {"raw", raw_trips};
	const struct bench_side bases[] = {{"raw", raw_many}, {"processes", pool_many}};
	const struct bench_stat p50 = {"p50", 1.4, 0, "ns"}, each = {"each", 1 / 0.6, 0, "ns"};
	struct bench_case one = {
	    .work = "P16", .via = "one", .n = bench_amount(2000), .workers = 1};
	struct bench_case more = {
	    .work = "P16", .via = "many", .n = bench_amount(40000), .workers = 2, .inflight = 64};
	struct bench_case queued = more, idle = one;

	one.inflight = 1;
	bench_compare(&one, &p50, 1, our_trips, &raw_one, 1);
	bench_compare(&more, &each, 1, our_many, bases, 2);
	queued.via = "queued";
	queued.n = queued.inflight = bench_amount(250000);
	bench_alone(&queued, &(struct bench_stat){"each", 1, 25000, "ns"}, 1, our_many);
	idle.via = "idle";
	idle.inflight = 0;
	idle.workers = 1000;
	bench_alone(&idle, &(struct bench_stat){"p50", 1, 1e6, "ns"}, 1, idle_trips);
}
