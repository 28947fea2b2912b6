/*
 * process_lacks.c: what the pool's process lacks while it talks to a worker fails one call at most, and never the
 * worker. Refuses single calls of the library (ld's --wrap).
 */
#define _GNU_SOURCE
#include "check.h"

#include <interloop.h>
#include <interloop/virtual.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The next `times` calls are refused, after `first` that are not; only those of other threads. */
static struct refusal {
	atomic_int first, times;
	atomic_int met;
	bool main_too;
} reallocs, polls, sends, receives, threads, spawns;

static pthread_t main_thread;

static bool is_refused(struct refusal *r)
{
	if (atomic_load(&r->times) <= 0 ||
	    (!r->main_too && pthread_equal(pthread_self(), main_thread)) ||
	    atomic_fetch_sub(&r->first, 1) > 0 || atomic_fetch_sub(&r->times, 1) <= 0)
		return false;
	atomic_fetch_add(&r->met, 1);
	return true;
}

static void refuse(struct refusal *r, int first, int times)
{
	atomic_store(&r->met, 0);
	atomic_store(&r->first, first);
	atomic_store(&r->times, times);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
	errno = ENOMEM;
	return is_refused(&reallocs) ? NULL : __real_realloc(old, size);
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	errno = ENOMEM;
	return is_refused(&polls) ? -1 : __real_poll(fds, count, timeout);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	errno = ENOBUFS;
	return is_refused(&sends) ? -1 : __real_sendmsg(fd, message, flags);
}

ssize_t __real_recv(int fd, void *data, size_t size, int flags);

/* Of a receive of so many bytes a part comes, and then the connection is reset. */
static struct {
	atomic_size_t size;
	atomic_bool resets;
	atomic_int met;
} cuts;

static ssize_t cut_off(int fd, void *data, size_t size, int flags)
{
	if (atomic_exchange(&cuts.resets, false)) {
		atomic_fetch_add(&cuts.met, 1);
		errno = ECONNRESET;
		return -1;
	}
	if (!atomic_compare_exchange_strong(&cuts.size, &(size_t){size}, 0))
		return 0;
	atomic_store(&cuts.resets, true);
	return __real_recv(fd, data, sizeof(int), flags);
}

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
	ssize_t cut = cut_off(fd, data, size, flags);

	if (cut)
		return cut;
	errno = ENOMEM;
	return is_refused(&receives) ? -1 : __real_recv(fd, data, size, flags);
}

int __real_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *);
int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *);
int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return is_refused(&threads) ? EAGAIN : __real_pthread_create(id, attr, fn, arg);
}

int __real_posix_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const *argv, char *const *environment);
int __wrap_posix_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const *argv, char *const *environment);
int __wrap_posix_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const *argv, char *const *environment)
{
	return is_refused(&spawns)
		   ? EAGAIN
		   : __real_posix_spawn(pid, file, actions, attr, argv, environment);
}

int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	va_list rest;
	int *pidfd;

	va_start(rest, arg);
	pidfd = va_arg(rest, int *);
	va_end(rest);
	errno = EAGAIN;
	return is_refused(&spawns) ? -1 : __real_clone(fn, stack, flags, arg, pidfd);
}

/* ---- a death that takes long ---- */

enum { DYING_MS = 200 };

static struct {
	atomic_bool slow;
	atomic_int kills;
	pthread_t killer;
	int handle; /* of who dies */
} death;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static void *kill_later(void *unused)
{
	(void)unused;
	nanosleep(&(struct timespec){.tv_nsec = DYING_MS * 1000000}, NULL);
	CHECK(__real_syscall(SYS_pidfd_send_signal, death.handle, SIGKILL, NULL, 0) == 0);
	close(death.handle);
	return NULL;
}

long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number != SYS_pidfd_send_signal || (int)a[1] != SIGKILL || !atomic_load(&death.slow))
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (atomic_fetch_add(&death.kills, 1) == 0) {
		death.handle = dup((int)a[0]);
		CHECK(pthread_create(&death.killer, NULL, kill_later, NULL) == 0);
	}
	return 0;
}

