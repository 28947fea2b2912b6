/*
 * redis_server.c: a key-value store that speaks Redis's protocol (RESP2): PING, GET, SET, INCR,
 * EXPIRE. Whatever else is asked is answered with -ERR.
 *
 *     redis_server --port 4711 &      redis-cli -p 4711 set greeting hello
 *
 * The protocol (resp.c) finds whole commands in the bytes received, so the handler is straight-line
 * code. All of it runs in the loop's thread: what happens between two
 * calls that may wait happens at once, and the store needs no lock.
 */
#include "example.h"
#include "resp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	CHAINS = 1 << 16,
	ARGUMENTS = 4, /* no command here has more */
	DELAY_MAX = 1000000000,
	STORE_MAX = 256 << 20, /* bytes of all keys and values, and what they take besides */
	REPLIES = 64 * 1024    /* bytes of replies that are collected before they are sent */
};

#define SILENCE_TIME IL_SEC(60) /* until a command comes; an empty line is none */
#define LINGER_TIME  IL_SEC(2)

/* ---- the store: a hash table of chains ---- */

struct entry {
	struct entry *next;
	il_time expires; /* IL_FOREVER: never */
	size_t key_size, size;
	char bytes[]; /* the key, then the value */
};

struct store {
	struct entry *chains[CHAINS];
	size_t size; /* of all entries */
};

static size_t size_with(size_t key_size, size_t size)
{
	return sizeof(struct entry) + key_size + size;
}

static bool has_expired(const struct entry *entry)
{
	return entry->expires != IL_FOREVER && entry->expires <= il_now();
}

static void drop(struct store *store, struct entry **link)
{
	struct entry *entry = *link;
	*link = entry->next;
	store->size -= size_with(entry->key_size, entry->size);
	free(entry);
}

/* Gives the link to the key's entry, or, if it has none, the end of the chain where it belongs. */
static struct entry **look_up(struct store *store, struct resp_argument key)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	for (size_t i = 0; i < key.size; i++)
		hash = (hash ^ (unsigned char)key.text[i]) * 1099511628211u;
	struct entry **link = &store->chains[(hash ^ hash >> 32) % CHAINS];
	while (*link &&
	       ((*link)->key_size != key.size || memcmp((*link)->bytes, key.text, key.size) != 0))
		link = &(*link)->next;
	if (!*link || !has_expired(*link))
		return link;
	drop(store, link);
	return look_up(store, key);
}

static struct resp_argument value_of(const struct entry *entry)
{
	return (struct resp_argument){entry->bytes + entry->key_size, entry->size};
}

static bool put(struct store *store, struct resp_argument key, struct resp_argument value,
		il_time expires)
{
	struct entry **link = look_up(store, key), *entry;
	size_t size = size_with(key.size, value.size);
	if (size > STORE_MAX - store->size)
		return false;
	entry = malloc(size);
	if (!entry)
		return false;
	memcpy(entry->bytes, key.text, key.size);
	memcpy(entry->bytes + key.size, value.text, value.size);
	entry->key_size = key.size;
	entry->size = value.size;
	entry->expires = expires;
	if (*link)
		drop(store, link);
	entry->next = *link;
	*link = entry;
	store->size += size;
	return true;
}

/* [background] */
/* Keys that nobody asks for again must go too: a background task of the server. */
static int sweep(void *arg)
{
	struct store *store = arg;
	int rc = 0;
	for (size_t i = 0; rc == 0; i++) {
		struct entry **link = &store->chains[i % CHAINS];
		while (*link) {
			if (has_expired(*link))
				drop(store, link);
			else
				link = &(*link)->next;
		}
		if (i % 512 == 0) /* a part at a time, all of it in about a second */
			rc = il_sleep(IL_MSEC(10));
	}
	return rc;
}
/* [background] */

/* ---- commands ---- */

struct request {
	struct store *store;
	FILE *replies; /* in memory: pipelined commands are answered together */
	struct resp_argument args[ARGUMENTS];
	int count;
	bool asked;  /* there was a command */
	bool broken; /* nothing can be received any more */
};

static void reply_bulk(struct request *r, struct resp_argument bytes)
{
	fprintf(r->replies, "$%zu\r\n", bytes.size);
	fwrite(bytes.text, 1, bytes.size, r->replies);
	fputs("\r\n", r->replies);
}

static bool is_word(struct resp_argument text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.text, word, text.size) == 0;
}

static bool is_number(struct resp_argument text, int64_t *number)
{
	char copy[24], *end;
	if (text.size == 0 || text.size >= sizeof(copy) || strchr(" \t+", text.text[0]))
		return false;
	memcpy(copy, text.text, text.size);
	copy[text.size] = '\0';
	errno = 0;
	*number = strtoll(copy, &end, 10);
	return errno == 0 && end == copy + text.size;
}

static void ping(struct request *r)
{
	if (r->count > 1)
		reply_bulk(r, r->args[1]);
	else
		fputs("+PONG\r\n", r->replies);
}

static void get(struct request *r)
{
	const struct entry *entry = *look_up(r->store, r->args[1]);
	if (entry)
		reply_bulk(r, value_of(entry));
	else
		fputs("$-1\r\n", r->replies);
}

