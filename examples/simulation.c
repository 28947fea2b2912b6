/*
 * simulation.c: a program of three machines, tested on a simulated network: a store that keeps a replica, and a client
 * that goes over to the replica when the primary is gone. What was acknowledged must be there afterwards, whatever
 * fails. The seeds are tried one after the other, until one shows the mistake; then those of the corrected store.
 *
 *     simulation              what docs/simulation.md shows
 *     simulation SEED         the trace of one run of the store with the mistake
 */
#include <interloop.h>
#include <interloop/virtual.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [store] */
struct store {
	const char *replica; /* the host that gets each value, too; NULL: none */
	bool careful;        /* the reply waits for the replica */
	int value;           /* in memory: a power cut loses it */
	il_client *link;     /* to the replica */
};

static int copy_to_replica(struct store *s, const il_packet *line)
{
	il_packet reply;
	int rc = 0;

	if (!s->link)
		rc = il_client_connect_tcp(&s->link, s->replica, "7", il_protocol_lines(), NULL);
	if (rc == 0)
		rc = il_client_send(s->link, line->data, line->size);
	if (rc == 0 && s->careful)
		rc = il_client_receive(s->link, &reply, IL_SEC(1));
	return rc < 0 ? rc : 0;
}

/* "set 4": "ok"; "get": "4" */
static int answer(il_client *client, void *data)
{
	struct store *s = data;
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (strcmp(line.data, "get") == 0)
		return il_client_printf(client, "%d", s->value);
	if (sscanf(line.data, "set %d", &s->value) != 1)
		return il_client_printf(client, "set N, or get");
	if (s->replica)
		rc = copy_to_replica(s, &line);
	return rc < 0 ? rc : il_client_send(client, "ok", 2);
}

static int serve(void *arg)
{
	const il_handler handler = {.handle = answer};
	struct store *s = arg;
	il_server *server;
	int rc;

	s->value = 0;
	s->link = NULL;
	rc = il_tcp_server_open(&server, NULL, "7", il_protocol_lines(), &handler, s, NULL);
	if (rc < 0)
		return rc;
	rc = il_server_serve(server);
	il_server_destroy(server);
	il_client_destroy(s->link);
	return rc;
}
/* [store] */

/* [client] */
struct user {
	const char *server; /* whom it asks now */
	int acknowledged;
};

static int ask_once(const struct user *u, const char *question, int *value)
{
	const il_client_options options = {.connect = {.timeout = IL_SEC(1)}};
	il_client *c;
	il_packet reply;
	int rc = il_client_connect_tcp(&c, u->server, "7", il_protocol_lines(), &options);

	if (rc < 0)
		return rc;
	rc = il_client_send(c, question, strlen(question));
	if (rc == 0)
		rc = il_client_receive(c, &reply, IL_SEC(1));
	if (rc == 1 && value)
		*value = atoi(reply.data);
	il_client_destroy(c);
	return rc == 1 ? 0 : rc == 0 ? -EPIPE : rc;
}

/* Again, and from the third time on of the replica. */
static int ask(struct user *u, const char *question, int *value)
{
	for (int tries = 1;; tries++) {
		int rc = ask_once(u, question, value);
		if (rc == 0 || rc == -ECANCELED)
			return rc;
		if (tries == 2)
			u->server = "replica";
		rc = il_sleep(IL_MSEC(100));
		if (rc < 0)
			return rc;
	}
}

static int use(void *arg)
{
	struct user *u = arg;
	char question[32];
	int rc = 0, value = 0;

	for (int i = 1; rc == 0 && i <= 20; i++) {
		snprintf(question, sizeof question, "set %d", i);
		rc = ask(u, question, NULL);
		u->acknowledged = i;
		if (rc == 0)
			rc = ask(u, "get", &value);
		if (rc == 0 && value != u->acknowledged)
			return il_fail(-EBADMSG, "%d was acknowledged, and %s has %d",
				       u->acknowledged, u->server, value);
	}
	return rc;
}
/* [client] */

/* [test] */
struct test {
	bool careful;
	int trace; /* a descriptor, or -1 */
};

static int hosts_run(il_virtual_network *n, const struct test *test)
{
	struct store primary = {.replica = "replica", .careful = test->careful},
		     replica = {.value = 0};
	struct user user = {.server = "primary"};
	int rc = il_virtual_network_trace(n, test->trace);

	if (rc == 0)
		rc = il_virtual_host_start(n, "primary", serve, &primary);
	if (rc == 0)
		rc = il_virtual_host_start(n, "replica", serve, &replica);
	if (rc == 0)
		rc = il_virtual_host_start(n, "client", use, &user);
	if (rc == 0)
		rc = il_sleep(IL_MSEC(700));
	if (rc == 0)
		rc = il_virtual_host_crash(n, "primary");
	if (rc == 0)
		rc = il_virtual_host_wait(n, "client", IL_SEC(600));
	il_virtual_network_close(n); /* the hosts' tasks use what is on this stack */
	return rc;
}

static int run(void *arg)
{
	const il_virtual_network_options options = {
	    .latency_min = IL_MSEC(1), .latency_max = IL_MSEC(20), .loss = 0.02};
	il_virtual_network *n;
	int rc = il_virtual_network_open(&n, &options);

	return rc < 0 ? rc : hosts_run(n, arg);
}
/* [test] */

/* [search] */
static void search(const char *store, bool careful)
{
	struct test test = {.careful = careful, .trace = -1};
	uint64_t seed;
	int rc = il_virtual_explore(1, 1000, run, &test, &seed);

	if (rc == 0)
		printf("%s: 1000 seeds, no mistake\n", store);
	else
		printf("%s: %s: %s\n", store, il_error_name(rc), il_error_detail());
}
/* [search] */

/* [again] */
static int show(uint64_t seed)
{
	struct test test = {.careful = false, .trace = 1};
	il_loop *loop;
	int rc = il_loop_open(&loop, il_virtual(), &(il_loop_options){.seed = seed});

	if (rc < 0)
		return rc;
	rc = il_loop_run(loop, run, &test);
	printf("%s %s\n", il_error_name(rc), il_error_detail());
	il_loop_destroy(loop);
	return 0;
}
/* [again] */

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] >= '0' && argv[1][0] <= '9')
		return show(strtoull(argv[1], NULL, 10)) < 0;
	if (argc > 1) {
		printf("usage: simulation [SEED]\n");
		return strcmp(argv[1], "--help") == 0 ? 0 : 2;
	}
	search("replies at once", false);
	search("waits for its replica", true);
	return 0;
}
