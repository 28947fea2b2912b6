/*
 * tutorial_service.c: says how many primes there are up to a number, a line each. One task a client,
 * the counting in worker threads, and one task that writes a log; see docs/tutorial.md.
 */
#include "tutorial_service.h"

#include <stdlib.h>

enum { MOST = 1000000 };

/* [blocking] */
struct question {
	int up_to, primes;
	FILE *log;
};

static int count_primes(void *arg) /* computes: in a worker thread */
{
	struct question *q = arg;
	for (int n = 2; n <= q->up_to; n++) {
		int d = 2;
		while (d * d <= n && n % d != 0)
			d++;
		q->primes += d * d > n;
	}
	return 0;
}
/* [blocking] */

/* [handle] */
static int handle(il_client *client, void *data)
{
	struct service *service = data;
	il_packet line;
	int rc = il_client_receive(client, &line, IL_SEC(60));
	if (rc == -ETIMEDOUT)
		return il_client_close(client); /* silent for too long */
	if (rc <= 0)
		return rc; /* 0: it has gone */

	char *end; /* the number must end where the line does */
	long number = strtol(line.data, &end, 10);
	if (end != (const char *)line.data + line.size || number < 0 || number > MOST)
		return il_client_send(client, "not a number, or too large", 26);
	struct question question = {.up_to = (int)number, .log = service->log};
	rc = il_run_in_thread(count_primes, &question);
	if (rc == 0)
		rc = il_channel_send(service->questions, &question);
	if (rc < 0)
		return rc;

	char answer[64];
	int size =
	    snprintf(answer, sizeof(answer), "%d primes up to %d", question.primes, question.up_to);
	return il_client_send(client, answer, (size_t)size);
}

const il_handler service_handler = {.handle = handle};
/* [handle] */

/* [log] */
static int write_line(void *arg) /* a disk may block: in a worker thread */
{
	const struct question *q = arg;
	return fprintf(q->log, "asked for %d\n", q->up_to) < 0 ? -EIO : 0;
}

static int write_log(void *arg)
{
	struct service *service = arg;
	struct question question;
	il_scope shield = IL_SCOPE_INIT;
	int rc = il_scope_enter(&shield, IL_FOREVER, IL_SHIELD);
	if (rc < 0)
		return rc;
	while ((rc = il_channel_receive(service->to_log, &question)) == 1) {
		rc = il_run_in_thread(write_line, &question);
		if (rc < 0)
			break;
	}
	return il_scope_exit(&shield, rc);
}
/* [log] */

/* [serve] */
int service_serve(struct service *service, il_server *server)
{
	int rc =
	    il_channel_create(&service->questions, &service->to_log, sizeof(struct question), 16);
	if (rc < 0)
		return rc;
	il_group group;
	rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, write_log, service);
		if (rc == 0)
			rc = il_server_serve(server); /* one task a client */
		il_sender_close(service->questions);  /* the last one: write_log comes to an end */
		rc = il_group_close(&group, rc);
	}
	il_sender_destroy(service->questions);
	il_receiver_destroy(service->to_log);
	return rc;
}
/* [serve] */
