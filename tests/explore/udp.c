/*
 * udp.c: a UDP server with few places and short queues, and peers whose datagrams are lost, late and overtaken: every
 * reply is of a question of the same peer, none is given twice, and silent peers are forgotten.
 */
#include "explore.h"

enum { PEERS = 4, QUESTIONS = 12, PLACES = 3, QUEUE = 2 };

struct service {
	struct explore_clients clients; /* first */
	il_virtual_network *n;
	il_server *server;
	int answered;
};

static int service_answer(il_client *client, void *data)
{
	struct service *s = data;
	char question[32];
	il_packet p;
	int rc = explore_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	snprintf(question, sizeof question, "%.*s", (int)p.size, (const char *)p.data);
	rc = il_sleep(draw_time(s->n, 20)); /* others are served meanwhile */
	s->answered++;
	return rc < 0 ? rc : il_client_printf(client, "%s!", question);
}

static int serve(void *arg)
{
	static const il_handler handler = {.on_connection = explore_connected,
					   .handle = service_answer,
					   .on_disconnection = explore_disconnected};
	static const il_server_options o = {
	    .idle_timeout = IL_SEC(5), .max_clients = PLACES, .peer_queue = QUEUE};
	struct service *s = arg;
	int rc;

	s->clients.limits = &o;
	MUST_DO(il_udp_server_open(&s->server, NULL, "9", NULL, &handler, s, &o));
	rc = il_server_serve(s->server);
	il_server_destroy(s->server);
	s->server = NULL;
	return rc;
}

struct peer {
	struct service *s;
	const char *name;
	int asked, heard;
	bool replied[QUESTIONS];
};

static int hear(struct peer *p, il_datagram *d)
{
	char text[64];
	size_t size = strlen(p->name);
	int number, rc;

	for (;;) {
		const il_time most = draw_time(p->s->n, 30);
		il_case c = il_case_datagram(d);
		MUST_END_IN(most, rc = il_select(&c, 1, most));
		if (rc == -ETIMEDOUT)
			return 0;
		if (rc == 0)
			rc = il_datagram_receive(d, text, sizeof text - 1, NULL);
		if (rc < 0)
			return rc == -ECONNREFUSED ? 0 : rc;
		text[rc] = 0;
		MUST(strncmp(text, p->name, size) == 0);
		MUST(sscanf(text + size, " %d!", &number) == 1 && number >= 0 && number < p->asked);
		MUST(!p->replied[number]);
		p->replied[number] = true;
		p->heard++;
	}
}

static int question(void *arg)
{
	struct peer *p = arg;
	il_datagram *d;
	int rc = 0;

	MUST_DO(il_datagram_connect_udp(&d, "server", "9", NULL));
	while (rc == 0 && p->asked < QUESTIONS) {
		char text[32];
		snprintf(text, sizeof text, "%s %d", p->name, p->asked++);
		rc = il_datagram_send(d, text, strlen(text), NULL);
		if (rc == 0 || rc == -ECONNREFUSED)
			rc = hear(p, d);
	}
	for (int i = 0; rc == 0 && i < 40; i++) { /* what is late */
		rc = il_sleep(IL_MSEC(100));
		if (rc == 0)
			rc = hear(p, d);
	}
	il_datagram_destroy(d);
	return rc;
}

static int run(struct service *s, struct peer *peers)
{
	static const char *const hosts[] = {"server", "a", "b", "c", "d"};
	int heard = 0;

	MUST_DO(il_virtual_host_start(s->n, "server", serve, s));
	MUST_DO(il_sleep(IL_MSEC(1)));
	for (int i = 0; i < PEERS; i++) {
		peers[i] = (struct peer){.s = s, .name = hosts[i + 1]};
		MUST_DO(il_virtual_host_start(s->n, hosts[i + 1], question, &peers[i]));
	}
	MUST_DO(explore_break_links(s->n, hosts, 1 + PEERS));
	for (int i = 0; i < PEERS; i++) {
		MUST_DO(il_virtual_host_wait(s->n, hosts[i + 1], IL_SEC(600)));
		heard += peers[i].heard;
	}
	MUST(heard <= s->answered);
	MUST(il_server_clients(s->server) <= PLACES);
	MUST_DO(il_sleep(IL_SEC(6)));
	MUST(il_server_clients(s->server) == 0);
	return explore_check_clients(&s->clients);
}

int explore_udp(void *arg)
{
	struct peer peers[PEERS];
	struct service s = {.n = NULL};
	int rc = explore_open(&s.n, false);

	(void)arg;
	if (rc < 0)
		return rc;
	rc = run(&s, peers);
	il_virtual_network_close(s.n);
	return rc;
}
