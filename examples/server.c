/*
 * server.c: a service that mixes handlers and threads in five ways, one for each command. A
 * request is a line, `COMMAND NUMBER`; the answer is a line.
 *
 *     server --backend libev --port 4711 &       printf 'pool 100000\n' | nc -N 127.0.0.1 4711
 */
#include "example.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TASKS_MAX = 20 };

/* [state] */
struct service {
	il_executor *pool;
	il_portal *portal;
};

struct job { /* one request: on the stack of its handler, which waits for the thread that uses it */
	struct service *service;
	int number;
	il_event *ready;
	char answer[256];
};
/* [state] */

/* What is computed: blocks for as long as it takes. */
static int count_primes(int limit)
{
	int count = 0;
	for (int n = 2; n <= limit; n++) {
		int d = 2;
		while (d * d <= n && n % d != 0)
			d++;
		count += d * d > n;
	}
	return count;
}

__attribute__((format(printf, 2, 3))) static int answer(struct job *job, const char *format, ...)
{
	va_list args;
	size_t used = strlen(job->answer);
	va_start(args, format);
	vsnprintf(job->answer + used, sizeof(job->answer) - used, format, args);
	va_end(args);
	return 0;
}

/* ---- a blocking function in a worker thread ---- */

/* [blocking] */
static int blocking(void *arg)
{
	struct job *job = arg;
	return answer(job, "%d primes up to %d", count_primes(job->number), job->number);
}

static int command_blocking(struct job *job)
{
	return il_run_in_thread(blocking, job);
}
/* [blocking] */

/* ---- a thread pool of the service's own ---- */

/* [pool] */
static int command_pool(struct job *job)
{
	return il_executor_run(job->service->pool, blocking, job, sizeof(*job));
}
/* [pool] */

/* ---- async code called from a worker thread ---- */

/* [async] */
static int lookup(void *arg) /* a task: it may wait */
{
	const int *number = arg;
	int rc = il_sleep(IL_MSEC(5)); /* in place of a question to another service */
	return rc < 0 ? rc : *number % 10;
}

static int work_and_ask(void *arg) /* in a worker thread */
{
	struct job *job = arg;
	int digit = il_portal_run_coroutine(job->service->portal, lookup, &job->number);
	if (digit < 0)
		return digit;
	return answer(job, "%d ends in %d", job->number, digit);
}

static int command_async(struct job *job)
{
	return il_executor_run(job->service->pool, work_and_ask, job, 0);
}
/* [async] */

/* ---- an event set from a worker thread, through the portal ---- */

/* [event] */
static int set_event(void *arg) /* a plain call in the loop's thread */
{
	return il_event_set(arg);
}

static int work_and_signal(void *arg) /* in a worker thread */
{
	struct job *job = arg;
	answer(job, "halfway through %d", job->number);
	return il_portal_run_sync(job->service->portal, set_event, job->ready);
}

static int command_event(struct job *job)
{
	int rc = il_event_create(&job->ready);
	if (rc < 0)
		return rc;
	il_future *worker;
	rc = il_executor_submit(job->service->pool, &worker, work_and_signal, job, 0);
	if (rc == 0) {
		rc = il_event_wait(job->ready);
		int ended = il_future_join(worker); /* until then it uses job and the event */
		rc = rc < 0 ? rc : ended;
	}
	il_event_destroy(job->ready);
	return rc;
}
/* [event] */

/* ---- background tasks spawned from a worker thread ---- */

/* [tasks] */
static int background(void *arg)
{
	int n = *(const int *)arg;
	int rc = n % 3 == 0 ? il_sleep_forever() : il_sleep(IL_MSEC(n));
	return rc < 0 ? rc : n * n;
}

static int spawn_tasks(struct job *job, il_future **tasks, int *numbers, int count)
{
	for (int i = 0; i < count; i++) {
		numbers[i] = i + 1;
		int rc = il_portal_run_coroutine_soon(job->service->portal, &tasks[i], background,
						      &numbers[i]);
		if (rc < 0) {
			while (--i >= 0) {
				il_future_cancel(tasks[i]);
				il_future_join(tasks[i]);
			}
			return rc;
		}
	}
	return 0;
}
/* [tasks] */

