/*
 * resolve.c: host and port to addresses: what is asked for is checked here, the loop's network knows the rest. Loop's
 * thread only, in a task.
 */
#include "resolve.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "address.h"
#include "network.h"

int il__resolve(il_address **list, const char *host, const char *port, unsigned flags,
		il_time deadline, const char *function)
{
	const unsigned all = IL_RESOLVE_PASSIVE | IL_RESOLVE_IPV4 | IL_RESOLVE_IPV6 |
			     IL_RESOLVE_NUMERIC | IL_RESOLVE_DATAGRAM;
	int rc;
	il_task *task = il__task_current(function, &rc);

	if (!task)
		return rc;
	if (!port)
		port = "0";
	if (flags & ~all)
		return il__refuse(-EINVAL, "%s: unknown flag in %#x", function, flags);
	rc = il__port_check(port, function);
	if (rc == 0)
		rc = il__task_check(task);
	if (rc < 0)
		return rc;
	return il__network_of(task->loop)->resolve(list, host, port, flags, deadline, function);
}

int il_resolve(const char *host, const char *port, unsigned flags, il_address *addresses,
	       size_t capacity)
{
	il_address *list;
	int rc;

	if (!il__is_items(addresses, capacity))
		return il__refuse_items("il_resolve", "addresses", addresses, "capacity", capacity);
	rc = il__resolve(&list, host, port, flags, IL_FOREVER, "il_resolve");
	if (rc < 0)
		return rc;
	if (capacity)
		memcpy(addresses, list,
		       ((size_t)rc < capacity ? (size_t)rc : capacity) * sizeof *addresses);
	il__free(list);
	return rc;
}