/* ---- functions ---- */

struct job {
	int value, pid;
	long rest_ms;
	char gate[40]; /* a file: it stays until that is gone */
};

static int work(void *arg)
{
	struct job *j = arg;
	struct timespec rest = {.tv_nsec = j->rest_ms * 1000000};

	nanosleep(&rest, NULL);
	while (j->gate[0] && access(j->gate, F_OK) == 0)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	j->pid = getpid();
	return j->value;
}

static int twice(void *arg)
{
	il_bytes *b = arg;
	int rc = il_bytes_append(b, b->in, b->in_size);

	return rc < 0 ? rc : il_bytes_append(b, b->in, b->in_size);
}

static int die(void *arg)
{
	_exit(*(int *)arg);
}

/* One death would break it. */
static il_executor *new_pool(int workers)
{
	const il_process_pool_options options = {.max_workers = workers, .break_on_death = true};
	il_executor *ex = NULL;

	CHECK(il_process_pool_create(&ex, &options) == 0);
	return ex;
}

static int pid_of_next(il_executor *ex)
{
	struct job j = {.value = 3};

	CHECK(il_executor_run(ex, work, &j, sizeof j) == 3);
	return j.pid;
}

/* ---- the attendant ---- */

static void a_list_without_memory_hangs_nobody(void)
{
	struct job j = {.value = 4, .rest_ms = 30};
	il_executor *ex = new_pool(1);

	refuse(&reallocs, 0, 2);
	CHECK(il_executor_run(ex, work, &j, sizeof j) == 4);
	CHECK(reallocs.met == 2);
	refuse(&reallocs, 0, 1000);
	CHECK(pid_of_next(ex) == j.pid);
	refuse(&reallocs, 0, 0);
	il_executor_destroy(ex);
}

/* More workers than the list has places for at first. */
static void a_list_that_cannot_grow_takes_no_worker_for_another(void)
{
	enum { WORKERS = 24 };
	il_executor *ex = new_pool(WORKERS);
	struct job gated = {.gate = "/tmp/interloop-lacks-XXXXXX"}, j[WORKERS];
	il_future *f[WORKERS];

	close(mkstemp(gated.gate));
	refuse(&reallocs, 2, 3);
	for (int i = 0; i < WORKERS; i++) {
		j[i] = gated;
		j[i].value = i;
		CHECK(il_executor_submit(ex, &f[i], work, &j[i], sizeof j[i]) == 0);
	}
	while (reallocs.met < 3)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	unlink(gated.gate);
	for (int i = 0; i < WORKERS; i++)
		CHECK(il_future_join(f[i]) == i);
	CHECK(reallocs.met == 3);
	refuse(&reallocs, 0, 0);
	il_executor_destroy(ex);
}

static void a_poll_that_fails_for_good_spins_not(void)
{
	struct job j = {.value = 5, .rest_ms = 300};
	il_executor *ex = new_pool(1);
	clock_t used = clock();

	refuse(&polls, 0, 1000000);
	CHECK(il_executor_run(ex, work, &j, sizeof j) == 5);
	used = clock() - used;
	CHECK(polls.met > 0 && polls.met < 2000);
	CHECK((double)used / CLOCKS_PER_SEC < 0.15);
	refuse(&polls, 0, 0);
	CHECK(pid_of_next(ex) == j.pid);
	il_executor_destroy(ex);
}

