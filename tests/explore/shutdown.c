/*
 * shutdown.c: a server is shut down while clients ask it and links fail: it ends within its grace period, or with its last reply,
 * whoever came has left, and no client takes a cut reply for a whole one.
 */
#include "explore.h"

struct service {
	struct explore_clients clients; /* first */
	il_virtual_network *n;
	il_server *server;
	il_time grace;
	il_time shut, worked; /* when: its shutdown began, a handler ended its work last */
	bool over;
};

#define CONNECT IL_SEC(3)
#define REPLY   IL_SEC(5)

/* "7" is 7 lines of work later "7 7 7 7 7 7 7" */
static int service_answer(il_client *client, void *data)
{
	struct service *s = data;
	char reply[128] = "";
	il_packet p;
	int times, rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	times = atoi(p.data);
	for (int i = 0; rc >= 0 && i < times; i++) {
		snprintf(reply + strlen(reply), sizeof reply - strlen(reply), "%d", times);
		rc = il_sleep(draw_time(s->n, 30));
	}
	if (rc >= 0)
		rc = il_client_send(client, reply, strlen(reply));
	s->worked = il_now();
	return rc;
}

static int serve(void *arg)
{
	static const il_handler handler = {.on_connection = explore_connected,
					   .handle = service_answer,
					   .on_disconnection = explore_disconnected};
	struct service *s = arg;
	const il_server_options o = {.grace_period = s->grace};
	int rc;

	MUST_DO(il_tcp_server_open(&s->server, NULL, "7", il_protocol_lines(), &handler, s, &o));
	rc = il_server_serve(s->server);
	s->over = true;
	MUST(il_server_clients(s->server) == 0);
	MUST(il_now() == (s->worked > s->shut ? s->worked : s->shut));
	MUST_DO(explore_check_clients(&s->clients));
	il_server_destroy(s->server);
	s->server = NULL;
	return rc;
}

static int ask(il_client *c, int times)
{
	char expected[128] = "";
	il_packet p;
	int rc = il_client_printf(c, "%d", times);

	if (rc == 0)
		MUST_END_IN(REPLY, rc = il_client_receive(c, &p, REPLY));
	if (rc <= 0)
		return rc;
	for (int i = 0; i < times; i++)
		snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%d",
			 times);
	MUST(strcmp(p.data, expected) == 0);
	return 1;
}

static int use(void *arg)
{
	const il_client_options o = {.connect = {.timeout = CONNECT}};
	struct service *s = arg;

	while (!s->over) {
		il_client *c;
		int rc;
		MUST_END_IN(CONNECT,
			    rc = il_client_connect_tcp(&c, "server", "7", il_protocol_lines(), &o));
		if (rc == 0) {
			for (int i = 1; (rc = ask(c, i)) == 1 && i < 8; i++)
				;
			il_client_destroy(c);
		}
		if (rc < 0 && !explore_is_failure(rc))
			return rc;
		MUST_DO(il_sleep(draw_time(s->n, 50)));
	}
	return 0;
}

static int run(struct service *s)
{
	static const char *const hosts[] = {"server", "one", "two", "three"};

	MUST_DO(il_virtual_host_start(s->n, "server", serve, s));
	for (int i = 1; i < 4; i++)
		MUST_DO(il_virtual_host_start(s->n, hosts[i], use, s));
	MUST_DO(explore_break_links(s->n, hosts, 4));
	MUST_DO(il_sleep(draw_time(s->n, 300)));
	s->shut = il_now();
	il_server_shutdown(s->server);
	MUST_DO(il_virtual_host_wait(s->n, "server", IL_SEC(60)));
	MUST(il_now() - s->shut <= s->grace);
	for (int i = 1; i < 4; i++)
		MUST_DO(il_virtual_host_wait(s->n, hosts[i], IL_SEC(60)));
	return 0;
}

int explore_shutdown(void *arg)
{
	struct service s = {.over = false};
	int rc = explore_open(&s.n, false);

	(void)arg;
	if (rc < 0)
		return rc;
	s.grace = draw_time(s.n, 400);
	rc = run(&s);
	il_virtual_network_close(s.n);
	return rc;
}
