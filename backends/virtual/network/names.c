/*
 * names.c: the resolver of a simulated network: hosts by name, domains of them ("db" for "1.db" and "2.db"), localhost,
 * and numbers. Nothing of the machine's is asked. Loop's thread only, in a task.
 */
#include "names.h"
#include "../../../core/base/error.h"
#include "../../../core/base/memory.h"
#include "../../../core/io/address.h"
#include "../../../core/runtime/task.h"
#include "ends.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- services ---- */

static const struct {
	const char *name;
	uint16_t port;
	bool tcp, udp;
} services[] = {
    {"echo", 7, true, true},    {"domain", 53, true, true},       {"http", 80, true, false},
    {"ntp", 123, false, true},  {"https", 443, true, true},       {"smtp", 25, true, false},
    {"imap", 143, true, false}, {"submission", 587, true, false},
};

/* -1: there is none. */
static int names_port(const char *text, bool datagram)
{
	if (*text >= '0' && *text <= '9')
		return atoi(text);
	for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
		if (strcmp(services[i].name, text) == 0 &&
		    (datagram ? services[i].udp : services[i].tcp))
			return services[i].port;
	return -1;
}

/* ---- hosts ---- */

static bool names_is_domain_of(const char *domain, const char *name)
{
	const size_t more = strlen(domain), size = strlen(name);

	return size > more + 1 && name[size - more - 1] == '.' &&
	       strcasecmp(name + size - more, domain) == 0;
}

/* How many hosts that means, and their addresses. */
static size_t names_hosts(const struct il_virtual_network *n, const char *name, uint32_t *ips)
{
	const struct il__sim_host *host = *name ? il__sim_named(n, name) : NULL;
	size_t count = 0;

	if (host) {
		ips[0] = host->ip;
		return 1;
	}
	for (size_t i = 0; *name && i < n->count; i++)
		if (names_is_domain_of(name, n->hosts[i]->name))
			ips[count++] = n->hosts[i]->ip;
	return count;
}

/* A number: 1; no number: 0; -ENOENT: of another family than was asked for. */
static int names_number(const char *text, unsigned flags, il_address *address)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	const bool only4 = (flags & IL_RESOLVE_IPV4) && !(flags & IL_RESOLVE_IPV6),
		   only6 = (flags & IL_RESOLVE_IPV6) && !(flags & IL_RESOLVE_IPV4);

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(&address->storage, &in, sizeof in);
		address->length = sizeof in;
		return only6 ? -ENOENT : 1;
	}
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		memcpy(&address->storage, &in6, sizeof in6);
		address->length = sizeof in6;
		return only4 ? -ENOENT : 1;
	}
	return 0;
}

static int names_look_up(const struct il_virtual_network *n, const char *host, unsigned flags,
			 il_address *list)
{
	uint32_t *ips;
	size_t count;

	if (flags & IL_RESOLVE_NUMERIC)
		return -ENOENT;
	if ((flags & IL_RESOLVE_IPV6) && !(flags & IL_RESOLVE_IPV4))
		return -ENOENT; /* hosts have IPv4 addresses */
	if (strcasecmp(host, "localhost") == 0) {
		il__sim_address((struct il__sim_place){IL__SIM_LOOPBACK, 0}, list);
		return 1;
	}
	ips = il__malloc(n->count * sizeof *ips);
	if (!ips)
		return -ENOMEM;
	count = names_hosts(n, host, ips);
	for (size_t i = 0; i < count; i++)
		il__sim_address((struct il__sim_place){ips[i], 0}, &list[i]);
	il__free(ips);
	return count ? (int)count : -ENOENT;
}

static int names_find(const struct il_virtual_network *n, const char *host, unsigned flags,
		      il_address *list)
{
	int rc;

	if (!host) {
		const bool any = flags & IL_RESOLVE_PASSIVE;
		il__sim_address((struct il__sim_place){any ? INADDR_ANY : IL__SIM_LOOPBACK, 0},
				list);
		return 1;
	}
	rc = names_number(host, flags, list);
	return rc ? rc : names_look_up(n, host, flags, list);
}

int il__sim_resolve(il_address **list, const char *host, const char *port, unsigned flags,
		    il_time deadline, const char *function)
{
	il_loop *loop = il_loop_current();
	const struct il_virtual_network *n = il__sim_of(loop);
	const int number = names_port(port, flags & IL_RESOLVE_DATAGRAM);
	il_address *found;
	int rc;

	(void)deadline;
	if (number < 0)
		return il__refuse(-ENOENT,
				  "%s: port \"%s\": the simulated network knows no service "
				  "of that name; give its number",
				  function, port);
	found = il__calloc(n->count, sizeof *found);
	if (!found)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	rc = names_find(n, host, flags, found);
	for (int i = 0; i < rc; i++)
		il__address_set_port(&found[i], (uint16_t)number);
	if (rc > 0) {
		*list = found;
		il__task_yield(loop->current);
		return rc;
	}
	il__free(found);
	return il__refuse(rc, "%s: host %s, port %s: %s", function, host, port,
			  rc == -ENOENT ? "the simulated network has no such host"
					: il__system_words(rc));
}
