/*
 * secure.c: TLS at both ends: a server that sends lines back, and a client that asks it.
 *
 *     secure --port 4711 --tls server.pem server.key &
 *     secure --port 4711 --ask localhost --ca ca.pem
 *     openssl s_client -connect localhost:4711 -CAfile ca.pem -quiet
 *
 * SIGHUP makes the server read its files again, as after a certificate was renewed: who is connected stays.
 */
#include "example.h"

#include <interloop/tls.h>

#include <signal.h>
#include <stdio.h>

struct options {
	const char *port, *host, *ca; /* host NULL: be the server */
	char **files;
};

/* ---- the server ---- */

/* The handler of a plain server. */
static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	return rc <= 0 ? rc : il_client_send(client, line.data, line.size);
}

/* [reload] */
static int reload_on_sighup(void *tls)
{
	il_signal_receiver *signals;
	int rc = il_signal_receiver_open(&signals, (const int[]){SIGHUP}, 1);
	if (rc < 0)
		return rc;
	while ((rc = il_signal_receiver_next(signals, IL_FOREVER)) == SIGHUP)
		if (il_tls_reload(tls) == 0)
			printf("the files were read again\n");
		else /* the old ones stay */
			fprintf(stderr, "%s\n", il_error_detail());
	il_signal_receiver_destroy(signals);
	return rc;
}
/* [reload] */

static int service_init(il_exit_stack *stack, il_server *server, void *tls)
{
	(void)stack;
	return il_server_start_soon(server, NULL, reload_on_sighup, tls);
}

/* [server] */
static int serve(const struct options *o)
{
	const il_handler handler = {.service_init = service_init, .handle = handle};
	il_server *server;
	il_tls *tls;
	int rc = il_tls_create(
	    &tls, &(il_tls_options){.certificate_file = o->files[0], .key_file = o->files[1]});
	if (rc < 0)
		return rc;
	rc = il_tcp_server_open(&server, "localhost", o->port, il_protocol_lines(), &handler, tls,
				&(il_server_options){.limits = IL_LIMITS_PUBLIC,
						     .layer = il_tls_layer(tls),
						     .grace_period = IL_SEC(5),
						     .stop_at_signals = true});
	if (rc == 0) {
		printf("listening on port %u\n", il_server_port(server));
		rc = il_server_serve(server);
		il_server_destroy(server);
	}
	il_tls_unref(tls);
	return rc;
}
/* [server] */

/* ---- the client ---- */

/* [client] */
static int talk(il_stream *stream)
{
	char line[256];
	il_tls_info info;
	int rc = il_stream_write_all(stream, "hello\n", 6);
	if (rc == 0)
		rc = il_stream_receive_until(stream, line, sizeof(line), "\n", 1);
	if (rc < 0)
		return rc;
	printf("%.*s\n", rc, line);
	rc = il_tls_information(stream, &info);
	if (rc == 0)
		printf("from %s, by %s\n", info.peer_name, info.version);
	return rc;
}

static int ask(const struct options *o)
{
	il_stream *stream;
	il_tls *tls;
	int rc = il_tls_create(&tls, &(il_tls_options){.ca_file = o->ca}); /* NULL: the system's */
	if (rc < 0)
		return rc;
	rc = il_stream_connect_tcp(
	    &stream, o->host, o->port,
	    &(il_connect_options){.timeout = IL_SEC(10), .layer = il_tls_layer(tls)});
	if (rc == 0) {
		rc = talk(stream);
		il_stream_destroy(stream);
	}
	il_tls_unref(tls);
	return rc;
}
/* [client] */

static int run(void *arg)
{
	const struct options *o = arg;
	if (o->host)
		return ask(o);
	return o->files ? serve(o) : il_fail(-EINVAL, "neither --tls nor --ask is given");
}

int main(int argc, char **argv)
{
	example_options(argc, argv,
			"[--backend NAME] [--port NUMBER] [--tls CERTIFICATE KEY] [--ask HOST] "
			"[--ca FILE]");
	struct options o = {.port = example_option(argc, argv, "--port", "0"),
			    .host = example_option(argc, argv, "--ask", NULL),
			    .ca = example_option(argc, argv, "--ca", NULL),
			    .files = example_values(argc, argv, "--tls")};
	return example_main(argc, argv, run, &o);
}
