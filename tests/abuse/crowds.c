/*
 * crowds.c: many peers at once that ask for nothing, or never to the end. Memory is bounded, the limits
 * answer, and who comes meanwhile is served.
 */
#include "abuse.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Resident memory that the subject needs for each of the crowd, beyond what it had before. */
static void check_memory(const struct subject *s, int count, const char *when, long most)
{
	long each = (subject_rss(s) - s->rss) / count;

	note(" %ld bytes each %s;", each, when);
	if (!TOOL && each > most) {
		static char text[100];
		snprintf(text, sizeof text, "%ld bytes each %s, at most %ld", each, when, most);
		failed(__FILE__, __LINE__, text);
	}
}

void an_idle_crowd(void)
{
	enum { LARGE = 60000 };
	struct subject s;
	struct crowd c;
	char *large = malloc(LARGE + 2);
	int guest;

	CHECK(large != NULL);
	memset(large, 'l', LARGE);
	memcpy(large + LARGE, "\n", 2);
	subject_start(&s, &(struct subject_options){.patience = 0});
	ask(guest = dial(&s), "hello");
	crowd_dial(&c, &s, crowd_size(10000));
	ask(guest, "hello");
	check_memory(&s, c.count, "idle", 12000);
	crowd_say(&c, "hello\n");
	crowd_hear(&c, "hello");
	ask(guest, "hello");
	check_memory(&s, c.count, "after a request", 12000);
	for (int i = 0; i < c.count; i++) {
		say_text(c.fds[i], large);
		large[LARGE] = 0;
		hear(c.fds[i], large);
		large[LARGE] = '\n';
	}
	ask(guest, "hello");
	check_memory(&s, c.count, "after a large one", 14000);
	crowd_hang_up(&c);
	ask(guest, "hello");
	hang_up(guest);
	subject_is_empty(&s);
	CHECK(atomic_load(&s.state->logged[IL_LOG_ERROR]) == 0);
	subject_end(&s);
	free(large);
}

/* Says a byte to each that is still there, until none is. */
static void dribble(struct crowd *c)
{
	int left = c->count;

	while (left) {
		left = 0;
		for (int i = 0; i < c->count; i++) {
			struct pollfd p = {.fd = c->fds[i], .events = POLLIN};
			CHECK(poll(&p, 1, 0) >= 0);
			if (p.revents)
				continue;
			left++;
			(void)!send(c->fds[i], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
	}
}

/* A fourth of them each: silent from the first, silent from the second, half a request, dribbling. The
 * handler's own patience is shorter than the server's, and does not make that one longer. */
void a_crowd_out_of_time(void)
{
	struct subject s;
	struct crowd c[4];
	long long start = now_ns();

	subject_start(&s,
		      &(struct subject_options){
			  .patience = IL_MSEC(100),
			  .server = {.idle_timeout = IL_SEC(1), .first_request_timeout = IL_SEC(1)},
		      });
	for (int i = 0; i < 4; i++)
		crowd_dial(&c[i], &s, crowd_size(2500));
	for (int i = 0; i < c[1].count; i++)
		(void)!send(c[1].fds[i], "hello\n", 6, MSG_NOSIGNAL);
	for (int i = 0; i < c[2].count; i++)
		(void)!send(c[2].fds[i], "half a request", 14, MSG_NOSIGNAL);
	dribble(&c[3]);
	for (int i = 0; i < 4; i++)
		crowd_check_end(&c[i]);
	CHECK(now_ns() - start >= 1000000000ll);
	note(" %ld bytes each;", (subject_rss(&s) - s.rss) / crowd_size(10000));
	be_answered(&s);
	subject_is_empty(&s);
	CHECK(atomic_load(&s.state->logged[IL_LOG_ERROR]) == 0);
	subject_end(&s);
}

/* Those without a place wait in the backlog, until the limit of time has made room. */
void a_crowd_without_places(void)
{
	enum { PLACES = 100, ROUNDS = 8 };
	struct subject s;
	int fds[PLACES * ROUNDS], guest;

	subject_start(&s,
		      &(struct subject_options){
			  .server = {.max_clients = PLACES, .first_request_timeout = IL_MSEC(200)},
		      });
	for (int i = 0; i < PLACES * ROUNDS; i++)
		fds[i] = dial(&s);
	UNTIL(atomic_load(&s.state->most) == PLACES);
	CHECK(subject_fds(&s) <= s.fds + PLACES + 1);
	guest = dial(&s);
	say_text(guest, "hello\n");
	for (int i = 0; i < PLACES * ROUNDS; i++) {
		check_end(fds[i]);
		hang_up(fds[i]);
	}
	hear(guest, "hello");
	hang_up(guest);
	CHECK(atomic_load(&s.state->most) == PLACES);
	subject_is_empty(&s);
	subject_end(&s);
}

/* So many that the blocks which the allocator keeps back weigh little in the measure. */
static void lines_without_end(void)
{
	enum { PEERS = 400, MANY = 1 << 20 };
	struct subject s;
	struct crowd c;
	char *line = malloc(MANY);

	CHECK(line != NULL);
	memset(line, 'x', MANY);
	subject_start(&s, &(struct subject_options){.patience = 0});
	crowd_dial(&c, &s, crowd_size(PEERS));
	for (int i = 0; i < c.count; i++)
		say(c.fds[i], line, MANY);
	crowd_hear(&c, "EMSGSIZE");
	check_memory(&s, c.count, "in a line of 1 MiB", 90000);
	crowd_say(&c, "\nhello\n"); /* what follows is heard again */
	crowd_hear(&c, "hello");
	CHECK(atomic_load(&s.state->too_large) == c.count);
	crowd_hang_up(&c);
	subject_is_empty(&s);
	subject_end(&s);
	free(line);
}

static void lengths_without_end(void)
{
	static const unsigned char most[] = {255, 255, 255, 255, 255, 255, 255, 255};
	static const unsigned char too_large[] = {0, 0, 0, 0, 0, 1, 0, 1}; /* 65,537 */
	static const unsigned char answer[] = {0, 0, 0, 0, 0, 0, 0, 8, 'E', 'M', 'S', 'G'};
	struct subject_options o = {.patience = 0};
	struct subject s;
	struct crowd c;
	char got[16];

	il_protocol_length_prefixed_with(&o.protocol, 8, IL_BIG_ENDIAN);
	subject_start(&s, &o);
	crowd_dial(&c, &s, crowd_size(1000));
	for (int i = 0; i < c.count; i++) {
		say(c.fds[i], i % 2 ? most : too_large, 8);
		say_text(c.fds[i], "and some of its bytes");
	}
	for (int i = 0; i < c.count; i++) {
		CHECK(recv(c.fds[i], got, sizeof got, MSG_WAITALL) == sizeof got);
		CHECK(memcmp(got, answer, sizeof answer) == 0);
	}
	check_memory(&s, c.count, "with a length of 2^64 - 1", 14000);
	crowd_hang_up(&c);
	subject_is_empty(&s);
	subject_end(&s);
}

void packets_without_end(void)
{
	lines_without_end();
	lengths_without_end();
}
