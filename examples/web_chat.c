/*
 * web_chat.c: a chat in the browser, over WebSockets. The server gives out its page, too.
 *
 *     web_chat --port 4711 &        then open http://127.0.0.1:4711/ in two windows
 *
 * Messages are texts: the first one of a member is its name, then whatever it writes goes to all. A member has two
 * tasks: one receives, one sends what comes through the member's channel. A member that does not read loses messages and is
 * told how many; pings find out whether it is still there.
 */
#include "example.h"
#include "websocket.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PING_TIME   IL_SEC(30)
#define SILENT_TIME IL_SEC(90)

enum { NAME_SIZE = 24, TEXT_MAX = 2000, BACKLOG = 32, MEMBERS = 1000, HEAD_MAX = 8192 };

struct text {
	size_t size;
	char data[NAME_SIZE + TEXT_MAX + 8];
};

struct member { /* on the stack of its handler */
	struct websocket ws;
	struct chat *chat;
	struct member *next;
	char name[NAME_SIZE];
	il_sender *out;
	il_receiver *in;
	size_t missed;
};

struct chat {
	struct member *members;
	const char *page;
};

/* ---- saying something, which never waits ---- */

static void pass(struct member *to, const struct text *text)
{
	struct text note;
	if (to->missed > 0) {
		note.size = (size_t)snprintf(note.data, sizeof(note.data),
					     "* you missed %zu messages", to->missed);
		if (il_channel_send_nowait(to->out, &note) == 0)
			to->missed = 0;
	}
	if (il_channel_send_nowait(to->out, text) == -EAGAIN)
		to->missed++;
}

IL_PRINTF(2, 3) static void say(struct chat *chat, const char *format, ...)
{
	struct text text;
	va_list args;
	va_start(args, format);
	int size = vsnprintf(text.data, sizeof(text.data), format, args);
	va_end(args);
	text.size = size < (int)sizeof(text.data) ? (size_t)size : sizeof(text.data) - 1;
	for (struct member *m = chat->members; m; m = m->next)
		pass(m, &text);
}

static void join(struct member *member)
{
	member->next = member->chat->members;
	member->chat->members = member;
	say(member->chat, "* %s is here", member->name);
}

static void leave(struct member *member)
{
	struct member **link = &member->chat->members;
	while (*link && *link != member)
		link = &(*link)->next;
	if (!*link)
		return; /* it never came in */
	*link = member->next;
	say(member->chat, "* %s is gone", member->name);
}

/* ---- the two tasks of a member ---- */

/* [writer] */
static int write_texts(void *arg)
{
	struct member *member = arg;
	struct text text;
	il_time ping = il_deadline(PING_TIME); /* however much is said: a reader says only pong */
	int rc;
	do {
		il_case cases[] = {il_case_receive(member->in, &text)};
		il_time left = ping - il_now();
		rc = left > 0 ? il_select(cases, 1, left) : -ETIMEDOUT;
		if (rc == -ETIMEDOUT) { /* is it there? */
			ping = il_deadline(PING_TIME);
			rc = websocket_send(&member->ws, WEBSOCKET_PING, "", 0);
		} else if (rc == 0 && cases[0].rc == 1)
			rc = websocket_send(&member->ws, WEBSOCKET_TEXT, text.data, text.size);
		else
			break; /* the member leaves */
	} while (rc == 0);
	return rc;
}
/* [writer] */

static bool is_name(const char *name, size_t size)
{
	return size > 0 && size < NAME_SIZE && strlen(name) == size && !strpbrk(name, " *<>\n");
}

static int converse(struct member *member)
{
	struct websocket *ws = &member->ws;
	int rc = websocket_receive(ws, SILENT_TIME);
	if (rc <= 0)
		return rc;
	if (ws->opcode != WEBSOCKET_TEXT || !is_name(ws->message, ws->size))
		return websocket_close(ws, WEBSOCKET_PROTOCOL_ERROR,
				       "a name is one word of up to 23 bytes");
	memcpy(member->name, ws->message, ws->size + 1);
	join(member);
	while ((rc = websocket_receive(ws, SILENT_TIME)) == 1) {
		if (ws->opcode == WEBSOCKET_TEXT && strlen(ws->message) == ws->size)
			say(member->chat, "<%s> %s", member->name, ws->message);
		il_yield(); /* so who talks without a break gives each writer its turn */
	}
	return rc;
}

