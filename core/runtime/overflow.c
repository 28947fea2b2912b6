/*
 * overflow.c: says which task has overflowed its stack. The handler runs on an alternate stack of the loop's thread, and
 * leaves what comes then to whoever had the signal before: it puts that back, and the fault comes again. Other
 * faults it hands on. Handlers are counted under the lock, alternate stacks in their thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* secure_getenv */
#endif
#include "overflow.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "context.h"
#include "loop.h"
#include "stack.h"
#include "task.h"
#include "thread_state.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALTERNATE = 64 << 10, FAULTS = 2 };

static const int faults[FAULTS] = {SIGSEGV, SIGBUS};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;                    /* loops; under the lock */
static struct sigaction previous[FAULTS]; /* written while no handler of ours is there */
static atomic_bool installed[FAULTS];     /* not put back yet; the handler clears it, too */

static IL__THREAD_LOCAL struct {
	void *memory; /* NULL: the thread has another one */
	unsigned users;
} alternate;

/* ---- the handler ---- */

/* The task in whose guard the address lies; NULL: it is something else. */
static const il_task *overflow_find(uintptr_t address)
{
	il_loop *loop = il__self.loop;
	const il_task *task = loop ? loop->current : NULL;
	const struct il__stacks *pool;
	uintptr_t low;

	if (!task)
		return NULL;
	pool = il__stack_pool(&loop->stacks, &task->stack);
	low = (uintptr_t)il__stack_low(pool, &task->stack);
	return address < low && address >= low - pool->guard ? task : NULL;
}

static void overflow_say(const il_task *task)
{
	const struct il__stacks *pool = il__stack_pool(&task->loop->stacks, &task->stack);
	char room[IL__TASK_TITLE];
	struct il__report r;

	il__report_begin(&r, STDERR_FILENO);
	il__report(&r,
		   "interloop: %s has overflowed its stack of %zu KiB: raise stack_size of its "
		   "il_task_options, or of il_loop_options, or keep large arrays elsewhere",
		   il__task_title(task, room), pool->size >> 10);
	il__report_line_end(&r);
	il__report_end(&r);
}

/* The fault comes again and finds it; what somebody has sent does not. */
static void put_back_and_repeat(int number, const siginfo_t *info)
{
	const int i = number != faults[0];

	sigaction(number, &previous[i], NULL);
	atomic_store(&installed[i], false); /* the program may outlive it */
	if (info->si_code <= 0)
		raise(number);
}

static bool fault_is_handled(const struct sigaction *action)
{
	return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	const struct sigaction *before = &previous[number != faults[0]];
	const il_task *task = info->si_code > 0 ? overflow_find((uintptr_t)info->si_addr) : NULL;
	int saved = errno;

	if (task)
		overflow_say(task);
	errno = saved;
	if (task || !fault_is_handled(before))
		put_back_and_repeat(number, info);
	else if (before->sa_flags & SA_SIGINFO)
		before->sa_sigaction(number, info, context);
	else
		before->sa_handler(number);
}

static bool fault_is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fault;
}

/* ---- begin and end ---- */

/* Whoever put a handler over ours, which could not be put back then, may call ours behind its own: that over it again
 * would be a circle. */
static void fault_install(int i)
{
	struct sigaction now, ours;

	sigaction(faults[i], NULL, &now);
	if (fault_is_ours(&now) || (atomic_load(&installed[i]) && fault_is_handled(&now)))
		return;
	previous[i] = now;
	atomic_store(&installed[i], true);
	memset(&ours, 0, sizeof ours);
	ours.sa_sigaction = on_fault;
	ours.sa_mask = previous[i].sa_mask;
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous[i].sa_flags & (int)SA_NODEFER);
	sigaction(faults[i], &ours, NULL);
}

/* Unless somebody has put another one over it. */
static void fault_put_back(int i)
{
	struct sigaction now;

	if (sigaction(faults[i], NULL, &now) == 0 && fault_is_ours(&now)) {
		sigaction(faults[i], &previous[i], NULL);
		atomic_store(&installed[i], false);
	}
}

static int alternate_begin(void)
{
	stack_t now, ours = {.ss_size = ALTERNATE};

	if (alternate.users++ || sigaltstack(NULL, &now) < 0 || !(now.ss_flags & SS_DISABLE))
		return 0;
	alternate.memory = ours.ss_sp = il__malloc(ALTERNATE);
	if (alternate.memory && sigaltstack(&ours, NULL) == 0)
		return 0;
	il__free(alternate.memory);
	alternate.memory = NULL;
	alternate.users--;
	return il__refuse(-ENOMEM, "il_loop: no memory for an alternate signal stack");
}

static void alternate_end(void)
{
	const stack_t none = {.ss_flags = SS_DISABLE};
	stack_t now;

	if (--alternate.users || !alternate.memory)
		return;
	if (sigaltstack(NULL, &now) == 0 && now.ss_sp == alternate.memory)
		sigaltstack(&none, NULL);
	il__free(alternate.memory);
	alternate.memory = NULL;
}

int il__overflow_begin(void)
{
	int rc = alternate_begin();

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&lock);
	users++;
	for (int i = 0; i < FAULTS; i++) /* it may be gone while others live */
		fault_install(i);
	pthread_mutex_unlock(&lock);
	return 0;
}

void il__overflow_end(void)
{
	pthread_mutex_lock(&lock);
	if (--users == 0)
		for (int i = 0; i < FAULTS; i++)
			fault_put_back(i);
	pthread_mutex_unlock(&lock);
	alternate_end();
}

bool il__overflow_wanted(bool option)
{
	const char *text = secure_getenv("INTERLOOP_REPORT_OVERFLOW");

	return (option || (text && strcmp(text, "1") == 0)) && !il__sanitized;
}

IL__AT_FORK(&lock, NULL);
