/*
 * r_datagrams_unix.c: Unix datagram sockets: their files, their names, and peers that do not read.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "r_net.h"
#include "v_dump.h"

#include <sys/stat.h>
#include <sys/un.h>

static il_datagram *at_path(const char *path)
{
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_open_unix(&d, path, NULL), 0);
	return d;
}

static il_datagram *linked_to(const char *path, const char *local)
{
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_connect_unix(&d, path, local, NULL), 0);
	return d;
}

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	close(fd);
}

/* A socket that nobody has any more. */
static void make_stale(const char *path, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	strcpy(a.sun_path, path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	close(fd);
}

/* ---- 344: paths and names ---- */

IL_TEST_REAL(R, n344_the_file_is_made_and_removed_at_the_close)
{
	struct folder f = folder_enter();
	il_datagram *d = at_path("a");
	char text[IL_ADDRESS_TEXT_MAX];
	il_address at = address_of(d);

	CHECK(exists("a"));
	CHECK(!exists("a.lock"));
	il_address_text(&at, text, sizeof text);
	CHECK_STR(text, "a");
	CHECK_EQ(il_datagram_port(d), 0);
	CHECK_RC(il_datagram_close(d), 0);
	CHECK(!exists("a"));
	il_datagram_destroy(d);
	folder_leave(&f);
}

IL_TEST_REAL(R, n344_a_file_that_is_not_this_socket_any_more_is_kept)
{
	struct folder f = folder_enter();
	il_datagram *d = at_path("a");

	CHECK_EQ(unlink("a"), 0);
	make_file("a");
	il_datagram_destroy(d);
	CHECK_EQ(unlink("a"), 0);
	folder_leave(&f);
}

IL_TEST_REAL(R, n344_a_stale_socket_is_replaced_and_anything_else_kept)
{
	struct folder f = folder_enter();
	il_datagram *d = NULL, *second = NULL;

	make_stale("a", SOCK_DGRAM);
	d = at_path("a");
	CHECK_RC(il_datagram_open_unix(&second, "a", NULL), -EADDRINUSE);
	il_datagram_destroy(d);
	make_stale("a", SOCK_STREAM);
	d = at_path("a");
	il_datagram_destroy(d);
	make_file("a");
	CHECK_RC(il_datagram_open_unix(&second, "a", NULL), -EEXIST);
	CHECK(second == NULL);
	CHECK_EQ(unlink("a"), 0);
	CHECK_RC(il_datagram_open_unix(&second, "none/a", NULL), -ENOENT);
	CHECK_RC(il_datagram_open_unix(&second, "", NULL), -EINVAL);
	folder_leave(&f);
}

IL_TEST_REAL(R, n344_a_socket_that_is_connected_keeps_its_path)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("server"), *c = linked_to("server", "client"), *d = NULL;
	const il_address at = address_of(c);

	CHECK_RC(il_datagram_open_unix(&d, "client", NULL), -EADDRINUSE);
	send_text(c, "hello", NULL);
	check_text(server, "hello", &at);
	send_text(server, "back", &at);
	check_text(c, "back", NULL);
	il_datagram_destroy(c);
	CHECK(!exists("client"));
	il_datagram_destroy(server);
	folder_leave(&f);
}

IL_TEST_REAL(R, n344_an_abstract_name_has_no_file)
{
#ifdef __linux__
	char name[64], text[IL_ADDRESS_TEXT_MAX];
	il_datagram *server = NULL, *second = NULL, *c = NULL;
	il_address at;

	snprintf(name, sizeof name, "@interloop-%ld", (long)getpid());
	if (il_datagram_open_unix(&server, name, NULL) == -ENOTSUP)
		return; /* built without what only Linux has */
	CHECK(server != NULL);
	CHECK(!exists(name));
	at = address_of(server);
	il_address_text(&at, text, sizeof text);
	CHECK_STR(text, name);
	CHECK_RC(il_datagram_open_unix(&second, name, NULL), -EADDRINUSE);
	c = linked_to(name, NULL);
	send_text(c, "hello", NULL);
	check_text(server, "hello", NULL);
	il_datagram_destroy(server);
	server = at_path(name);
	il_datagram_destroy(server);
	il_datagram_destroy(c);
#endif
}

