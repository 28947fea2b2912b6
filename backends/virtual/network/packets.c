/*
 * packets.c: sending packets, their arrival, and what becomes of those that do not arrive. Each is a timer; of two that
 * arrive at the same time the one that was sent first does so first. Loop's thread only.
 */
#include "packets.h"
#include "../../../core/base/memory.h"
#include "hosts.h"

#include <stdio.h>

static const char *const kinds[] = {
    [IL__SIM_CONNECT] = "connect",
    [IL__SIM_ACCEPT] = "accept",
    [IL__SIM_DATA] = "data",
    [IL__SIM_PROBE] = "probe",
    [IL__SIM_RESET] = "reset",
    [IL__SIM_DATAGRAM] = "datagram",
    [IL__SIM_UNREACHABLE] = "unreachable",
};

/* "client:32768 > server:7 data 0+5 ack 0" and what becomes of it. */
static void packet_trace(const struct il__sim_packet *p, const char *fate)
{
	const struct il_virtual_network *n = p->to->network;
	char numbers[80] = "";

	if (!il__sim_is_traced(n))
		return;
	if (p->kind == IL__SIM_DATAGRAM)
		snprintf(numbers, sizeof numbers, " %zu", p->size);
	else if (p->kind == IL__SIM_DATA)
		snprintf(numbers, sizeof numbers, " %llu+%zu%s ack %llu", (unsigned long long)p->at,
			 p->size, p->ends ? " end" : "", (unsigned long long)p->acknowledged);
	il__sim_trace(n, "%s:%u > %s:%u %s%s%s", p->from->name, (unsigned)p->source.port,
		      p->to->name, (unsigned)p->target.port, kinds[p->kind], numbers, fate);
}

/* ---- memory ---- */

static void packet_on_arrival(struct il__timer *timer);

struct il__sim_packet *il__sim_packet_make(struct il_virtual_network *n,
					   const struct il__sim_packet_ops *ops,
					   enum il__sim_kind kind, size_t data)
{
	struct il__list *spare = data ? NULL : il__list_pop(&n->spare);
	struct il__sim_packet *p = spare ? il__container_of(spare, struct il__sim_packet, link)
					 : il__malloc(sizeof *p + data);

	if (!p)
		return NULL;
	*p = (struct il__sim_packet){
	    .ops = ops, .timer = {.fire = packet_on_arrival}, .kind = kind, .size = data};
	il__list_init(&p->link);
	return p;
}

static void packet_let_go(struct il__sim_packet *p)
{
	il__list_remove(&p->link);
	if (p->ops->let_go)
		p->ops->let_go(p);
}

void il__sim_packet_free(struct il_virtual_network *n, struct il__sim_packet *p)
{
	packet_let_go(p);
	if (n && p->kind != IL__SIM_DATAGRAM)
		il__list_push_front(&n->spare, &p->link);
	else
		il__free(p);
}

void il__sim_packets_free(struct il_virtual_network *n)
{
	struct il__list *node;

	while (!il__list_empty(&n->under_way)) {
		struct il__sim_packet *p =
		    il__container_of(n->under_way.next, struct il__sim_packet, link);
		il__timer_disarm(n->loop, &p->timer);
		packet_let_go(p);
		il__free(p);
	}
	while ((node = il__list_pop(&n->spare)))
		il__free(il__container_of(node, struct il__sim_packet, link));
}

/* ---- sending ---- */

static void packet_lose(struct il__sim_packet *p, const char *why)
{
	packet_trace(p, why);
	il__sim_packet_free(p->to->network, p);
}

void il__sim_packet_send(struct il__sim_packet *p, struct il__sim_host *from,
			 struct il__sim_host *to)
{
	struct il_virtual_network *n = to->network;
	struct il__sim_link *link = il__sim_link(from, to);
	il_time latency = 0;

	p->from = from;
	p->to = to;
	if (link && link->partitioned) {
		packet_lose(p, ": partitioned");
		return;
	}
	if (link && il__sim_link_loses(n, link, il__sim_is_ipv4(p->target.ip))) {
		packet_lose(p, ": lost");
		return;
	}
	if (link)
		latency = il__sim_link_latency(n, link);
	p->cuts = link ? link->cuts : 0;
	if (il__timer_arm(n->loop, &p->timer, il__sim_now(n) + latency) < 0) {
		packet_lose(p, ": no memory");
		return;
	}
	il__list_push(&n->under_way, &p->link);
	packet_trace(p, "");
}

/* ---- arriving ---- */

static void packet_on_arrival(struct il__timer *timer)
{
	struct il__sim_packet *p = il__container_of(timer, struct il__sim_packet, timer);
	struct il__sim_link *link = il__sim_link(p->from, p->to);

	il__list_remove(&p->link);
	if (link && link->cuts != p->cuts) {
		packet_lose(p, ": lost under way");
		return;
	}
	if (link && link->holds) {
		packet_trace(p, ": held");
		il__list_push(&link->held, &p->link);
		p->to->network->loop->held++;
		return;
	}
	p->shuffled = link && link->rule.reorder;
	if (p->to->down)
		packet_lose(p, ": the host is down");
	else
		p->ops->arrive(p);
}

void il__sim_release(struct il_virtual_network *n, struct il__sim_link *link)
{
	struct il__list *node;

	while ((node = il__list_pop(&link->held))) {
		struct il__sim_packet *p = il__container_of(node, struct il__sim_packet, link);
		n->loop->held--;
		if (il__timer_arm(n->loop, &p->timer, il__sim_now(n)) < 0)
			packet_lose(p, ": no memory");
		else
			il__list_push(&n->under_way, &p->link);
	}
}

void il__sim_lose(struct il_virtual_network *n, struct il__sim_link *link)
{
	struct il__list *node;

	while ((node = il__list_pop(&link->held))) {
		n->loop->held--;
		packet_lose(il__container_of(node, struct il__sim_packet, link),
			    ": lost under way");
	}
}
