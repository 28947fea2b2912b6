/*
 * r_datagrams_rules.c: who may use a datagram socket, and where; what every waiting call of it has in common; options that
 * show only in what is sent.
 */
#include "aside.h"
#include "in_child.h"
#include "r_net.h"

#include <arpa/inet.h>

static il_datagram_message message_of(char *byte, const il_address *to)
{
	il_datagram_message m = {.data = byte, .size = 1, .max = 1};

	if (to)
		m.address = *to;
	return m;
}

/* ---- who may call ---- */

struct theirs {
	il_datagram *d;
	il_address at;
};

/* Whatever waits, and what makes a socket, returns this. */
static int check_waiting(const struct theirs *t, int code)
{
	char byte = 'x';
	il_datagram_message m = message_of(&byte, &t->at);

	CHECK_RC(il_datagram_receive(t->d, &byte, 1, NULL), code);
	CHECK_RC(il_datagram_send(t->d, &byte, 1, &t->at), code);
	CHECK_RC(il_datagram_receive_many(t->d, &m, 1), code);
	CHECK_RC(il_datagram_send_many(t->d, &m, 1), code);
	return 0;
}

static int call_from_elsewhere(void *arg)
{
	const struct theirs *t = arg;
	il_datagram *d = NULL;
	il_address a;

	check_waiting(t, -EPERM);
	CHECK_RC(il_datagram_local_address(t->d, &a), -EPERM);
	CHECK_RC(il_datagram_peer_address(t->d, &a), -EPERM);
	CHECK_RC(il_datagram_close(t->d), -EPERM);
	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", NULL), -EPERM);
	CHECK_RC(il_datagram_connect_udp(&d, "127.0.0.1", "9", NULL), -EPERM);
	CHECK_RC(il_datagram_open_unix(&d, NULL, NULL), -EPERM);
	CHECK_RC(il_datagram_connect_unix(&d, "nowhere", NULL, NULL), -EPERM);
	CHECK_RC(il_datagram_open_fd(&d, 0), -EPERM);
	CHECK(d == NULL);
	return 0;
}

IL_TEST_REAL(R, n338_another_thread_is_refused_and_has_changed_nothing)
{
	struct theirs t = {.d = bound("127.0.0.1")};

	t.at = address_of(t.d);
	CHECK_RC(il_test_aside(call_from_elsewhere, &t), 0);
	send_text(t.d, "works", &t.at);
	check_text(t.d, "works", &t.at);
	il_datagram_destroy(t.d);
}

/* A plain call in the loop's thread. */
static int call_outside_a_task(void *arg)
{
	struct theirs *t = arg;
	il_datagram *d = NULL;
	il_address a;
	int fds[2];

	check_waiting(t, -EPERM);
	CHECK_RC(il_datagram_local_address(t->d, &a), 0);
	CHECK(il_datagram_fd(t->d) >= 0);
	CHECK_RC(il_datagram_close(t->d), 0);
	CHECK_RC(il_datagram_open_unix(&d, NULL, NULL), 0);
	il_datagram_destroy(d);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	CHECK_RC(il_datagram_open_fd(&d, fds[0]), 0);
	il_datagram_destroy(d);
	close(fds[1]);
	return 0;
}

IL_TEST_REAL(R, n338_outside_a_task_only_what_does_not_wait_works)
{
	struct theirs t = {.d = bound("127.0.0.1")};
	il_portal *p = il_test_portal();
	il_future *f = NULL;

	t.at = address_of(t.d);
	CHECK_RC(il_portal_run_sync_soon(p, &f, call_outside_a_task, &t), 0);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(il_portal_close(p), 0);
	il_datagram_destroy(t.d);
}

static int call_inherited(void *arg)
{
	const struct theirs *t = arg;
	char byte = 'x';
	il_datagram_message m = message_of(&byte, &t->at);
	il_address a;

	CHILD_CHECK(il_datagram_receive(t->d, &byte, 1, NULL) == -ESHUTDOWN);
	CHILD_CHECK(il_datagram_send(t->d, &byte, 1, &t->at) == -ESHUTDOWN);
	CHILD_CHECK(il_datagram_receive_many(t->d, &m, 1) == -ESHUTDOWN);
	CHILD_CHECK(il_datagram_send_many(t->d, &m, 1) == -ESHUTDOWN);
	CHILD_CHECK(il_datagram_peer_address(t->d, &a) == -ESHUTDOWN);
	return 0;
}

