/*
 * port.c: what may be given for a port. getaddrinfo's own parser takes more, and cuts silently; so it never sees
 * what is refused here. No state; any thread.
 */
#include "../base/error.h"
#include "address.h"

#include <stdlib.h>

/* getaddrinfo takes blanks and a sign before a number, "" and "*" for 0, and cuts what is too large for a port:
 * it gets plain digits, or what can be a service's name. */
static bool is_service(const char *text)
{
	bool letter = false;

	for (; *text; text++) {
		if (*text <= ' ' || *text == 127)
			return false;
		letter |= (*text | ' ') >= 'a' && (*text | ' ') <= 'z';
	}
	return letter;
}

/* How much of it may be shown: no control character goes into a message. */
static int port_printable(const char *text)
{
	int n = 0;

	while (text[n] >= ' ' && text[n] < 127)
		n++;
	return n;
}

int il__port_check(const char *port, const char *function)
{
	size_t digits = port ? strspn(port, "0123456789") : 0;

	if (!port)
		return 0;
	if (digits && !port[digits]) {
		port += strspn(port, "0");
		if (strlen(port) > 5 || atol(port) > 65535)
			return il__refuse(-EINVAL, "%s: port %s is more than 65535", function,
					  port);
	} else if (!is_service(port)) {
		return il__refuse(
		    -EINVAL,
		    "%s: port \"%.*s\" is neither a number, digits only, nor the name "
		    "of a service",
		    function, port_printable(port), port);
	}
	return 0;
}
