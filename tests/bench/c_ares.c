/*
 * c_ares.c: P15: tasks that look a name up at dnsmasq through examples/adapters/c-ares.h, against a socket state
 * callback and ares_timeout(), as c-ares's manual has them. All clients of a side share a channel.
 *
 * The sockets stay on both sides. Where they do not, a single callback that asks again while it is told of an answer
 * keeps them all the same, for a lookup is always under way; a task, which asks when it runs again, does not. A row
 * without a target shows what that costs.
 */
#include "../../examples/adapters/c-ares.h"
#include "clients.h"
#include "native.h"

#include <signal.h>
#include <stdio.h>

static const char serve[] =
    "exec dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null --port=$PORT --user= "
    "--group="
    " --listen-address=127.0.0.1 --bind-interfaces --local=/test/ --host-record=host.test,10.0.0.1";

static const char *server_list(void)
{
	static char list[32];

	snprintf(list, sizeof list, "127.0.0.1:%s", clients_port);
	return list;
}

/* ---- tasks ---- */

static il_ares *ares;
static int flags;

static void open_all(size_t clients)
{
	(void)clients;
	ares_library_init(ARES_LIB_INIT_ALL);
	bench_must(il_ares_open(&ares, server_list(), flags));
}

static void ask(size_t client)
{
	struct ares_addrinfo *found = NULL;

	(void)client;
	bench_must(il_ares_getaddrinfo(ares, &found, "host.test", NULL, AF_INET));
	ares_freeaddrinfo(found);
}

/* ---- callbacks ---- */

static ares_channel channel;
static struct native_timer timer;
static bool timed;
static struct native_io *sockets[FD_SETSIZE];

static void set_timer(void)
{
	struct timeval tv, *next = ares_timeout(channel, NULL, &tv);

	timed = next;
	native_timer_set(&timer, next ? next->tv_sec * 1000000 + next->tv_usec : -1);
}

static void on_due(void)
{
	ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer();
}

static void on_ready(struct native_io *io, bool readable, bool writable)
{
	ares_process_fd(channel, readable ? io->fd : ARES_SOCKET_BAD,
			writable ? io->fd : ARES_SOCKET_BAD);
	set_timer();
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	(void)arg;
	if (!readable && !writable) {
		native_io_close(sockets[fd]);
		sockets[fd] = NULL;
		return;
	}
	if (!sockets[fd])
		sockets[fd] = native_io_open(fd, on_ready, NULL);
	native_io_set(sockets[fd], readable, writable);
}

static void on_found(void *client, int status, int timeouts, struct ares_addrinfo *found)
{
	(void)timeouts;
	if (status != ARES_SUCCESS)
		bench_die("dnsmasq does not answer");
	ares_freeaddrinfo(found);
	clients_answered((size_t)(uintptr_t)client);
}

static void own_open(void)
{
	struct ares_options options = {.sock_state_cb = on_socket, .flags = flags};

	ares_library_init(ARES_LIB_INIT_ALL);
	native_timer_open(&timer, on_due);
	if (ares_init_options(&channel, &options,
			      ARES_OPT_SOCK_STATE_CB | (flags ? ARES_OPT_FLAGS : 0)) !=
		ARES_SUCCESS ||
	    ares_set_servers_ports_csv(channel, server_list()) != ARES_SUCCESS)
		bench_die("c-ares does not start");
}

static void own_ask(size_t client)
{
	const struct ares_addrinfo_hints hints = {0, AF_INET, SOCK_STREAM, 0};

	ares_getaddrinfo(channel, "host.test", NULL, &hints, on_found, (void *)(uintptr_t)client);
	if (!timed)
		set_timer();
}

void bench_c_ares(void)
{
	struct client_library library = {.name = "c-ares",
					 .base = "callbacks",
					 .server = serve,
					 .stop = SIGKILL,
					 .n = 2500,
					 .limit = 1.1,
					 .open = open_all,
					 .ask = ask,
					 .own_open = own_open,
					 .own_ask = own_ask};

	flags = ARES_FLAG_STAYOPEN;
	clients_compare(&library);
	flags = 0;
	library.name = "c-ares_new_sockets";
	library.limit = 0;
	clients_compare(&library);
}