IL_TEST_REAL(R, n344_a_nameless_sender_has_an_empty_address)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("a"), *c = linked_to("a", NULL), *d = NULL;
	const il_address at = address_of(server);
	il_address from = {.length = 9}, here = address_of(c);
	char data[8];

	CHECK_EQ(here.length, 0);
	send_text(c, "who?", NULL);
	CHECK_RC(il_datagram_receive(server, data, sizeof data, &from), 4);
	CHECK_EQ(from.length, 0);
	CHECK_RC(il_datagram_send(server, "you", 3, &from), -EINVAL);
	CHECK_RC(il_datagram_open_unix(&d, NULL, NULL), 0);
	send_text(d, "me, too", &at);
	check_text(server, "me, too", NULL);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), -EDESTADDRREQ);
	il_datagram_destroy(d);
	il_datagram_destroy(c);
	il_datagram_destroy(server);
	folder_leave(&f);
}

IL_TEST_REAL(R, n344_of_the_options_a_unix_socket_has_the_buffers)
{
	const il_datagram_options good = {.send_buffer = 8192, .receive_buffer = 8192},
				  bad = {.broadcast = true};
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_open_unix(&d, NULL, &bad), -ENOTSUP);
	CHECK_RC(il_datagram_open_unix(&d, NULL, &good), 0);
	il_datagram_destroy(d);
}

/* ---- 343: sizes, as over UDP ---- */

IL_TEST_REAL(R, n343_sizes_are_those_of_other_datagrams)
{
	const il_datagram_options small = {.send_buffer = 8192};
	struct folder f = folder_enter();
	il_datagram *server = at_path("a"), *c = NULL;
	const il_address at = address_of(server);
	char *large = calloc(1, 1 << 20), data[4];

	CHECK_RC(il_datagram_connect_unix(&c, "a", "b", &small), 0);
	CHECK_RC(il_datagram_send(c, large, 1 << 20, NULL), -EMSGSIZE);
	CHECK_RC(il_datagram_send(c, NULL, 0, NULL), 0);
	send_text(c, "12345", NULL);
	send_text(c, "last", NULL);
	CHECK_RC(il_datagram_receive(server, data, sizeof data, NULL), 0);
	CHECK_RC(il_datagram_receive(server, data, sizeof data, NULL), -EMSGSIZE);
	check_text(server, "last", NULL);
	CHECK_RC(il_datagram_send(c, "x", 1, &at), -EISCONN);
	free(large);
	il_datagram_destroy(c);
	il_datagram_destroy(server);
	folder_leave(&f);
}

/* ---- 345: connecting ---- */

IL_TEST_REAL(R, n345_connecting_says_what_is_at_the_path)
{
	struct folder f = folder_enter();
	il_listener *listener = NULL;
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_connect_unix(&d, "none", NULL, NULL), -ENOENT);
	CHECK_RC(il_datagram_connect_unix(&d, NULL, NULL, NULL), -EINVAL);
	make_stale("stale", SOCK_DGRAM);
	CHECK_RC(il_datagram_connect_unix(&d, "stale", "mine", NULL), -ECONNREFUSED);
	CHECK(!exists("mine"));
	CHECK_EQ(unlink("stale"), 0);
	CHECK_RC(il_listener_open_unix(&listener, "stream", NULL), 0);
	CHECK_RC(il_datagram_connect_unix(&d, "stream", NULL, NULL), -EPROTOTYPE);
	CHECK(d == NULL);
	il_listener_destroy(listener);
	folder_leave(&f);
}

