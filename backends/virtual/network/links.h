/*
 * links.h: what holds between two hosts, for each direction by itself. What is under way when a partition begins is lost;
 * what arrives at a link that is held stays there, in order, until that is released. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_LINKS_H
#define IL_VIRTUAL_NETWORK_LINKS_H

#include "simulation.h"

struct il__sim_link {
	struct il__sim_rule rule;
	bool partitioned, holds;
	unsigned cuts;        /* partitions so far */
	struct il__list held; /* packets, in the order of their arrival */
};

/* Of a pair that nothing was done to but what was done to all. */
void il__sim_link_init(struct il__sim_link *link, const struct il_virtual_network *n);
/* The one from a host to another; NULL: both are the same, so that nothing lies between. */
struct il__sim_link *il__sim_link(const struct il__sim_host *from, const struct il__sim_host *to);
/* Whether the next packet is lost. */
bool il__sim_link_loses(struct il_virtual_network *n, const struct il__sim_link *link, bool ipv4);
/* How long the next packet takes. */
il_time il__sim_link_latency(struct il_virtual_network *n, const struct il__sim_link *link);
/* Fills a rule from options; -EINVAL with words. */
int il__sim_rule_make(struct il__sim_rule *rule, const il_virtual_link_options *o,
		      const char *function);

#endif
