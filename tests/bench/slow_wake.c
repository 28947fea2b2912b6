/*
 * slow_wake.c: preloaded, makes any machine one whose idle processors take long to wake: who has slept in a futex or
 * in epoll runs 50 us later. For P1 and P3, whose hand-overs must be steady there, too: run.sh --slow-wake.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

static const int64_t DELAY = 50000, SLEPT = 3000;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void wake_slowly(int64_t asleep)
{
	const int64_t awake = now();
	const int saved = errno;

	if (awake - asleep >= SLEPT)
		while (now() - awake < DELAY)
			;
	errno = saved;
}

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	int64_t begin = 0;
	long a[6], rc;
	va_list list;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET)
		begin = now();
	rc = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (begin)
		wake_slowly(begin);
	return rc;
}

int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
	static int (*next)(int, struct epoll_event *, int, int, const sigset_t *);
	const int64_t begin = now();
	int rc;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "epoll_pwait");
	rc = next(fd, events, count, timeout, mask);
	if (timeout != 0)
		wake_slowly(begin);
	return rc;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
	return epoll_pwait(fd, events, count, timeout, NULL);
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	static int (*next)(pthread_cond_t *, pthread_mutex_t *);
	const int64_t begin = now();
	int rc;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "pthread_cond_wait");
	rc = next(condition, mutex);
	wake_slowly(begin);
	return rc;
}