IL_TEST_REAL(R, n345_after_the_peer_has_closed_every_send_fails)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("a"), *c = linked_to("a", NULL);

	il_datagram_destroy(server);
	CHECK_RC(il_datagram_send(c, "x", 1, NULL), -ECONNREFUSED);
	for (int i = 0; i < 3; i++)
		CHECK(il_datagram_send(c, "x", 1, NULL) < 0);
	il_datagram_destroy(c);
	folder_leave(&f);
}

/* ---- 342: a peer that does not read ---- */

struct sending {
	il_datagram *d;
	const il_address *to;
	char letter;
	int sent, most, rc;
	bool ended;
};

static int send_letters(void *arg)
{
	struct sending *s = arg;
	char data[1000];

	memset(data, s->letter, sizeof data);
	while (s->sent < s->most && (s->rc = il_datagram_send(s->d, data, sizeof data, s->to)) == 0)
		s->sent++;
	s->ended = true;
	return 0;
}

/* Until nothing more is sent. */
static void until_full(const struct sending *s)
{
	for (int before = -1, same = 0; same < 50; before = s->sent) {
		CHECK_RC(il_yield(), 0);
		same = s->sent == before ? same + 1 : 0;
	}
}

static void receive_letters(il_datagram *d, int *a, int *b, int most)
{
	char data[1001];

	while (*a + *b < most) {
		CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), 1000);
		for (int i = 1; i < 1000; i++)
			CHECK(data[i] == data[0]);
		*(data[0] == 'a' ? a : b) += 1;
	}
}

static void check_full(const il_address *to, il_datagram *server, il_datagram *c)
{
	struct sending a = {c, to, 'a', .most = 2000}, b = {c, to, 'b', .most = 2000};
	il_future *fa, *fb;
	il_time cpu;
	int as = 0, bs = 0;

	CHECK_RC(il_loop_spawn(il_loop_current(), &fa, send_letters, &a), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &fb, send_letters, &b), 0);
	until_full(&a);
	CHECK(!a.ended && !b.ended);
	cpu = il_test_cpu();
	CHECK_RC(il_sleep(IL_MSEC(200)), 0);
	CHECK(il_test_cpu() - cpu < IL_MSEC(100) || IL_TEST_TSAN || il_test_valgrind());
	CHECK(!a.ended && !b.ended);
	receive_letters(server, &as, &bs, 4000);
	CHECK_EQ(as, 2000);
	CHECK_EQ(bs, 2000);
	CHECK_RC(il_future_join(fa), 0);
	CHECK_RC(il_future_join(fb), 0);
	CHECK_RC(a.rc, 0);
	CHECK_RC(b.rc, 0);
}

IL_TEST_REAL(R, n342_sending_to_a_full_peer_waits_without_processor_time)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("a"), *c = linked_to("a", NULL);

	check_full(NULL, server, c);
	il_datagram_destroy(c);
	il_datagram_destroy(server);
	folder_leave(&f);
}

IL_TEST_REAL(R, n342_so_does_an_unconnected_socket)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("a"), *c = at_path(NULL);
	const il_address at = address_of(server);

	check_full(&at, server, c);
	il_datagram_destroy(c);
	il_datagram_destroy(server);
	folder_leave(&f);
}

/* A socket past the library, and a task that takes with it what room there is, once it is told to. */
struct crowd {
	int fd, pipe[2];
	struct side side;
};

