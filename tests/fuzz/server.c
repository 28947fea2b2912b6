/*
 * server.c: a server in virtual time against arbitrary peers: bytes, pauses, half-closes, aborts, and time
 * that passes. Its handler and its protocol are the input's too. However it goes, the server ends well,
 * every client that was welcomed is seen off, and nothing is left.
 *
 * Input: protocol, its parameter, max_packet, flags of the handler, time-outs, then operations.
 */
#include "fuzz.h"

#include <interloop.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PEERS = 4 };
enum handler_flags {
	GOES_ON = 1,      /* after a packet that is none */
	IS_IMPATIENT = 2, /* receives with a timeout of its own */
	INTRODUCES = 4,   /* on_connection receives */
	REPEATS = 8,      /* answers a packet many times */
	HAS_HELP = 16,    /* a task beside the handler sends, too */
	LEAVES = 32,      /* closes the client after an answer */
	FAILS = 64        /* a handler's own error */
};

struct target {
	struct input in;
	unsigned flags;
	il_server *server;
	int peers[PEERS]; /* -1: none */
	long welcomed, seen_off;
};

static char path[] = "/tmp/il-fuzz-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

/* ---- a protocol that lies: its answers are the bytes it looks at ---- */

static int find_lies(const il_protocol *p, il_parse *parse)
{
	unsigned char c = parse->data[parse->scanned % parse->size];

	(void)p;
	parse->scanned++;
	parse->consumed = c & 15;
	if (c & 16)
		return -EBADMSG - (c >> 6);
	if (!(c & 32))
		return 0;
	parse->packet = (il_packet){.data = parse->data,
				    .size = parse->consumed < parse->size ? parse->consumed : 0};
	return 1;
}

/* ---- the handler ---- */

static int send_more(void *arg)
{
	il_client *client = arg;
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++)
		rc = il_client_send(client, "more", 4);
	il_client_unref(client);
	return 0;
}

static int answer(il_client *client, struct target *t, const il_packet *p)
{
	int rc = 0;

	if (t->flags & HAS_HELP) {
		rc = il_server_start_soon(t->server, NULL, send_more, il_client_ref(client));
		if (rc < 0)
			il_client_unref(client);
	}
	for (int i = 0; i < (t->flags & REPEATS ? 50 : 1) && rc >= 0; i++)
		rc = il_client_send(client, p->data, p->size);
	if (t->flags & LEAVES)
		il_client_close(client);
	return rc == -EBADMSG || rc == -EMSGSIZE ? 0 : rc; /* the protocol cannot frame it */
}

static int handle(il_client *client, void *data)
{
	struct target *t = data;
	il_packet p;
	int rc = il_client_receive(client, &p, t->flags & IS_IMPATIENT ? IL_MSEC(30) : IL_FOREVER);

	if (rc == 1) {
		const char *byte = p.data;
		CHECK(p.size == 0 || byte != NULL);
		if (t->flags & FAILS && p.size && byte[0] == 'f')
			return -ERANGE;
		return answer(client, t, &p);
	}
	if (rc == -ETIMEDOUT || (rc < 0 && t->flags & GOES_ON && !il_client_is_closing(client)))
		return rc == -ETIMEDOUT || rc == -EBADMSG || rc == -EMSGSIZE ? 0 : rc;
	return rc;
}

static int welcome(il_client *client, void *data)
{
	struct target *t = data;
	il_packet p;

	if (t->flags & INTRODUCES) {
		int rc = il_client_receive(client, &p, IL_SEC(1));
		if (rc < 0)
			return rc;
	}
	t->welcomed++;
	return 0;
}

static void see_off(il_client *client, void *data)
{
	struct target *t = data;

	CHECK(il_client_is_closing(client));
	t->seen_off++;
}

/* ---- the peers ---- */

static int *peer_of(struct target *t, unsigned op)
{
	int *peer = &t->peers[op >> 3 & (PEERS - 1)];

	if (*peer >= 0)
		return peer;
	*peer = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CHECK(*peer >= 0);
	if (connect(*peer, (struct sockaddr *)&address, sizeof address) < 0) {
		close(*peer); /* the backlog is full, or nobody listens any more */
		*peer = -1;
	}
	return peer;
}

static void leave(int *peer)
{
	if (*peer >= 0)
		close(*peer);
	*peer = -1;
}

