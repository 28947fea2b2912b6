/*
 * starttls.c: a dialogue that begins in the clear and goes on over a layer, on both sides. The layer
 * here shows how one is made: it changes each byte, which hides nothing from anybody. With
 * interloop-tls il_tls_layer() takes its place, and nothing else changes.
 */
#include "example.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a layer ---- */

struct veil {
	il_stream *under;
};

static int veil_receive(void *self, void *data, size_t max)
{
	struct veil *veil = self;
	unsigned char *bytes = data;
	int n = il_stream_read_now(veil->under, data, max);
	for (int i = 0; i < n; i++)
		bytes[i] ^= 0xff;
	return n;
}

static int veil_send(void *self, const struct iovec *pieces, int count)
{
	struct veil *veil = self;
	unsigned char bytes[1024];
	struct iovec piece = {.iov_base = bytes};
	if (count == 0)
		return il_stream_write_now(veil->under, pieces, 0);
	const unsigned char *from = pieces->iov_base;
	while (piece.iov_len < pieces->iov_len && piece.iov_len < sizeof(bytes)) {
		bytes[piece.iov_len] = from[piece.iov_len] ^ 0xff;
		piece.iov_len++;
	}
	return il_stream_write_now(veil->under, &piece, 1); /* how many were taken */
}

static int veil_shutdown_write(void *self)
{
	return il_stream_shutdown_write(((struct veil *)self)->under);
}

static void veil_close(void *self)
{
	il_stream_close(((struct veil *)self)->under);
}

static void veil_destroy(void *self)
{
	il_stream_destroy(((struct veil *)self)->under);
	free(self);
}

static il_stream *veil_under(void *self)
{
	return ((struct veil *)self)->under;
}

static int veil_open(il_stream **stream, il_stream *under)
{
	static const struct il_transport transport = {
	    .name = "veil",
	    .receive = veil_receive,
	    .send = veil_send,
	    .shutdown_write = veil_shutdown_write,
	    .close = veil_close,
	    .destroy = veil_destroy,
	    .under = veil_under,
	};
	struct veil *veil = malloc(sizeof(*veil));
	int rc = -ENOMEM;
	if (veil) {
		veil->under = under;
		rc = il_stream_open_transport(stream, &transport, veil);
	}
	if (rc < 0) {
		free(veil);
		il_stream_close(under);
	}
	return rc;
}

/* A handshake would be here; these two may wait. */
static int veil_accept(il_stream **stream, il_stream *under, void *self)
{
	(void)self;
	return veil_open(stream, under);
}

static int veil_connect(il_stream **stream, il_stream *under, const char *host, void *self)
{
	(void)host;
	(void)self;
	return veil_open(stream, under);
}

static const struct il_layer veil_layer = {.accept = veil_accept, .connect = veil_connect};

/* ---- both sides of the dialogue ---- */

static bool is_line(const il_packet *line, const char *text)
{
	return line->size == strlen(text) && memcmp(line->data, text, line->size) == 0;
}

/* [server] */
static int handle(il_client *client, void *data)
{
	il_packet line;
	int rc = il_client_receive(client, &line, IL_SEC(10));
	(void)data;
	if (rc <= 0)
		return rc;
	if (!is_line(&line, "STARTTLS"))
		return il_client_printf(client, "you said: %.*s", (int)line.size,
					(const char *)line.data);
	rc = il_client_printf(client, "go");
	return rc < 0 ? rc : il_client_start_layer(client, &veil_layer);
}
/* [server] */

/* [client] */
static int talk(il_client *client)
{
	il_packet line;
	int rc = il_client_printf(client, "STARTTLS");
	if (rc == 0)
		rc = il_client_receive(client, &line, IL_SEC(10));
	if (rc >= 0 && (rc == 0 || !is_line(&line, "go")))
		rc = il_fail(-EPROTO, "the server wants no layer"); /* so nothing more is said */
	if (rc >= 0)
		rc = il_client_start_layer(client, &veil_layer);
	if (rc == 0)
		rc = il_client_printf(client, "a secret");
	if (rc == 0)
		rc = il_client_receive(client, &line, IL_SEC(10));
	if (rc == 1)
		printf("%.*s\n", (int)line.size, (const char *)line.data);
	return rc;
}
/* [client] */

static int visit(void *arg)
{
	il_server *server = arg;
	il_client *client;
	char port[8];
	snprintf(port, sizeof(port), "%u", il_server_port(server));
	int rc = il_client_connect_tcp(&client, "127.0.0.1", port, il_protocol_lines(), NULL);
	if (rc == 0) {
		rc = talk(client);
		il_client_destroy(client);
	}
	il_server_close(server);
	return rc;
}

static int serve_one(void *arg)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	(void)arg;
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &handler, NULL,
				    NULL);
	return rc < 0 ? rc : example_serve_beside(server, visit);
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, serve_one, NULL);
}
