/*
 * faults.c: what a test does to a network. NULL means every host: each pair that the two names mean is changed.
 * Loop's thread only.
 */
#include "../../../core/base/error.h"
#include "hosts.h"
#include "packets.h"
#include "tcp.h"
#include "tcp_rest.h"

struct pairs {
	struct il_virtual_network *network;
	struct il__sim_host *a, *b; /* NULL: all */
};

typedef void link_change(struct il_virtual_network *n, struct il__sim_link *link, const void *arg);

static int pairs_find(struct pairs *pairs, struct il_virtual_network *n, const char *a,
		      const char *b, const char *function)
{
	int rc = il__sim_check(n, function);

	*pairs = (struct pairs){.network = n};
	if (rc == 0 && a)
		rc = il__sim_find(n, a, &pairs->a, function);
	if (rc == 0 && b)
		rc = il__sim_find(n, b, &pairs->b, function);
	if (rc == 0 && a && pairs->a == pairs->b)
		return il__refuse(-EINVAL, "%s: host %s and itself: nothing lies between them",
				  function, a);
	return rc;
}

static bool pairs_have(const struct pairs *pairs, const struct il__sim_host *one,
		       const struct il__sim_host *other)
{
	return one != other && (!pairs->a || pairs->a == one) && (!pairs->b || pairs->b == other);
}

/* Calls `change` for the direction from a to b of each pair, and for the other one, if `both`. */
static void pairs_change(const struct pairs *pairs, bool both, link_change *change, const void *arg)
{
	struct il_virtual_network *n = pairs->network;

	for (size_t i = 0; i < n->count; i++)
		for (size_t k = 0; k < n->count; k++) {
			struct il__sim_host *from = n->hosts[i], *to = n->hosts[k];
			if (pairs_have(pairs, from, to) || (both && pairs_have(pairs, to, from)))
				change(n, &from->links[k], arg);
		}
	il__sim_changed(n);
}

static void trace_pairs(const struct pairs *pairs, const char *what, const char *arrow)
{
	il__sim_trace(pairs->network, "%s %s %s %s", what, pairs->a ? pairs->a->name : "*", arrow,
		      pairs->b ? pairs->b->name : "*");
}

/* ---- the public face ---- */

static void link_set_rule(struct il_virtual_network *n, struct il__sim_link *link, const void *rule)
{
	(void)n;
	link->rule = *(const struct il__sim_rule *)rule;
}

int il_virtual_link(il_virtual_network *n, const char *a, const char *b,
		    const il_virtual_link_options *options)
{
	static const char function[] = "il_virtual_link";
	struct il__sim_rule rule;
	struct pairs pairs;
	int rc = pairs_find(&pairs, n, a, b, function);

	if (rc < 0)
		return rc;
	rule = n->own;
	if (options)
		rc = il__sim_rule_make(&rule, options, function);
	if (rc < 0)
		return rc;
	if (!a && !b)
		n->rule = rule;
	trace_pairs(&pairs, "link", "-");
	pairs_change(&pairs, true, link_set_rule, &rule);
	return 0;
}

static void link_cut(struct il_virtual_network *n, struct il__sim_link *link, const void *arg)
{
	(void)arg;
	link->cuts += !link->partitioned;
	link->partitioned = true;
	il__sim_lose(n, link);
}

static void link_repair(struct il_virtual_network *n, struct il__sim_link *link, const void *arg)
{
	(void)n;
	(void)arg;
	link->partitioned = false;
}

static void link_hold(struct il_virtual_network *n, struct il__sim_link *link, const void *arg)
{
	(void)n;
	(void)arg;
	link->holds = true;
}

/* What was sent again while the link was held has used up tries, though nothing was lost. */
static void give_tries_back(struct il_virtual_network *n, const struct il__sim_link *link)
{
	for (size_t i = 0; i < n->count; i++)
		il__list_each (node, &n->hosts[i]->connections) {
			struct il__sim_tcp *t = il__container_of(node, struct il__sim_tcp, link);
			if (il__sim_link(t->host, t->other) == link ||
			    il__sim_link(t->other, t->host) == link)
				t->tries = 0;
		}
}

static void link_release(struct il_virtual_network *n, struct il__sim_link *link, const void *arg)
{
	(void)arg;
	link->holds = false;
	il__sim_release(n, link);
	give_tries_back(n, link);
}

/* For hosts that are started later. */
static void change_all(struct il_virtual_network *n, link_change *how)
{
	if (how == link_cut || how == link_repair)
		n->partitioned = how == link_cut;
	else
		n->holds = how == link_hold;
}

static int change(struct il_virtual_network *n, const char *a, const char *b, bool both,
		  link_change *how, const char *what, const char *function)
{
	struct pairs pairs;
	int rc = pairs_find(&pairs, n, a, b, function);

	if (rc < 0)
		return rc;
	if (!a && !b)
		change_all(n, how);
	trace_pairs(&pairs, what, both ? "-" : ">");
	pairs_change(&pairs, both, how, NULL);
	return 0;
}

int il_virtual_partition(il_virtual_network *n, const char *a, const char *b)
{
	return change(n, a, b, true, link_cut, "partition", "il_virtual_partition");
}

int il_virtual_partition_oneway(il_virtual_network *n, const char *from, const char *to)
{
	return change(n, from, to, false, link_cut, "partition", "il_virtual_partition_oneway");
}

int il_virtual_repair(il_virtual_network *n, const char *a, const char *b)
{
	return change(n, a, b, true, link_repair, "repair", "il_virtual_repair");
}

int il_virtual_repair_oneway(il_virtual_network *n, const char *from, const char *to)
{
	return change(n, from, to, false, link_repair, "repair", "il_virtual_repair_oneway");
}

int il_virtual_hold(il_virtual_network *n, const char *a, const char *b)
{
	return change(n, a, b, true, link_hold, "hold", "il_virtual_hold");
}

int il_virtual_release(il_virtual_network *n, const char *a, const char *b)
{
	return change(n, a, b, true, link_release, "release", "il_virtual_release");
}

/* For one end at least: the last packet of the handshake may be under way to the other. */
static bool is_established(const struct il__sim_tcp *t)
{
	return t->state == IL__SIM_OPEN || (t->peer && t->peer->state == IL__SIM_OPEN);
}

int il_virtual_reset(il_virtual_network *n, const char *a, const char *b)
{
	struct pairs pairs;
	int rc = pairs_find(&pairs, n, a, b, "il_virtual_reset");

	if (rc < 0)
		return rc;
	trace_pairs(&pairs, "reset", "-");
	for (size_t i = 0; i < n->count; i++)
		il__list_each_safe (node, &n->hosts[i]->connections) {
			struct il__sim_tcp *t = il__container_of(node, struct il__sim_tcp, link);
			if (is_established(t) && (pairs_have(&pairs, t->host, t->other) ||
						  pairs_have(&pairs, t->other, t->host)))
				il__sim_tcp_end(t, -ECONNRESET);
		}
	return 0;
}