static void say(int fd, const void *data, size_t size)
{
	(void)!send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void operate(struct target *t)
{
	char scrap[1024];
	unsigned op = take_byte(&t->in);
	int *peer = peer_of(t, op);
	const uint8_t *bytes;
	size_t count;

	switch (op & 7) {
	case 0:
	case 1:
		count = op >> 5 ? op >> 5 : take_byte(&t->in);
		bytes = take_bytes(&t->in, &count);
		say(*peer, bytes, count);
		break;
	case 2:
		memset(scrap, (int)take_byte(&t->in), sizeof scrap);
		say(*peer, scrap, sizeof scrap);
		break;
	case 3:
		shutdown(*peer, op & 32 ? SHUT_RD : SHUT_WR);
		break;
	case 4: /* with bytes unread this is a reset */
		leave(peer);
		break;
	case 5:
		while (recv(*peer, scrap, sizeof scrap, MSG_DONTWAIT) > 0)
			;
		break;
	case 6:
		CHECK(il_sleep(IL_MSEC(take_byte(&t->in))) == 0);
		break;
	default:
		for (unsigned i = 0; i <= op >> 5; i++)
			CHECK(il_sleep(0) == 0);
	}
}

/* ---- the server ---- */

static int serve(void *server)
{
	int rc = il_server_serve(server);

	CHECK(rc == 0);
	return rc;
}

static void play(struct target *t)
{
	il_future *serving;

	CHECK(il_loop_spawn(il_loop_current(), &serving, serve, t->server) == 0);
	while (!il_server_is_serving(t->server))
		CHECK(il_sleep(0) == 0);
	while (t->in.size)
		operate(t);
	CHECK(il_sleep(IL_MSEC(1)) == 0);
	if (t->flags & 128) { /* the last client leaves by itself */
		CHECK(il_server_close(t->server) == 0);
		for (int i = 0; i < PEERS; i++)
			leave(&t->peers[i]);
	} else {
		CHECK(il_server_shutdown(t->server) == 0);
	}
	CHECK(il_future_join(serving) == 0);
	CHECK(il_server_clients(t->server) == 0 && t->welcomed == t->seen_off);
	for (int i = 0; i < PEERS; i++)
		leave(&t->peers[i]);
}

static int run(void *arg)
{
	static const il_handler handler = {
	    .on_connection = welcome, .handle = handle, .on_disconnection = see_off};
	struct target *t = arg;
	unsigned kind = take_byte(&t->in) % (KINDS + 1), parameter = take_byte(&t->in);
	il_protocol p = make_protocol((enum kind)kind, parameter);
	il_server_options o = {.quiet = true, .receive_buffer = 256};
	unsigned times;

	if (kind == KINDS)
		p = (il_protocol){.name = "lies", .find = find_lies, .frame = p.frame};
	o.max_packet = take_byte(&t->in) * 8 + 64;
	t->flags = take_byte(&t->in);
	times = take_byte(&t->in);
	o.idle_timeout = IL_MSEC((times & 3) * 50);
	o.request_timeout = o.idle_timeout / 2;
	o.first_request_timeout = IL_MSEC((times >> 2 & 3) * 50);
	o.send_timeout = IL_MSEC((times >> 4 & 1) * 50);
	o.grace_period = IL_MSEC((times >> 5 & 1) * 50);
	o.max_clients = times >> 6;
	CHECK(il_unix_server_open(&t->server, address.sun_path, &p, &handler, t, &o) == 0);
	play(t);
	il_server_destroy(t->server);
	return 0;
}

static void say_nothing(int level, const char *message, void *arg)
{
	(void)level;
	(void)arg;
	CHECK(message[0]);
}

static void remove_path(void)
{
	rmdir(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static il_loop *loop; /* the same for all: making one takes longer than a run */
	struct target t = {.in = {data, size}, .peers = {-1, -1, -1, -1}};

	if (!address.sun_path[0]) {
		CHECK(mkdtemp(path) != NULL);
		atexit(remove_path);
		snprintf(address.sun_path, sizeof address.sun_path, "%s/s", path);
		il_set_log(say_nothing, NULL);
	}
	if (!loop)
		CHECK(il_loop_open(&loop, il_virtual(), NULL) == 0);
	CHECK(il_loop_run(loop, run, &t) == 0);
	return 0;
}
