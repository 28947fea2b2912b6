/*
 * chat_server.c: chat rooms, a line each way. The first line of a client is its name; then
 * `/join ROOM`, `/leave`, `/who`, `/quit`, and whatever else it writes goes to the room it is in.
 *
 *     chat_server --port 4711 &        nc 127.0.0.1 4711        (several times)
 *
 * A member is a group of two tasks: its handler reads, a writer sends what comes through the
 * member's channel. Who speaks puts the line into the channel of each member of the room and never
 * waits for one: a member that does not read finds its channel full, misses lines, and is told how
 * many. Nothing waits while a room is looked at, so it needs no lock.
 */
#include "example.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 24, TEXT_MAX = 480, BACKLOG = 64, ROOMS = 64, MEMBERS = 1000 };

#define PATIENCE  IL_SEC(2) /* for what is still to be sent to a member that leaves */
#define NAME_TIME IL_SEC(60)
#define SILENCE_TIME \
	IL_SEC(3600) /* a member may only listen for so long; an empty line is silence */

struct line {
	size_t size;
	char text[NAME_SIZE + TEXT_MAX + 8];
};

struct room {
	char name[NAME_SIZE];
	struct member *members; /* NULL: nobody is there, another may have the place */
};

struct member { /* on the stack of its handler */
	il_client *client;
	struct room *rooms, *room; /* all there are; the one it is in, or NULL */
	struct member *next;       /* in that room */
	char name[NAME_SIZE];
	il_sender *out;
	il_receiver *in;
	size_t missed;         /* lines that found the channel full */
	il_time silence;       /* when it must have said something */
	il_scope writer_scope; /* in which its writer waits */
};

/* ---- saying something, which never waits ---- */

/* [say] */
static void pass(struct member *to, const struct line *line)
{
	struct line note;
	if (to->missed > 0) {
		note.size = (size_t)sprintf(note.text, "* you missed %zu lines", to->missed);
		if (il_channel_send_nowait(to->out, &note) == 0)
			to->missed = 0;
	}
	if (il_channel_send_nowait(to->out, line) == -EAGAIN)
		to->missed++;
}
/* [say] */

/* To one member, or, with NULL, to all who are in the room. */
__attribute__((format(printf, 3, 4))) static void say(struct room *room, struct member *to,
						      const char *format, ...)
{
	struct line line;
	va_list args;
	va_start(args, format);
	int size = vsnprintf(line.text, sizeof(line.text), format, args);
	va_end(args);
	line.size = size < (int)sizeof(line.text) ? (size_t)size : sizeof(line.text) - 1;
	if (to)
		pass(to, &line);
	for (struct member *member = to ? NULL : room->members; member; member = member->next)
		pass(member, &line);
}

/* ---- rooms ---- */

static void leave(struct member *member)
{
	struct room *room = member->room;
	if (!room)
		return;
	say(room, NULL, "* %s left %s", member->name, room->name);
	struct member **link = &room->members;
	while (*link != member)
		link = &(*link)->next;
	*link = member->next;
	member->room = NULL;
}

static struct room *find_room(struct room *rooms, const char *name)
{
	struct room *empty = NULL;
	for (size_t i = 0; i < ROOMS; i++) {
		if (rooms[i].members && strcmp(rooms[i].name, name) == 0)
			return &rooms[i];
		if (!rooms[i].members)
			empty = &rooms[i];
	}
	if (empty)
		snprintf(empty->name, sizeof(empty->name), "%.*s", (int)sizeof(empty->name) - 1,
			 name);
	return empty;
}

static void join(struct member *member, const char *name)
{
	leave(member);
	struct room *room = find_room(member->rooms, name);
	struct member *namesake = room ? room->members : NULL;
	while (namesake && strcmp(namesake->name, member->name) != 0)
		namesake = namesake->next;
	if (!room || namesake) {
		say(NULL, member, room ? "* somebody there has your name" : "* no room is left");
		return;
	}
	member->room = room;
	member->next = room->members;
	room->members = member;
	say(room, NULL, "* %s joined %s", member->name, room->name);
}

static void list(struct member *member)
{
	for (struct member *m = member->room ? member->room->members : NULL; m; m = m->next)
		say(NULL, member, "* %s is here", m->name);
}

/* ---- a member's two tasks ---- */

/* [writer] */
static int write_lines(void *arg)
{
	struct member *member = arg;
	struct line line;
	/* Whatever ends the handler, what was said before still goes out: see its end. */
	int rc = il_scope_enter(&member->writer_scope, IL_FOREVER, IL_SHIELD);
	if (rc < 0)
		return rc;
	while ((rc = il_channel_receive(member->in, &line)) == 1) {
		rc = il_client_send(member->client, line.text, line.size);
		if (rc < 0)
			break; /* the client is gone, and with it the group */
	}
	return il_scope_exit(&member->writer_scope, rc);
}
/* [writer] */

/* How many bytes the character at `text` has; *shown: whether it is UTF-8 and no control
 * character. Those are ASCII's, DEL, and U+0080 to U+009F, which terminals obey like an ESC
 * and a letter. */
