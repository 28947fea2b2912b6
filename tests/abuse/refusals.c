/*
 * refusals.c: the system refuses the subject what it needs: descriptors, memory, stacks, threads. Each
 * is an error that somebody is told; who was served before is served on, and afterwards all is well.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "abuse.h"

#include <stdlib.h>
#include <sys/resource.h>

/* ---- descriptors ---- */

static void limit_descriptors(const struct subject *s, rlim_t limit)
{
	const struct rlimit r = {.rlim_cur = limit, .rlim_max = 20000};

	CHECK(prlimit(s->pid, RLIMIT_NOFILE, &r, NULL) == 0);
}

void descriptors_used_up(void)
{
	enum { PEERS = 200 };
	struct subject s;
	long failures;
	int fds[PEERS], before;

	subject_start(&s, &(struct subject_options){.patience = 0});
	ask(before = dial(&s), "hello");
	limit_descriptors(&s, (rlim_t)subject_fds(&s) + 20);
	for (int i = 0; i < PEERS; i++) {
		fds[i] = dial(&s);
		say_text(fds[i], "hello\n");
	}
	UNTIL(atomic_load(&s.state->accepts_failed) >= 6);
	failures = atomic_load(&s.state->accepts_failed);
	/* It backs off: never sooner than 0.1 s after the last time. */
	CHECK(atomic_load(&s.state->last_failure) - atomic_load(&s.state->first_failure) >=
	      (failures - 2) * 100000000ll); /* the loop's clock may be a little behind */
	CHECK(atomic_load(&s.state->logged[IL_LOG_WARNING]) == 1);
	ask(before, "hello");
	for (int i = 0; i < PEERS; i++) { /* each that leaves makes room for another */
		hear(fds[i], "hello");
		hang_up(fds[i]);
	}
	note(" %ld times;", atomic_load(&s.state->accepts_failed));
	CHECK(atomic_load(&s.state->logged[IL_LOG_WARNING]) <= 2);
	CHECK(atomic_load(&s.state->logged[IL_LOG_ERROR]) == 0);
	limit_descriptors(&s, 20000);
	hang_up(before);
	subject_is_empty(&s);
	subject_end(&s);
}

/* ---- memory ---- */

/* Peers come while the subject is refused `what`: they are served, or hung up on. Then all are served. */
static void refuse_to(struct subject *s, enum refusal what, int peers)
{
	int *fds = malloc((size_t)peers * sizeof fds[0]), before, answered = 0;
	long long start = now_ns();

	CHECK(fds != NULL);
	ask(before = dial(s), "hello");
	atomic_store(&s->state->refuse, (int)what);
	for (int i = 0; i < peers; i++)
		fds[i] = dial(s);
	for (int i = 0; i < peers; i++)
		answered += is_answered(fds[i]);
	ask(before, "hello");
	CHECK(answered < peers && atomic_load(&s->state->refused) > 0);
	note(" %d of %d peers served, %ld refusals, %ld lines;", answered, peers,
	     atomic_load(&s->state->refused), atomic_load(&s->state->logged[IL_LOG_WARNING]));
	CHECK(atomic_load(&s->state->logged[IL_LOG_WARNING]) <= lines_since(start));
	atomic_store(&s->state->refuse, 0);
	for (int i = 0; i < peers; i++)
		hang_up(fds[i]);
	for (int i = 0; i < peers; i++)
		ask(fds[i] = dial(s), "hello");
	ask(before, "hello");
	for (int i = 0; i < peers; i++)
		hang_up(fds[i]);
	hang_up(before);
	subject_is_empty(s);
	free(fds);
}

static void refuse(enum refusal what, int peers)
{
	struct subject s;

	if (TOOL) {
		note(" left out: a sanitizer owns these functions");
		return;
	}
	subject_start(&s, &(struct subject_options){.patience = 0});
	refuse_to(&s, what, peers);
	subject_end(&s);
}

/* No memory at all, not even for a timer. */
static void refuse_all(void)
{
	struct subject s;
	int before;

	subject_start(&s, &(struct subject_options){.patience = 0});
	ask(before = dial(&s), "hello");
	atomic_store(&s.state->refuse, REFUSE_MEMORY | REFUSE_ALL);
	for (int i = 0; i < 5; i++) {
		int fd = dial(&s);
		check_end(fd);
		hang_up(fd);
		ask(before, "hello");
	}
	CHECK(atomic_load(&s.state->logged[IL_LOG_WARNING]) == 1);
	atomic_store(&s.state->refuse, 0);
	be_answered(&s);
	hang_up(before);
	subject_is_empty(&s);
	subject_end(&s);
}

void memory_refused(void)
{
	refuse(REFUSE_MEMORY, 200);
	if (!TOOL)
		refuse_all();
}

void stacks_refused(void)
{
	refuse(REFUSE_STACKS, 1000);
}

void threads_refused(void)
{
	struct subject s;
	int fd;

	if (TOOL) {
		note(" left out: a sanitizer owns these functions");
		return;
	}
	subject_start(&s, &(struct subject_options){.patience = 0});
	fd = dial(&s);
	atomic_store(&s.state->refuse, REFUSE_THREADS);
	for (int i = 0; i < 100; i++) {
		say_text(fd, "thread\n");
		hear(fd, "ENOMEM");
		ask(fd, "hello");
	}
	atomic_store(&s.state->refuse, 0);
	say_text(fd, "thread\n");
	hear(fd, "OK");
	hang_up(fd);
	UNTIL(subject_clients(&s) == 0);
	subject_end(&s);
}
