/*
 * churn.c: connections that come, are answered once, and go: half of them end well, half reset. Memory
 * stays flat and no descriptor is left.
 */
#include "abuse.h"

long churn_count;

enum { WAVE = 100, SLACK = 512 << 10 };

static void wave(const struct subject *s)
{
	int fds[WAVE];

	for (int i = 0; i < WAVE; i++) {
		fds[i] = dial(s);
		say_text(fds[i], "hello\n");
	}
	for (int i = 0; i < WAVE; i++)
		hear(fds[i], "hello");
	for (int i = 0; i < WAVE; i++)
		if (i % 2)
			hang_up(fds[i]);
		else
			reset(fds[i]);
}

void churn(void)
{
	struct subject s;
	int guest;

	if (!churn_count)
		churn_count = crowd_size(50000);
	subject_start(&s, &(struct subject_options){.patience = 0});
	ask(guest = dial(&s), "hello");
	for (long done = 0; done < churn_count; done += WAVE) {
		wave(&s);
		ask(guest, "hello");
		if (done == churn_count / 10 / WAVE * WAVE) /* warm by now */
			s.rss = subject_rss(&s);
	}
	note(" %ld connections, %+ld bytes;", churn_count, subject_rss(&s) - s.rss);
	CHECK(TOOL || subject_rss(&s) - s.rss <= SLACK);
	hang_up(guest);
	subject_is_empty(&s);
	CHECK(atomic_load(&s.state->connected) >= churn_count);
	CHECK(atomic_load(&s.state->logged[IL_LOG_ERROR]) == 0);
	subject_end(&s);
}
