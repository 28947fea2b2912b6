/*
 * soak_probe.c: the time of round trips to an echo server, both on one loop of a thread of its own.
 */
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	struct soak_times *times;
	il_time end;
} w;

void soak_times_clear(struct soak_times *times)
{
	times->count = 0;
}

static int compare(const void *a, const void *b)
{
	const unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

void soak_times_read(struct soak_times *t, struct soak_latency *l)
{
	*l = (struct soak_latency){.count = t->count};
	if (!t->count)
		return;
	qsort(t->us, t->count, sizeof t->us[0], compare);
	l->p50 = t->us[t->count / 2];
	l->p99 = t->us[t->count - 1 - t->count / 100];
	l->most = t->us[t->count - 1];
}

/* ---- asking ---- */

static int ask(il_client *c)
{
	const il_time begun = il_now();
	il_packet reply;
	int rc = TRY(il_client_send(c, "ask", 3));

	if (rc == 0)
		rc = TRY(il_client_receive(c, &reply, IL_SEC(2)));
	if (rc != 1)
		return rc < 0 ? rc : -EPIPE;
	if (reply.size != 3)
		work_odd("an echo of 3 bytes has %zu", reply.size);
	if (w.times->count < SOAK_TIMES_MAX)
		w.times->us[w.times->count++] = (unsigned)((il_now() - begun) / IL_USEC(1));
	return 0;
}

/* Until the end, or something fails. */
static int ask_again(void *port)
{
	const il_client_options options = {.connect = {.timeout = IL_SEC(2)}};
	il_packet greeting;
	il_client *c;
	int rc = TRY(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_lines(), &options));

	if (rc < 0)
		return rc;
	rc = TRY(il_client_receive(c, &greeting, IL_SEC(2)));
	while (rc >= 0 && il_now() < w.end) {
		rc = ask(c);
		if (rc == 0)
			rc = TRY(il_sleep(IL_MSEC(1)));
	}
	il_client_destroy(c);
	return rc;
}

/* ---- the server ---- */

static int serve(void *server)
{
	return TRY(il_server_serve(server));
}

static int ask_server(il_server *server)
{
	char port[8];
	il_group group;
	int rc = TRY(il_group_open(&group));

	if (rc < 0)
		return rc;
	rc = TRY(il_group_start_soon(&group, NULL, serve, server));
	snprintf(port, sizeof port, "%u", il_server_port(server));
	while (rc == 0 && il_now() < w.end) {
		ask_again(port);
		rc = TRY(il_sleep(IL_MSEC(5)));
	}
	MUST(il_scope_cancel(il_group_scope(&group)));
	TRY(il_group_close(&group, 0));
	return rc;
}

static int probe_main(void *arg)
{
	il_server *server;

	(void)arg;
	if (TRY(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &work_echo, NULL,
				   NULL)) < 0)
		return 0;
	ask_server(server);
	il_server_destroy(server);
	return 0;
}

void soak_probe(struct soak_times *times, il_time end)
{
	const il_loop_options options = {.shutdown_timeout = IL_SEC(2)};
	il_loop *loop;

	w.times = times;
	w.end = end;
	while (il_now() < end) {
		if (TRY(il_loop_open(&loop, work_backend(), &options)) < 0)
			continue;
		TRY(il_loop_run(loop, probe_main, NULL));
		MUST(il_loop_close(loop));
		il_loop_destroy(loop);
	}
}
