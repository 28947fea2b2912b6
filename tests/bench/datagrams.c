/*
 * datagrams.c: P14's UDP rows: echoes to 64 peers that have a datagram of 64 bytes under way each, on a core apart from
 * them. What is measured is the server's processor time for a datagram.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "echo_load.h"
#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { BATCH = 64 };

/* ---- ours ---- */

static int echo_many(void *arg)
{
	static il_datagram_message messages[BATCH];
	static char bytes[BATCH][256];
	il_datagram *d;

	if (il_datagram_open_udp(&d, "127.0.0.1", "0", NULL) < 0)
		bench_die(il_error_detail());
	for (int i = 0; i < BATCH; i++)
		messages[i] = (il_datagram_message){.data = bytes[i], .max = sizeof bytes[i]};
	atomic_store((atomic_int *)arg, il_datagram_port(d));
	for (;;) {
		int n = il_datagram_receive_many(d, messages, BATCH);
		for (int sent = 0, more; n > 0 && sent < n; sent += more) {
			more = il_datagram_send_many(d, messages + sent, (size_t)(n - sent));
			if (more < 0)
				return more;
		}
		if (n < 0)
			return n;
	}
}

static void serve_many(atomic_int *port)
{
	bench_run(echo_many, port);
}

static int handle(il_client *client, void *data)
{
	il_packet packet;
	int rc = il_client_receive(client, &packet, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, packet.data, packet.size);
}

static int serve_peers(void *arg)
{
	const il_handler handler = {.handle = handle};
	il_server *server;

	if (il_udp_server_open(&server, "127.0.0.1", "0", NULL, &handler, NULL, NULL) < 0)
		bench_die(il_error_detail());
	atomic_store((atomic_int *)arg, il_server_port(server));
	return il_server_serve(server);
}

static void serve_server(atomic_int *port)
{
	bench_run(serve_peers, port);
}

/* ---- the baselines ---- */

static struct mmsghdr messages[BATCH];
static struct iovec pieces[BATCH];
static struct sockaddr_storage from[BATCH];
static char bytes[BATCH][256];

static int raw_receive(int fd)
{
	for (int i = 0; i < BATCH; i++) {
		pieces[i] = (struct iovec){bytes[i], sizeof bytes[i]};
		messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
						      .msg_namelen = sizeof from[i],
						      .msg_iov = &pieces[i],
						      .msg_iovlen = 1};
	}
	return recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
}

static void raw_echo_many(int fd)
{
	int n = raw_receive(fd);

	for (int i = 0; i < n; i++)
		pieces[i].iov_len = messages[i].msg_len;
	for (int sent = 0, more; sent < n; sent += more) {
		more = sendmmsg(fd, messages + sent, (unsigned)(n - sent), MSG_DONTWAIT);
		if (more < 0)
			return;
	}
}

static void raw_echo_each(int fd)
{
	int n = raw_receive(fd);

	for (int i = 0; i < n; i++) {
		pieces[i].iov_len = messages[i].msg_len;
		sendmsg(fd, &messages[i].msg_hdr, MSG_DONTWAIT);
	}
}

static int raw_open(atomic_int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		bench_die("no UDP socket");
	atomic_store(port, ntohs(address.sin_port));
	return fd;
}

static void serve_raw_many(atomic_int *port)
{
	bench_raw()->readable(raw_open(port), raw_echo_many);
}

static void serve_raw_each(atomic_int *port)
{
	bench_raw()->readable(raw_open(port), raw_echo_each);
}

/* ---- the rows ---- */

#define TIMED(name)                                                         \
	static void time_##name(const struct bench_case *c, double *values) \
	{                                                                   \
		echo_time(c, values, serve_##name, true, &echo_over_udp);   \
	}
TIMED(many)
TIMED(server)
TIMED(raw_many)
TIMED(raw_each)

void bench_datagrams(void)
{
	const struct bench_side many = {"raw_recvmmsg", time_raw_many},
				each = {"raw_recvmmsg", time_raw_each};
	struct bench_stat stats[] = {{.name = "server_cpu", .limit = 1.1}, {.name = "wall"}};
	struct bench_case c = {
	    .work = "P14", .cores = 2, .connections = 64, .n = bench_amount(20000), .passes = 15};

	c.via = "receive_many";
	bench_compare(&c, stats, 2, time_many, &many, 1);
	c.via = "udp_server";
	stats[0].limit = 1.6;
	bench_compare(&c, stats, 2, time_server, &each, 1);
}
