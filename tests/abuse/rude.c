/*
 * rude.c: peers that break the rules, each in its own way. What they do costs them only: a guest is
 * answered after each, nothing is logged that would fill a disk, and nothing of them is left.
 */
#include "abuse.h"

#include <sys/socket.h>

static void resets_at_once(int fd)
{
	reset(fd);
}

static void resets_after_a_request(int fd)
{
	say_text(fd, "hello\n");
	reset(fd);
}

static void resets_in_mid_request(int fd)
{
	say_text(fd, "hello\nhel");
	hear(fd, "hello");
	reset(fd);
}

/* The reset meets a server that waits for the peer to read. */
static void resets_in_mid_answer(int fd)
{
	for (int i = 0; i < 200; i++)
		say_text(fd, "big\n");
	reset(fd);
}

static void leaves_with_answers_unread(int fd)
{
	for (int i = 0; i < 200; i++)
		say_text(fd, "big\n");
	hang_up(fd);
}

static void half_closes_after_a_request(int fd)
{
	say_text(fd, "hello\n");
	CHECK(shutdown(fd, SHUT_WR) == 0);
	hear(fd, "hello");
	check_end(fd);
	hang_up(fd);
}

static void half_closes_in_mid_request(int fd)
{
	say_text(fd, "hel");
	CHECK(shutdown(fd, SHUT_WR) == 0);
	check_end(fd);
	hang_up(fd);
}

static void half_closes_reading(int fd)
{
	CHECK(shutdown(fd, SHUT_RD) == 0);
	say_text(fd, "hello\n");
	hang_up(fd);
}

/* Its lines are echoed, so somebody has to read them; in the end it does not. */
static void says_garbage(int fd)
{
	static unsigned seed = 1;
	unsigned char garbage[20000], scrap[20000];

	for (size_t i = 0; i < sizeof garbage; i++)
		garbage[i] = (unsigned char)((seed = seed * 1103515245u + 12345u) >> 16);
	say(fd, garbage, sizeof garbage);
	CHECK(recv(fd, scrap, sizeof scrap, 0) > 0);
	hang_up(fd);
}

static void dribbles(int fd)
{
	const char *line = "a request that comes a byte at a time\n";

	for (const char *c = line; *c; c++)
		say(fd, c, 1);
	hear(fd, "a request that comes a byte at a time");
	hang_up(fd);
}

void rude_peers(void)
{
	static void (*const ways[])(int fd) = {
	    resets_at_once,
	    resets_after_a_request,
	    resets_in_mid_request,
	    resets_in_mid_answer,
	    leaves_with_answers_unread,
	    half_closes_after_a_request,
	    half_closes_in_mid_request,
	    half_closes_reading,
	    says_garbage,
	    dribbles,
	};
	struct subject s;
	int guest;

	subject_start(&s, &(struct subject_options){.patience = 0});
	ask(guest = dial(&s), "hello");
	for (int round = 0; round < crowd_size(100); round++)
		for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
			ways[way](dial(&s));
			ask(guest, "hello");
		}
	hang_up(guest);
	subject_is_empty(&s);
	for (int level = 0; level <= IL_LOG_WARNING; level++)
		CHECK(atomic_load(&s.state->logged[level]) == 0);
	subject_end(&s);
}

/* Asks for more than any buffer has, and reads none of it. */
static void ask_for_too_much(const struct crowd *c)
{
	for (int i = 0; i < c->count; i++)
		for (int n = 0; n < 1000; n++)
			if (send(c->fds[i], "big\n", 4, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				break;
}

void peers_that_never_read(void)
{
	struct subject s;
	struct crowd c;
	int guest;

	subject_start(&s, &(struct subject_options){
			      .server = {.send_timeout = IL_MSEC(300)},
			  });
	crowd_dial(&c, &s, 100);
	ask_for_too_much(&c);
	ask(guest = dial(&s), "hello");
	UNTIL(subject_clients(&s) == 1); /* though no peer has left */
	ask(guest, "hello");
	note(" %ld bytes each;", (subject_rss(&s) - s.rss) / c.count);
	crowd_hang_up(&c);
	hang_up(guest);
	subject_is_empty(&s);
	CHECK(atomic_load(&s.state->logged[IL_LOG_ERROR]) == 0);
	subject_end(&s);
}

/* A handler that fails is an error in the log, a crowd of peers that make it fail is no crowd there. */
void peers_that_log(void)
{
	const int peers = crowd_size(5000);
	struct subject_options o = {.strict = true};
	struct subject s;
	long long start;
	long lines;

	o.protocol = *il_protocol_netstring();
	subject_start(&s, &o);
	start = now_ns();
	for (int i = 0; i < peers; i++) {
		int fd = dial(&s);
		say_text(fd, "no netstring");
		check_end(fd);
		hang_up(fd);
	}
	subject_is_empty(&s);
	CHECK(atomic_load(&s.state->bad) == peers);
	lines = atomic_load(&s.state->logged[IL_LOG_ERROR]);
	note(" %d peers, %ld lines;", peers, lines);
	CHECK(lines >= 100 && lines <= lines_since(start));
	subject_end(&s);
}
