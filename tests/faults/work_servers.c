/*
 * work_servers.c: servers and clients, of streams and of datagrams.
 */
#include "work.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 4000 };

/* ---- the echo ---- */

static int greet(il_client *client, void *data)
{
	(void)data;
	return TRY(il_client_send(client, "hi", 2));
}

static int echo(il_client *client, void *data)
{
	il_packet packet;
	int rc = TRY(il_client_receive(client, &packet, IL_SEC(2)));

	(void)data;
	return rc <= 0 ? rc : TRY(il_client_send(client, packet.data, packet.size));
}

static int forever(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

static int prepare(il_exit_stack *stack, il_server *server, void *data)
{
	il_executor *ex;
	int rc = TRY(il_exit_stack_push(stack, work_three, NULL));

	(void)data;
	if (rc < 0 || (rc = TRY(il_thread_pool_create(&ex, NULL))) < 0)
		return rc;
	rc = TRY(il_exit_stack_executor(stack, ex));
	if (rc < 0)
		il_executor_unref(ex);
	return rc < 0 ? rc : TRY(il_server_start_soon(server, NULL, forever, NULL));
}

const il_handler work_echo = {.service_init = prepare, .on_connection = greet, .handle = echo};

int work_talk(void *stream)
{
	char sent[LINE_SIZE], came[LINE_SIZE];
	int rc = TRY(il_stream_receive_until(stream, came, sizeof came, "\n", 1));

	if (rc < 0)
		return rc;
	if (rc != 2 || memcmp(came, "hi", 2) != 0)
		work_odd("another greeting came");
	for (int i = 0; i < 3; i++) {
		memset(sent, 'a' + i, sizeof sent);
		sent[sizeof sent - 1] = '\n';
		if ((rc = TRY(il_stream_write_all(stream, sent, sizeof sent))) < 0 ||
		    (rc = TRY(il_stream_receive_exactly(stream, came, sizeof came))) < 0)
			return rc;
		if (memcmp(sent, came, sizeof sent) != 0)
			work_odd("an echo is not what was sent");
	}
	TRY(il_stream_shutdown_write(stream));
	TRY(il_stream_read(stream, came, sizeof came));
	return 0;
}

/* ---- a server and its clients in one loop ---- */

static struct {
	il_server *server;
	il_event *is_up;
	char path[64];
} w;

static int serve(void *arg)
{
	(void)arg;
	return TRY(il_server_serve(w.server));
}

static int wait_up(void *arg)
{
	(void)arg;
	return TRY(il_event_wait(w.is_up));
}

static const char *port_text(void)
{
	static char text[8];

	snprintf(text, sizeof text, "%u", il_server_port(w.server));
	return text;
}

/* Serves while fn runs. */
static void while_served(il_fn *fn)
{
	il_group group;

	if (TRY(il_group_open(&group)) < 0)
		return;
	if (TRY(il_group_start_soon(&group, NULL, serve, NULL)) == 0) {
		work_briefly(wait_up, NULL);
		fn(NULL);
	}
	TRY(il_server_shutdown(w.server));
	TRY(il_group_close(&group, 0));
}

static il_server_options options_of(void)
{
	return (il_server_options){.is_up = w.is_up,
				   .quiet = true,
				   .grace_period = IL_MSEC(100),
				   .idle_timeout = IL_SEC(1)};
}

static int talk_to_streams(void *arg)
{
	const il_connect_options options = {.timeout = IL_SEC(1)};
	il_stream *s;

	(void)arg;
	for (int i = 0; i < 2; i++)
		if (TRY(il_stream_connect_tcp(&s, "127.0.0.1", port_text(), &options)) == 0) {
			work_briefly(work_talk, s);
			il_stream_destroy(s);
		}
	if (TRY(il_stream_connect_unix(&s, w.path)) == 0) {
		work_briefly(work_talk, s);
		il_stream_destroy(s);
	}
	return 0;
}

static void with_server(il_fn *fn)
{
	il_server_options options;

	snprintf(w.path, sizeof w.path, "faults-socket.%d", getpid());
	if (TRY(il_event_create(&w.is_up)) < 0)
		return;
	options = options_of();
	if (TRY(il_tcp_server_open(&w.server, "127.0.0.1", "0", il_protocol_lines(), &work_echo,
				   NULL, &options)) == 0) {
		TRY(il_server_add_unix(w.server, w.path));
		while_served(fn);
		il_server_destroy(w.server);
	}
	il_event_destroy(w.is_up);
	work_file_is_gone(w.path);
}

static int server_main(void *arg)
{
	(void)arg;
	with_server(talk_to_streams);
	return 0;
}

void work_server(void)
{
	memset(&w, 0, sizeof w); /* it may run many times */
	work_in_loop(server_main);
}

/* ---- packet clients ---- */

static int converse(void *client)
{
	il_case cases[] = {il_case_client(client)};
	il_packet packet;
	int rc = TRY(il_client_receive(client, &packet, IL_SEC(1)));

	if (rc > 0 && (packet.size != 2 || memcmp(packet.data, "hi", 2) != 0))
		work_odd("another greeting came to a client");
	for (int i = 0; i < 3 && rc > 0; i++) {
		if ((rc = TRY(il_client_printf(client, "line %d", i))) < 0 ||
		    (rc = TRY(il_select(cases, 1, IL_SEC(1)))) < 0)
			break;
		rc = TRY(il_client_receive(client, &packet, IL_SEC(1)));
		if (rc > 0 && (packet.size != 6 || ((const char *)packet.data)[5] != '0' + i))
			work_odd("a client received %.*s", (int)packet.size,
				 (const char *)packet.data);
	}
	TRY(il_client_finish(client, IL_MSEC(100)));
	return 0;
}

static int talk_to_clients(void *arg)
{
	const il_client_options options = {.connect = {.timeout = IL_SEC(1)},
					   .idle_timeout = IL_SEC(1)};
	il_client *client;

	(void)arg;
	if (TRY(il_client_connect_tcp(&client, "127.0.0.1", port_text(), il_protocol_lines(),
				      &options)) == 0) {
		work_briefly(converse, client);
		il_client_destroy(client);
	}
	if (TRY(il_client_connect_unix(&client, w.path, il_protocol_lines(), &options)) == 0) {
		work_briefly(converse, client);
		il_client_destroy(client);
	}
	return 0;
}

static int clients_main(void *arg)
{
	(void)arg;
	with_server(talk_to_clients);
	return 0;
}

void work_clients(void)
{
	memset(&w, 0, sizeof w); /* it may run many times */
	work_in_loop(clients_main);
}

/* ---- a server of datagrams ---- */

static int ask_once(void *peer)
{
	char bytes[64];
	int rc = TRY(il_datagram_receive(peer, bytes, sizeof bytes, NULL));

	if (rc >= 0 && rc != 2 && rc != 4)
		work_odd("a datagram of %d bytes came", rc);
	return rc;
}

/* One that is lost is nothing odd. */
static int talk_to_peers(void *arg)
{
	il_datagram *peer;

	(void)arg;
	if (TRY(il_datagram_connect_udp(&peer, "127.0.0.1", port_text(), NULL)) < 0)
		return 0;
	for (int i = 0; i < 3; i++)
		if (TRY(il_datagram_send(peer, "ping", 4, NULL)) == 0)
			TRY(il_move_on_after(IL_MSEC(300), ask_once, peer));
	il_datagram_destroy(peer);
	return 0;
}

static int udp_main(void *arg)
{
	il_server_options options;

	(void)arg;
	if (TRY(il_event_create(&w.is_up)) < 0)
		return 0;
	options = options_of();
	if (TRY(il_udp_server_open(&w.server, "127.0.0.1", "0", il_protocol_bytes(), &work_echo,
				   NULL, &options)) == 0) {
		while_served(talk_to_peers);
		il_server_destroy(w.server);
	}
	il_event_destroy(w.is_up);
	return 0;
}

void work_udp_server(void)
{
	memset(&w, 0, sizeof w); /* it may run many times */
	work_in_loop(udp_main);
}

/* ---- a server with a thread of its own ---- */

static int open_echo(il_server **server, void *arg)
{
	(void)arg;
	return TRY(il_tcp_server_open(server, "127.0.0.1", "0", il_protocol_lines(), &work_echo,
				      NULL, &(il_server_options){.quiet = true}));
}

void work_server_thread(void)
{
	il_server_thread *thread;

	if (TRY(il_server_thread_start(&thread, work_backend(), NULL, open_echo, NULL)) < 0)
		return;
	RESULT(il_portal_run_sync(il_server_thread_portal(thread), work_three, NULL), 3);
	TRY(il_server_thread_wait(thread, 0));
	TRY(il_server_thread_stop(thread));
}