IL_TEST_REAL(R, n338_a_forked_child_cannot_use_it)
{
	struct theirs t = {.d = bound("127.0.0.1")};

	t.at = address_of(t.d);
	CHECK_IN_CHILD(call_inherited, &t);
	send_text(t.d, "works", &t.at);
	check_text(t.d, "works", &t.at);
	il_datagram_destroy(t.d);
}

/* ---- several at a time: refused, closed, cancelled as one ---- */

static int side_receive_many(void *arg)
{
	struct side *s = arg;
	il_datagram_message m = {.data = s->text, .max = sizeof s->text - 1};
	int n = il_datagram_receive_many(s->object, &m, 1);

	s->text[n == 1 ? m.size : 0] = '\0';
	return n;
}

IL_TEST_REAL(R, n338_a_receive_of_several_is_the_receiver_and_closing_wakes_it)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	struct side s = {.rc = 0};
	char byte = 'x';
	il_datagram_message m = message_of(&byte, &at);

	side_start(&s, side_receive_many, d);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), -EBUSY);
	CHECK_RC(il_datagram_receive_many(d, &m, 1), -EBUSY);
	il_scope_cancel(&s.scope);
	slip_text(d, "kept", &at);
	CHECK_RC(side_join(&s), -ECANCELED);
	side_start(&s, side_receive_many, d);
	CHECK_RC(side_join(&s), 1);
	CHECK_STR(s.text, "kept");
	side_start(&s, side_receive_many, d);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_datagram_close(d), 0);
	CHECK_RC(side_join(&s), -EBADF);
	CHECK_RC(il_datagram_receive_many(d, &m, 1), -EBADF);
	CHECK_RC(il_datagram_send_many(d, &m, 1), -EBADF);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n338_in_a_cancelled_scope_several_are_neither_sent_nor_received)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	il_scope scope = IL_SCOPE_INIT;
	char byte = 'x';
	il_datagram_message m = message_of(&byte, &at);

	slip_text(d, "first", &at);
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	il_scope_cancel(&scope);
	CHECK_RC(il_datagram_send_many(d, &m, 1), -ECANCELED);
	CHECK_RC(il_datagram_receive_many(d, &m, 1), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, 0), 0);
	check_text(d, "first", &at);
	slip_text(d, "second", &at);
	check_text(d, "second", &at);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n341_no_call_takes_more_than_64)
{
	enum { TAKEN = 64, GIVEN = 100 };
	const il_datagram_options o = {.receive_buffer = 1 << 20};
	il_datagram_message *m = calloc(GIVEN, sizeof *m);
	il_datagram *d = NULL;
	il_address at;
	char bytes[GIVEN] = {0};
	int sent, got;

	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", &o), 0);
	at = address_of(d);
	for (int i = 0; i < GIVEN; i++)
		m[i] = message_of(&bytes[i], &at);
	sent = il_datagram_send_many(d, m, GIVEN);
	CHECK(sent >= 1 && sent <= TAKEN);
	while (sent < GIVEN)
		sent += il_datagram_send_many(d, m + sent, (size_t)(GIVEN - sent));
	got = il_datagram_receive_many(d, m, GIVEN);
	CHECK(got >= 1 && got <= TAKEN);
	while (got < GIVEN)
		got += il_datagram_receive_many(d, m, GIVEN);
	CHECK_EQ(got, GIVEN);
	il_datagram_destroy(d);
	free(m);
}

/* ---- every call that may wait yields ---- */

static int note_turn(void *arg)
{
	*(bool *)arg = true;
	return 0;
}

/* Another task, ready by now, runs within the next call. */
static il_future *beside(bool *ran)
{
	il_future *f = NULL;

	*ran = false;
	CHECK_RC(il_loop_spawn(il_loop_current(), &f, note_turn, ran), 0);
	return f;
}