/* As one with much memory to give back. */
static void who_waits_for_a_slow_death_sleeps(void)
{
	struct job stays = {.gate = "/tmp/interloop-lacks-XXXXXX"}, j = {.value = 1};
	const il_process_pool_options options = {.max_workers = 1,
						 .break_on_death = true,
						 .initializer = work,
						 .initializer_arg = &stays,
						 .initializer_size = sizeof stays,
						 .start_timeout = IL_MSEC(10)};
	il_executor *ex = NULL;
	clock_t used;

	close(mkstemp(stays.gate));
	CHECK(il_process_pool_create(&ex, &options) == 0);
	atomic_store(&death.slow, true);
	used = clock();
	CHECK(il_executor_run(ex, work, &j, sizeof j) == -ENOTRECOVERABLE);
	used = clock() - used;
	atomic_store(&death.slow, false);
	CHECK(strstr(il_error_detail(), "not ready within start_timeout") != NULL);
	/* When its time is up, and when the ends of its stream and of itself are told. None where there are no
	 * handles. */
	CHECK(death.kills <= 3);
	CHECK((double)used / CLOCKS_PER_SEC < 0.15);
	if (death.kills)
		CHECK(pthread_join(death.killer, NULL) == 0);
	unlink(stays.gate);
	il_executor_destroy(ex);
}

/* ---- what goes out, and comes back ---- */

static void a_result_without_room_fails_alone(void)
{
	static char in[5000];
	il_executor *ex = new_pool(1);
	il_bytes b = {.in = in, .in_size = sizeof in};
	int pid = pid_of_next(ex);

	refuse(&reallocs, 0, 1); /* il_bytes_resize; the list has its places */
	CHECK(il_executor_run(ex, twice, &b, IL_BYTES) == -ENOMEM);
	CHECK(strstr(il_error_detail(), "no room") != NULL);
	CHECK(reallocs.met == 1);
	CHECK(pid_of_next(ex) == pid);
	CHECK(il_executor_run(ex, twice, &b, IL_BYTES) == 0);
	CHECK(b.out_size == 2 * sizeof in);
	il_bytes_free(&b);
	il_executor_destroy(ex);
}

/* What has not begun to go out fails its call; what has goes on later. */
static void what_cannot_be_sent_now_goes_later_or_not_at_all(void)
{
	static char in[3 << 20];
	il_executor *ex = new_pool(1);
	il_bytes b = {.in = in, .in_size = sizeof in};
	int pid = pid_of_next(ex), refused = 0;

	for (int first = 0; first < 4; first++) {
		refuse(&sends, first, 3);
		int rc = il_executor_run(ex, twice, &b, IL_BYTES);
		CHECK(rc == (first ? 0 : -ENOMEM));
		refused += sends.met;
		refuse(&sends, 0, 0);
		CHECK(!first || b.out_size == 2 * sizeof in);
		CHECK(pid_of_next(ex) == pid);
	}
	CHECK(refused > 3);
	for (int first = 0; first < 6; first++) {
		refuse(&receives, first, 2);
		CHECK(il_executor_run(ex, twice, &b, IL_BYTES) == 0);
		CHECK(b.out_size == 2 * sizeof in);
		refuse(&receives, 0, 0);
		CHECK(pid_of_next(ex) == pid);
	}
	il_bytes_free(&b);
	il_executor_destroy(ex);
}

/* ---- processes and threads ---- */

