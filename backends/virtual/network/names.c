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

static void names_add(struct il__sim_ip ip, il_address *list, int *count)
{
	il__sim_address((struct il__sim_place){ip, 0}, &list[(*count)++]);
}

/* The addresses of a family of all hosts that the name means. */
static void names_hosts(const struct il_virtual_network *n, const char *name, bool ipv4,
			il_address *list, int *count)
{
	/* No host is called so, and no domain. */
	const bool own = strcasecmp(name, "localhost") == 0;
	const struct il__sim_host *host = *name ? il__sim_named(n, name) : NULL;

	if (own)
		names_add(il__sim_loopback(ipv4), list, count);
	else if (host)
		names_add(il__sim_host_ip(host, ipv4), list, count);
	for (size_t i = 0; !own && !host && *name && i < n->count; i++)
		if (names_is_domain_of(name, n->hosts[i]->name))
			names_add(il__sim_host_ip(n->hosts[i], ipv4), list, count);
}

static bool names_want(const struct il_virtual_network *n, unsigned flags, bool ipv4)
{
	const unsigned both = IL_RESOLVE_IPV4 | IL_RESOLVE_IPV6;

	return (ipv4 || n->ipv6) &&
	       (!(flags & both) || flags & (ipv4 ? IL_RESOLVE_IPV4 : IL_RESOLVE_IPV6));
}

/* A number: 1; no number: 0; -ENOENT: of another family than was asked for. */
static int names_number(const char *text, unsigned flags, il_address *address)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	const bool only4 = (flags & IL_RESOLVE_IPV4) && !(flags & IL_RESOLVE_IPV6),
		   only6 = (flags & IL_RESOLVE_IPV6) && !(flags & IL_RESOLVE_IPV4);

	/* Also "127.1" and "0x7f000001", as getaddrinfo; inet_aton alone takes blanks behind it. */
	if (!text[strcspn(text, " \t\n\v\f\r")] && inet_aton(text, &in.sin_addr)) {
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

/* A final dot says that the name is whole, as all are here. */
static int names_look_up(const struct il_virtual_network *n, const char *host, unsigned flags,
			 il_address *list)
{
	char name[IL__SIM_NAME + 1];
	size_t size = strlen(host);
	int count = 0;

	if (size && host[size - 1] == '.')
		size--;
	if (flags & IL_RESOLVE_NUMERIC || size > IL__SIM_NAME)
		return -ENOENT;
	memcpy(name, host, size);
	name[size] = '\0';
	for (int ipv4 = 0; ipv4 < 2; ipv4++)
		if (names_want(n, flags, ipv4))
			names_hosts(n, name, ipv4, list, &count);
	return count ? count : -ENOENT;
}

/* All interfaces, of which IPv4's come first on Linux; or the host itself. */
static int names_nobody(const struct il_virtual_network *n, unsigned flags, il_address *list)
{
	const bool passive = flags & IL_RESOLVE_PASSIVE;
	int count = 0;

	for (int i = 0; i < 2; i++) {
		const bool ipv4 = passive == (i == 0);
		if (names_want(n, flags, ipv4))
			names_add(passive ? il__sim_any(ipv4) : il__sim_loopback(ipv4), list,
				  &count);
	}
	return count ? count : -ENOENT;
}

/* A host may be called "7", which is 0.0.0.7 to whoever knows no such host. */
static bool names_is_called(const struct il_virtual_network *n, const char *host, unsigned flags)
{
	struct in_addr whole;

	return !(flags & IL_RESOLVE_NUMERIC) && inet_pton(AF_INET, host, &whole) != 1 && *host &&
	       il__sim_named(n, host);
}

static int names_find(const struct il_virtual_network *n, const char *host, unsigned flags,
		      il_address *list)
{
	int rc;

	if (!host)
		return names_nobody(n, flags, list);
	rc = names_is_called(n, host, flags) ? 0 : names_number(host, flags, list);
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
	found = il__calloc(2 * n->count, sizeof *found);
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
	return il__refuse(rc, "%s: host %s, port %s: %s", function, host ? host : "NULL", port,
			  rc == -ENOENT ? "the simulated network has no such host"
					: il__system_words(rc));
}