static void fill(int fd)
{
	while (send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		;
	CHECK_EQ(errno, EAGAIN);
}

static int side_fill(void *arg)
{
	struct side *s = arg;
	const struct crowd *c = s->object;
	int rc = il_wait_readable(c->pipe[0]);

	fill(c->fd);
	return rc;
}

static void crowd_begin(struct crowd *c, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	c->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(a.sun_path, path);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int));
	CHECK_EQ(connect(c->fd, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_EQ(pipe(c->pipe), 0);
	side_start(&c->side, side_fill, c);
}

static void crowd_end(struct crowd *c)
{
	CHECK_RC(side_join(&c->side), 0);
	close(c->fd);
	close(c->pipe[0]);
	close(c->pipe[1]);
}

/* The system could not tell a socket that is not connected; this one need not ask now and then. Whichever way round the
 * loop tells what is ready, one of two runs before the sender. */
IL_TEST_REAL(R, a_connected_sender_whose_room_another_took_waits_for_room_again)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("a"), *c = linked_to("a", NULL);
	struct sending s = {c, NULL, 'a', .most = 1};
	struct crowd crowds[2];
	il_future *sender;
	char data[1000], *text;

	for (int i = 0; i < 2; i++)
		crowd_begin(&crowds[i], "a");
	fill(crowds[0].fd);
	CHECK_RC(il_loop_spawn(il_loop_current(), &sender, send_letters, &s), 0);
	il_test_pause();
	CHECK(!s.ended);
	CHECK_EQ(write(crowds[0].pipe[1], "x", 1), 1);
	CHECK_EQ(recv(il_datagram_fd(server), data, sizeof data, 0), 1);
	CHECK_EQ(write(crowds[1].pipe[1], "x", 1), 1);
	for (int i = 0; i < 2; i++)
		crowd_end(&crowds[i]);
	CHECK_RC(il_yield(), 0);
	CHECK(!s.ended);
	text = dump_loop();
	CHECK_DUMPED(text, "il_datagram_send", "writable");
	free(text);
	while (recv(il_datagram_fd(server), data, sizeof data, MSG_DONTWAIT) == 1)
		;
	CHECK_RC(il_future_join(sender), 0);
	CHECK_RC(s.rc, 0);
	il_datagram_destroy(c);
	il_datagram_destroy(server);
	folder_leave(&f);
}

/* Two wait, the first for room and the second for the first. */
struct pair {
	struct sending first, second;
	il_scope scope;
};

static int send_in_scope(void *arg)
{
	struct pair *p = arg;

	CHECK_RC(il_scope_enter(&p->scope, IL_FOREVER, 0), 0);
	send_letters(&p->first);
	CHECK_RC(il_scope_exit(&p->scope, 0), 0);
	return 0;
}

static void check_leaving(const il_address *to, il_datagram *c, bool close)
{
	struct pair p = {.first = {c, to, 'a', .most = 5000},
			 .second = {c, to, 'b', .most = 5000},
			 .scope = IL_SCOPE_INIT};
	il_future *f, *g;

	CHECK_RC(il_loop_spawn(il_loop_current(), &f, send_in_scope, &p), 0);
	until_full(&p.first);
	CHECK_RC(il_loop_spawn(il_loop_current(), &g, send_letters, &p.second), 0);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK(!p.second.ended);
	if (!close) {
		il_scope_cancel(&p.scope);
		CHECK_RC(il_future_join(f), 0);
		CHECK_RC(p.first.rc, -ECANCELED);
		CHECK(!p.second.ended);
		f = NULL;
	}
	il_datagram_destroy(c);
	if (f)
		CHECK_RC(il_future_join(f), 0);
	CHECK_RC(p.first.rc, close ? -EBADF : -ECANCELED);
	CHECK_RC(il_future_join(g), 0);
	CHECK_RC(p.second.rc, -EBADF);
}

IL_TEST_REAL(R, n342_whoever_waits_to_send_is_woken_by_a_close)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("a");
	const il_address at = address_of(server);

	check_leaving(NULL, linked_to("a", NULL), true);
	check_leaving(&at, at_path(NULL), true);
	il_datagram_destroy(server);
	folder_leave(&f);
}

IL_TEST_REAL(R, n342_a_cancelled_sender_leaves_its_place_to_the_next)
{
	struct folder f = folder_enter();
	il_datagram *server = at_path("a");
	const il_address at = address_of(server);

	check_leaving(NULL, linked_to("a", NULL), false);
	check_leaving(&at, at_path(NULL), false);
	il_datagram_destroy(server);
	folder_leave(&f);
}
