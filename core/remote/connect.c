/*
 * connect.c: a connection to a job server: where it may be, its opening, and its beats, by which its loss is noticed. The loop's
 * thread.
 */
#include "gearman.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its last colon comes before the port. */
static const char *split(char host[256], const char *server)
{
	const char *colon = strrchr(server, ':');
	int size = (int)(colon - server), quoted = server[0] == '[' && colon[-1] == ']';

	snprintf(host, 256, "%.*s", size - 2 * quoted, server + quoted);
	return colon + 1;
}

/* A name that begins like an address may lead anywhere. */
static bool is_local(const char *server)
{
	struct in_addr a;
	char host[256];

	if (strncmp(server, "unix:", 5) == 0)
		return true;
	split(host, server);
	if (inet_pton(AF_INET, host, &a) == 1)
		return ntohl(a.s_addr) >> 24 == IN_LOOPBACKNET;
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

/* A number must be one; the name of a service is known when it is looked up. */
static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0)
		return isalpha((unsigned char)text[0]);
	return !text[digits] && digits <= 5 && atoi(text) >= 1 && atoi(text) <= 65535;
}

static bool is_server(const char *s)
{
	const char *colon = s ? strrchr(s, ':') : NULL;

	if (!colon || colon == s || strlen(s) > 255)
		return false;
	return strncmp(s, "unix:", 5) == 0 ? s[5] : is_port(colon + 1);
}

int il__remote_check_servers(const char *function, const char *const *servers, size_t count,
			     const struct il_layer *layer, bool insecure)
{
	if (!servers || count == 0 || count > 64)
		return il_fail(-EINVAL, "%s: %td servers; give 1 to 64", function,
			       (ptrdiff_t)count);
	if (layer && !layer->connect)
		return il_fail(-EINVAL, "%s: the layer has no function connect", function);
	for (size_t i = 0; i < count; i++) {
		const char *s = servers[i];
		if (!is_server(s))
			return il_fail(-EINVAL,
				       "%s: server \"%s\"; it must be HOST:PORT or unix:/PATH",
				       function, s ? s : "NULL");
		if (!layer && !insecure && !is_local(s))
			return il_fail(-EACCES,
				       "%s: %s is not on this machine, and whoever reads along "
				       "could call every function: give a layer, or set insecure",
				       function, s);
	}
	return 0;
}

int il__remote_check_heartbeat(const char *function, il_time heartbeat)
{
	if (heartbeat >= 0 && heartbeat <= IL_SEC(86400))
		return 0;
	return il_fail(-EINVAL, "%s: heartbeat is %lld ns; it must be 0 to a day", function,
		       (long long)heartbeat);
}

bool il__remote_fits_line(const char *name)
{
	return !strpbrk(name, "\t\r\n");
}

int il__remote_check_prefix(const char *function, const char *prefix)
{
	if (prefix && strlen(prefix) > IL__REMOTE_PREFIX_MAX)
		return il_fail(-EINVAL, "%s: the prefix has more than %d bytes", function,
			       IL__REMOTE_PREFIX_MAX);
	if (prefix && !il__remote_fits_line(prefix))
		return il_fail(-EINVAL, "%s: a tab or the end of a line is in the prefix",
			       function);
	return 0;
}

/* ---- its opening ---- */

/* As a stream of TCP has it put on by its options. After a failure the stream is still the caller's. */
static int put_on(il_stream **stream, const struct il_layer *layer)
{
	il_stream *made = NULL;
	int rc = layer->connect(&made, *stream, "localhost", layer->self);

	if (rc >= 0 && !made)
		rc = il_fail(-EINVAL, "a layer returned %d, but no stream", rc);
	if (rc < 0)
		return rc;
	*stream = made;
	return 0;
}

static int open_unix(il_stream **stream, const char *path, const struct il_layer *layer)
{
	int rc = il_stream_connect_unix(stream, path);

	return rc < 0 || !layer ? rc : put_on(stream, layer);
}

