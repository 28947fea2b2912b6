/*
 * preempt.c: what the compiler calls at each edge of the library's code (-fsanitize-coverage=trace-pc-guard). Few edges
 * are slow for a round, by up to 200 µs now and then; any other yields once in a while. Not instrumented itself.
 */
#include "races.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLOW_ONE_IN = 256, MILLION = 1000000, SLOW = 50000, YIELDS = 2000, PAUSES = 60 };

static _Thread_local uint64_t state;
static atomic_ulong delays;
static uint64_t seed, slow; /* written between rounds */
static uint32_t edges;      /* before threads begin */

uint32_t race_draw(uint32_t n)
{
	if (!state)
		state = (seed ^ ((uint64_t)gettid() * 0x9E3779B97F4A7C15u)) | 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % n;
}

void race_seed(uint64_t s)
{
	seed = s;
}

void race_new_round(void)
{
	slow = slow * 6364136223846793005u + seed;
}

uint32_t race_edges(void)
{
	return edges;
}

unsigned long race_delays(void)
{
	return delays;
}

static void pause_for(long microseconds)
{
	struct timespec time = {0, microseconds * 1000};

	atomic_fetch_add_explicit(&delays, 1, memory_order_relaxed);
	syscall(SYS_nanosleep, &time, NULL);
}

void __sanitizer_cov_trace_pc_guard_init(uint32_t *begin, uint32_t *end);
void __sanitizer_cov_trace_pc_guard(const uint32_t *edge);

void __sanitizer_cov_trace_pc_guard_init(uint32_t *begin, uint32_t *end)
{
	if (begin == end || *begin)
		return;
	while (begin < end)
		*begin++ = ++edges;
}

void __sanitizer_cov_trace_pc_guard(const uint32_t *edge)
{
	uint32_t chance;

	if (!*edge)
		return;
	chance = race_draw(MILLION);
	if ((*edge * 2654435761u ^ (uint32_t)(slow >> 32)) % SLOW_ONE_IN == 0 && chance < SLOW)
		pause_for(chance % 200);
	else if (chance < YIELDS)
		syscall(SYS_sched_yield);
	else if (chance < YIELDS + PAUSES)
		pause_for(chance % 30 * 3);
}
