/*
 * service.c: what a server needs around its handler: a time limit for each request, a task of its
 * own now and then, and a stop at SIGTERM or SIGINT that lets clients have the answers they wait for.
 *
 *     service 4711 &        printf '1000\n2000000000\n' | nc -N 127.0.0.1 4711
 *
 * With a second port, its numbers as Prometheus reads them:
 *
 *     service 4711 9100 &   curl http://127.0.0.1:9100/metrics
 */
#include "usage.h"

#include <interloop.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT  IL_SEC(1)    /* for an answer */
#define GRACE  IL_SEC(2)    /* for all that are under way at the signal: longer than LIMIT */
#define PERIOD IL_MSEC(100) /* between two reports */

static const char *metrics_port; /* NULL: nobody reads them */

struct service {
	il_group tasks;
	il_server *server;
	int requests, under_way;
};

struct question { /* on the stack of its handler, which waits for the thread that uses it */
	int up_to, primes;
};

/* [limit] */
static int count_primes(void *arg) /* in a worker thread */
{
	struct question *q = arg;
	for (int n = 2; n <= q->up_to; n++) {
		int d = 2;
		while (d * d <= n && n % d != 0)
			d++;
		q->primes += d * d > n;
		if (n % 1000 == 0 && il_from_thread_check_cancelled() == -ECANCELED)
			return -ECANCELED; /* nobody wants the answer any more */
	}
	return 0;
}

static int count_in_thread(void *arg)
{
	return il_run_in_thread(count_primes, arg);
}

static int answer(il_client *client, struct question *q)
{
	char text[64] = "too slow";
	int size = 8, rc = il_fail_after(LIMIT, count_in_thread, q);
	if (rc == 0)
		size = snprintf(text, sizeof(text), "%d primes up to %d", q->primes, q->up_to);
	else if (rc != -ETIMEDOUT)
		return rc; /* the server ends */
	return il_client_send(client, text, (size_t)size);
}
/* [limit] */

static int handle(il_client *client, void *data)
{
	struct service *service = data;
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	if (rc == -EMSGSIZE)
		return il_client_send(client, "too long", 8);
	if (rc <= 0)
		return rc;
	char *end;
	long number = strtol(line.data, &end, 10);
	if (end != (const char *)line.data + line.size || number < 0 || number > INT_MAX)
		return il_client_send(client, "not a number", 12);
	struct question q = {.up_to = (int)number};
	service->requests++;
	service->under_way++;
	rc = answer(client, &q);
	service->under_way--;
	return rc;
}

/* [periodic] */
static int report(void *arg)
{
	const struct service *service = arg;
	il_time next = il_deadline(PERIOD);
	int rc;
	for (; (rc = il_sleep_until(next)) == 0; next += PERIOD)
		fprintf(stderr, "%d requests, %d under way\n", service->requests,
			service->under_way);
	return rc;
}
/* [periodic] */

/* [metrics] */
static int tell_metrics(il_client *client, void *data)
{
	const struct service *service = data;
	il_packet line;
	il_loop_statistics loop;
	il_server_statistics server;
	int rc;
	while ((rc = il_client_receive(client, &line, IL_FOREVER)) > 0 && line.size > 0)
		; /* the request, up to its empty line */
	if (rc <= 0 || (rc = il_loop_get_statistics(il_loop_current(), &loop)) < 0 ||
	    (rc = il_server_get_statistics(service->server, &server)) < 0)
		return rc;
	rc = il_client_printf(client,
			      "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n"
			      "# TYPE service_requests_total counter\nservice_requests_total %d\n"
			      "# TYPE service_tasks gauge\nservice_tasks %zu\n"
			      "# TYPE service_clients gauge\nservice_clients %zu\n"
			      "# TYPE service_received_bytes_total counter\n"
			      "service_received_bytes_total %llu\n"
			      "# TYPE service_longest_turn_seconds gauge\n"
			      "service_longest_turn_seconds %.6f",
			      service->requests, loop.tasks, server.clients,
			      (unsigned long long)server.bytes_received,
			      (double)loop.longest_turn / (double)IL_SEC(1));
	return rc < 0 ? rc : il_client_close(client);
}

static int serve_metrics(void *service)
{
	const il_handler handler = {.handle = tell_metrics};
	il_server *metrics;
	int rc =
	    il_tcp_server_open(&metrics, "127.0.0.1", metrics_port, il_protocol_lines(), &handler,
			       service, &(il_server_options){.limits = IL_LIMITS_PUBLIC});
	if (rc < 0)
		return rc;
	printf("metrics on port %u\n", il_server_port(metrics));
	fflush(stdout);
	rc = il_server_serve(metrics);
	il_server_destroy(metrics);
	return rc;
}
/* [metrics] */

/* [service_init] */
static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	struct service *service = data;
	service->server = server;
	int rc = il_group_open(&service->tasks);
	if (rc < 0)
		return rc;
	rc = il_exit_stack_group(stack, &service->tasks); /* cancelled and joined at the end */
	if (rc < 0)
		return il_group_close(&service->tasks, rc);
	rc = il_group_start_soon(&service->tasks, NULL, report, service);
	if (rc == 0 && metrics_port)
		rc = il_group_start_soon(&service->tasks, NULL, serve_metrics, service);
	return rc;
}
/* [service_init] */

/* [serve] */
static int serve(void *port)
{
	const il_handler handler = {.service_init = service_init, .handle = handle};
	struct service service = {.requests = 0};
	il_server *server;
	int rc = il_tcp_server_open(
	    &server, "127.0.0.1", port, il_protocol_lines(), &handler, &service,
	    &(il_server_options){
		.limits = IL_LIMITS_PUBLIC, .grace_period = GRACE, .stop_at_signals = true});
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	fflush(stdout);
	rc = il_server_serve(server);
	il_server_destroy(server);
	return rc;
}
/* [serve] */

/* [main] */
int main(int argc, char **argv)
{
	usage(argc, argv, "[PORT [METRICS_PORT]]");
	metrics_port = argc > 2 ? argv[2] : NULL;
	int rc = il_run(il_backend_find(NULL), serve, argc > 1 ? argv[1] : "4711");
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	else
		printf("stopped\n");
	return rc < 0;
}
/* [main] */
