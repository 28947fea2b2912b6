/*
 * processes.h: what the tests of worker processes share. A board is memory that the test and its workers
 * see: a job maps it by the path that comes with its argument. Jobs run in another process, where there
 * is no test to fail: they return what they saw.
 */
#ifndef IL_TESTS_PROCESSES_H
#define IL_TESTS_PROCESSES_H

#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct board {
	char path[40];
	atomic_int places, begun, ended;
	atomic_bool open; /* lets `linger` go */
	atomic_int pids[16];
};

/* The argument of every job: flat. */
struct job {
	char board[40]; /* "" is none */
	int value;
	int pid;    /* set by the job */
	int square; /* likewise */
};

static inline struct board *map_board(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct board *b =
	    fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	return b == MAP_FAILED ? NULL : b;
}

static inline struct board *new_board(void)
{
	char path[40] = "";
	struct board *b;
	int fd = memfd_create("board", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, sizeof *b), 0);
	/* Kept open until the board is freed: the path leads to it. */
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
	b = map_board(path);
	CHECK(b != NULL);
	memcpy(b->path, path, sizeof path);
	return b;
}

static inline void free_board(struct board *b)
{
	int fd = -1;

	CHECK_EQ(sscanf(b->path, "/proc/%*d/fd/%d", &fd), 1);
	munmap(b, sizeof *b);
	close(fd);
}

static inline struct job job_on(struct board *b, int value)
{
	struct job j = {.value = value};

	if (b)
		memcpy(j.board, b->path, sizeof j.board);
	return j;
}

/* ---- jobs ---- */

/* Gives its value, and tells which process it ran in. */
static inline int square(void *arg)
{
	struct job *j = arg;

	j->pid = getpid();
	j->square = j->value * j->value;
	return j->value;
}

/* Stays until its board is open. */
static inline int linger(void *arg)
{
	struct timespec a_moment = {.tv_nsec = 200000};
	struct job *j = arg;
	struct board *b = map_board(j->board);
	int result = j->value;

	if (!b)
		return -ENOENT;
	j->pid = getpid();
	j->square = -1;
	atomic_store(&b->pids[atomic_fetch_add(&b->places, 1) % 16], getpid());
	atomic_fetch_add(&b->begun, 1);
	while (!atomic_load(&b->open))
		nanosleep(&a_moment, NULL);
	atomic_fetch_add(&b->ended, 1);
	munmap(b, sizeof *b);
	return result;
}

/* ---- the test's side ---- */

static inline il_executor *new_processes(il_process_pool_options options)
{
	il_executor *ex = NULL;

	CHECK_RC(il_process_pool_create(&ex, &options), 0);
	return ex;
}

static inline il_future *submit_job(il_executor *ex, il_fn *fn, struct job *j)
{
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, &f, fn, j, j ? sizeof *j : 0), 0);
	return f;
}

/* Waits for the future's end, drops it, gives its result. */
static inline int end_of(il_future *f)
{
	int rc = il_future_result(f, IL_FOREVER);

	CHECK(il_future_done(f));
	il_future_unref(f);
	return rc;
}

/* The process in which a call runs now. */
static inline int pid_of_next(il_executor *ex)
{
	struct job j = {.value = 5};

	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), 5);
	CHECK_EQ(j.square, 25);
	CHECK(j.pid > 0 && j.pid != getpid());
	return j.pid;
}

/* No such process, not even one to be reaped. */
static inline bool is_gone(int pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

#endif
