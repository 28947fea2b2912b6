/*
 * upload.c: a server that writes what a client sends into a file, piece by piece: memory stays at one piece, and a slow
 * disk slows the client down. With a client beside it.
 */
#include "../usage.h"

#include <interloop.h>

#include <fcntl.h>
#include <unistd.h>

enum { UPLOAD = 1 << 20 };

/* [upload] */
static const int64_t most = (int64_t)4 << 30; /* bytes of one upload */

static int save(il_client *client, il_file *file, int64_t *size)
{
	il_packet piece;
	int rc;
	while ((rc = il_client_receive(client, &piece, IL_SEC(30))) > 0) {
		if (*size + (int64_t)piece.size > most)
			return -EFBIG; /* this client is closed; the file has what came before */
		rc = il_file_write(file, piece.data, piece.size,
				   *size); /* nothing is read meanwhile */
		if (rc < 0)
			return rc;
		*size += (int64_t)piece.size;
	}
	return rc < 0 ? rc : il_file_sync(file);
}

static int handle(il_client *client, void *path)
{
	il_file *file;
	int64_t size = 0;
	int rc = il_file_open(&file, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (rc < 0)
		return rc;
	rc = save(client, file, &size);
	il_file_destroy(file);
	return rc < 0 ? rc : il_client_printf(client, "%lld bytes saved\n", (long long)size);
}
/* [upload] */

static int send_all(uint16_t port)
{
	static char data[UPLOAD];
	char service[8], reply[64];
	il_stream *stream;
	snprintf(service, sizeof(service), "%u", port);
	int rc = il_stream_connect_tcp(&stream, "127.0.0.1", service, NULL);
	if (rc < 0)
		return rc;
	rc = il_stream_write_all(stream, data, sizeof(data));
	if (rc >= 0)
		rc = il_stream_shutdown_write(stream);
	if (rc >= 0)
		rc = il_stream_receive_until(stream, reply, sizeof(reply), "\n", 1);
	if (rc >= 0)
		printf("%.*s\n", rc, reply);
	il_stream_destroy(stream);
	return rc;
}

static int client(void *arg)
{
	int rc = send_all(il_server_port(arg));
	il_server_shutdown(arg);
	return rc;
}

static int serve(void *path)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	il_group group;
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_bytes(), &handler, path,
				    &(il_server_options){.limits = IL_LIMITS_PUBLIC,
							 .request_timeout = IL_FOREVER,
							 .grace_period = IL_SEC(5),
							 .quiet = true});
	if (rc < 0)
		return rc;
	rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, client, server);
		if (rc == 0)
			rc = il_server_serve(server);
		rc = il_group_close(&group, rc);
	}
	il_server_destroy(server);
	return rc;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	char path[] = "/tmp/upload.XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	int rc = il_run(il_backend_find(NULL), serve, path);
	unlink(path);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