int il__remote_open_stream(il_stream **stream, const struct il__remote_endpoint *to)
{
	const il_connect_options options = {.timeout = to->timeout, .layer = to->layer};
	const char *port;
	char host[256];

	if (strncmp(to->server, "unix:", 5) == 0)
		return open_unix(stream, to->server + 5, to->layer);
	port = split(host, to->server);
	return il_stream_connect_tcp(stream, host, port, &options);
}

/* Whatever comes is a sign of life, for which it has as long as for any other. */
static int greet(struct il__remote_connection *c)
{
	struct il__remote_packet p;
	int rc = il__remote_send_text(c, IL__GEARMAN_ECHO_REQ, "hello");

	if (rc == 0)
		rc = il__remote_flush(c);
	if (rc == 0)
		rc = il__remote_receive(c, &p);
	if (rc < 0)
		return rc;
	il__remote_free_packet(&p);
	c->heard = il__remote_clock(c);
	return 0;
}

static int open_and_greet(struct il__remote_connection *c, const struct il__remote_endpoint *to)
{
	const il_time all = il_deadline(to->timeout);
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, all, IL_FAIL_AT_DEADLINE);

	if (rc < 0)
		return rc;
	rc = il__remote_open_stream(&c->stream, to);
	if (rc == 0) {
		const il_time silent = il_deadline(3 * c->heartbeat);
		il_scope_set_deadline(&scope, silent < all ? silent : all);
		rc = greet(c);
	}
	return il_scope_exit(&scope, rc);
}

int il__remote_connect(struct il__remote_connection *c, const struct il__remote_endpoint *to,
		       size_t max)
{
	int rc;

	memset(c, 0, sizeof *c);
	c->max = max;
	c->heartbeat = to->heartbeat;
	c->clock = c->looked = il_now();
	rc = il_semaphore_create(&c->work, 0, 1);
	if (rc == 0)
		rc = il_semaphore_create(&c->room, 0, SIZE_MAX);
	if (rc == 0)
		rc = open_and_greet(c, to);
	if (rc < 0)
		il__remote_close(c);
	return rc;
}

/* Who waits for room sees that it is closed. */
void il__remote_close(struct il__remote_connection *c)
{
	c->closed = true;
	for (int i = 0; i < c->users; i++)
		il_semaphore_release(c->room);
	while (c->users > 0)
		il_yield_shielded();
	il_stream_destroy(c->stream);
	il_semaphore_destroy(c->work);
	il_semaphore_destroy(c->room);
	free(c->out);
	memset(c, 0, sizeof *c);
}

/* ---- its beats ---- */

/* A link that is cut may hold this up, or whoever sends already. */
static int send_beat(struct il__remote_connection *c, il_time time)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(time), IL_FAIL_AT_DEADLINE);

	if (rc < 0)
		return rc;
	rc = il_scope_exit(&scope, il__remote_send_text(c, IL__GEARMAN_ECHO_REQ, "beat"));
	return rc == -ETIMEDOUT ? 0 : rc;
}

il_time il__remote_clock(struct il__remote_connection *c)
{
	il_time now = il_now(), passed = now - c->looked;

	c->looked = now;
	c->clock += passed < c->heartbeat ? passed : c->heartbeat;
	return c->clock;
}

/* Until the server is lost. */
static il_time patience(struct il__remote_connection *c)
{
	return c->heard + 3 * c->heartbeat - il__remote_clock(c);
}

int il__remote_beat(struct il__remote_connection *c)
{
	il_time left;

	while ((left = patience(c)) > 0) {
		int rc = il_sleep(left < c->heartbeat ? left : c->heartbeat);
		if (rc == 0 && (left = patience(c)) > 0)
			rc = send_beat(c, left);
		if (rc < 0)
			return rc;
	}
	return il_fail(-EOWNERDEAD, "the job server has been silent for 3 beats");
}
