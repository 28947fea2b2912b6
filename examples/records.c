/*
 * records.c: a protocol of your own: a record is a kind, the size of its text, and the text. The same protocol frames
 * what is sent and finds what is received, at both ends.
 */
#include "example.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* [protocol] */
/* On the wire: the kind (1 byte), the size of the text (2 bytes, big-endian), the text.
 * As a packet: the kind, the text. */
enum { HEAD = 3, TEXT_MAX = 65535 };

static int find(const il_protocol *protocol, il_parse *parse)
{
	(void)protocol;
	unsigned char *record = parse->data;
	if (parse->size < HEAD)
		return 0; /* more bytes are needed */
	size_t size = (size_t)record[1] << 8 | record[2];
	if (size + 1 > parse->limit)
		return -EMSGSIZE; /* nothing is consumed: nothing more is received */
	if (parse->size < HEAD + size)
		return 0;
	record[2] = record[0]; /* the bytes may be rewritten in place */
	parse->packet = (il_packet){.data = record + 2, .size = size + 1};
	parse->consumed = HEAD + size;
	return 1;
}

static int frame(const il_protocol *protocol, il_frame *f)
{
	(void)protocol;
	const unsigned char *packet = f->data;
	if (f->size < 1 || f->size - 1 > TEXT_MAX)
		return -EMSGSIZE; /* il_client_send() returns it */
	size_t size = f->size - 1;
	f->head[0] = packet[0];
	f->head[1] = (unsigned char)(size >> 8);
	f->head[2] = (unsigned char)size;
	f->head_size = HEAD;
	f->data = packet + 1;
	f->size = size;
	return 0;
}

static const il_protocol records = {
    .name = "records", .find = find, .frame = frame, .overhead = HEAD};
/* [protocol] */

/* [handle] */
static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet record;
	int rc = il_client_receive(client, &record, IL_SEC(10));
	if (rc <= 0)
		return rc;
	const char *packet = record.data;
	int size = (int)record.size - 1; /* of the text */
	if (packet[0] == 'q')
		return il_client_printf(client, "a%.*s to you, too", size, packet + 1);
	return il_client_printf(client, "ewhat is %c?", packet[0]);
}
/* [handle] */

static int ask(il_client *client, const char *packet)
{
	il_packet reply;
	int rc = il_client_send(client, packet, strlen(packet));
	if (rc == 0)
		rc = il_client_receive(client, &reply, IL_SEC(10));
	if (rc > 0)
		printf("%c: %.*s\n", *(const char *)reply.data, (int)reply.size - 1,
		       (const char *)reply.data + 1);
	return rc == 0 ? -EPIPE : rc;
}

static int visit(void *server)
{
	il_client *client;
	char port[8];
	snprintf(port, sizeof(port), "%u", il_server_port(server));
	int rc = il_client_connect_tcp(&client, "127.0.0.1", port, &records, NULL);
	if (rc == 0) {
		rc = ask(client, "qhello");
		if (rc > 0)
			rc = ask(client, "x");
		il_client_destroy(client);
	}
	il_server_close(server);
	return rc < 0 ? rc : 0;
}

static int run(void *arg)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	(void)arg;
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", &records, &handler, NULL,
				    &(il_server_options){.limits = IL_LIMITS_PUBLIC});
	return rc < 0 ? rc : example_serve_beside(server, visit);
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
