/*
 * simulation.c: opening and closing a loop's simulated network. Loop's thread only.
 */
#include "simulation.h"
#include "../../../core/base/error.h"
#include "../../../core/base/memory.h"
#include "../../../core/runtime/thread_state.h"
#include "packets.h"
#include "power.h"

enum { BUFFER = 64 << 10, BUFFER_LEAST = 1 << 10, BUFFER_MOST = 1 << 30 };

/* ---- the life of a network ---- */

/* Seeds that follow one another begin far apart; the loop's own chance begins with the seed itself. */
static uint64_t random_begin(uint64_t seed)
{
	uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return x ? x : 1;
}

static void simulation_free(struct il_virtual_network *n)
{
	n->trace = -1;
	for (size_t i = 0; i < n->count; i++)
		il__sim_host_cut(n->hosts[i]);
	for (size_t i = 0; i < n->count; i++)
		for (size_t k = 0; k < n->count; k++)
			if (i != k)
				il__sim_lose(n, &n->hosts[i]->links[k]);
	il__sim_packets_free(n);
	for (size_t i = 0; i < n->count; i++)
		il__sim_host_free(n->hosts[i]);
	n->loop->network = NULL;
	n->loop->network_self = NULL;
	il__free(n->hosts);
	il__free(n);
}

/* The loop was closed first: its tasks have ended. */
static int simulation_closing(struct il__extension *extension, il_loop *loop)
{
	(void)loop;
	simulation_free(il__container_of(extension, struct il_virtual_network, extension));
	return 0;
}

static const struct il__extension_ops simulation_ops = {.closing = simulation_closing};

static int simulation_check(il_loop **loop, const char *function)
{
	int rc = il__loop_here(loop, function);

	if (rc < 0)
		return rc;
	if (!(*loop)->own_clock)
		return il__refuse(-ENOTSUP,
				  "%s: the backend %s has the machine's network; a simulated one "
				  "needs virtual time: il_virtual()",
				  function, il_backend_name((*loop)->backend));
	if ((*loop)->network)
		return il__refuse(-EBUSY, "%s: this loop has a network already; close it first",
				  function);
	return 0;
}

int il_virtual_network_open(il_virtual_network **network, const il_virtual_network_options *options)
{
	static const char function[] = "il_virtual_network_open";
	const il_virtual_network_options o = options ? *options : (il_virtual_network_options){0};
	struct il__sim_rule rule;
	struct il_virtual_network *n;
	struct il__sim_host *nobody;
	il_loop *loop;
	int rc;

	if (!network)
		return il__refuse(-EINVAL, "%s: NULL where the network is to be stored", function);
	rc = simulation_check(&loop, function);
	if (rc == 0)
		rc = il__sim_rule_make(&rule,
				       &(il_virtual_link_options){.latency_min = o.latency_min,
								  .latency_max = o.latency_max,
								  .loss = o.loss},
				       function);
	if (rc < 0)
		return rc;
	if (o.buffer && (o.buffer < BUFFER_LEAST || o.buffer > BUFFER_MOST))
		return il__refuse(-EINVAL, "%s: buffer is %zu, expected %d to %d bytes, or 0: %d",
				  function, o.buffer, BUFFER_LEAST, BUFFER_MOST, BUFFER);
	n = il__calloc(1, sizeof *n);
	if (!n)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	n->loop = loop;
	n->random = random_begin(o.seed ? o.seed : loop->options.seed);
	n->own = n->rule = rule;
	n->buffer = o.buffer ? o.buffer : BUFFER;
	n->ipv6 = o.ipv6;
	n->trace = -1;
	il__list_init(&n->under_way);
	il__list_init(&n->spare);
	if (il__sim_host_add(n, "", &nobody) < 0) {
		il__free(n->hosts);
		il__free(n);
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	}
	il__loop_extend(loop, &n->extension, &simulation_ops);
	loop->network = &il__sim_network;
	loop->network_self = n;
	*network = n;
	return 0;
}

uint64_t il_virtual_random(il_virtual_network *n)
{
	return il__sim_check(n, "il_virtual_random") < 0 ? 0 : il__sim_random(n);
}

int il_virtual_network_close(il_virtual_network *n)
{
	static const char function[] = "il_virtual_network_close";
	int rc = il__sim_check(n, function);

	if (rc == 0 && !il__task_current(function, &rc))
		return rc;
	if (rc < 0)
		return rc;
	if (il__sim_here(n)->index)
		return il__refuse(-EDEADLK,
				  "%s: called by a task of host %s, whose end it waits for; call "
				  "it in a task of no host",
				  function, il__sim_here(n)->name);
	n->closing = true;
	for (size_t i = 1; i < n->count; i++)
		il__sim_host_cut(n->hosts[i]);
	for (size_t i = 1; i < n->count; i++)
		il__sim_host_join(n->hosts[i]);
	while (n->joining) /* others, which are ready */
		il__task_yield(n->loop->current);
	il__list_remove(&n->extension.link);
	simulation_free(n);
	return 0;
}
