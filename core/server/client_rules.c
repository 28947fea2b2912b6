/*
 * client_rules.c: what clients have in common: their protocol and their limits, checked where they are given.
 * Keeps no state. Any thread.
 */
#include "../base/error.h"
#include "client.h"
#include "protocol.h"

static size_t client_rules_buffer(size_t asked, size_t room)
{
	const size_t least = 256; /* for the handlers' sake: a line fits mostly */

	if (!asked)
		asked = 4096;
	if (asked < least)
		asked = least;
	return asked < room ? asked : room;
}

int il__client_rules_init(struct il__client_rules *r, const il_protocol *protocol,
			  size_t max_packet, size_t receive_buffer, const char *function)
{
	int rc = il__check_limits(function,
				  (const struct il__limit[]){{"max_packet", max_packet},
							     {"receive_buffer", receive_buffer},
							     {NULL, 0}});

	if (rc < 0)
		return rc;
	if (!max_packet)
		max_packet = (size_t)64 << 10;
	if (max_packet > SIZE_MAX / 4)
		max_packet = SIZE_MAX / 4;
	if (!protocol || !protocol->find || il__was_negative(protocol->overhead) ||
	    protocol->least > max_packet)
		return il__refuse(-EINVAL, "%s: %s", function,
				  !protocol ? "the protocol is NULL"
				  : !protocol->find
				      ? "the protocol has no find: it was made with a bad argument"
				  : il__was_negative(protocol->overhead)
				      ? "the protocol's overhead is negative"
				      : "max_packet is too small for the protocol");
	*r = (struct il__client_rules){
	    .protocol = *protocol,
	    .endless = protocol->find == il_protocol_bytes()->find,
	    .max_packet = max_packet,
	    .room = il__protocol_room(protocol, max_packet) + 1,
	    .idle_timeout = IL_FOREVER,
	    .first_request_timeout = IL_FOREVER,
	    .request_timeout = IL_FOREVER,
	    .send_timeout = IL_FOREVER,
	};
	r->receive_buffer = client_rules_buffer(receive_buffer, r->room);
	return 0;
}