static void set(struct request *r)
{
	bool done = put(r->store, r->args[1], r->args[2], IL_FOREVER);
	fputs(done ? "+OK\r\n" : "-ERR out of memory\r\n", r->replies);
}

static void incr(struct request *r)
{
	const struct entry *entry = *look_up(r->store, r->args[1]);
	int64_t number = 0;
	char text[24];
	if ((entry && !is_number(value_of(entry), &number)) || number == INT64_MAX) {
		fputs("-ERR value is not an integer or out of range\r\n", r->replies);
		return;
	}
	struct resp_argument value = {text, (size_t)sprintf(text, "%" PRId64, number + 1)};
	if (put(r->store, r->args[1], value, entry ? entry->expires : IL_FOREVER))
		fprintf(r->replies, ":%s\r\n", text);
	else
		fputs("-ERR out of memory\r\n", r->replies);
}

static void expire(struct request *r)
{
	int64_t delay;
	if (!is_number(r->args[2], &delay) || delay > DELAY_MAX) {
		fputs("-ERR value is not an integer or out of range\r\n", r->replies);
		return;
	}
	struct entry *entry = *look_up(r->store, r->args[1]);
	if (entry)
		entry->expires = il_deadline(delay < 0 ? 0 : IL_SEC(delay));
	fprintf(r->replies, ":%d\r\n", entry != NULL);
}

static void config(struct request *r) /* CONFIG GET, by redis-benchmark; nothing is configured */
{
	fputs("*2\r\n", r->replies);
	reply_bulk(r, r->args[2]);
	reply_bulk(r, (struct resp_argument){"", 0});
}

static void execute(struct request *r, const il_packet *packet)
{
	static const struct {
		const char *name;
		int least, most; /* arguments, the name among them */
		void (*run)(struct request *r);
	} commands[] = {
	    {"PING", 1, 2, ping}, {"GET", 2, 2, get},       {"SET", 3, 3, set},
	    {"INCR", 2, 2, incr}, {"EXPIRE", 3, 3, expire}, {"CONFIG", 3, 3, config},
	};
	size_t i = 0, all = sizeof(commands) / sizeof(commands[0]);
	r->count = resp_split(packet, r->args, ARGUMENTS);
	if (r->count == 0)
		return; /* an empty line */
	r->asked = true;
	while (i < all && !is_word(r->args[0], commands[i].name))
		i++;
	if (i == all)
		fputs("-ERR unknown command\r\n", r->replies);
	else if (r->count < commands[i].least || r->count > commands[i].most)
		fputs("-ERR wrong number of arguments\r\n", r->replies);
	else
		commands[i].run(r);
}

/* ---- the server ---- */

/* [handle] */
/* Executes what has come. 0: there will be more. */
static int execute_all(il_client *client, struct request *r)
{
	il_packet command;
	il_time silence = il_deadline(SILENCE_TIME);
	int rc = il_client_receive(client, &command, SILENCE_TIME);
	while (rc == 1) {
		execute(r, &command);
		if (ftell(r->replies) > REPLIES)
			return 0;
		il_time left = r->asked ? 0 : silence - il_now();
		rc = il_client_receive(client, &command, left > 0 ? left : 0);
	}
	if (rc == -ENODATA && r->asked) {
		r->broken = true; /* the end, inside a command: those before it are answered */
		return 0;
	}
	if (rc == -EBADMSG || rc == -EMSGSIZE) {
		fputs("-ERR Protocol error\r\n", r->replies);
		r->broken = true;
		return 0;
	}
	if (rc != -ETIMEDOUT)
		return rc;
	return r->asked ? 0 : il_client_close(client);
}

static int handle(il_client *client, void *data)
{
	char *replies = NULL;
	size_t size = 0;
	struct request r = {.store = data, .replies = open_memstream(&replies, &size)};
	if (!r.replies)
		return -ENOMEM;
	int rc = execute_all(client, &r);
	if (fclose(r.replies) == EOF)
		rc = -ENOMEM;
	if (rc >= 0 && size > 0)
		rc = il_client_send(client, replies, size);
	free(replies);
	if (rc >= 0 && r.broken) /* what it still sends must not cost it the reply */
		rc = il_client_finish(client, LINGER_TIME);
	return rc;
}
/* [handle] */

static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	(void)stack;
	int rc = il_server_start_soon(server, NULL, sweep, data);
	return rc < 0 ? rc : il_server_start_soon(server, NULL, example_stop_on_sigterm, server);
}

static int serve(void *arg)
{
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC,
	    .max_packet = RESP_COMMAND_MAX,
	    .grace_period = IL_SEC(1),
	};
	static struct store store;
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", arg, resp_commands(), &handler, &store,
				    &options);
	if (rc < 0)
		return rc;
	rc = example_serve(server);
	for (size_t i = 0; i < CHAINS; i++)
		while (store.chains[i])
			drop(&store, &store.chains[i]);
	return rc;
}

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--port NUMBER]");
	return example_main(argc, argv, serve, (char *)example_option(argc, argv, "--port", "0"));
}