static size_t look_at(const unsigned char *text, size_t size, bool *shown)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	uint32_t point = length == 1 ? text[0] : text[0] & (0xffu >> (length + 1));
	*shown = false;
	if ((text[0] >= 0x80 && text[0] < 0xc0) || text[0] >= 0xf8 || length > size)
		return 1;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 1;
		point = point << 6 | (text[i] & 0x3fu);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 1;
	*shown = point >= ' ' && (point < 0x7f || point >= 0xa0);
	return length;
}

/* Copies what a terminal may have; a question mark stands for the rest. */
static void clean(char *to, const unsigned char *from, size_t size)
{
	for (size_t i = 0, length; i < size; i += length) {
		bool shown;
		length = look_at(from + i, size - i, &shown);
		if (shown)
			memcpy(to, from + i, length);
		else
			*to = '?';
		to += shown ? length : 1;
	}
	*to = '\0';
}

/* 1: a line without its end and without what a terminal would obey; 0 or negative: no more. */
static int read_line(struct member *member, char *text)
{
	il_packet packet;
	il_time left = member->silence - il_now();
	int rc = il_client_receive(member->client, &packet, left > 0 ? left : 0);
	if (rc == -ETIMEDOUT) {
		say(NULL, member, "* you have said nothing for too long");
		return 0;
	}
	if (rc == -EMSGSIZE) {
		say(NULL, member, "* that was too long");
		packet.size = 0;
		rc = 1;
	}
	if (rc <= 0)
		return rc;
	clean(text, packet.data, packet.size);
	return 1;
}

static bool is_name(const char *text)
{
	size_t size = strlen(text);
	return size > 0 && size < NAME_SIZE && !strpbrk(text, " /*<>");
}

/* Gives 0 when the member is to leave. */
static int obey(struct member *member, const char *text)
{
	if (text[0] == '\0')
		return 1;
	member->silence = il_deadline(SILENCE_TIME);
	if (strcmp(text, "/quit") == 0)
		return 0;
	if (strncmp(text, "/join ", 6) == 0 && is_name(text + 6))
		join(member, text + 6);
	else if (strcmp(text, "/leave") == 0)
		leave(member);
	else if (strcmp(text, "/who") == 0)
		list(member);
	else if (text[0] == '/')
		say(NULL, member, "* /join ROOM, /leave, /who, /quit");
	else if (!member->room)
		say(NULL, member, "* you are in no room: /join one");
	else
		say(member->room, NULL, "<%s> %s", member->name, text);
	return 1;
}

static int converse(struct member *member)
{
	char text[TEXT_MAX + 1];
	int rc;
	member->silence = il_deadline(NAME_TIME);
	say(NULL, member, "* your name?");
	while ((rc = read_line(member, text)) == 1 && !is_name(text))
		say(NULL, member, "* a word of up to %d letters, please", NAME_SIZE - 1);
	if (rc <= 0)
		return rc;
	strcpy(member->name, text);
	member->silence = il_deadline(SILENCE_TIME);
	say(NULL, member, "* welcome, %s: /join ROOM, /leave, /who, /quit", member->name);
	while ((rc = read_line(member, text)) == 1 && (rc = obey(member, text)) == 1)
		il_yield(); /* so who talks without a break gives each writer its turn */
	return rc;
}

/* [handle] */
static int handle(il_client *client, void *data)
{
	struct member member = {.client = client, .rooms = data, .writer_scope = IL_SCOPE_INIT};
	il_group group;
	int rc = il_channel_create(&member.out, &member.in, sizeof(struct line), BACKLOG);
	if (rc < 0)
		return rc;
	rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, write_lines, &member);
		if (rc == 0)
			rc = converse(&member);
		leave(&member);
		if (rc == -ECANCELED)
			say(NULL, &member, "* the server stops");
		il_sender_close(member.out); /* the writer ends when all is sent, or then: */
		il_scope_set_deadline(&member.writer_scope, il_deadline(PATIENCE));
		rc = il_group_close(&group, rc);
	}
	il_sender_destroy(member.out);
	il_receiver_destroy(member.in);
	if (rc >= 0)
		return il_client_finish(client, PATIENCE); /* so that it has the last line */
	il_client_close(client);
	return rc;
}
/* [handle] */

static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	(void)stack, (void)data;
	return il_server_start_soon(server, NULL, example_stop_on_sigterm, server);
}

struct where {
	const char *port;
	const struct il_layer *layer; /* TLS, or none: the handler does not know */
};

static int serve(void *arg)
{
	const struct where *where = arg;
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC,
	    .max_packet = TEXT_MAX,
	    .max_clients = MEMBERS,
	    .receive_buffer = 1024,
	    .first_request_timeout = NAME_TIME,
	    .idle_timeout = SILENCE_TIME,
	    .layer = where->layer,
	};
	static struct room rooms[ROOMS];
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", where->port, il_protocol_lines(),
				    &handler, rooms, &options);
	return rc < 0 ? rc : example_serve(server);
}

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--port NUMBER] [--tls CERTIFICATE KEY]");
	struct where where = {example_option(argc, argv, "--port", "0"), example_layer(argc, argv)};
	return example_main(argc, argv, serve, &where);
}
