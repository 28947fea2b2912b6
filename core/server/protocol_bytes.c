/*
 * protocol_bytes.c: no framing: a packet is what has come. For servers whose handlers parse a stream of
 * bytes themselves. Keeps no state. Any thread.
 */
#include <interloop/protocol.h>

static int find_bytes(const il_protocol *p, il_parse *parse)
{
	size_t size = parse->size < parse->limit ? parse->size : parse->limit;

	(void)p;
	parse->packet = (il_packet){.data = parse->data, .size = size};
	parse->consumed = size;
	return 1;
}

static const il_protocol bytes = {.name = "bytes", .find = find_bytes, .least = 1};

const il_protocol *il_protocol_bytes(void)
{
	return &bytes;
}
