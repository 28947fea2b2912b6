/*
 * process_reaped.c: where the system has no handles of processes, who has been reaped gets no signal any more: the
 * number may be another process's by then. Refuses and watches single calls of the library (ld's --wrap).
 */
#define _GNU_SOURCE
#include "check.h"

#include <interloop.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_bool watches;       /* from now on who is reaped is held back a little */
static atomic_int reaped;         /* who was; 0: nobody yet */
static atomic_bool cancelled;     /* so the call was, and the reaping thread may go on */
static atomic_int signals_reaped; /* that the number got afterwards */

/* ---- a system without handles ---- */

int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	(void)fn;
	(void)stack;
	(void)flags;
	(void)arg;
	errno = ENOSYS;
	return -1;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number != SYS_pidfd_open)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	errno = ENOSYS;
	return -1;
}

/* ---- one that has been reaped, and whose pool does not know it yet ---- */

static void wait_until(atomic_bool *flag)
{
	while (!atomic_load(flag))
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

int __real_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	int rc = __real_waitid(type, id, info, options);

	if (rc == 0 && info->si_pid && !(options & WNOWAIT) && atomic_exchange(&watches, false)) {
		atomic_store(&reaped, info->si_pid);
		wait_until(&cancelled);
	}
	return rc;
}

int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number)
{
	if (pid != atomic_load(&reaped))
		return __real_kill(pid, number);
	atomic_fetch_add(&signals_reaped, 1);
	errno = ESRCH;
	return -1;
}

static int die(void *code)
{
	_exit(*(int *)code);
}

int main(void)
{
	const il_process_pool_options options = {.max_workers = 1, .kill_on_cancel = true};
	il_executor *ex = NULL;
	il_future *f;
	int code = 3;

	CHECK(il_process_pool_create(&ex, &options) == 0);
	atomic_store(&watches, true);
	CHECK(il_executor_submit(ex, &f, die, &code, sizeof code) == 0);
	while (!atomic_load(&reaped))
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	il_future_cancel(f);
	atomic_store(&cancelled, true);
	CHECK(il_future_join(f) == -ECANCELED);
	CHECK(signals_reaped == 0);
	il_future_unref(f);
	il_executor_destroy(ex);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return 0;
}
