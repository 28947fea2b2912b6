/*
 * datagram_udp.c: opening UDP sockets: one socket, on the first address that will do. All interfaces are one IPv6
 * socket that serves IPv4, too; where there is no IPv6 it is an IPv4 one. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "datagram.h"
#include "datagram_options.h"
#include "network.h"
#include "resolve.h"

struct udp_opening {
	const char *function;
	const il_datagram_options *options;
	bool connects, any; /* any: all interfaces */
	const struct il__network *network;
	il_address *list;
	int count;
	struct il__fd *end; /* what was opened */
	int family;
};

/* The first address decides what is said: it is the one that was meant. A port that is taken at all interfaces is no reason to serve
 * IPv4 alone. */
static int datagram_udp_first(struct udp_opening *o, il_loop *loop)
{
	int failure = 0;
	char *why = NULL;

	for (int i = 0; i < o->count; i++) {
		int rc = o->network->datagram(loop, &o->list[i], o->connects, o->options,
					      o->function, &o->end);
		if (rc == 0) {
			o->family = o->list[i].storage.ss_family;
			il__free(why);
			return 0;
		}
		if (!failure) {
			failure = rc;
			why = il__keep_refusal(rc);
		}
		if (o->any && rc == -EADDRINUSE)
			break;
	}
	return il__refuse_again(failure, why);
}

/* All interfaces: of both families IPv6 comes first, for it serves the other one too. */
static void datagram_udp_prefer_ipv6(struct udp_opening *o)
{
	for (int i = 1; i < o->count; i++)
		if (o->list[i].storage.ss_family == AF_INET6 &&
		    o->list[0].storage.ss_family != AF_INET6) {
			il_address first = o->list[0];
			o->list[0] = o->list[i];
			o->list[i] = first;
		}
}

static int datagram_udp_open(il_datagram **d, struct udp_opening *o, const char *host,
			     const char *port, unsigned flags)
{
	il_task *task;
	int rc;

	if (!d || !port)
		return il__refuse(-EINVAL, "%s: the socket or the port is NULL", o->function);
	rc = il__datagram_check_options(o->options, AF_UNSPEC, o->function);
	if (rc < 0)
		return rc;
	task = il__task_current(o->function, &rc);
	if (!task)
		return rc;
	o->network = il__network_of(task->loop);
	if (o->options && o->options->ipv6_only)
		flags |= IL_RESOLVE_IPV6;
	rc =
	    il__resolve(&o->list, host, port, IL_RESOLVE_DATAGRAM | flags, IL_FOREVER, o->function);
	if (rc < 0)
		return rc;
	o->count = rc;
	o->any = !host && flags & IL_RESOLVE_PASSIVE;
	if (o->any)
		datagram_udp_prefer_ipv6(o);
	rc = datagram_udp_first(o, task->loop);
	il__free(o->list);
	if (rc < 0)
		return rc;
	rc = il__datagram_create(d, task->loop, o->network, o->end, (sa_family_t)o->family, NULL);
	if (rc < 0)
		o->network->close(o->end, false);
	return rc;
}

int il_datagram_open_udp(il_datagram **d, const char *host, const char *port,
			 const il_datagram_options *options)
{
	struct udp_opening o = {.function = "il_datagram_open_udp", .options = options};

	return datagram_udp_open(d, &o, host, port, IL_RESOLVE_PASSIVE);
}

int il_datagram_connect_udp(il_datagram **d, const char *host, const char *port,
			    const il_datagram_options *options)
{
	struct udp_opening o = {
	    .function = "il_datagram_connect_udp", .options = options, .connects = true};

	return datagram_udp_open(d, &o, host, port, 0);
}
