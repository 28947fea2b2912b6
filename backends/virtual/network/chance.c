/*
 * chance.c: what a network's seed decides, and its time. Loop's thread only.
 */
#include "simulation.h"

/* xorshift64*; its state is never 0. */
uint64_t il__sim_random(struct il_virtual_network *n)
{
	n->random ^= n->random >> 12;
	n->random ^= n->random << 25;
	n->random ^= n->random >> 27;
	return n->random * UINT64_C(2685821657736338717);
}

bool il__sim_happens(struct il_virtual_network *n, double probability)
{
	if (probability <= 0)
		return false;
	return (double)(il__sim_random(n) >> 11) * 0x1p-53 < probability;
}

il_time il__sim_now(const struct il_virtual_network *n)
{
	return il__loop_now(n->loop);
}