/* The server stops, or the member is silent: it is told so, if that takes no time. */
static void say_goodbye(struct websocket *ws)
{
	il_scope shield = IL_SCOPE_INIT;
	int rc = il_scope_enter(&shield, il_deadline(IL_SEC(1)), IL_SHIELD);
	if (rc == 0)
		rc = il_scope_exit(&shield, websocket_close(ws, WEBSOCKET_GOING_AWAY, ""));
	(void)rc; /* it is gone then */
}

static int be_member(struct member *member)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, write_texts, member);
	if (rc == 0)
		rc = converse(member);
	leave(member);
	if (rc == -ECANCELED || rc == -ETIMEDOUT)
		say_goodbye(&member->ws);
	il_scope_cancel(il_group_scope(&group));
	return il_group_close(&group, rc == -ETIMEDOUT ? 0 : rc);
}

/* ---- the server ---- */

static int handle(il_client *client, void *data)
{
	struct chat *chat = data;
	il_packet head;
	int rc = il_client_receive(client, &head, IL_FOREVER);
	if (rc == -EMSGSIZE)
		return websocket_respond(client, "431 Request Header Fields Too Large", "", "");
	if (rc <= 0)
		return rc;
	const char *text = head.data;
	if (strncmp(text, "GET / ", 6) == 0)
		return websocket_respond(client, "200 OK",
					 "Content-Type: text/html; charset=utf-8\r\n", chat->page);
	if (strncmp(text, "GET /chat ", 10) != 0)
		return websocket_respond(client, "404 Not Found", "", "There is / and /chat.\n");
	rc = websocket_accept(client, text, head.size);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	struct member member = {.ws = {.client = client, .message_max = TEXT_MAX}, .chat = chat};
	rc = il_channel_create(&member.out, &member.in, sizeof(struct text), BACKLOG);
	if (rc == 0)
		rc = be_member(&member);
	il_sender_destroy(member.out);
	il_receiver_destroy(member.in);
	websocket_end(&member.ws);
	il_client_close(client);
	return rc;
}

static const char page[] =
    "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Chat</title><style>body{font:16px sans-serif;max-width:40em;margin:1em auto;padding:0 "
    "1em}"
    "#said{height:60vh;overflow-y:auto;border:1px solid #ccc;padding:.5em;white-space:pre-wrap}"
    "form{display:flex;gap:.5em;margin-top:.5em}input{flex:1;font:inherit;padding:.3em}"
    "@media(prefers-color-scheme:dark){body{background:#222;color:#eee}}</style>"
    "<h1>Chat</h1><div id=said role=log></div>"
    "<form id=form><input id=text autofocus placeholder='your "
    "name'><button>Send</button></form><script>"
    "const said=document.getElementById('said'),text=document.getElementById('text');"
    "const show=line=>{said.append(line+'\\n');said.scrollTop=said.scrollHeight};"
    "const ws=new WebSocket((location.protocol=='https:'?'wss://':'ws://')+location.host+'/chat');"
    "ws.onmessage=m=>show(m.data);"
    "ws.onclose=c=>{show('* closed '+c.code+' '+c.reason);text.disabled=true};"
    "document.getElementById('form').onsubmit=e=>{e.preventDefault();if(text.value)ws.send(text."
    "value);"
    "text.value='';text.placeholder='say something'}</script>\n";

struct where {
	const char *port;
	const struct il_layer *layer;
};

static int serve(void *arg)
{
	const struct where *where = arg;
	const struct il_handler handler = {.handle = handle};
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC,
	    .max_packet = HEAD_MAX,
	    .max_clients = MEMBERS,
	    .idle_timeout = IL_FOREVER, /* pings find out */
	    .request_timeout = SILENT_TIME,
	    .grace_period = 0,
	    .stop_at_signals = true,
	    .layer = where->layer,
	};
	struct chat chat = {.page = page};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", where->port, websocket_protocol(),
				    &handler, &chat, &options);
	return rc < 0 ? rc : example_serve(server);
}

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--port NUMBER] [--tls CERTIFICATE KEY]");
	struct where where = {example_option(argc, argv, "--port", "0"), example_layer(argc, argv)};
	return example_main(argc, argv, serve, &where);
}
