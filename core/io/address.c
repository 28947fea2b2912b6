/*
 * address.c: socket addresses as values: in words, compared, and made from a path. No state; any thread.
 */
#include "address.h"
#include "../base/error.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The storage is read as what its family says: copied out, which no aliasing rule minds. */
static struct sockaddr_in as_ipv4(const il_address *address)
{
	struct sockaddr_in a;

	memcpy(&a, &address->storage, sizeof a);
	return a;
}

static struct sockaddr_in6 as_ipv6(const il_address *address)
{
	struct sockaddr_in6 a;

	memcpy(&a, &address->storage, sizeof a);
	return a;
}

uint16_t il_address_port(const il_address *address)
{
	if (!address || !address->length)
		return 0;
	if (address->storage.ss_family == AF_INET)
		return ntohs(as_ipv4(address).sin_port);
	if (address->storage.ss_family == AF_INET6)
		return ntohs(as_ipv6(address).sin6_port);
	return 0;
}

void il__address_set_port(il_address *address, uint16_t port)
{
	if (address->storage.ss_family == AF_INET) {
		struct sockaddr_in a = as_ipv4(address);
		a.sin_port = htons(port);
		memcpy(&address->storage, &a, sizeof a);
	} else if (address->storage.ss_family == AF_INET6) {
		struct sockaddr_in6 a = as_ipv6(address);
		a.sin6_port = htons(port);
		memcpy(&address->storage, &a, sizeof a);
	}
}

bool il__address_equal(const il_address *a, const il_address *b)
{
	return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
}

/* An IPv4 peer of an IPv6 socket is shown as what it is. */
void il__address_unmap(il_address *address)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	struct sockaddr_in6 a;

	if (address->length < sizeof a || address->storage.ss_family != AF_INET6)
		return;
	a = as_ipv6(address);
	if (!IN6_IS_ADDR_V4MAPPED(&a.sin6_addr))
		return;
	ipv4.sin_port = a.sin6_port;
	memcpy(&ipv4.sin_addr, &a.sin6_addr.s6_addr[12], sizeof ipv4.sin_addr);
	memset(&address->storage, 0, sizeof address->storage);
	memcpy(&address->storage, &ipv4, sizeof ipv4);
	address->length = sizeof ipv4;
}

/* ---- in words ---- */

static int ipv6_text(const il_address *address, char *text, size_t size)
{
	struct sockaddr_in6 a = as_ipv6(address);
	char number[INET6_ADDRSTRLEN], name[IF_NAMESIZE], scope[IF_NAMESIZE + 1] = "";

	inet_ntop(AF_INET6, &a.sin6_addr, number, sizeof number);
	if (a.sin6_scope_id && if_indextoname(a.sin6_scope_id, name))
		snprintf(scope, sizeof scope, "%%%s", name);
	return snprintf(text, size, "[%s%s]:%u", number, scope, ntohs(a.sin6_port));
}

static int unix_text(const il_address *address, char *text, size_t size)
{
	const size_t start = offsetof(struct sockaddr_un, sun_path);
	char path[sizeof(struct sockaddr_un) + 1] = "";
	size_t length = address->length > start ? address->length - start : 0;

	if (length > sizeof path - 1)
		length = sizeof path - 1;
	memcpy(path, (const char *)&address->storage + start, length);
	if (length && !path[0]) { /* abstract: every byte counts, none ends it */
		for (size_t i = 0; i < length; i++)
			path[i] = path[i] ? path[i] : '@';
		path[length] = 0;
	}
	return snprintf(text, size, "%s", path);
}

int il_address_text(const il_address *address, char *text, size_t size)
{
	char number[INET_ADDRSTRLEN];
	struct sockaddr_in ipv4;

	if (!address)
		return il__refuse(-EINVAL, "il_address_text: the address is NULL");
	if (!il__is_items(text, size))
		return il__refuse_items("il_address_text", "text", text, "size", size);
	if (!address->length)
		return snprintf(text, size, "%s", "");
	switch (address->storage.ss_family) {
	case AF_INET:
		ipv4 = as_ipv4(address);
		inet_ntop(AF_INET, &ipv4.sin_addr, number, sizeof number);
		return snprintf(text, size, "%s:%u", number, ntohs(ipv4.sin_port));
	case AF_INET6:
		return ipv6_text(address, text, size);
	case AF_UNIX:
		return unix_text(address, text, size);
	default:
		return snprintf(text, size, "family %d", address->storage.ss_family);
	}
}

/* ---- from a path ---- */

bool il__path_is_abstract(const char *path)
{
	return path && path[0] == '@';
}

/* "@name" has no file: the name follows a zero byte, and none ends it. */
static int check_abstract(const char *path, const char *function)
{
	if (!IL__LINUX)
		return il__refuse(-ENOTSUP,
				  "%s: this system has no abstract Unix sockets; for a file of "
				  "that name write ./%s",
				  function, path);
	return path[1] ? 0
		       : il__refuse(-EINVAL, "%s: an abstract Unix socket needs a name after the @",
				    function);
}

int il__address_unix(il_address *address, const char *path, const char *function)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	bool abstract = il__path_is_abstract(path);
	const size_t most = sizeof a.sun_path - !abstract; /* a file's path ends with a zero byte */
	int rc = abstract ? check_abstract(path, function) : 0;

	if (rc < 0)
		return rc;
	if (!path || !*path)
		return il__refuse(-EINVAL, "%s: the path is %s", function, path ? "empty" : "NULL");
	if (strlen(path) > most)
		return il__refuse(-ENAMETOOLONG,
				  "%s: the path of a Unix socket has at most %zu bytes, this "
				  "one has %zu; use a shorter or a relative one",
				  function, most, strlen(path));
	memcpy(a.sun_path, path, strlen(path));
	if (abstract)
		a.sun_path[0] = '\0';
	memset(address, 0, sizeof *address);
	memcpy(&address->storage, &a, sizeof a);
	address->length =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + !abstract);
	return 0;
}
