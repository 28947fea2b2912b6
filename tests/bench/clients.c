/*
 * clients.c: what P15's adapter rows share: the server's process, and the two sides. The server is started once for all
 * rows of a library, so that both sides have the same.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "clients.h"
#include "echo_load.h"
#include "lines.h"
#include "native.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static const struct client_library *library;
char clients_port[8];

/* ---- the server ---- */

static pid_t server; /* 0: none */
static char folder[] = "/tmp/interloop-bench.XXXXXX";

static void server_exec(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, library->stop);
	bench_pin(1);
	if (chdir(folder) < 0 || setenv("PORT", clients_port, 1) < 0 ||
	    !freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(1);
	execl("/bin/sh", "sh", "-c", library->server, (char *)NULL);
	_exit(1);
}

static bool server_accepts(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)atoi(clients_port)),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool accepts = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;

	close(fd);
	return accepts;
}

static void server_stop(void)
{
	char remove[sizeof folder + 8];

	kill(server, library->stop);
	waitpid(server, NULL, 0);
	server = 0;
	snprintf(remove, sizeof remove, "rm -rf %s", folder);
	if (system(remove) != 0)
		fprintf(stderr, "bench: cannot remove %s\n", folder);
}

static bool server_start(void)
{
	bool (*is_up)(void) = library->is_up ? library->is_up : server_accepts;
	uint16_t port;
	siginfo_t gone = {.si_pid = 0};

	close(echo_listen(&port));
	snprintf(clients_port, sizeof clients_port, "%u", (unsigned)port);
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	if (!mkdtemp(folder) || (geteuid() == 0 && chown(folder, NOBODY, NOBODY) < 0))
		bench_die("no folder for the server");
	fflush(NULL);
	server = fork();
	if (server == 0)
		server_exec();
	for (int i = 0; i < 1000 && gone.si_pid == 0; i++) {
		if (is_up())
			return true;
		usleep(20000);
		waitid(P_PID, (id_t)server, &gone, WEXITED | WNOHANG | WNOWAIT);
	}
	fprintf(stderr, "Left out: %s, whose server does not start\n", library->name);
	server_stop();
	return false;
}

/* ---- tasks ---- */

static double taken;
static size_t left; /* operations that nobody has begun */

static int ask_all(void *client)
{
	while (left) {
		left--;
		library->ask((size_t)(uintptr_t)client);
	}
	return 0;
}

static void work(size_t clients, size_t n)
{
	il_group group = IL_GROUP_INIT;

	left = n;
	bench_must(il_group_open(&group));
	for (size_t i = 0; i < clients; i++)
		bench_must(il_group_start_soon(&group, NULL, ask_all, (void *)(uintptr_t)i));
	bench_must(il_group_close(&group, 0));
}

/* Nothing is closed: a side is a process. */
static int ours(void *arg)
{
	const struct bench_case *c = arg;
	double before;

	library->open(c->connections);
	work(c->connections, c->connections + c->n / 10);
	before = bench_cpu();
	work(c->connections, c->n);
	taken = bench_cpu() - before;
	return 0;
}

static void time_ours(const struct bench_case *c, double *values)
{
	struct bench_case copy = *c;

	bench_pin(0);
	bench_run(ours, &copy);
	values[0] = taken / (double)c->n;
}

/* ---- callbacks ---- */

#if defined(BENCH_ON_libuv)
uv_loop_t *native_loop;
#elif defined(BENCH_ON_libev)
struct ev_loop *native_loop;
#else
struct event_base *native_loop;
#endif

static size_t asked, answered, total;

void clients_answered(size_t client)
{
	if (asked < total) {
		asked++;
		library->own_ask(client);
	}
	if (++answered == total)
		native_stop();
}

static void own_work(size_t clients, size_t n)
{
	asked = answered = 0;
	total = n;
	for (size_t i = 0; i < clients && asked < total; i++) {
		asked++;
		library->own_ask(i);
	}
	native_run();
}

static void time_own(const struct bench_case *c, double *values)
{
	double before;

	bench_pin(0);
	native_open();
	if (library->own_open)
		library->own_open();
	own_work(c->connections, c->connections + c->n / 10);
	before = bench_cpu();
	own_work(c->connections, c->n);
	values[0] = (bench_cpu() - before) / (double)c->n;
}

/* ---- the rows ---- */

void clients_compare(const struct client_library *of)
{
	struct bench_case c = {.work = "P15", .via = of->name, .cores = 2, .passes = 15};
	const struct bench_side own = {of->base, time_own};
	const struct bench_stat stat = {.name = "cpu", .limit = of->limit};

	library = of;
	for (c.connections = 1; c.connections <= CLIENTS_MAX; c.connections += CLIENTS_MAX - 1) {
		c.n = bench_amount(c.connections == 1 ? of->n : 4 * of->n);
		if (!bench_is_asked(&c))
			continue;
		if (!server && !server_start())
			return;
		bench_compare(&c, &stat, 1, time_ours, &own, 1);
	}
	if (server)
		server_stop();
}
