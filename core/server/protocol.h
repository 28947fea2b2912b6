/*
 * protocol.h: where packets begin and end in a client's bytes.
 */
#ifndef IL_CORE_SERVER_PROTOCOL_H
#define IL_CORE_SERVER_PROTOCOL_H

#include <interloop/protocol.h>

/* How many bytes one packet with its framing may have. */
size_t il__protocol_room(const il_protocol *p, size_t max_packet);
/* p->find, its result checked; parse->scanned is kept right. */
int il__protocol_find(const il_protocol *p, il_parse *parse);

#endif
