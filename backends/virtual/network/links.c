/*
 * links.c: the rules between hosts. Loop's thread only.
 */
#include "links.h"
#include "../../../core/base/error.h"
#include "hosts.h"

void il__sim_link_init(struct il__sim_link *link, const struct il_virtual_network *n)
{
	*link = (struct il__sim_link){
	    .rule = n->rule, .partitioned = n->partitioned, .holds = n->holds};
	il__list_init(&link->held);
}

struct il__sim_link *il__sim_link(const struct il__sim_host *from, const struct il__sim_host *to)
{
	return from == to ? NULL : &from->links[to->index];
}

bool il__sim_link_loses(struct il_virtual_network *n, const struct il__sim_link *link, bool ipv4)
{
	return il__sim_happens(n, link->rule.loss) ||
	       il__sim_happens(n, ipv4 ? link->rule.loss_ipv4 : link->rule.loss_ipv6);
}

il_time il__sim_link_latency(struct il_virtual_network *n, const struct il__sim_link *link)
{
	const il_time least = link->rule.latency_min, range = link->rule.latency_max - least;

	return range ? least + (il_time)(il__sim_random(n) % ((uint64_t)range + 1)) : least;
}

static bool is_probability(double p)
{
	return p >= 0 && p <= 1;
}

int il__sim_rule_make(struct il__sim_rule *rule, const il_virtual_link_options *o,
		      const char *function)
{
	const il_time least = o->latency_min, most = o->latency_max;

	if (least < 0 || most < 0 || (most && most < least) || least > IL_SEC(86400) ||
	    most > IL_SEC(86400))
		return il__refuse(-EINVAL,
				  "%s: latency_min and latency_max are to be 0 to one day, the "
				  "second not less than the first; 0: as the first",
				  function);
	if (!is_probability(o->loss) || !is_probability(o->loss_ipv4) ||
	    !is_probability(o->loss_ipv6))
		return il__refuse(-EINVAL, "%s: loss is to be 0 to 1", function);
	*rule = (struct il__sim_rule){.latency_min = least,
				      .latency_max = most ? most : least,
				      .loss = o->loss,
				      .loss_ipv4 = o->loss_ipv4,
				      .loss_ipv6 = o->loss_ipv6,
				      .reorder = o->reorder};
	return 0;
}