IL_TEST_REAL(R, n341_what_is_done_at_once_lets_others_run_too)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	char byte = 'x';
	il_datagram_message m = message_of(&byte, &at);
	il_future *f;
	bool ran;

	f = beside(&ran);
	CHECK_RC(il_datagram_send(d, "x", 1, &at), 0);
	CHECK(ran);
	CHECK_RC(il_future_join(f), 0);
	f = beside(&ran);
	CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), 1);
	CHECK(ran);
	CHECK_RC(il_future_join(f), 0);
	f = beside(&ran);
	CHECK_RC(il_datagram_send_many(d, &m, 1), 1);
	CHECK(ran);
	CHECK_RC(il_future_join(f), 0);
	f = beside(&ran);
	CHECK_RC(il_datagram_receive_many(d, &m, 1), 1);
	CHECK(ran);
	CHECK_RC(il_future_join(f), 0);
	il_datagram_destroy(d);
}

/* The datagram is there, so the receive has it at once, and lets others run. */
IL_TEST_REAL(R, n338_a_socket_may_go_while_the_end_of_a_receive_lets_others_run)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	struct side s = {.call = side_receive, .object = d, .scope = IL_SCOPE_INIT};

	slip_text(d, "last", &at);
	CHECK_RC(il_loop_spawn(il_loop_current(), &s.future, side_main, &s), 0);
	CHECK_RC(il_yield(), 0);
	CHECK(s.begun);
	il_datagram_destroy(d);
	CHECK_RC(side_join(&s), 4);
	CHECK_STR(s.text, "last");
}

IL_TEST_REAL(R, n338_of_a_datagram_and_a_cancellation_the_first_decides)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	struct side s = {.rc = 0};

	for (int cancelled = 0; cancelled < 2; cancelled++) {
		side_start(&s, side_receive, d);
		CHECK_RC(il_yield(), 0);
		if (cancelled)
			il_scope_cancel(&s.scope);
		slip_text(d, "came", &at);
		if (!cancelled) {
			/* it has come before this; whether the loop has seen it, the receive does not lose it */
			UNTIL(s.ended);
			il_scope_cancel(&s.scope);
		}
		CHECK_RC(side_join(&s), cancelled ? -ECANCELED : 4);
	}
	check_text(d, "came", &at);
	il_datagram_destroy(d);
}

/* ---- addresses ---- */

IL_TEST_REAL(R, n331_without_a_host_the_peer_is_this_machine)
{
	il_datagram *d = bound(NULL), *c = NULL;
	char text[8];
	il_address peer;

	port_text(il_datagram_port(d), text);
	CHECK_RC(il_datagram_connect_udp(&c, NULL, text, NULL), 0);
	CHECK_RC(il_datagram_peer_address(c, &peer), 0);
	CHECK_EQ(il_address_port(&peer), il_datagram_port(d));
	send_text(c, "here", NULL);
	check_text(d, "here", NULL);
	CHECK_RC(il_datagram_close(c), 0);
	CHECK_RC(il_datagram_peer_address(c, &peer), -EBADF);
	il_datagram_destroy(c);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n332_an_address_that_is_none_is_refused)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	il_address wrong = at;
	char byte = 'x';
	il_datagram_message m;

	wrong.length = sizeof wrong.storage + 1;
	CHECK_RC(il_datagram_send(d, "x", 1, &wrong), -EINVAL);
	m = message_of(&byte, &wrong);
	CHECK_RC(il_datagram_send_many(d, &m, 1), -EINVAL);
	wrong.length = sizeof(sa_family_t);
	CHECK_RC(il_datagram_send(d, "x", 1, &wrong), -EINVAL);
	send_text(d, "works", &at);
	check_text(d, "works", &at);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n330_an_adopted_socket_may_be_connected)
{
	il_datagram *server = bound("127.0.0.1"), *d = NULL;
	const il_address at = address_of(server);
	il_address peer, here;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(connect(fd, (const struct sockaddr *)&at.storage, at.length), 0);
	CHECK_RC(il_datagram_open_fd(&d, fd), 0);
	CHECK_RC(il_datagram_peer_address(d, &peer), 0);
	CHECK(same_address(&peer, &at));
	CHECK_RC(il_datagram_send(d, "x", 1, &at), -EISCONN);
	here = address_of(d);
	send_text(d, "hello", NULL);
	check_text(server, "hello", &here);
	il_datagram_destroy(d);
	il_datagram_destroy(server);
}

