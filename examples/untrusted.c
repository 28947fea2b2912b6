/*
 * untrusted.c: a server whose clients send programs. Each runs in a worker process that may use
 * so much memory and no more, knows nothing of the server's environment or of other clients, and
 * is killed when its time is up; whatever it does, the server goes on.
 *
 *     untrusted --backend libuv --port 4711 &       printf '6 7 *\n1 again\n' | nc -N 127.0.0.1 4711
 *
 * A program is numbers and words of a stack machine: + - * grow (takes so many bytes of memory),
 * again (starts over unless the top is 0), peek (reads from that address). The last two are there
 * to be abused.
 */
#include "example.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { WORKERS = 8, STACK = 32, MEMORY = 512 << 20 };

/* Flat: it is copied to the worker and back. */
struct job {
	char program[256];
	long result;
};

/* ---- in the worker process ---- */

/* [limits] */
extern char **environ;

/* A program that may read all memory would find the server's secrets there: taking them off
 * the list is not enough. */
static void forget_environment(void)
{
	for (char **variable = environ; variable && *variable; variable++)
		memset(*variable, 0, strlen(*variable));
	environ = NULL;
}

static int set_limits(void *arg)
{
	(void)arg;
	const struct rlimit memory = {MEMORY, MEMORY}, none = {0, 0};
	forget_environment();
	if (setrlimit(RLIMIT_AS, &memory) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno; /* breaks the pool: better no answer than one without limits */
	return 0;
}
/* [limits] */

static int grow(long size)
{
	char *bytes = size < 0 ? NULL : malloc((size_t)size);
	if (!bytes)
		return -ENOMEM;
	memset(bytes, 1, (size_t)size);
	free(bytes);
	return 0;
}

static int step(const char *word, long *stack, int *depth)
{
	char *end;
	long number = strtol(word, &end, 10);
	if (end != word && *end == 0) {
		if (*depth == STACK)
			return -EINVAL;
		stack[(*depth)++] = number;
		return 0;
	}
	if (strcmp(word, "grow") == 0 && *depth > 0)
		return grow(stack[--*depth]);
	if (strcmp(word, "peek") == 0 && *depth > 0) {
		stack[*depth - 1] = *(volatile char *)(uintptr_t)stack[*depth - 1];
		return 0;
	}
	if (!word[0] || !strchr("+-*", word[0]) || word[1] || *depth < 2)
		return -EINVAL;
	unsigned long a = (unsigned long)stack[*depth - 2], b = (unsigned long)stack[*depth - 1];
	stack[--*depth - 1] = (long)(word[0] == '+' ? a + b : word[0] == '-' ? a - b : a * b);
	return 0;
}

/* [compute] */
static int compute(void *arg)
{
	struct job *job = arg;
	long stack[STACK];
	int depth = 0, rc = 0;
	const char *p = job->program;
	while (rc == 0 && *(p += strspn(p, " "))) {
		char word[24] = "";
		size_t length = strcspn(p, " ");
		if (length < sizeof(word))
			memcpy(word, p, length);
		p += length;
		if (strcmp(word, "again") != 0)
			rc = step(word, stack, &depth);
		else if (depth > 0 && stack[--depth] != 0)
			p = job->program; /* forever, perhaps */
	}
	job->result = depth > 0 ? stack[depth - 1] : 0;
	return rc;
}
/* [compute] */

/* ---- in the server ---- */

/* [service_init] */
struct service {
	il_executor *pool;
	il_limiter *turns; /* as many as workers: a program's time begins when it does */
};

static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	const il_process_pool_options options = {
	    .max_workers = WORKERS,
	    .name = "untrusted",
	    .initializer = set_limits,
	    .max_calls_per_worker = 1, /* no program leaves anything for the next one */
	    .kill_on_cancel = true, /* so that a timeout ends the program, and not only the wait */
	    .restart_budget = INT_MAX, /* programs crash; a kill at a timeout does not count */
	};
	struct service *service = data;
	(void)server;
	int rc = il_process_pool_create(&service->pool, &options);
	return rc < 0 ? rc : il_exit_stack_executor(stack, service->pool);
}
/* [service_init] */

/* [run] */
struct call {
	il_executor *pool;
	struct job job;
};

static int run(void *arg)
{
	struct call *call = arg;
	return il_executor_run(call->pool, compute, &call->job, sizeof(call->job));
}

static int run_in_turn(struct service *service, struct call *call)
{
	int rc = il_limiter_acquire(service->turns);
	if (rc < 0)
		return rc;
	rc = il_fail_after(IL_MSEC(500), run, call);
	il_limiter_release(service->turns);
	return rc;
}

static int handle(il_client *client, void *data)
{
	struct service *service = data;
	struct call call = {.pool = service->pool};
	char answer[64];
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	if (rc == 0 || (rc < 0 && rc != -EMSGSIZE))
		return rc;
	if (rc == -EMSGSIZE || line.size >= sizeof(call.job.program))
		return il_client_send(client, "too long", 8);
	if (!example_is_text(&line))
		return il_client_send(client, "not a program", 13);
	memcpy(call.job.program, line.data, line.size);

	rc = run_in_turn(service, &call);
	if (rc == -ETIMEDOUT)
		snprintf(answer, sizeof(answer), "too slow");
	else if (rc == -EOWNERDEAD)
		snprintf(answer, sizeof(answer), "it crashed"); /* il_error_detail() says how */
	else if (rc == -ENOMEM)
		snprintf(answer, sizeof(answer), "too much memory");
	else if (rc == -EINVAL)
		snprintf(answer, sizeof(answer), "not a program");
	else if (rc < 0)
		return rc;
	else
		snprintf(answer, sizeof(answer), "%ld", call.job.result);
	return il_client_send(client, answer, strlen(answer));
}
/* [run] */

/* [serve] */
static int serve(void *arg)
{
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	struct service service = {NULL, NULL};
	il_server *server;
	int rc = il_limiter_create(&service.turns, WORKERS);
	if (rc < 0)
		return rc;
	rc = il_tcp_server_open(&server, "127.0.0.1", arg, il_protocol_lines(), &handler, &service,
				&(il_server_options){.limits = IL_LIMITS_PUBLIC});
	if (rc == 0) {
		printf("listening on port %u\n", il_server_port(server));
		rc = il_server_serve(server); /* until Ctrl-C */
		il_server_destroy(server);
	}
	il_limiter_destroy(service.turns);
	return rc;
}
/* [serve] */

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--port NUMBER]");
	char *port = (char *)example_option(argc, argv, "--port", "0");
	return example_main(argc, argv, serve, port);
}
