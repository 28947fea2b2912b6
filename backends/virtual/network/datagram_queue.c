/*
 * datagram_queue.c: what has arrived for a datagram socket and was not received yet: so many datagrams and bytes, beyond
 * which the newest are dropped. Loop's thread only.
 */
#include "ends.h"
#include "packets.h"

enum { QUEUE_MOST = 1024 }; /* docs/simulation.md has it */

/* Behind those that came before; a shuffled one anywhere among those that came with it. */
static void datagram_enqueue(struct il__sim_end *e, struct il__sim_packet *p)
{
	struct il__sim_host *host = e->host;
	struct il__list *at = &e->queue;
	uint64_t together = 0;

	p->arrived = il__sim_now(host->network);
	for (struct il__list *node = at->prev; p->shuffled && node != &e->queue;
	     node = node->prev) {
		const struct il__sim_packet *other =
		    il__container_of(node, struct il__sim_packet, link);
		if (!other->shuffled || other->arrived != p->arrived)
			break;
		together++;
	}
	for (uint64_t back = together ? il__sim_random(host->network) % (together + 1) : 0;
	     back > 0; back--)
		at = at->prev;
	il__list_push(at, &p->link);
	e->bytes += p->size;
	e->waiting++;
	il__fd_fire(&e->fd, IL_READABLE);
}

void il__sim_datagram_deliver(struct il__sim_end *e, struct il__sim_packet *p)
{
	struct il_virtual_network *n = e->host->network;

	if (e->waiting < QUEUE_MOST && e->bytes + p->size <= e->most_bytes) {
		datagram_enqueue(e, p);
		return;
	}
	il__sim_trace(n, "%s:%u queue is full", e->host->name, (unsigned)p->target.port);
	il__sim_packet_free(n, p);
}
