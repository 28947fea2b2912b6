/*
 * soak.h: what a soak measures and shows: soak.c runs it, soak_probe.c takes times, soak_picture.c prints.
 */
#ifndef FAULTS_SOAK_H
#define FAULTS_SOAK_H

#include "work.h"

enum { SOAK_MINUTES_MAX = 24 * 60, SOAK_TIMES_MAX = 1 << 17 };

/* What there is between two rounds. */
struct soak_state {
	int threads, descriptors, children;
	long blocks, kib, failures;
};

/* Microseconds of round trips; of more than there is room for, the first. */
struct soak_times {
	unsigned us[SOAK_TIMES_MAX];
	size_t count;
};

struct soak_latency {
	size_t count;
	unsigned p50, p99, most;
};

struct soak_minute {
	struct soak_state state;
	struct soak_latency calm, failing;
	long done, failures;
};

/* soak_probe.c */
/* Asks an echo server over a socket, and the server is ours, too, until then. Whatever fails is begun anew. */
void soak_probe(struct soak_times *times, il_time end);
void soak_times_clear(struct soak_times *times);
void soak_times_read(struct soak_times *times, struct soak_latency *latency);

/* soak_picture.c */
void soak_head(void);
void soak_line(int minute, const struct soak_minute *m);
void soak_pictures(const struct soak_minute *minutes, int count);

#endif