static void a_start_that_fails_costs_one_call(void)
{
	const il_process_pool_options options = {.max_workers = 1};
	struct job j[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
	il_executor *ex = NULL;
	il_future *f[4];
	int x = 4;

	CHECK(il_process_pool_create(&ex, &options) == 0);
	refuse(&spawns, 0, 1);
	CHECK(il_executor_submit(ex, &f[3], die, &x, sizeof x) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(il_executor_submit(ex, &f[i], work, &j[i], sizeof j[i]) == 0);
	CHECK(il_future_join(f[3]) == -EOWNERDEAD);
	CHECK(il_future_result(f[0], IL_FOREVER) == -ENOMEM);
	CHECK(strstr(il_error_detail(), "no worker could be started") != NULL);
	CHECK(il_future_join(f[0]) == -ENOMEM);
	CHECK(il_future_join(f[1]) == 2);
	CHECK(il_future_join(f[2]) == 3);
	CHECK(spawns.met == 1);
	il_executor_destroy(ex);
}

struct paused {
	il_executor *ex;
	struct job j[2];
	il_future *f[2];
};

static int submit_two(void *arg)
{
	struct paused *p = arg;

	for (int i = 0; i < 2; i++) {
		p->j[i] = (struct job){.value = i, .rest_ms = 50};
		CHECK(il_executor_submit(p->ex, &p->f[i], work, &p->j[i], sizeof p->j[i]) == 0);
	}
	refuse(&threads, 0, 100);
	return 0;
}

/* The loop does not run, and there is no thread for the attendant either. */
static void a_loop_that_pauses_without_an_attendant_hangs_nobody(void)
{
	struct paused p = {.ex = new_pool(1)};
	il_loop *loop = NULL;

	threads.main_too = true;
	CHECK(il_loop_open(&loop, il_virtual(), NULL) == 0);
	CHECK(il_loop_run(loop, submit_two, &p) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(il_future_join(p.f[i]) == -ENOMEM);
	CHECK(threads.met > 0);
	refuse(&threads, 0, 0);
	pid_of_next(p.ex);
	il_loop_destroy(loop);
	il_executor_destroy(p.ex);
}

struct map {
	il_executor *ex;
	struct job j[2];
	int results[2];
};

/* The limit that it cannot have ends it, and what runs is waited for. */
static int map_without_a_timer(void *arg)
{
	struct map *m = arg;
	int pid = pid_of_next(m->ex), rc;

	refuse(&reallocs, 0, 1000);
	rc = il_executor_map(m->ex, work, m->j, 2, sizeof m->j[0], m->results, IL_SEC(5));
	CHECK(reallocs.met == 1);
	refuse(&reallocs, 0, 0);
	CHECK(pid_of_next(m->ex) == pid);
	return rc;
}

/* With one worker: the second call never begins. */
static void a_map_that_has_no_timer_goes_not_round_and_round(void)
{
	reallocs.main_too = true;
	for (int kills = 0; kills < 2; kills++) {
		const il_process_pool_options options = {
		    .max_workers = 1, .break_on_death = true, .kill_on_cancel = kills};
		struct map m = {.j = {{.value = 1, .rest_ms = 50}, {.value = 2}}};
		CHECK(il_process_pool_create(&m.ex, &options) == 0);
		CHECK(il_run(il_virtual(), map_without_a_timer, &m) == -ENOMEM);
		CHECK(m.results[0] == 1 && m.results[1] == -ECANCELED);
		il_executor_destroy(m.ex);
	}
	reallocs.main_too = false;
}

struct counted {
	int runs;
	char rest[1000];
};

static int count(void *arg)
{
	return ++((struct counted *)arg)->runs;
}

/* A reset without a reply may be the end of a worker that has not read the call. */
static void a_reset_within_a_reply_runs_nothing_again(void)
{
	il_executor *ex = NULL;
	struct counted c = {.runs = 0};

	CHECK(il_process_pool_create(&ex, &(il_process_pool_options){.max_workers = 1}) == 0);
	CHECK(il_executor_run(ex, count, &c, sizeof c) == 1);
	atomic_store(&cuts.size, sizeof c);
	CHECK(il_executor_run(ex, count, &c, sizeof c) == -EOWNERDEAD);
	CHECK(cuts.met == 1);
	CHECK(il_executor_run(ex, count, &c, sizeof c) == c.runs);
	il_executor_destroy(ex);
}

int main(void)
{
	main_thread = pthread_self();
	a_list_without_memory_hangs_nobody();
	a_list_that_cannot_grow_takes_no_worker_for_another();
	a_poll_that_fails_for_good_spins_not();
	who_waits_for_a_slow_death_sleeps();
	a_result_without_room_fails_alone();
	what_cannot_be_sent_now_goes_later_or_not_at_all();
	a_start_that_fails_costs_one_call();
	a_reset_within_a_reply_runs_nothing_again();
	a_loop_that_pauses_without_an_attendant_hangs_nobody();
	a_map_that_has_no_timer_goes_not_round_and_round();
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return 0;
}
