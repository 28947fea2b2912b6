/*
 * process_soak.c: kills worker processes at random while tasks of a loop and plain threads call them in
 * every form, and proves that no call is lost: each is answered exactly once, with its result or with
 * -EOWNERDEAD, and none has run twice.
 *
 *     embed-process_soak [SECONDS [BACKEND]]        a minute; the first loop there is
 */
#define _GNU_SOURCE
#include "../core/check.h"

#include <interloop.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 1 << 20, PIDS = 64, TASKS = 6, BATCH = 20 };

/* What all processes see. */
struct board {
	atomic_int pids[PIDS];
	atomic_uchar ran[SLOTS]; /* to the end, by the number of the call */
};

struct soak {
	il_executor *pool;
	il_shared shared;
	struct board *board;
	il_time end;
	atomic_size_t calls, answers, deaths, cancelled, kills;
};

static struct soak soak; /* the program's; in a worker it stays zero */

/* ---- in the workers ---- */

static uint64_t answer_to(uint64_t question)
{
	return question * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static void work(uint64_t question)
{
	for (volatile uint64_t i = 0; i < (question % 8) * 100000; i++)
		;
}

/* args: the call's number, where it is counted; its question; the answer. */
static int in_shared(void *arg)
{
	il_shared *s = arg;
	struct board *b = s->data;

	atomic_store(&b->pids[getpid() % PIDS], getpid());
	work(s->args[1]);
	s->args[2] = answer_to(s->args[1]);
	atomic_fetch_add(&b->ran[s->args[0]], 1);
	return 1;
}

struct flat {
	uint64_t question, answer;
};

static int in_struct(void *arg)
{
	struct flat *f = arg;

	work(f->question);
	f->answer = answer_to(f->question);
	return 1;
}

/* As many answers as the question says, so that the size is not known before. */
static int in_bytes(void *arg)
{
	il_bytes *b = arg;
	uint64_t question, answer;

	memcpy(&question, b->in, sizeof question);
	work(question);
	answer = answer_to(question);
	for (uint64_t i = 0; i < 1 + question % 5000; i++)
		if (il_bytes_append(b, &answer, sizeof answer) < 0)
			return -ENOMEM;
	return 1;
}

/* ---- callers ---- */

static bool goes_on(void)
{
	return il_now() < soak.end;
}

/* True: it has its result. */
static bool count_answer(int rc)
{
	atomic_fetch_add(&soak.answers, 1);
	CHECK(rc == 1 || rc == -EOWNERDEAD || rc == -ECANCELED);
	if (rc == -EOWNERDEAD)
		atomic_fetch_add(&soak.deaths, 1);
	else if (rc == -ECANCELED)
		atomic_fetch_add(&soak.cancelled, 1);
	return rc == 1;
}

static void call_shared(void)
{
	il_shared s = soak.shared;
	size_t number = atomic_fetch_add(&soak.calls, 1) % SLOTS;
	int rc, ran;

	atomic_store(&soak.board->ran[number], 0);
	s.args[0] = number;
	s.args[1] = number * 31;
	rc = il_executor_run(soak.pool, in_shared, &s, IL_SHARED);
	CHECK(rc != -ECANCELED);
	ran = atomic_load(&soak.board->ran[number]);
	if (count_answer(rc))
		CHECK(ran == 1 && s.args[2] == answer_to(s.args[1]));
	else
		CHECK(ran <= 1 && s.args[2] == 0); /* it may have died after the last line */
}

static void call_struct(void)
{
	struct flat f = {.question = atomic_fetch_add(&soak.calls, 1)};

	if (count_answer(il_executor_run(soak.pool, in_struct, &f, sizeof f)))
		CHECK(f.answer == answer_to(f.question));
	else
		CHECK(f.answer == 0);
}

static void check_bytes(const il_bytes *b, uint64_t question)
{
	size_t count = (size_t)(1 + question % 5000);
	uint64_t answer;

	CHECK(b->out_size == count * sizeof answer);
	for (size_t i = 0; i < count; i++) {
		memcpy(&answer, (char *)b->out + i * sizeof answer, sizeof answer);
		CHECK(answer == answer_to(question));
	}
}

static void call_map(void)
{
	uint64_t questions[BATCH];
	il_bytes items[BATCH] = {{.in = NULL}};
	int results[BATCH];

	for (int i = 0; i < BATCH; i++) {
		questions[i] = atomic_fetch_add(&soak.calls, 1);
		items[i].in = &questions[i];
		items[i].in_size = sizeof questions[i];
	}
	il_executor_map(soak.pool, in_bytes, items, BATCH, IL_BYTES, results, IL_FOREVER);
	for (int i = 0; i < BATCH; i++) {
		if (count_answer(results[i]))
			check_bytes(&items[i], questions[i]);
		else
			CHECK(!items[i].out);
		il_bytes_free(&items[i]);
	}
}

static int count_done(il_future *f, void *arg)
{
	(void)f;
	atomic_fetch_add((atomic_int *)arg, 1);
	return 0;
}

static void call_futures(void)
{
	struct flat fs[BATCH];
	il_future *futures[BATCH];
	atomic_int done[BATCH];

	for (int i = 0; i < BATCH; i++) {
		fs[i] = (struct flat){.question = atomic_fetch_add(&soak.calls, 1)};
		atomic_init(&done[i], 0);
		CHECK(il_executor_submit(soak.pool, &futures[i], in_struct, &fs[i], sizeof fs[i]) ==
		      0);
		CHECK(il_future_on_done(futures[i], count_done, &done[i]) == 0);
		if (i % 7 == 0)
			il_future_cancel(futures[i]);
	}
	for (int i = 0; i < BATCH; i++) {
		int rc = il_future_result(futures[i], IL_FOREVER);
		if (count_answer(rc))
			CHECK(fs[i].answer == answer_to(fs[i].question));
		else
			CHECK(fs[i].answer == 0);
		while (atomic_load(&done[i]) == 0) /* waiters wake first */
			il_now();
		CHECK(atomic_load(&done[i]) == 1);
		il_future_unref(futures[i]);
	}
}

static int call_all(void *arg)
{
	(void)arg;
	while (goes_on()) {
		call_shared();
		call_struct();
		call_map();
		call_futures();
	}
	return 0;
}

static void *caller(void *arg)
{
	CHECK(call_all(arg) == 0);
	return NULL;
}

static int run_tasks(void *arg)
{
	il_group group;
	int rc = il_group_open(&group);

	for (int i = 0; i < TASKS && rc == 0; i++)
		rc = il_group_start_soon(&group, NULL, call_all, arg);
	return il_group_close(&group, rc);
}

/* ---- the killer ---- */

/* A child of ours that lives: nobody else can have its number before we reap it. */
static bool is_worker(int pid)
{
	siginfo_t info = {.si_pid = 0};

	return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

static void *killer(void *arg)
{
	static const int signals[] = {SIGKILL, SIGTERM, SIGINT, SIGKILL};
	unsigned random = 12345;

	(void)arg;
	while (goes_on()) {
		struct timespec pause = {.tv_nsec = 500000};
		random = random * 1103515245 + 12345;
		pause.tv_nsec += (long)(random >> 8) % 15000000;
		nanosleep(&pause, NULL);
		for (unsigned i = 0; i < PIDS; i++) {
			int pid = atomic_load(&soak.board->pids[(i + (random >> 16)) % PIDS]);
			if (!is_worker(pid))
				continue;
			if (kill(pid, signals[(random >> 12) % 4]) == 0)
				atomic_fetch_add(&soak.kills, 1);
			break;
		}
	}
	return NULL;
}

static void keep_quiet(int level, const char *message, void *arg)
{
	(void)arg;
	if (level == IL_LOG_ERROR)
		fprintf(stderr, "%s\n", message);
}

int main(int argc, char **argv)
{
	il_process_pool_options options = {.max_workers = 4, .restart_budget = INT_MAX};
	int seconds = argc > 1 ? atoi(argv[1]) : 60, children;
	pthread_t threads[3];

	CHECK(seconds > 0);
	il_set_log(keep_quiet, NULL);
	alarm((unsigned)seconds + 60); /* a call that is lost is waited for in vain */
	CHECK(il_process_pool_create(&soak.pool, &options) == 0);
	CHECK(il_shared_create(&soak.shared, sizeof(struct board)) == 0);
	soak.board = soak.shared.data;
	soak.end = il_deadline(IL_SEC(seconds));
	CHECK(pthread_create(&threads[0], NULL, killer, NULL) == 0);
	CHECK(pthread_create(&threads[1], NULL, caller, NULL) == 0);
	CHECK(pthread_create(&threads[2], NULL, caller, NULL) == 0);
	CHECK(il_run(il_backend_find(argc > 2 ? argv[2] : NULL), run_tasks, NULL) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	CHECK(il_executor_shutdown(soak.pool, 0) == 0);
	children = waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT);
	CHECK(children < 0 && errno == ECHILD);
	printf("%zu calls, %zu answered, %zu by the death of their worker, %zu cancelled; "
	       "%zu workers killed\n",
	       soak.calls, soak.answers, soak.deaths, soak.cancelled, soak.kills);
	CHECK(soak.calls == soak.answers && soak.kills > 0 && soak.deaths > 0);
	il_executor_unref(soak.pool);
	il_shared_destroy(&soak.shared);
	return 0;
}
