/*
 * r_datagrams_many.c: many datagrams: none is lost or cut while there is room, several go by one call, and others
 * run in between.
 */
#include "r_net.h"

#include <sys/socket.h>

enum { MANY = 1000 };

static il_datagram *roomy(void)
{
	const il_datagram_options o = {.receive_buffer = 1 << 20};
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", &o), 0);
	return d;
}

/* As many numbered ones as the system keeps for a socket at a time, at most `most`. */
static int slip_numbers(const il_datagram *d, int first, int most)
{
	const il_address at = address_of(d);
	int size = 0, n;
	socklen_t length = sizeof size;

	CHECK_EQ(getsockopt(il_datagram_fd(d), SOL_SOCKET, SO_RCVBUF, &size, &length), 0);
	n = size / 1024; /* of what one costs there */
	n = n < most ? n : most;
	for (int i = first; i < first + n; i++)
		CHECK_EQ(sendto(il_datagram_fd(d), &i, sizeof i, MSG_DONTWAIT,
				(const struct sockaddr *)&at.storage, at.length),
			 (ssize_t)sizeof i);
	return n;
}

/* ---- 341: in a row ---- */

static int tick(void *arg)
{
	int *ticks = arg;

	while (il_sleep(IL_USEC(100)) == 0)
		++*ticks;
	return 0;
}

static int count_turns(void *arg)
{
	int *turns = arg;

	while (il_yield() == 0)
		++*turns;
	return 0;
}

IL_TEST_REAL(R, n341_datagrams_in_a_row_come_in_order_and_let_others_run)
{
	il_datagram *d = roomy();
	il_group group;
	int ticks = 0, turns = 0, next = 0;

	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, tick, &ticks), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, count_turns, &turns), 0);
	while (next < MANY || !ticks) {
		int number, before = turns, n = slip_numbers(d, next, MANY);
		for (int i = 0; i < n; i++) {
			CHECK_RC(il_datagram_receive(d, &number, sizeof number, NULL), 4);
			CHECK_EQ(number, next++);
		}
		CHECK(turns - before >= n / 2);
	}
	il_scope_cancel(il_group_scope(&group));
	CHECK_RC(il_group_close(&group, 0), 0);
	il_datagram_destroy(d);
}

/* ---- 341: several at a time ---- */

struct batch {
	il_datagram_message m[64];
	int numbers[64];
};

static void batch_init(struct batch *b)
{
	memset(b, 0, sizeof *b);
	for (int i = 0; i < 64; i++) {
		b->numbers[i] = i;
		b->m[i].data = &b->numbers[i];
		b->m[i].size = b->m[i].max = sizeof b->numbers[i];
	}
}

IL_TEST_REAL(R, n341_several_are_sent_and_received_by_one_call)
{
	il_datagram *d = roomy(), *sender = bound("127.0.0.1");
	const il_address at = address_of(d), st = address_of(sender);
	struct batch *b = malloc(sizeof *b);
	int got = 0, sent;

	batch_init(b);
	for (int i = 0; i < 64; i++)
		b->m[i].address = at;
	for (sent = 0; sent < 40;) {
		int n = il_datagram_send_many(sender, b->m + sent, (size_t)(40 - sent));
		CHECK(n >= 1);
		sent += n;
	}
	while (got < 40) {
		int n;
		batch_init(b);
		memset(b->numbers, 0xff, sizeof b->numbers);
		n = il_datagram_receive_many(d, b->m, 64);
		CHECK(n >= 1 && n <= 40 - got);
		for (int i = 0; i < n; i++) {
			CHECK_RC(b->m[i].rc, 0);
			CHECK_EQ(b->m[i].size, sizeof(int));
			CHECK_EQ(b->numbers[i], got++);
			CHECK(same_address(&b->m[i].address, &st));
		}
	}
	free(b);
	il_datagram_destroy(sender);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n341_several_of_which_one_is_too_large)
{
	il_datagram *d = bound("127.0.0.1");
	const il_address at = address_of(d);
	char data[3][4];
	il_datagram_message m[3];
	int got = 0;

	slip_text(d, "one", &at);
	slip_text(d, "too large", &at);
	slip_text(d, "", &at);
	for (int i = 0; i < 3; i++)
		m[i] = (il_datagram_message){.data = data[i], .max = 4};
	while (got < 3) {
		int n = il_datagram_receive_many(d, m + got, (size_t)(3 - got));
		CHECK(n >= 1);
		got += n;
	}
	CHECK_RC(m[0].rc, 0);
	CHECK_EQ(m[0].size, 3);
	CHECK_RC(m[1].rc, -EMSGSIZE);
	CHECK(same_address(&m[1].address, &at));
	CHECK_RC(m[2].rc, 0);
	CHECK_EQ(m[2].size, 0);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n341_sending_several_ends_before_the_first_that_cannot_be_sent)
{
	il_datagram *d = bound("127.0.0.1"), *c = connected_to(il_datagram_port(d));
	const il_address at = address_of(d);
	il_datagram_message m[3] = {{.data = "a", .size = 1}, {.data = "b", .size = 1}};

	m[1].address = at;
	CHECK_RC(il_datagram_send_many(c, m, 2), 1);
	CHECK_RC(il_datagram_send_many(c, m + 1, 1), -EISCONN);
	CHECK_RC(il_datagram_send_many(d, m, 2), -EDESTADDRREQ);
	check_text(d, "a", NULL);
	CHECK_RC(il_datagram_send_many(d, m + 1, 1), 1);
	check_text(d, "b", &at);
	il_datagram_destroy(c);
	il_datagram_destroy(d);
}

IL_TEST_REAL(R, n341_receiving_several_waits_for_the_first)
{
	il_datagram *d = bound("127.0.0.1"), *sender = bound("127.0.0.1");
	const il_address at = address_of(d);
	struct side s = {.rc = 0};

	side_start(&s, side_receive, d);
	CHECK_RC(il_yield(), 0);
	CHECK(!s.ended);
	send_text(sender, "here", &at);
	CHECK_RC(side_join(&s), 4);
	CHECK_STR(s.text, "here");
	il_datagram_destroy(sender);
	il_datagram_destroy(d);
}
