/*
 * os.c: what differs between operating systems, each call with its fallback. IL_PORTABLE builds use the
 * fallbacks on Linux too, so that they are tested. Any thread may enter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os.h"
#include "base.h"
#include "error.h"
#include "fork.h"
#include "os_process.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if IL__LINUX
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

/* A 32-bit machine has both; the other one takes a time of two longs. */
#ifdef SYS_futex_time64
#define FUTEX SYS_futex_time64
#else
#define FUTEX SYS_futex
#endif
#endif

/* Deadlines reach further than 2038, and than 2^31 seconds from now. */
_Static_assert(sizeof(time_t) >= sizeof(il_time), "time_t needs 64 bits: glibc 2.34 or musl 1.2");

/* ---- the clock ---- */

il_time il__os_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (il_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct timespec il__os_timespec(il_time t)
{
	return (struct timespec){.tv_sec = (time_t)(t / 1000000000),
				 .tv_nsec = (long)(t % 1000000000)};
}

/* ---- waiting on a word ---- */

#if IL__LINUX

int il__os_futex_wait(atomic_int *word, int expected, il_time deadline)
{
	struct timespec until = il__os_timespec(deadline < 0 ? 0 : deadline);
	long rc = syscall(FUTEX, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
			  deadline == IL_FOREVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);

	return rc < 0 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void il__os_futex_wake(atomic_int *word, int count)
{
	syscall(FUTEX, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void renew_lots(void)
{
}

#else

/* A parking lot: words hash to a few locks that are never destroyed, so the word itself may go. */
#define LOTS 32
static struct lot {
	pthread_mutex_t lock;
	pthread_cond_t changed;
} lots[LOTS];
static pthread_once_t lots_once = PTHREAD_ONCE_INIT;

static void init_lots(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
#ifndef __APPLE__
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
	for (int i = 0; i < LOTS; i++) {
		pthread_mutex_init(&lots[i].lock, NULL);
		pthread_cond_init(&lots[i].changed, &attr);
	}
	pthread_condattr_destroy(&attr);
}

/* In a forked child: who held one of them is not there any more. */
static void renew_lots(void)
{
	init_lots();
}

static struct lot *lot_of(const atomic_int *word)
{
	pthread_once(&lots_once, init_lots);
	return &lots[((uintptr_t)word >> 4) % LOTS];
}

int il__os_futex_wait(atomic_int *word, int expected, il_time deadline)
{
	struct lot *lot = lot_of(word);
	struct timespec until = il__os_timespec(deadline < 0 ? 0 : deadline);
	int rc = 0;

	pthread_mutex_lock(&lot->lock);
	if (atomic_load(word) == expected) {
		if (deadline == IL_FOREVER)
			pthread_cond_wait(&lot->changed, &lot->lock);
		else if (pthread_cond_timedwait(&lot->changed, &lot->lock, &until) == ETIMEDOUT)
			rc = -ETIMEDOUT;
	}
	pthread_mutex_unlock(&lot->lock);
	return rc;
}

void il__os_futex_wake(atomic_int *word, int count)
{
	struct lot *lot = lot_of(word);

	(void)count; /* others share the lot: all must look */
	pthread_mutex_lock(&lot->lock);
	pthread_cond_broadcast(&lot->changed);
	pthread_mutex_unlock(&lot->lock);
}

#endif

/* ---- the wake descriptor ---- */

int il__os_cloexec_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int il__os_wake_open(int fd[2])
{
	int rc;

#if IL__LINUX
	fd[0] = fd[1] = il__os_made(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (fd[0] >= 0 || !il__os_is_refused(-fd[0]))
		return fd[0] < 0 ? fd[0] : 0;
#endif
	rc = il__os_pipe(fd);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 2; i++) {
		rc = il__os_cloexec_nonblock(fd[i]);
		if (rc < 0) {
			il__os_wake_close(fd);
			return rc;
		}
	}
	return 0;
}

void il__os_wake_close(int fd[2])
{
	close(fd[0]);
	if (fd[1] != fd[0])
		close(fd[1]);
}

/* Async-signal-safe. A full pipe, or a counter at its end, is readable already. */
void il__os_wake_write(int fd)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	do
		n = write(fd, &one, sizeof one);
	while (n < 0 && errno == EINTR);
	errno = saved;
}

void il__os_wake_drain(int fd)
{
	char bytes[512];
	ssize_t n;

	do
		n = read(fd, bytes, sizeof bytes);
	while ((n < 0 && errno == EINTR) || n == (ssize_t)sizeof bytes);
}

/* ---- the timer descriptor ---- */

int il__os_timer_open(void)
{
#if IL__LINUX
	const struct itimerspec never = {{0, 0}, {0, 0}};
	int fd = il__os_made(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));

	if (fd >= 0 && timerfd_settime(fd, 0, &never, NULL) < 0) { /* and no other time either */
		close(fd);
		return -ENOTSUP;
	}
	return fd;
#else
	return -ENOTSUP;
#endif
}

void il__os_timer_set(int fd, il_time deadline)
{
#if IL__LINUX
	struct itimerspec spec = {{0, 0}, {0, 0}};

	if (deadline != IL_FOREVER)
		spec.it_value = il__os_timespec(deadline > 0 ? deadline : 1);
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL);
#else
	(void)fd;
	(void)deadline;
#endif
}

void il__os_timer_close(int fd)
{
	close(fd);
}

/* ---- guards below stacks ---- */

#define MADV_GUARD_INSTALL_ 102 /* Linux 6.13; takes no mapping of its own */

/* Each mprotect guard splits a mapping in two; leave the program half of what the kernel allows. */
static atomic_int guard_budget = INT_MIN;

static int guards_allowed(void)
{
	long count = 65530;
#ifdef __linux__
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");

	if (file) {
		if (fscanf(file, "%ld", &count) != 1)
			count = 65530;
		fclose(file);
	}
#endif
	return count / 4 > INT_MAX ? INT_MAX : (int)(count / 4);
}

size_t il__os_page_size(void)
{
	static atomic_size_t size;
	size_t known = atomic_load_explicit(&size, memory_order_relaxed);

	if (!known) {
		known = (size_t)sysconf(_SC_PAGESIZE);
		atomic_store_explicit(&size, known, memory_order_relaxed);
	}
	return known;
}

#if IL__LINUX
/* gcore cannot read a mapping that has such guards in it, and leaves out what follows. */
static bool wants_mprotect(void)
{
	const char *kind = secure_getenv("INTERLOOP_GUARDS");

	return kind && strcmp(kind, "mprotect") == 0;
}

/* An emulated kernel says yes to any advice, and does nothing. */
static bool install_guard(void *pages, size_t size)
{
	static atomic_int avoided = -1;

	if (atomic_load_explicit(&avoided, memory_order_relaxed) < 0)
		atomic_store_explicit(&avoided, wants_mprotect() || madvise(pages, size, 9999) == 0,
				      memory_order_relaxed);
	return !atomic_load_explicit(&avoided, memory_order_relaxed) &&
	       madvise(pages, size, MADV_GUARD_INSTALL_) == 0;
}
#endif

int il__os_guard(void *pages, size_t size)
{
	int unset = INT_MIN;

#if IL__LINUX
	if (install_guard(pages, size))
		return 1;
#endif
	if (atomic_load(&guard_budget) == INT_MIN)
		atomic_compare_exchange_strong(&guard_budget, &unset, guards_allowed());
	if (atomic_fetch_sub(&guard_budget, 1) <= 0) {
		atomic_fetch_add(&guard_budget, 1);
		return il__refuse(-ENOMEM,
				  "task stacks: a quarter of vm.max_map_count (%d) is used up by "
				  "their guards; raise that sysctl, or run Linux 6.13 or later",
				  guards_allowed());
	}
	if (mprotect(pages, size, PROT_NONE) < 0) {
		int rc = -errno;
		atomic_fetch_add(&guard_budget, 1);
		return il__refuse(rc,
				  "task stacks: mprotect of a guard failed: %s; if the number of "
				  "mappings is used up, raise vm.max_map_count",
				  il__system_words(rc));
	}
	return 0;
}

void il__os_discard(void *pages, size_t size)
{
	int saved = errno;

#if IL__LINUX
	madvise(pages, size, MADV_DONTNEED);
#elif defined(MADV_FREE)
	madvise(pages, size, MADV_FREE);
#else
	(void)pages;
	(void)size;
#endif
	errno = saved;
}

void il__os_unguarded(size_t guards)
{
	atomic_fetch_add(&guard_budget, (int)guards);
}

/* ---- fork ---- */

IL__AT_FORK(NULL, renew_lots);