IL_TEST_REAL(R, n330_a_descriptor_that_a_task_waits_for_is_not_adopted)
{
	int fds[2];
	struct side s = {.rc = 0};
	il_datagram *d = NULL;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	side_start(&s, side_readable, &fds[0]);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_datagram_open_fd(&d, fds[0]), -EBUSY);
	CHECK(d == NULL && is_open(fds[0]));
	CHECK_EQ(send(fds[1], "x", 1, 0), 1);
	CHECK_RC(side_join(&s), 0);
	CHECK_RC(il_datagram_open_fd(&d, fds[0]), 0);
	check_text(d, "x", NULL);
	il_datagram_destroy(d);
	close(fds[1]);
}

/* ---- options ---- */

IL_TEST_REAL(R, n346_broadcasting_has_to_be_asked_for)
{
#ifdef __linux__ /* where the last address of 127.0.0.0/8 is the loopback's broadcast address */
	const il_datagram_options o = {.broadcast = true};
	struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = htons(9)};
	il_address to = {.length = sizeof all};
	il_datagram *d = bound("127.0.0.1"), *b = NULL;
	const il_address at = address_of(d);

	all.sin_addr.s_addr = htonl(0x7fffffff);
	memcpy(&to.storage, &all, sizeof all);
	CHECK_RC(il_datagram_send(d, "x", 1, &to), -EACCES);
	send_text(d, "works", &at);
	check_text(d, "works", &at);
	CHECK_RC(il_datagram_open_udp(&b, "127.0.0.1", "0", &o), 0);
	send_text(b, "to all", &to);
	il_datagram_destroy(b);
	il_datagram_destroy(d);
#endif
}

IL_TEST_REAL(R, n346_hops_hold_for_groups_too)
{
	const il_datagram_options o = {.ttl = 3};
	il_datagram *d = NULL;
	int ttl = 0;
	unsigned char hops = 0;
	socklen_t length = sizeof hops, of_int = sizeof ttl;
	char text[8];

	CHECK_RC(il_datagram_connect_udp(&d, "127.0.0.1", port_text(9, text), &o), 0);
	CHECK_EQ(getsockopt(il_datagram_fd(d), IPPROTO_IP, IP_MULTICAST_TTL, &hops, &length), 0);
	CHECK_EQ(hops, 3);
	CHECK_EQ(getsockopt(il_datagram_fd(d), IPPROTO_IP, IP_TTL, &ttl, &of_int), 0);
	CHECK_EQ(ttl, 3);
	il_datagram_destroy(d);
}

/* ---- the loop's end ---- */

struct last {
	il_datagram *d;
	il_address at;
	int received, sent;
};

static int receive_to_the_end(void *arg)
{
	struct last *l = arg;
	char byte;

	l->d = bound("127.0.0.1");
	l->at = address_of(l->d);
	l->received = il_datagram_receive(l->d, &byte, 1, NULL);
	l->sent = il_datagram_send(l->d, "x", 1, &l->at);
	return 0;
}

static int leave_it_receiving(void *arg)
{
	struct last *l = arg;

	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, receive_to_the_end, arg), 0);
	UNTIL(l->d != NULL);
	return 0;
}

IL_TEST_OWN_REAL(R, n338_a_loop_that_ends_cancels_who_receives)
{
	struct last l = {.received = 0};

	CHECK_RC(il_run(il_test_backend(), leave_it_receiving, &l), 0);
	CHECK_RC(l.received, -ECANCELED);
	CHECK_RC(l.sent, -ECANCELED);
	CHECK_RC(il_datagram_fd(l.d), -EBADF);
	il_datagram_destroy(l.d);
}
