/*
 * parker.c: one plain thread waits for one wake-up. The word goes 0 -> 1 once; the waker's release
 * pairs with the waiter's acquire. The futex call after it may come when the waiter has gone: it then
 * wakes nobody, or somebody for no reason, which every waiter on a futex must bear anyway. Who wakes a sleeping
 * thread leaves the time, from which the sleeper tells what a wake-up costs (patience.c).
 */
#include "parker.h"
#include "os.h"
#include "patience.h"
#include "sanitizer.h"

void il__parker_init(struct il__parker *p)
{
	atomic_init(&p->word, 0);
	p->woken_at = 0;
}

static bool is_woken(void *arg)
{
	return atomic_load_explicit(&((struct il__parker *)arg)->word, memory_order_acquire) == 1;
}

static int wait_awake_then_asleep(struct il__parker *p, il_time deadline,
				  struct il__patience *patience)
{
	if (is_woken(p) || (patience && il__patience_wait(patience, is_woken, p)))
		return 0;
	while (atomic_load_explicit(&p->word, memory_order_acquire) != 1) {
		int idle = 0;
		/* 2 says that a thread sleeps, so that a wake-up before that costs no system call. */
		if (!atomic_compare_exchange_strong_explicit(
			&p->word, &idle, 2, memory_order_relaxed, memory_order_relaxed) &&
		    idle == 1)
			continue;
		if (il__os_futex_wait(&p->word, 2, deadline) == -ETIMEDOUT)
			return atomic_load_explicit(&p->word, memory_order_acquire) == 1
				   ? 0
				   : -ETIMEDOUT;
	}
	return 0;
}

int il__parker_wait(struct il__parker *p, il_time deadline, struct il__patience *patience)
{
	int rc = wait_awake_then_asleep(p, deadline, patience);

	if (rc < 0)
		return rc;
	il__acquired(p);
	if (p->woken_at)
		il__patience_measured(il__os_now() - p->woken_at);
	return rc;
}

void il__parker_wake(struct il__parker *p)
{
	/* Before the exchange: after it the waiter may be gone, and the parker with it. */
	if (atomic_load_explicit(&p->word, memory_order_relaxed) == 2)
		p->woken_at = il__os_now();
	il__released(p);
	if (atomic_exchange_explicit(&p->word, 1, memory_order_release) == 2)
		il__os_futex_wake(&p->word, 1);
}
