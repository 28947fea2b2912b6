/*
 * whole_service.c: a service as it goes into production: TLS, blocking work in a pool of its own, a time limit
 * for each request, limits for strangers, and a stop at SIGTERM or SIGINT that lets requests end. A number a
 * line; the answer is how many primes there are up to it.
 *
 *     whole_service cert.pem key.pem 4711 &
 *     (printf '10\n'; sleep 1) | openssl s_client -connect localhost:4711 -CAfile cert.pem -quiet -no_ign_eof
 */
#include <interloop.h>
#include <interloop/tls.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST  2000000000 /* that a client may ask for */
#define LIMIT IL_SEC(1)  /* for one request, the wait for a worker included */
#define GRACE IL_SEC(5)  /* for the requests that are under way at a stop; longer than LIMIT */

/* ---- the blocking work: it uses its argument only, so it may run in any pool ---- */

struct question { /* flat: no pointers */
	int up_to, primes;
};

static int count_primes(void *arg) /* in a worker */
{
	struct question *q = arg;
	for (int n = 2; n <= q->up_to; n++) {
		int d = 2;
		while (d * d <= n && n % d != 0)
			d++;
		q->primes += d * d > n;
		if (n % 1000 == 0 && il_from_thread_check_cancelled() == -ECANCELED)
			return -ECANCELED; /* the time is up, or the service ends */
	}
	return 0;
}

/* ---- one request ---- */

struct request { /* on the stack of its handler, which waits for the worker */
	il_executor *pool;
	struct question question;
};

static int ask_pool(void *arg)
{
	struct request *r = arg;
	return il_executor_run(r->pool, count_primes, &r->question, sizeof(r->question));
}

static int handle(il_client *client, void *pool)
{
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	if (rc == -EMSGSIZE)
		return il_client_printf(client, "too long");
	if (rc <= 0)
		return rc; /* 0: the client is gone */

	char *end; /* the number must end where the line does */
	long number = strtol(line.data, &end, 10);
	if (line.size == 0 || end != (const char *)line.data + line.size || number < 0 ||
	    number > MOST)
		return il_client_printf(client, "not a number, or too large");

	struct request request = {.pool = pool, .question = {.up_to = (int)number}};
	rc = il_fail_after(LIMIT, ask_pool, &request);
	if (rc == -ETIMEDOUT)
		return il_client_printf(client, "too slow");
	if (rc < 0)
		return rc; /* logged, and this client is closed; -ECANCELED: the service ends */
	return il_client_printf(client, "%d primes up to %ld", request.question.primes, number);
}

/* ---- the service ---- */

static int serve(void *arg)
{
	char **argv = arg;
	const il_handler handler = {.handle = handle};
	il_tls *tls = NULL;
	il_executor *pool = NULL;
	il_server *server = NULL; /* a call that fails leaves these as they are */
	int rc = il_tls_create(&tls,
			       &(il_tls_options){.certificate_file = argv[1], .key_file = argv[2]});
	/* Processes instead, so that a crash costs one call, and a call whose time is up ends at once:
	 *
	 *     il_process_pool_create(&pool, &(il_process_pool_options){
	 *         .max_workers = 4, .name = "primes", .initializer = ignore_stops, .kill_on_cancel = true})
	 *
	 * Ctrl-C and systemd signal the workers, too. ignore_stops is a function that runs first in
	 * each: signal(SIGINT, SIG_IGN); signal(SIGTERM, SIG_IGN); return 0. And in handle:
	 *
	 *     if (rc == -EOWNERDEAD)
	 *         return il_client_printf(client, "it crashed"); */
	if (rc == 0)
		rc = il_thread_pool_create(
		    &pool, &(il_thread_pool_options){.max_workers = 4, .name = "primes"});
	if (rc == 0)
		rc = il_tcp_server_open(&server, "localhost", argv[3] ? argv[3] : "4711",
					il_protocol_lines(), &handler, pool,
					&(il_server_options){.limits = IL_LIMITS_PUBLIC,
							     .layer = il_tls_layer(tls),
							     .grace_period = GRACE,
							     .stop_at_signals = true});
	if (rc == 0) {
		printf("listening on port %u\n", il_server_port(server));
		fflush(stdout);
		rc = il_server_serve(server); /* 0: stopped by a signal, all handlers have ended */
	}
	il_server_destroy(server);
	il_executor_destroy(pool); /* no handler is left, so no call is */
	il_tls_unref(tls);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc > 4 || argv[1][0] == '-') {
		bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
		fprintf(help ? stdout : stderr, "usage: whole_service CERTIFICATE KEY [PORT]\n");
		return help ? 0 : 2;
	}
	int rc = il_run(il_backend_find(NULL), serve, argv);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	else
		printf("stopped\n");
	return rc < 0;
}
