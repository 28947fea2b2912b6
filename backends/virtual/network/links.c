/*
 * links.c: the rules between hosts. Loop's thread only.
 */
#include "links.h"
#include "../../../core/base/error.h"
#include "hosts.h"

void il__sim_link_init(struct il__sim_link *link, const struct il__sim_rule *rule)
{
	*link = (struct il__sim_link){.rule = *rule};
	il__list_init(&link->held);
}

struct il__sim_link *il__sim_link(const struct il__sim_host *from, const struct il__sim_host *to)
{
	return from == to ? NULL : &from->links[to->index];
}

il_time il__sim_link_latency(struct il_virtual_network *n, const struct il__sim_link *link)
{
	const il_time least = link->rule.latency_min, range = link->rule.latency_max - least;

	return range ? least + (il_time)(il__sim_random(n) % ((uint64_t)range + 1)) : least;
}

int il__sim_rule_make(struct il__sim_rule *rule, il_time latency_min, il_time latency_max,
		      double loss, bool reorder, const char *function)
{
	if (latency_min < 0 || latency_max < 0 || (latency_max && latency_max < latency_min) ||
	    latency_min > IL_SEC(86400) || latency_max > IL_SEC(86400))
		return il__refuse(-EINVAL,
				  "%s: latency_min and latency_max are to be 0 to one day, the "
				  "second not less than the first; 0: as the first",
				  function);
	if (!(loss >= 0 && loss <= 1))
		return il__refuse(-EINVAL, "%s: loss is to be 0 to 1", function);
	*rule = (struct il__sim_rule){.latency_min = latency_min,
				      .latency_max = latency_max ? latency_max : latency_min,
				      .loss = loss,
				      .reorder = reorder};
	return 0;
}
