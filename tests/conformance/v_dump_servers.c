/*
 * v_dump_servers.c: a dump lists a loop's servers with their clients, and says what their tasks wait for.
 */
#define _GNU_SOURCE
#include "r_server.h"
#include "v_dump.h"

static int wait_until_gone(il_client *client, void *data)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	return rc > 0 ? 0 : rc;
}

static const il_handler quiet_handler = {.handle = wait_until_gone};

IL_TEST_REAL(V, a_dump_lists_servers_their_states_and_clients)
{
	struct service s = {.server = NULL};
	char line[64], name[IL_ADDRESS_TEXT_MAX];
	il_stream *client;
	char *text;

	CHECK_RC(il_tcp_server_open(&s.server, "127.0.0.1", "0", il_protocol_lines(),
				    &quiet_handler, NULL, NULL),
		 0);
	snprintf(line, sizeof line, "server on port %u ", (unsigned)il_server_port(s.server));
	text = dump_loop();
	CHECK_DUMPED(text, line, "does not serve: 0 clients, 0 in all");
	free(text);
	service_run(&s);
	client = dial(&s);
	UNTIL(il_server_clients(s.server) == 1);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_yield(), 0);
	text = dump_loop();
	CHECK_DUMPED(text, line, "serves: 1 clients, 1 in all");
	CHECK_DUMPED(text, "client ", name_of(client, name), "connected for ");
	CHECK_DUMPED(text, "il_server_serve", "its end; 1 clients");
	free(text);
	il_stream_destroy(client);
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "server on port ", "closed: 0 clients, 1 in all");
	free(text);
	il_server_destroy(s.server);
}

IL_TEST_REAL(V, a_full_server_says_that_it_waits_for_a_client_to_leave)
{
	struct service s = {.server = NULL};
	il_stream *client, *next;
	char *text;

	service_start(&s, &quiet_handler, NULL, il_protocol_lines(),
		      &(il_server_options){.max_clients = 1});
	client = dial(&s);
	UNTIL(il_server_clients(s.server) == 1);
	next = dial(&s);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_yield(), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "il_server_serve", "one of 1 clients to leave (max_clients)");
	free(text);
	il_stream_destroy(next);
	il_stream_destroy(client);
	UNTIL(il_server_clients(s.server) == 0);
	service_end(&s);
}

/* Busy with a packet until the event is set. */
static int work_long(il_client *client, void *event)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	return rc <= 0 ? rc : il_event_wait(event);
}

IL_TEST_REAL(V, a_shutdown_says_how_many_clients_it_waits_for)
{
	const il_handler handler = {.handle = work_long};
	struct service s = {.server = NULL};
	il_event *event = NULL;
	il_stream *client;
	struct child child;
	char *text;

	CHECK_RC(il_event_create(&event), 0);
	service_start(&s, &handler, event, il_protocol_lines(),
		      &(il_server_options){.grace_period = IL_SEC(60)});
	client = dial(&s);
	say(client, "work\n");
	UNTIL(il_server_clients(s.server) == 1);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_yield(), 0);
	child_start(&child, "child", shut_down, s.server);
	text = dump_loop();
	CHECK_DUMPED(text, "child: il_server_shutdown", "the round's end; 1 clients");
	CHECK_DUMPED(text, "server on port ", "stopping: 1 clients, 1 in all");
	free(text);
	CHECK_RC(il_event_set(event), 0);
	CHECK_RC(il_group_close(&child.group, 0), 0);
	il_future_unref(child.future);
	CHECK_RC(service_result(&s), 0);
	il_stream_destroy(client);
	il_server_destroy(s.server);
	il_event_destroy(event);
}

IL_TEST_REAL(V, a_client_of_a_udp_server_says_whose_datagram_it_waits_for)
{
	struct service s = {.server = NULL};
	char name[IL_ADDRESS_TEXT_MAX];
	il_address address;
	il_datagram *d;
	char *text;

	d = udp_start_with_peer(&s, &quiet_handler, NULL, il_protocol_bytes(), NULL);
	CHECK_RC(il_datagram_local_address(d, &address), 0);
	CHECK(il_address_text(&address, name, sizeof name) > 0);
	udp_say(d, "hello");
	UNTIL(il_server_clients(s.server) == 1);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_yield(), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "il_client_receive", "a datagram of ", name);
	free(text);
	udp_end_with_peer(&s, d);
}

/* ---- one packet at a time ---- */

static int send_much(void *client)
{
	return il_client_send(client, il_test_zeros, sizeof il_test_zeros);
}

IL_TEST_REAL(V, a_second_sender_waits_for_the_first_ones_packet)
{
	il_stream *ours = NULL, *theirs = NULL;
	il_client *client = NULL;
	struct child first;

	CHECK_RC(il_stream_pair(&ours, &theirs), 0);
	CHECK_RC(il_client_open(&client, ours, il_protocol_bytes(), NULL), 0);
	child_start(&first, "first", send_much, client);
	CHECK_WAITS(send_much, client, "il_client_send",
		    "another task to end its packet to client");
	child_end(&first);
	il_client_destroy(client);
	il_stream_destroy(theirs);
}
