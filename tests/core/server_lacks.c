/*
 * server_lacks.c: a UDP server goes on when there is no memory for a datagram, nor for the timer of its next try.
 * Refuses single calls of the library (ld's --wrap).
 */
#define _GNU_SOURCE
#include "check.h"

#include <interloop.h>
#include <interloop/virtual.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LACKS = 3 };

static int lacks, sleeps; /* how often memory is refused from now on; the tries that had no timer */
static bool refuses;

static bool is_refused(void)
{
	if (lacks > 0)
		lacks--;
	refuses = lacks > 0;
	return refuses;
}

int __real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
		    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
		    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
		    struct timespec *timeout)
{
	if (!is_refused())
		return __real_recvmmsg(fd, messages, count, flags, timeout);
	errno = ENOMEM;
	return -1;
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	if (!is_refused())
		return __real_recvmsg(fd, message, flags);
	errno = ENOMEM;
	return -1;
}

int __real_il_sleep(il_time duration);
int __wrap_il_sleep(il_time duration);
int __wrap_il_sleep(il_time duration)
{
	if (!refuses)
		return __real_il_sleep(duration);
	sleeps++;
	return -ENOMEM;
}

static int echo(il_client *client, void *data)
{
	il_packet packet;
	int rc = il_client_receive(client, &packet, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, packet.data, packet.size);
}

static int serve(void *server)
{
	return il_server_serve(server);
}

/* Connected sockets receive by other calls than those that are refused. */
static void check_echo(int fd, const char *text)
{
	char data[16];
	ssize_t n;

	CHECK(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	while ((n = recv(fd, data, sizeof data, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		CHECK(il_yield() == 0);
	CHECK(n == (ssize_t)strlen(text) && memcmp(data, text, (size_t)n) == 0);
}

static int ask(void *arg)
{
	const il_handler handler = {.handle = echo};
	il_server *server;
	il_future *serving;
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)arg;
	CHECK(il_udp_server_open(&server, "127.0.0.1", "0", NULL, &handler, NULL, NULL) == 0);
	CHECK(il_loop_spawn(il_loop_current(), &serving, serve, server) == 0);
	address.sin_port = htons(il_server_port(server));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	check_echo(fd, "one");
	lacks = LACKS + 1;
	check_echo(fd, "two");
	CHECK(lacks == 0 && sleeps == LACKS);
	CHECK(il_server_shutdown(server) == 0);
	CHECK(il_future_result(serving, IL_FOREVER) == 0);
	il_future_unref(serving);
	il_server_destroy(server);
	close(fd);
	return 0;
}

int main(void)
{
	CHECK(il_run(il_virtual(), ask, NULL) == 0);
	return 0;
}
