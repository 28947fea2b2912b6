/*
 * redis_client.c: asks a Redis server the commands that it reads, a line each, and writes the
 * replies. A last line without its end is not asked, and is a failure.
 *
 *     echo 'SET greeting hello' | redis_client --port 6379
 *     echo 'GET greeting' | redis_client --socket /run/redis/redis.sock
 *
 * Standard input is a client, too: its packets are lines. So reading and asking are the same
 * straight-line code, and no other task of the loop waits for them.
 */
#include "example.h"
#include "resp.h"

#include <unistd.h>

enum { PIPELINE = 100 }; /* commands that are sent before their replies are awaited */

struct options {
	const char *host, *port, *socket;
};

/* [connect] */
static int connect_to(il_client **redis, const struct options *o)
{
	const il_client_options options = {
	    .connect = {.timeout = IL_SEC(5)},
	    .max_packet = RESP_COMMAND_MAX,
	    .send_timeout = IL_SEC(5),
	};
	if (o->socket)
		return il_client_connect_unix(redis, o->socket, resp_replies(), &options);
	return il_client_connect_tcp(redis, o->host, o->port, resp_replies(), &options);
}
/* [connect] */

/* [ask] */
/* Commands that are there already are sent together; then their replies come, also if another line went wrong.
 * 0: there are no more. */
static int ask(il_client *redis, il_client *input)
{
	il_packet line, reply;
	int rc = il_client_receive(input, &line, IL_FOREVER), asked = 0;
	while (rc == 1) {
		bool empty = line.size == 0; /* which asks nothing */
		rc = empty ? 0 : il_client_send(redis, line.data, line.size);
		asked += rc == 0 && !empty;
		if (rc == 0)
			rc = asked < PIPELINE ? il_client_receive(input, &line, 0) : -ETIMEDOUT;
	}
	int end = rc == -ETIMEDOUT ? 1 : rc;
	for (; asked > 0; asked--) {
		rc = il_client_receive(redis, &reply, IL_SEC(10));
		if (rc == 0)
			return il_fail(-EPIPE, "the server has closed the connection");
		if (rc < 0)
			return rc;
		resp_print(&reply, stdout);
	}
	return end;
}
/* [ask] */

static int converse(void *arg)
{
	const struct options *options = arg;
	il_stream *stream;
	il_client *input, *redis;
	int rc = connect_to(&redis, options);
	if (rc < 0)
		return rc;
	rc = il_stream_open_fd(&stream, STDIN_FILENO);
	if (rc == 0) {
		rc = il_client_open(&input, stream, il_protocol_lines(), NULL);
		if (rc < 0)
			il_stream_destroy(stream);
	}
	if (rc == 0) {
		do
			rc = ask(redis, input);
		while (rc > 0);
		il_client_destroy(input);
	}
	il_client_destroy(redis);
	return rc;
}

int main(int argc, char **argv)
{
	example_options(argc, argv,
			"[--backend NAME] [--host NAME] [--port NUMBER] [--socket PATH]");
	struct options options = {.host = example_option(argc, argv, "--host", "127.0.0.1"),
				  .port = example_option(argc, argv, "--port", "6379"),
				  .socket = example_option(argc, argv, "--socket", NULL)};
	return example_main(argc, argv, converse, &options);
}
