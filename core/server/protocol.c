/*
 * protocol.c: running a protocol's two functions, and not trusting them: what they return is checked
 * against the bytes there are, so that a wrong protocol costs its client and nothing else. Keeps no
 * state. Any thread.
 */
#include "protocol.h"
#include "../base/error.h"
#include "../base/guard.h"

size_t il__protocol_room(const il_protocol *p, size_t max_packet)
{
	return max_packet + (p->overhead ? p->overhead : 64);
}

int il__protocol_find(const il_protocol *p, il_parse *parse)
{
	const bool own = il__disown_refusal();
	int rc;

	parse->consumed = 0;
	IL__GUARDED(rc = p->find(p, parse));
	rc = il__after_refusal(rc, own);
	if (parse->consumed > parse->size || (rc > 0 && !parse->consumed)) {
		il__log(IL_LOG_ERROR,
			"protocol %s: find returned %d and consumed %zu of %zu bytes; the client "
			"is given up",
			p->name ? p->name : "without a name", rc, parse->consumed, parse->size);
		parse->consumed = 0;
		return il__refuse(-EBADMSG, "il_client_receive: the protocol is at fault");
	}
	if (rc)
		parse->scanned = 0;
	else
		parse->scanned -=
		    parse->consumed < parse->scanned ? parse->consumed : parse->scanned;
	return rc > 0 ? 1 : rc;
}
