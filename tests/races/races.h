/*
 * races.h: rounds in which threads use what others end meanwhile. The library is preempted at random edges of its code
 * (preempt.c), so that orders come up which a machine has once in a million years. TSan looks on, and rules are checked:
 * each call is run once, each wait ends, each outcome is one that the call may have.
 */
#ifndef RACES_H
#define RACES_H

#include <interloop.h>

#include <stdatomic.h>
#include <stdint.h>

extern const il_backend *race_backend;

/* A number below n, by the seed and the thread. */
uint32_t race_draw(uint32_t n);
/* Other edges are slow from now on. */
void race_new_round(void);
void race_seed(uint64_t seed);
unsigned long race_delays(void);
/* How many edges there are; 0: nothing was built for this. */
uint32_t race_edges(void);

/* A rule is broken: prints it and ends the program. */
void race_broken(const char *format, ...) IL_PRINTF(1, 2) __attribute__((noreturn));

/* One of the errors that a call may return while something ends, or else a rule is broken; returns rc. */
int race_rc(int rc, const char *call);
#define RACE(call) race_rc((call), #call)

/* A call without a future was accepted; and ran. */
extern atomic_long race_accepted, race_ran;

enum { RACE_THREADS = 3 };
/* Runs fn(arg) in RACE_THREADS threads; join waits for them. */
struct race_threads;
struct race_threads *race_threads_start(void *(*fn)(void *), void *arg);
void race_threads_join(struct race_threads *threads);

/* For as long as anything may take. */
#define RACE_PATIENCE IL_SEC(40)

/* Small functions for threads and tasks. */
int race_three(void *arg);                /* returns 3 */
int race_spin(void *arg);                 /* likewise, a little later */
int race_count(void *arg);                /* counts in race_ran */
int race_nap(void *arg);                  /* a task that sleeps for 50 µs */
int race_back(void *arg);                 /* a worker that goes back into its loop */
int race_done(il_future *f, void *count); /* a callback: counts in an atomic_int */

void round_portal(void);
void round_pool(void);
void round_blocking(void);
void round_abandoned(void);
void round_future(void);
void round_process(void);
void round_trace(void);

#endif