/* [as completed] */
static int collect(struct job *job, il_future **tasks, size_t count)
{
	il_as_completed *it;
	int rc = il_as_completed_open(&it, tasks, count, IL_SEC(10));
	if (rc < 0)
		return rc;
	for (il_future *task; (rc = il_as_completed_next(it, &task)) == 1;) {
		int result = il_future_result(task, 0);
		if (il_future_cancelled(task))
			answer(job, " cancelled");
		else
			answer(job, " %d", result);
	}
	il_as_completed_close(it);
	return rc;
}

static int work_with_tasks(void *arg) /* in a worker thread */
{
	struct job *job = arg;
	int numbers[TASKS_MAX], count = job->number < TASKS_MAX ? job->number : TASKS_MAX;
	il_future *tasks[TASKS_MAX];
	int rc = spawn_tasks(job, tasks, numbers, count);
	if (rc < 0)
		return rc;
	for (int i = 2; i < count; i += 3)
		il_future_cancel(tasks[i]); /* those that would sleep forever */
	answer(job, "squares:");
	rc = collect(job, tasks, (size_t)count);
	for (int i = 0; i < count; i++) {
		if (rc < 0)
			il_future_cancel(tasks[i]);
		il_future_join(tasks[i]);
	}
	return rc;
}
/* [as completed] */

static int command_tasks(struct job *job)
{
	return il_executor_run(job->service->pool, work_with_tasks, job, 0);
}

/* ---- the service ---- */

/* [service_init] */
static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	struct service *service = data;
	int rc = il_thread_pool_create(&service->pool, &(il_thread_pool_options){
							   .max_workers = 4,
							   .name = "service",
						       });
	if (rc == 0)
		rc = il_exit_stack_executor(stack, service->pool); /* shut down with the server */
	if (rc == 0)
		rc = il_loop_create_threads_portal(il_server_loop(server), &service->portal);
	if (rc == 0)
		rc = il_exit_stack_portal(stack, service->portal); /* closed before the pool is */
	return rc;
}
/* [service_init] */

static int run_command(struct job *job, const char *name)
{
	static const struct {
		const char *name;
		int (*run)(struct job *job);
	} commands[] = {
	    {"blocking", command_blocking}, {"pool", command_pool},   {"async", command_async},
	    {"event", command_event},       {"tasks", command_tasks},
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(job);
	return answer(job, "commands: blocking, pool, async, event, tasks; each with a number");
}

/* [handle] */
static int handle(il_client *client, void *data)
{
	struct job job = {.service = data};
	il_packet request;
	int rc = il_client_receive(client, &request, IL_FOREVER);
	if (rc == -EMSGSIZE)
		return il_client_send(client, "too long", 8); /* and the next line, please */
	if (rc <= 0)
		return rc; /* 0: the client is gone */
	char line[64], name[16] = "";
	snprintf(line, sizeof(line), "%.*s", (int)request.size, (const char *)request.data);
	if (!example_is_text(&request) || request.size >= sizeof(line) ||
	    sscanf(line, "%15s %d", name, &job.number) != 2 || job.number < 0 ||
	    job.number > 1000000)
		name[0] = '\0';
	rc = run_command(&job, name);
	if (rc < 0)
		return rc;
	return il_client_send(client, job.answer, strlen(job.answer));
}
/* [handle] */

/* [serve] */
static int serve(void *arg)
{
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	struct service service;
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", arg, il_protocol_lines(), &handler,
				    &service, &(il_server_options){.limits = IL_LIMITS_PUBLIC});
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	rc = il_server_serve(server); /* until Ctrl-C, which cancels this task */
	il_server_destroy(server);
	return rc;
}
/* [serve] */

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--port NUMBER]");
	char *port = (char *)example_option(argc, argv, "--port", "0");
	return example_exit(il_run(example_backend(argc, argv), serve, port));
}
