/*
 * worker_protocol.c: docs/worker_protocol.md from the pool's side, by hand and over TCP: what carries the
 * frames does not matter, nor in which pieces they come, and functions are called by their names alone.
 */
#define _GNU_SOURCE
#include "../../core/executor/call.h"
#include "../../core/process/wire.h"
#include "../core/check.h"

#include <interloop.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Twice what comes in. */
static int echo_twice(void *arg)
{
	il_bytes *b = arg;
	int rc = il_bytes_append(b, b->in, b->in_size);

	return rc < 0 ? rc : il_bytes_append(b, b->in, b->in_size);
}

static int add(void *arg)
{
	int *numbers = arg;

	numbers[2] = numbers[0] + numbers[1];
	return 5;
}

/* ---- a worker at the other end of a connection ---- */

struct peer {
	int fd;
	pid_t pid;
	uint64_t ids;
};

static void connect_pair(int fd[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(listener >= 0);
	CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(connect(fd[0], (struct sockaddr *)&address, sizeof address) == 0);
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd[1] >= 0);
	close(listener);
}

static struct peer start_worker(void)
{
	char argument[] = IL__WORKER_ARGUMENT "3,-1:m:-1:-1:far_away", program[4096] = "";
	char *arguments[] = {program, argument, NULL}, *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	struct peer p = {.ids = 7};
	int fd[2];

	CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
	connect_pair(fd);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[1], 3);
	CHECK(posix_spawn(&p.pid, program, &actions, NULL, arguments, environment) == 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fd[1]);
	p.fd = fd[0];
	return p;
}

static void receive_all(struct peer *p, void *bytes, size_t size)
{
	CHECK(recv(p->fd, bytes, size, MSG_WAITALL) == (ssize_t)size);
}

static void check_greeting(struct peer *p)
{
	struct il__wire_header h;

	receive_all(p, &h, sizeof h);
	CHECK(h.version == IL__WIRE_VERSION && h.type == IL__WIRE_READY);
	CHECK(h.id == 0 && h.size == 0);
}

static void end_worker(struct peer *p)
{
	int status = -1;

	close(p->fd);
	CHECK(waitpid(p->pid, &status, 0) == p->pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void send_all(struct peer *p, const void *bytes, size_t size, size_t piece)
{
	const char *at = bytes;

	for (size_t n; size > 0; at += n, size -= n) {
		n = size < piece ? size : piece;
		CHECK(send(p->fd, at, n, MSG_NOSIGNAL) == (ssize_t)n);
	}
}

/* One call by name, and its answer. */
static struct il__wire_header call(struct peer *p, il_call_form form, const char *name,
				   const void *argument, size_t size, char *answer, size_t piece)
{
	struct il__wire_header h = {.version = IL__WIRE_VERSION,
				    .type = IL__WIRE_CALL,
				    .form = form,
				    .name = (uint32_t)strlen(name),
				    .size = size,
				    .id = ++p->ids,
				    .limit = 1000};

	send_all(p, &h, sizeof h, piece);
	send_all(p, name, strlen(name), piece);
	send_all(p, argument, size, piece);
	receive_all(p, &h, sizeof h);
	CHECK(h.version == IL__WIRE_VERSION && h.id == p->ids);
	CHECK(h.size <= 1000);
	receive_all(p, answer, h.size);
	answer[h.size] = 0;
	return h;
}

static void check_calls(struct peer *p, size_t piece)
{
	char answer[1001], large[600] = {1};
	int numbers[3] = {40, 2, 0};
	struct il__wire_header h = call(p, IL_CALL_BYTES, "test.twice", "hum", 3, answer, piece);

	CHECK(h.type == IL__WIRE_REPLY && h.rc == 0 && strcmp(answer, "humhum") == 0);
	h = call(p, IL_CALL_FLAT, "test.add", numbers, sizeof numbers, answer, piece);
	memcpy(numbers, answer, sizeof numbers);
	CHECK(h.type == IL__WIRE_REPLY && h.rc == 5 && h.size == sizeof numbers);
	CHECK(numbers[2] == 42);
	h = call(p, IL_CALL_FLAT, "test.unknown", numbers, sizeof numbers, answer, piece);
	CHECK(h.type == IL__WIRE_REFUSED && h.rc == -ENOENT && strstr(answer, "test.unknown"));
	h = call(p, IL_CALL_BYTES, "test.twice", large, sizeof large, answer, piece);
	CHECK(h.type == IL__WIRE_REFUSED && h.rc == -EMSGSIZE && strstr(answer, "1200"));
	h = call(p, IL_CALL_SHARED, "test.add", large, 4 * sizeof(uint64_t), answer, piece);
	CHECK(h.type == IL__WIRE_REFUSED && h.rc == -EPROTO); /* no descriptor came with it */
}

static void check_stranger(struct peer *p)
{
	struct il__wire_header h = {.version = IL__WIRE_VERSION + 1};
	char byte;

	send_all(p, &h, sizeof h, sizeof h);
	CHECK(recv(p->fd, &byte, 1, 0) <= 0); /* it left */
}

/* Whoever is started as a worker and cannot be one ends, before main would start its own. */
static void check_impostor(void)
{
	char argument[] = IL__WORKER_ARGUMENT "0,-1:c:-1:-1:impostor", program[4096] = "";
	char *arguments[] = {program, argument, NULL}, *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	CHECK(posix_spawn(&pid, program, &actions, NULL, arguments, environment) == 0);
	posix_spawn_file_actions_destroy(&actions);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
}

int main(void)
{
	struct peer p;

	CHECK(il_function_register("test.twice", echo_twice) == 0);
	CHECK(il_function_register("test.add", add) == 0);
	il_process_worker_main_if_needed();
	p = start_worker();
	check_greeting(&p);
	check_calls(&p, 1000);
	check_calls(&p, 1);
	check_stranger(&p);
	end_worker(&p);
	check_impostor();
	return 0;
}
